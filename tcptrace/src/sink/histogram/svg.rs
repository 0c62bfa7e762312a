//! The histograms as a picture: one curve a measure over logarithmic time.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::super::duration;
use super::Page;
use crate::engine::histogram::{Histogram, bucket};
use crate::model::measure::Measure;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 20.0;
const STRIP: f64 = 90.0;
const TOP: f64 = 40.0;

/// Writes the picture: a strip a measure, its groups together, all on one time axis.
///
/// # Errors
/// What the writer says.
pub fn write(out: &mut impl Write, page: &Page<'_>) -> io::Result<()> {
    let mut strips: Vec<(Measure, Histogram)> = Vec::new();
    for measure in Measure::all() {
        let mut all = Histogram::default();
        page.rows.iter().filter(|(_, other, _)| *other == measure).for_each(|(_, _, one)| all.merge(one));
        if all.total() > 0 {
            strips.push((measure, all));
        }
    }
    let ends =
        |pick: &dyn Fn(&Histogram) -> Option<u16>| strips.iter().filter_map(|(_, one)| pick(one)).collect();
    let lows: Vec<u16> = ends(&|one| one.buckets().next().map(|(bucket, _)| bucket));
    let highs: Vec<u16> = ends(&|one| one.buckets().last().map(|(bucket, _)| bucket));
    let low = lows.into_iter().min().unwrap_or(0) / 16 * 16;
    let high = (highs.into_iter().max().unwrap_or(0) / 16 + 1) * 16;
    let scale = (WIDTH - LEFT - RIGHT) / f64::from(high.saturating_sub(low).max(1));
    let x = |bucket: u16| LEFT + f64::from(bucket.saturating_sub(low)) * scale;
    let height = TOP + STRIP * strips.len() as f64 + 40.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"20\">Time in \
         state, logarithmic; each strip to its own tallest bar</text>\n"
    );
    let mut y = TOP;
    for (measure, histogram) in &strips {
        let tallest = histogram.buckets().map(|(_, count)| count).max().unwrap_or(1) as f64;
        let base = y + STRIP - 14.0;
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "<text x=\"8\" y=\"{base}\">{}</text><text x=\"8\" y=\"{}\" fill=\"#666\">{}</text>",
            measure.name(),
            base - 16.0,
            histogram.total()
        );
        for (at, count) in histogram.buckets() {
            let tall = (STRIP - 24.0) * count as f64 / tallest;
            let _ = writeln!(
                text,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"#27a\"/>",
                x(at),
                base - tall,
                scale.max(1.0)
            );
        }
        let _ = writeln!(text, "<path d=\"M{LEFT} {base}H{}\" stroke=\"#999\"/>", WIDTH - RIGHT);
        y += STRIP;
    }
    // A mark an octave, or fewer where they would touch.
    let every = (high - low).div_ceil(16).div_ceil(12).max(1) * 16;
    for bucket in (low..=high).step_by(usize::from(every)) {
        let mut label = Vec::new();
        duration::push_ns(&mut label, bucket::longest(bucket.saturating_sub(1)), true);
        let label = String::from_utf8_lossy(&label).into_owned();
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            x(bucket),
            y + 10.0
        );
    }
    text.push_str("</svg>\n");
    out.write_all(text.as_bytes())?;
    out.flush()
}
