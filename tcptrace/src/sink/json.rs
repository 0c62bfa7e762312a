//! NDJSON: one object a line. Programs depend on it: fields may be added, never renamed or given another meaning.

mod comparison;
pub mod finding;
pub mod histogram;
mod line;
mod owner;
pub mod record;
mod socket;
mod stack;
mod stuck;
mod tame;
mod word;

use std::io::{self, Write};

use comparison::ComparisonRecord;
use histogram::HistogramRecord;
use line::Claims;
pub use owner::{Cgroup, Names};
use record::{Lifecycle, Lost, Record, Summary, Transition};

use super::Sink;
use super::comparison::Comparison;
use super::histogram::{Page, Show, hdr};
use super::row::Row;
use super::time::Rfc3339;
use super::writer::Buffered;
use crate::engine::update::Update;
use crate::model::event::LossPlace;
use crate::model::summary;
use crate::model::time::{ClockAnchor, Mono};

/// Which records a stream is made of, besides losses and the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// True transitions.
    Moved,
    /// The kernel's own events, under the kernel's names.
    Raw,
    /// Finished connections, and those unfinished ones that the engine reports.
    Lives,
    /// Stuck sockets.
    Stuck,
}

/// Losses so far, so that the closing record brings the sum of all `count`s to the total.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    told: u64,
    total: u64,
    /// `Some(None)`: in more than one place.
    place: Option<Option<LossPlace>>,
}

/// Writes records to `W`, which need not buffer.
pub struct JsonSink<W> {
    out: Buffered<W>,
    stream: Stream,
    clock: Rfc3339,
    anchor: ClockAnchor,
    names: Option<Box<dyn Names>>,
    claims: Claims,
    losses: Losses,
    hdr: bool,
    latest: Mono,
}

impl<W: Write> JsonSink<W> {
    /// A stream of records. `anchor` was read when tracing began: the summary's time is counted from it.
    pub fn new(out: W, stream: Stream, anchor: ClockAnchor) -> Self {
        Self {
            out: Buffered::new(out),
            stream,
            clock: Rfc3339::new(anchor),
            anchor,
            names: None,
            claims: Claims::default(),
            losses: Losses::default(),
            hdr: false,
            latest: anchor.mono,
        }
    }

    /// Asks `names` for the path and container of a cgroup id.
    #[must_use]
    pub fn with_names(self, names: Box<dyn Names>) -> Self {
        Self { names: Some(names), ..self }
    }

    /// Puts the HdrHistogram encoding into histograms.
    #[must_use]
    pub fn with_hdr(self, hdr: bool) -> Self {
        Self { hdr, ..self }
    }

    /// The writer behind it; call after [`Sink::finish`].
    pub fn into_inner(self) -> W {
        self.out.into_inner()
    }

    /// Writes what two recordings differ in.
    ///
    /// # Errors
    /// What the writer says.
    pub fn compare(&mut self, comparison: &Comparison<'_>) -> io::Result<()> {
        let Comparison { at, by, rows } = *comparison;
        self.latest = self.latest.max(at);
        for compared in rows {
            for shift in &compared.shifts {
                let time = self.clock.format(at);
                let record = ComparisonRecord::of(at, time, by, compared, shift);
                Self::write(&mut self.out, &mut self.claims, &Record::Comparison(Box::new(record)))?;
            }
        }
        self.out.flush()
    }

    fn write(out: &mut Buffered<W>, claims: &mut Claims, record: &Record<'_>) -> io::Result<()> {
        match record {
            Record::Transition(transition) => transition.write(claims, out.line()),
            Record::Lifecycle(life) => life.write(claims, out.line()),
            other => tame::push(out.line(), other)?,
        }
        out.line().push(b'\n');
        out.settle()
    }
}

impl<W: Write> Sink for JsonSink<W> {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        let names = self.names.as_deref();
        let record = match (*update, self.stream) {
            (Update::Moved(..), Stream::Moved) | (Update::Seen(..), Stream::Raw) => {
                let Some(row) = Row::of(update, self.stream == Stream::Raw) else { return Ok(()) };
                self.latest = self.latest.max(row.at);
                Record::Transition(Transition::of(&row, self.clock.format(row.at), names))
            }
            (Update::Closed(life) | Update::Unfinished(life), Stream::Lives) => {
                self.latest = self.latest.max(life.at);
                Record::Lifecycle(Lifecycle::of(life, self.clock.format(life.at), names))
            }
            (Update::Stuck(stuck), _) => {
                self.latest = self.latest.max(stuck.at);
                Record::Stuck(Box::new(stuck::StuckRecord::of(stuck, self.clock.format(stuck.at), names)))
            }
            (Update::Lost { at, count, place, total }, _) => {
                self.latest = self.latest.max(at);
                self.losses.told = self.losses.told.saturating_add(count);
                self.losses.total = self.losses.total.max(total).max(self.losses.told);
                self.losses.place = match self.losses.place {
                    None => Some(Some(place)),
                    Some(Some(same)) if same == place => Some(Some(place)),
                    Some(_) => Some(None),
                };
                Record::Lost(Lost::of(at, self.clock.format(at), count, Some(place), self.losses.total))
            }
            _ => return Ok(()),
        };
        Self::write(&mut self.out, &mut self.claims, &record)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, summary: &summary::Summary) -> io::Result<()> {
        let end = Mono(self.anchor.mono.0.saturating_add(summary.duration_ns)).max(self.latest);
        let Losses { told, total, place } = self.losses;
        let total = total.max(summary.lost);
        if total > 0 {
            // Readers sum `count`: this one brings only what was not told before, as a rule nothing.
            let untold = total - told;
            let lost = Lost::of(end, self.clock.format(end), untold, place.flatten(), total);
            Self::write(&mut self.out, &mut self.claims, &Record::Lost(lost))?;
        }
        let closing = Summary::of(end, self.clock.format(end), summary, total);
        Self::write(&mut self.out, &mut self.claims, &Record::Summary(closing))?;
        self.out.flush()
    }
}

impl<W: Write> Show for JsonSink<W> {
    fn show(&mut self, page: &Page<'_>) -> io::Result<()> {
        self.latest = self.latest.max(page.to);
        for row in page.rows {
            let hdr = self.hdr.then(|| hdr::encoded(&row.2)).transpose()?;
            let time = self.clock.format(page.to);
            let record =
                HistogramRecord::of((page.from, page.to), time, page.by, row, hdr, self.names.as_deref());
            Self::write(&mut self.out, &mut self.claims, &Record::Histogram(Box::new(record)))?;
        }
        self.out.flush()
    }
}

/// The JSON Schema (2020-12) of every record, as one document: generated from the types that are printed.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Record<'static>>().to_value()
}

#[cfg(test)]
mod tests;
