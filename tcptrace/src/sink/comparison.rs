//! Two recordings compared, as a table: one line a percentile.

use std::io::{self, Write};

use super::duration;
use super::histogram::label;
use crate::engine::histogram::group::{By, Group};
use crate::engine::histogram::shift::{Estimate, Shift, Verdict};
use crate::model::measure::Measure;
use crate::model::time::Mono;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The end of the later recording.
    pub at: Mono,
    /// What histograms are grouped by, besides the measure.
    pub by: &'a [By],
    /// In order.
    pub rows: &'a [Compared],
}

/// One histogram, compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Whose.
    pub group: Group,
    /// Of what.
    pub measure: Measure,
    /// By percentile.
    pub shifts: Vec<Shift>,
}

/// Writes it.
///
/// # Errors
/// What the writer says.
pub fn write(out: &mut impl Write, comparison: &Comparison<'_>, header: bool) -> io::Result<()> {
    let Comparison { at: _, by, rows } = comparison;
    if rows.is_empty() {
        return writeln!(out, "neither recording has any");
    }
    let mut lines: Vec<Vec<String>> = Vec::new();
    if header {
        let keys = by.iter().map(|key| key.name().to_uppercase());
        let fixed = ["MEASURE", "PCT", "BEFORE", "RANGE", "NOW", "RANGE", "SHIFT", "RANGE", "VERDICT"];
        lines.push(keys.chain(fixed.map(str::to_owned)).collect());
    }
    for Compared { group, measure, shifts } in *rows {
        for shift in shifts {
            let mut line: Vec<String> = by.iter().map(|key| of_group(*key, group)).collect();
            line.extend([measure.name().to_owned(), label::percentile(shift.percent)]);
            for Estimate { count: _, value, bounds } in [&shift.before, &shift.now] {
                line.push(value.map_or("-".to_owned(), length));
                line.push(
                    bounds.map_or("-".to_owned(), |(low, high)| format!("{}–{}", length(low), length(high))),
                );
            }
            line.push(shift.by().map_or("-".to_owned(), signed));
            line.push(
                shift
                    .bounds
                    .map_or("-".to_owned(), |(low, high)| format!("{}…{}", signed(low), signed(high))),
            );
            line.push(verdict(shift));
            lines.push(line);
        }
    }
    let columns = lines.first().map_or(0, Vec::len);
    let cells =
        |at: usize| lines.iter().filter_map(move |line| line.get(at)).map(|cell| cell.chars().count());
    let widths: Vec<usize> = (0..columns).map(|at| cells(at).max().unwrap_or(0)).collect();
    for line in &lines {
        let row: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", row.join("  ").trim_end())?;
    }
    writeln!(
        out,
        "\nEach RANGE holds the true figure with a probability of 95 % at least (exact order statistics). A shift is said to be one where \
         its range leaves out 0; of many, some will be wrong."
    )
}

fn of_group(key: By, group: &Group) -> String {
    let mut cell = Vec::new();
    if group.other {
        cell.extend_from_slice(b"other");
    } else {
        label::push_key(&mut cell, key, group, None);
    }
    if cell.is_empty() { "?".to_owned() } else { String::from_utf8_lossy(&cell).into_owned() }
}

fn verdict(shift: &Shift) -> String {
    match shift.verdict {
        Verdict::Longer => "longer".to_owned(),
        Verdict::Shorter => "shorter".to_owned(),
        Verdict::NoneShown => "no change shown".to_owned(),
        Verdict::TooFew(needed) => {
            format!("too few: {} and {}, {needed} needed", shift.before.count, shift.now.count)
        }
    }
}

fn length(ns: u64) -> String {
    let mut text = Vec::new();
    duration::push_ns(&mut text, ns, false);
    String::from_utf8_lossy(&text).into_owned()
}

fn signed(ns: i128) -> String {
    let size = length(u64::try_from(ns.unsigned_abs()).unwrap_or(u64::MAX));
    match ns {
        0 => size,
        ..0 => format!("-{size}"),
        _ => format!("+{size}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::histogram::sample::Sample;
    use crate::model::state::TcpState;

    #[test]
    fn a_line_says_by_how_much_and_whether_it_is_more_than_chance() {
        let sample = |from: u64| {
            let mut sample = Sample::default();
            (0..100).for_each(|step| sample.add(from + step * 10_000));
            sample
        };
        let (before, now) = (sample(20_000_000), sample(25_000_000));
        let shift = |percent| Shift::of(percent, Some(&before), Some(&now));
        let measure = Measure::State(TcpState::CloseWait);
        let shifts = vec![shift(50.0), shift(99.0)];
        let rows = [Compared { group: Group::default(), measure, shifts }];
        let mut out = Vec::new();
        write(&mut out, &Comparison { at: Mono(0), by: &[], rows: &rows }, true).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("MEASURE") && lines[0].ends_with("VERDICT"), "{text}");
        assert!(lines[1].starts_with("CLOSE_WAIT  p50  20.4ms  20.3ms–20.6ms  25.4ms"), "{text}");
        assert!(lines[1].contains("+4.9ms  +4.7ms…+5.2ms") && lines[1].ends_with("longer"), "{text}");
        assert!(lines[2].ends_with("too few: 100 and 100, 437 needed"), "{text}");
    }
}
