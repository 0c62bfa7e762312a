//! Spans for people: the unit fits the value, the width is fixed, and the evidence is told by a mark.

use super::digits;
use crate::model::evidence::{Evidence, Span};

/// Cells that any span fits in, its mark included.
pub const WIDTH: usize = 7;

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

/// Appends `span`: `12.3ms`, `≥1.2s` (at least), `~60s` (estimated), `?` (unknown, never 0).
pub fn push_span(out: &mut Vec<u8>, span: &Span) {
    match (span.ns, span.evidence) {
        (None, _) | (_, Evidence::Unknown) => out.push(b'?'),
        (Some(ns), Evidence::Exact) => push_ns(out, ns, false),
        (Some(ns), Evidence::AtLeast) => {
            out.extend_from_slice("≥".as_bytes());
            push_ns(out, ns, true);
        }
        (Some(ns), Evidence::Estimated) => {
            out.push(b'~');
            push_ns(out, ns, true);
        }
    }
}

/// Appends `ns` in the unit that fits, cut rather than rounded: a span is never shown longer than it was. `rough` leaves out a
/// decimal that would only be `.0`.
pub fn push_ns(out: &mut Vec<u8>, ns: u64, rough: bool) {
    match ns {
        0..US => whole(out, ns, "ns"),
        US..100_000 => tenths(out, ns / 100, "µs", rough),
        100_000..100_000_000 => tenths(out, ns / (MS / 10), "ms", rough),
        100_000_000..S => whole(out, ns / MS, "ms"),
        _ if ns < 100 * S => tenths(out, ns / (S / 10), "s", rough),
        _ => {
            let seconds = ns / S;
            let (minutes, hours) = (seconds / 60, seconds / 3_600);
            match () {
                () if minutes < 100 => pair(out, minutes, "m", seconds % 60, "s"),
                () if hours < 100 => pair(out, hours, "h", minutes % 60, "m"),
                () if hours < 100 * 24 => pair(out, hours / 24, "d", hours % 24, "h"),
                () => whole(out, hours / 24, "d"),
            }
        }
    }
}

fn whole(out: &mut Vec<u8>, number: u64, unit: &str) {
    digits::push(out, number);
    out.extend_from_slice(unit.as_bytes());
}

fn tenths(out: &mut Vec<u8>, tenths: u64, unit: &str, rough: bool) {
    digits::push(out, tenths / 10);
    if !(rough && tenths.is_multiple_of(10)) {
        out.push(b'.');
        digits::push(out, tenths % 10);
    }
    out.extend_from_slice(unit.as_bytes());
}

fn pair(out: &mut Vec<u8>, big: u64, big_unit: &str, small: u64, small_unit: &str) {
    whole(out, big, big_unit);
    digits::push_padded(out, small, 2);
    out.extend_from_slice(small_unit.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(span: Span) -> String {
        let mut out = Vec::new();
        push_span(&mut out, &span);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_unit_fits_the_value() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.0µs"),
            (99_999, "99.9µs"),
            (200_000, "0.2ms"),
            (12_345_678, "12.3ms"),
            (999_999_999, "999ms"),
            (5_200_000_000, "5.2s"),
            (99_990_000_000, "99.9s"),
            (100_000_000_000, "1m40s"),
            (7_384_000_000_000, "2h03m"),
            (90_061_000_000_000, "25h01m"),
            (864_000_000_000_000, "10d00h"),
        ] {
            assert_eq!(shown(Span::exact(ns)), text);
        }
    }

    #[test]
    fn the_mark_tells_how_it_is_known_and_unknown_is_never_zero() {
        assert_eq!(shown(Span::at_least(1_200_000_000, None)), "≥1.2s");
        assert_eq!(shown(Span::estimated(60_000_000_000, None)), "~60s");
        assert_eq!(shown(Span::UNKNOWN), "?");
        assert_eq!(shown(Span { ns: Some(0), ..Span::UNKNOWN }), "?");
        assert_eq!(shown(Span { ns: None, ..Span::exact(0) }), "?");
    }

    #[test]
    fn every_span_fits_its_cell() {
        let mut ns = 1_u64;
        while let Some(next) = ns.checked_mul(3) {
            let text = shown(Span::at_least(ns, None));
            assert!(text.chars().count() <= WIDTH, "{text}");
            ns = next;
        }
    }
}
