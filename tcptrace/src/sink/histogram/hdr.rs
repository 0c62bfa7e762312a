//! HdrHistogram's own formats, which its tools in other languages read: the V2 compressed encoding, and the interval log.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};

use super::super::json::Names;
use super::{Page, Show, label};
use crate::engine::histogram::{Histogram, bucket};
use crate::model::time::{ClockAnchor, Mono};

/// The longest length that the encoding is asked to hold; some readers have signed numbers.
const LONGEST: u64 = 1 << 62;

/// Digits that are kept: more than the buckets have.
const DIGITS: u8 = 3;

/// The histogram in V2 compressed encoding, as base64. Each bucket is its middle; the extremes are kept.
///
/// # Errors
/// The encoder's, which does not happen with these bounds.
pub fn encoded(histogram: &Histogram) -> io::Result<String> {
    let mut hdr = Hdr::<u64>::new_with_bounds(1, LONGEST, DIGITS).map_err(io::Error::other)?;
    let (least, most) = (histogram.min().unwrap_or(0), histogram.max().unwrap_or(0));
    for (at, count) in histogram.buckets() {
        let middle = bucket::middle(at).clamp(least, most.max(least));
        hdr.record_n(middle.clamp(1, LONGEST), count).map_err(io::Error::other)?;
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(&hdr, &mut bytes)
        .map_err(|error| io::Error::other(format!("encoding a histogram: {error}")))?;
    Ok(STANDARD.encode(bytes))
}

/// Writes an interval log to `W`: a line an interval and histogram, tagged with its measure and group.
pub struct Log<W> {
    out: W,
    anchor: ClockAnchor,
    names: Option<Box<dyn Names>>,
    begun: bool,
}

impl<W: Write> Log<W> {
    /// A log of a run that began at `anchor`.
    pub fn new(out: W, anchor: ClockAnchor, names: Option<Box<dyn Names>>) -> Self {
        Self { out, anchor, names, begun: false }
    }

    fn begin(&mut self) -> io::Result<()> {
        let start = seconds(self.anchor.real_ns(self.anchor.mono));
        writeln!(
            self.out,
            "#[tcptrace hist: nanoseconds that TCP connections stayed in each state, or took for what the tag says]"
        )?;
        writeln!(self.out, "#[Histogram log format version 1.3]")?;
        writeln!(self.out, "#[StartTime: {start} (seconds since epoch)]")?;
        writeln!(
            self.out,
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
        )
    }
}

/// Nanoseconds as seconds with three digits.
fn seconds(ns: i128) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

impl<W: Write> Show for Log<W> {
    fn show(&mut self, page: &Page<'_>) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin()?;
        }
        let since = |at: Mono| i128::from(at.since(self.anchor.mono));
        let (start, length) = (seconds(since(page.from)), seconds(since(page.to) - since(page.from)));
        for (group, measure, histogram) in page.rows.iter().filter(|(_, _, histogram)| histogram.total() > 0)
        {
            let mut tag = measure.name().as_bytes().to_vec();
            for key in page.by {
                tag.extend_from_slice(format!(";{}=", key.name()).as_bytes());
                if group.other {
                    tag.extend_from_slice(b"other");
                } else {
                    label::push_key(&mut tag, *key, group, self.names.as_deref());
                }
            }
            // A tag ends at a comma or a blank.
            let tag = String::from_utf8_lossy(&tag).replace([',', ' ', '\t', '\n', '\r'], "_");
            // In milliseconds, as readers expect it.
            let most = histogram.max().unwrap_or(0) as f64 / 1e6;
            writeln!(self.out, "Tag={tag},{start},{length},{most:.3},{}", encoded(histogram)?)?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::evidence::Evidence;
    use hdrhistogram::serialization::Deserializer;

    #[test]
    fn what_is_encoded_can_be_decoded() {
        let mut histogram = Histogram::default();
        for ms in 1..=100 {
            histogram.count(Some(ms * 1_000_000), Evidence::Exact);
        }
        histogram.count(Some(u64::MAX), Evidence::Exact);
        let bytes = STANDARD.decode(encoded(&histogram).unwrap()).unwrap();
        let hdr: Hdr<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(hdr.len(), 101);
        let median = hdr.value_at_quantile(0.5) as f64;
        assert!((median / 51e6 - 1.0).abs() < 0.023, "{median}");
    }
}
