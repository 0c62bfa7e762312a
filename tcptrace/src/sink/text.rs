//! The live text: one line a transition, aligned, as wide as it is told.

mod address;
pub(super) use address::{push_addr, push_endpoint};
pub(super) mod cell;
pub(super) mod layout;
pub(super) mod paint;

use std::io::{self, Write};

use layout::Layout;
use paint::Paint;

use super::column::Column;
use super::row::Row;
use super::time::{Clock, TimeStyle};
use super::writer::Buffered;
use super::{Sink, duration, notice, stuck, words};
use crate::engine::update::Update;
use crate::model::summary::Summary;
use crate::model::time::{ClockAnchor, Mono};

/// How a text output looks.
#[derive(Clone, Debug)]
pub struct TextStyle {
    /// Its columns, in order; see [`Column::for_stream`] and [`Column::for_lives`].
    pub columns: Vec<Column>,
    /// How time is told.
    pub time: TimeStyle,
    /// What the time of day is counted from.
    pub anchor: ClockAnchor,
    /// Cells that a line may take; `None` for wide output, where nothing is cut.
    pub width: Option<usize>,
    /// Paint states by class.
    pub colour: bool,
    /// Begin with a header.
    pub header: bool,
}

impl TextStyle {
    pub(super) fn clock(&self) -> Clock {
        Clock::new(self.time, self.anchor, self.width.is_none())
    }
}

/// Writes lines to `W`, and what people must be told beside them to `N`.
pub struct TextSink<W, N> {
    out: Buffered<W>,
    notices: N,
    layout: Layout,
    clock: Clock,
    raw: bool,
}

impl<W: Write, N: Write> TextSink<W, N> {
    /// True transitions, or with `raw` the kernel's own events under its own names.
    pub fn new(out: W, notices: N, style: &TextStyle, raw: bool) -> Self {
        let clock = style.clock();
        let mut layout = Layout::new(&style.columns, style.width, &clock, style.colour);
        let mut out = Buffered::new(out);
        if style.header {
            layout.head(out.line());
            out.line().push(b'\n');
        }
        Self { out, notices, layout, clock, raw }
    }

    /// The writers behind it; call after [`Sink::finish`].
    pub fn into_inner(self) -> (W, N) {
        (self.out.into_inner(), self.notices)
    }

    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let Self { out, layout, clock, .. } = self;
        layout.row(out.line(), |column, cell| fill(column, cell, row, clock));
        out.line().push(b'\n');
        out.settle()
    }
}

fn fill(column: Column, cell: &mut Vec<u8>, row: &Row<'_>, clock: &mut Clock) -> Paint {
    let mut paint = Paint::Plain;
    match column {
        Column::Time => clock.push(cell, row.at),
        Column::From | Column::To => {
            let state = if column == Column::From { row.from } else { row.to };
            cell.extend_from_slice(row.name(state).as_bytes());
            paint = Paint::State(state);
        }
        Column::Duration => duration::push_span(cell, &row.in_from),
        Column::Evidence => cell.extend_from_slice(words::evidence(row.in_from.evidence).as_bytes()),
        Column::SeenBy => cell.extend_from_slice(row.seen_by.name().as_bytes()),
        Column::KernelEvent => match row.kernel {
            Some((from, to)) => {
                cell.extend_from_slice(from.kernel_name().as_bytes());
                cell.push(b'>');
                cell.extend_from_slice(to.kernel_name().as_bytes());
            }
            None => cell.push(b'-'),
        },
        Column::End => cell::push_end(cell, row.ending),
        _ => {
            let subject = row.subject;
            cell::push_socket(cell, column, subject.id, &subject.socket, subject.owner.as_ref());
        }
    }
    paint
}

impl<W: Write, N: Write> Sink for TextSink<W, N> {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        if let Update::Lost { at: Mono(_), count, place, total } = *update {
            // What came before the loss stands before it.
            self.out.flush()?;
            return notice::write_lost(&mut self.notices, count, place, total);
        }
        if let Update::Stuck(stuck) = *update {
            stuck::push_news(self.out.line(), &mut self.clock, stuck);
            return self.out.settle();
        }
        match Row::of(update, self.raw) {
            Some(row) => self.write(&row),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.notices.flush()
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.out.flush()?;
        notice::write_summary(&mut self.notices, summary)?;
        self.notices.flush()
    }
}

#[cfg(test)]
mod tests;
