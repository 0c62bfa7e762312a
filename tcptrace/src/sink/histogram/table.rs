//! A table of percentiles, and under it a plot of each state or other measure.

use std::io::{self, Write};

use super::super::json::Names;
use super::super::time::Rfc3339;
use super::super::{digits, duration};
use super::{Page, Show, label, plot};
use crate::model::evidence::Evidence;
use crate::model::measure::Measure;
use crate::model::time::ClockAnchor;

/// Writes text to `W`.
pub struct Table<W> {
    out: W,
    clock: Rfc3339,
    percentiles: Vec<f64>,
    width: usize,
    header: bool,
    names: Option<Box<dyn Names>>,
}

impl<W: Write> Table<W> {
    /// Text that fits `width`, as far as the table can.
    pub fn new(
        out: W,
        anchor: ClockAnchor,
        percentiles: Vec<f64>,
        width: usize,
        header: bool,
        names: Option<Box<dyn Names>>,
    ) -> Self {
        Self { out, clock: Rfc3339::new(anchor), percentiles, width, header, names }
    }

    /// Head and rows, as cells.
    fn cells(&self, page: &Page<'_>) -> Vec<Vec<String>> {
        let mut lines = Vec::with_capacity(page.rows.len() + 1);
        if self.header {
            let keys = page.by.iter().map(|key| key.name().to_uppercase());
            let states = page.rows.iter().all(|(_, measure, _)| measure.state().is_some());
            let fixed = [if states { "STATE" } else { "MEASURE" }, "COUNT", "MIN"].map(str::to_owned);
            let percentiles =
                self.percentiles.iter().map(|percent| label::percentile(*percent).to_uppercase());
            let last = ["MAX", "MEAN", "BESIDE"].map(str::to_owned);
            lines.push(keys.chain(fixed).chain(percentiles).chain(last).collect());
        }
        for (group, measure, histogram) in page.rows {
            let keys = page.by.iter().map(|key| {
                let mut cell = Vec::new();
                if group.other {
                    cell.extend_from_slice(b"other");
                } else {
                    label::push_key(&mut cell, *key, group, self.names.as_deref());
                }
                if cell.is_empty() { "?".to_owned() } else { String::from_utf8_lossy(&cell).into_owned() }
            });
            let mut line: Vec<String> = keys.collect();
            line.push(measure.name().to_owned());
            line.push(text(|cell| digits::push(cell, histogram.total())));
            let lengths = self.percentiles.iter().map(|percent| histogram.percentile(*percent));
            let lengths = std::iter::once(histogram.min()).chain(lengths);
            for ns in lengths.chain([histogram.max(), histogram.mean()]) {
                line.push(ns.map_or("-".to_owned(), |ns| text(|cell| duration::push_ns(cell, ns, false))));
            }
            line.push(beside(&histogram.beside()));
            lines.push(line);
        }
        lines
    }
}

fn text(fill: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut cell = Vec::new();
    fill(&mut cell);
    String::from_utf8_lossy(&cell).into_owned()
}

/// `≥3 ~12`, or `-`.
fn beside(counts: &[(Evidence, u64)]) -> String {
    let words = counts.iter().filter(|(_, count)| *count > 0).map(|(evidence, count)| {
        let mark = match evidence {
            Evidence::Exact => "",
            Evidence::AtLeast => "≥",
            Evidence::Estimated => "~",
            Evidence::Unknown => "?",
        };
        format!("{mark}{count}")
    });
    let all = words.collect::<Vec<_>>().join(" ");
    if all.is_empty() { "-".to_owned() } else { all }
}

impl<W: Write> Show for Table<W> {
    fn show(&mut self, page: &Page<'_>) -> io::Result<()> {
        let span = text(|cell| duration::push_ns(cell, page.to.since(page.from), false));
        writeln!(self.out, "stays that ended in {span} up to {}", self.clock.format(page.to))?;
        if page.rows.is_empty() {
            return writeln!(self.out, "none\n");
        }
        let lines = self.cells(page);
        let columns = lines.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                lines
                    .iter()
                    .filter_map(|line| line.get(at))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        // Names to the left, numbers to the right.
        let names = page.by.len() + 1;
        for line in &lines {
            let mut row = String::new();
            for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
                if at > 0 {
                    row.push_str("  ");
                }
                if at < names || at + 1 == columns {
                    row.push_str(&format!("{cell:<width$}"));
                } else {
                    row.push_str(&format!("{cell:>width$}"));
                }
            }
            writeln!(self.out, "{}", row.trim_end())?;
        }
        let mut beside: Vec<&str> = Vec::new();
        for (evidence, words) in [
            (Evidence::AtLeast, "≥ began before tracing did"),
            (Evidence::Estimated, "~ estimated"),
            (Evidence::Unknown, "? not known"),
        ] {
            let any = |(_, count): &(Evidence, u64)| *count > 0;
            let mut counts = page.rows.iter().flat_map(|(_, _, histogram)| histogram.beside());
            if counts.any(|one| one.0 == evidence && any(&one)) {
                beside.push(words);
            }
        }
        if !beside.is_empty() {
            writeln!(self.out, "BESIDE: not in the other figures: {}", beside.join(", "))?;
        }
        for measure in Measure::all() {
            let of_one = page.rows.iter().filter(|(_, other, _)| *other == measure);
            let merged = of_one.fold(None, |all, (_, _, histogram)| {
                let mut all: crate::engine::histogram::Histogram = all.unwrap_or_default();
                all.merge(histogram);
                Some(all)
            });
            if let Some(histogram) = merged.filter(|histogram| histogram.total() > 0) {
                plot::write(&mut self.out, measure, &histogram, self.width)?;
            }
        }
        writeln!(self.out)
    }
}
