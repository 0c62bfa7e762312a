//! A histogram as bars over logarithmic time.

use std::io::{self, Write};

use super::super::duration;
use crate::engine::histogram::{Histogram, bucket};
use crate::model::measure::Measure;

/// At most so many bars: taller is harder to read than coarser.
const BARS: u16 = 16;

/// Room for `100.0ms – 200.0ms` and for the count behind the bar.
const BESIDE: usize = 42;

/// Eighths of a cell.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Buckets a bar, by the range that they must cover together: a quarter of an octave, an octave, and so on.
fn step(low: u16, high: u16) -> u16 {
    [4, 8, 16, 32, 64].into_iter().find(|step| high / step - low / step < BARS).unwrap_or(128)
}

/// Writes the plot of a measure, not wider than `width`.
pub(super) fn write(
    out: &mut impl Write,
    measure: Measure,
    histogram: &Histogram,
    width: usize,
) -> io::Result<()> {
    let (Some((low, _)), Some((high, _))) = (histogram.buckets().next(), histogram.buckets().last()) else {
        return Ok(());
    };
    let step = step(low, high);
    let mut bars = vec![0_u64; usize::from(high / step - low / step) + 1];
    for (bucket, count) in histogram.buckets() {
        if let Some(bar) = bars.get_mut(usize::from(bucket / step - low / step)) {
            *bar += count;
        }
    }
    let tallest = bars.iter().copied().max().unwrap_or(1).max(1);
    let room = width.saturating_sub(BESIDE).clamp(8, 80);
    writeln!(out, "\n{}  {} counted", measure.name(), histogram.total())?;
    for (first, count) in (low / step..).zip(bars) {
        let begin = length(bucket::longest((first * step).saturating_sub(1)));
        let end = length(bucket::longest(first * step + (step - 1)));
        let bar = bar(count, tallest, room);
        let permille = u128::from(count) * 1000 / u128::from(histogram.total().max(1));
        let (whole, tenth) = (permille / 10, permille % 10);
        writeln!(out, "  {begin:>7} – {end:<7} {bar:<room$} {count:>10} {whole:>3}.{tenth}%")?;
    }
    Ok(())
}

fn length(ns: u64) -> String {
    let mut text = Vec::new();
    duration::push_ns(&mut text, ns, true);
    String::from_utf8_lossy(&text).into_owned()
}

/// A bar of `count` out of `tallest`, at most `room` cells; never empty when anything was counted.
fn bar(count: u64, tallest: u64, room: usize) -> String {
    let eighths = u128::from(count) * u128::try_from(room * 8).unwrap_or(0) / u128::from(tallest);
    let eighths = usize::try_from(eighths).unwrap_or(0).max(usize::from(count > 0));
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS.get(eighths % 8).copied().unwrap_or(""));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::Evidence;

    fn plot(lengths: impl Iterator<Item = u64>, width: usize) -> String {
        let (mut histogram, mut out) = (Histogram::default(), Vec::new());
        lengths.for_each(|ns| histogram.count(Some(ns), Evidence::Exact));
        write(&mut out, Measure::Reaction, &histogram, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_fits_the_terminal_and_is_not_too_tall() {
        for width in [60, 80, 120] {
            let shown = plot((1..50_000).map(|n| n * n * n), width);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{shown}");
            assert!(shown.lines().count() <= usize::from(BARS) + 2, "{shown}");
        }
    }

    #[test]
    fn what_was_counted_once_is_seen() {
        let shown = plot([5_u64].into_iter().chain(std::iter::repeat_n(1_000_000, 100_000)), 80);
        let ones = shown.lines().filter(|line| line.contains("▏")).count();
        assert_eq!(ones, 1, "{shown}");
    }
}
