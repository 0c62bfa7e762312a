//! Times of events: RFC 3339 for programs, five styles for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::digits;
use crate::model::time::{ClockAnchor, Mono};

const NS: u64 = 1_000_000_000;

/// How the time column tells time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeStyle {
    /// Time of day where we are.
    #[default]
    Local,
    /// Time of day in UTC.
    Utc,
    /// Seconds of `CLOCK_MONOTONIC`, the kernel's event clock.
    Mono,
    /// Seconds since the line before.
    Delta,
    /// No time.
    None,
}

impl TimeStyle {
    /// Head of the column.
    #[must_use]
    pub const fn head(self) -> &'static str {
        match self {
            Self::Local => "TIME",
            Self::Utc => "TIME(UTC)",
            Self::Mono => "MONO",
            Self::Delta => "DELTA",
            Self::None => "",
        }
    }
}

/// Seconds since 1970 and the nanoseconds of the second; what lies before 1970 or after 9999 is clamped.
fn split(real_ns: i128) -> (i64, u64) {
    let last = i128::from(Timestamp::MAX.as_second());
    let billion = i128::from(NS);
    let real_ns = real_ns.clamp(0, last * billion);
    (i64::try_from(real_ns / billion).unwrap_or(0), u64::try_from(real_ns % billion).unwrap_or(0))
}

/// Event times as RFC 3339 in UTC with nanoseconds, `2026-11-21T03:20:32.000000001Z`. The calendar is asked once a second.
#[derive(Clone, Debug)]
pub struct Rfc3339 {
    anchor: ClockAnchor,
    /// When the second began that `text` names.
    second: Option<Mono>,
    text: Vec<u8>,
}

impl Rfc3339 {
    /// Turns event times into times of day by `anchor`.
    #[must_use]
    pub fn new(anchor: ClockAnchor) -> Self {
        Self { anchor, second: None, text: Vec::with_capacity(32) }
    }

    /// The time of day at `at`.
    pub fn format(&mut self, at: Mono) -> &str {
        let within = self.second.and_then(|second| at.0.checked_sub(second.0)).filter(|ns| *ns < NS);
        let ns = within.unwrap_or_else(|| {
            let (second, ns) = split(self.anchor.real_ns(at));
            let whole = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            self.text.clear();
            self.text.extend_from_slice(whole.strftime("%Y-%m-%dT%H:%M:%S.").to_string().as_bytes());
            // None where it began before the clock did, or was clamped.
            let named = i128::from(second) * i128::from(NS);
            let began = at.0.checked_sub(ns).map(Mono);
            self.second = began.filter(|began| self.anchor.real_ns(*began) == named);
            ns
        });
        self.text.truncate("1970-01-01T00:00:00.".len());
        digits::push_padded(&mut self.text, ns, 9);
        self.text.push(b'Z');
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// The time column of the text outputs.
#[derive(Clone, Debug)]
pub struct Clock {
    style: TimeStyle,
    anchor: ClockAnchor,
    zone: TimeZone,
    second: Option<i64>,
    prefix: Vec<u8>,
    before: Option<Mono>,
    decimals: usize,
}

impl Clock {
    /// Tells time in `style`; local time is that of the system's time zone. Milliseconds, or microseconds when `fine`.
    #[must_use]
    pub fn new(style: TimeStyle, anchor: ClockAnchor, fine: bool) -> Self {
        let zone = if style == TimeStyle::Local { TimeZone::system() } else { TimeZone::UTC };
        let decimals = if fine { 6 } else { 3 };
        Self { style, anchor, zone, second: None, prefix: Vec::with_capacity(8), before: None, decimals }
    }

    /// The same in another time zone.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, second: None, ..self }
    }

    /// The style.
    #[must_use]
    pub const fn style(&self) -> TimeStyle {
        self.style
    }

    /// The moment that both clocks were read.
    #[must_use]
    pub const fn anchor(&self) -> ClockAnchor {
        self.anchor
    }

    /// Cells that the column takes.
    #[must_use]
    pub const fn width(&self) -> usize {
        match self.style {
            TimeStyle::None => 0,
            // HH:MM:SS and the point; a year of uptime has 8 digits of seconds.
            TimeStyle::Local | TimeStyle::Utc | TimeStyle::Mono => 9 + self.decimals,
            TimeStyle::Delta => 6 + self.decimals,
        }
    }

    /// Appends the time of `at`.
    pub fn push(&mut self, out: &mut Vec<u8>, at: Mono) {
        match self.style {
            TimeStyle::None => {}
            TimeStyle::Local | TimeStyle::Utc => {
                let (second, ns) = split(self.anchor.real_ns(at));
                if self.second != Some(second) {
                    let moment = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
                    let told = moment.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
                    self.prefix.clear();
                    self.prefix.extend_from_slice(told.as_bytes());
                    self.second = Some(second);
                }
                out.extend_from_slice(&self.prefix);
                self.push_fraction(out, ns);
            }
            TimeStyle::Mono => {
                digits::push(out, at.0 / NS);
                self.push_fraction(out, at.0 % NS);
            }
            TimeStyle::Delta => {
                let before = self.before.replace(at).unwrap_or(at);
                // Events of two CPUs may come a little out of order: say so rather than 0.
                out.push(if at < before { b'-' } else { b'+' });
                let apart = at.0.abs_diff(before.0);
                digits::push(out, apart / NS);
                self.push_fraction(out, apart % NS);
            }
        }
    }

    fn push_fraction(&self, out: &mut Vec<u8>, ns: u64) {
        out.push(b'.');
        if self.decimals == 6 {
            digits::push_padded(out, ns / 1_000, 6);
        } else {
            digits::push_padded(out, ns / 1_000_000, 3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHOR: ClockAnchor = ClockAnchor { mono: Mono(5_000_000_000), real_ns: 1_795_231_232_000_000_000 };

    fn told(style: TimeStyle, zone: TimeZone, times: &[u64]) -> Vec<String> {
        let mut clock = Clock::new(style, ANCHOR, false).in_zone(zone);
        times
            .iter()
            .map(|at| {
                let mut out = Vec::new();
                clock.push(&mut out, Mono(*at));
                String::from_utf8(out).unwrap()
            })
            .collect()
    }

    #[test]
    fn rfc_3339_agrees_with_the_calendar_on_both_sides_of_a_second() {
        let mut clock = Rfc3339::new(ANCHOR);
        for at in [5_000_000_001, 4_999_999_999, 5_999_999_999, 86_405_000_000_000, 5_123_000_000] {
            let expected = Timestamp::from_nanosecond(ANCHOR.real_ns(Mono(at))).unwrap();
            assert_eq!(clock.format(Mono(at)), format!("{expected:.9}"));
        }
        assert_eq!(clock.format(Mono(5_000_000_001)).len(), 30);
    }

    #[test]
    fn a_senseless_clock_is_clamped() {
        let mut clock = Rfc3339::new(ClockAnchor { mono: Mono(9), real_ns: i128::MIN / 2 });
        assert_eq!(clock.format(Mono(0)), "1970-01-01T00:00:00.000000000Z");
        let mut clock = Rfc3339::new(ClockAnchor { mono: Mono(9), real_ns: i128::MAX / 2 });
        assert!(clock.format(Mono(0)).starts_with("9999-12-"));
    }

    #[test]
    fn each_style_tells_its_time() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let times = [5_000_000_000, 5_012_345_678, 5_002_000_000];
        let utc = told(TimeStyle::Utc, TimeZone::UTC, &times);
        assert_eq!(utc, ["03:20:32.000", "03:20:32.012", "03:20:32.002"]);
        assert_eq!(told(TimeStyle::Mono, TimeZone::UTC, &times), ["5.000", "5.012", "5.002"]);
        assert_eq!(told(TimeStyle::Delta, TimeZone::UTC, &times), ["+0.000", "+0.012", "-0.010"]);
        assert_eq!(told(TimeStyle::None, TimeZone::UTC, &times), ["", "", ""]);
        assert_eq!(told(TimeStyle::Local, zone, &times)[0], "05:20:32.000");
    }
}
