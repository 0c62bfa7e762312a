//! The text of `tcptrace lives`: a connection's figures in columns, then its story and its timeline. In a terminal these take a
//! line of their own and are wrapped, never cut; wide output keeps one line a connection.

mod story;

use std::io::{self, Write};

use story::Point;

use super::column::Column;
use super::text::TextStyle;
use super::text::cell;
use super::text::layout::{self, Layout};
use super::text::paint::Paint;
use super::time::Clock;
use super::writer::Buffered;
use super::{Sink, duration, notice, stuck, words};
use crate::engine::update::Update;
use crate::model::life::Lifecycle;
use crate::model::socket::Counters;
use crate::model::summary::Summary;

/// What the marks mean, for `--help`.
pub const LEGEND: &str = "\
Times: 5.2s is exact: kernel events mark both ends. 60s* (~60s in a column) is estimated, from a rule of the kernel or from a poll.
≥1.2s is at least: it began before tcptrace looked, or it is not over. ? is not known. Times are cut, not rounded.
The last state of a connection that is over for both programs (TIME_WAIT) shows how long the kernel will still keep it.";

const ARROW: &str = " → ";

/// Writes finished connections to `W`, and what people must be told beside them to `N`.
pub struct LivesSink<W, N> {
    out: Buffered<W>,
    notices: N,
    layout: Layout,
    clock: Clock,
    width: Option<usize>,
    indent: usize,
    story: bool,
    timeline: bool,
}

impl<W: Write, N: Write> LivesSink<W, N> {
    /// Looks like `style`; [`Column::Story`] and [`Column::Timeline`] come last wherever they are named.
    pub fn new(out: W, notices: N, style: &TextStyle) -> Self {
        let clock = style.clock();
        let tail = |column: &Column| matches!(column, Column::Story | Column::Timeline);
        let columns: Vec<Column> = style.columns.iter().copied().filter(|column| !tail(column)).collect();
        let mut layout = Layout::new(&columns, style.width, &clock, style.colour);
        let mut out = Buffered::new(out);
        if style.header && !columns.is_empty() {
            layout.head(out.line());
            out.line().push(b'\n');
        }
        let indent = if columns.is_empty() { 0 } else { 4 };
        let (story, timeline) =
            (style.columns.contains(&Column::Story), style.columns.contains(&Column::Timeline));
        Self { out, notices, layout, clock, width: style.width, indent, story, timeline }
    }

    /// The writers behind it; call after [`Sink::finish`].
    pub fn into_inner(self) -> (W, N) {
        (self.out.into_inner(), self.notices)
    }

    fn write(&mut self, life: &Lifecycle) -> io::Result<()> {
        let Self { out, layout, clock, .. } = self;
        let start = out.line().len();
        layout.row(out.line(), |column, cell| {
            fill(column, cell, life, clock);
            Paint::Plain
        });
        let mut fresh = out.line().len() == start;
        if self.story || self.timeline {
            if !fresh {
                let line = out.line();
                if layout.is_narrow() {
                    line.push(b'\n');
                    line.resize(line.len() + self.indent, b' ');
                    fresh = true;
                } else {
                    line.extend_from_slice(b"  ");
                }
            }
            self.write_tail(life, fresh);
        }
        self.out.line().push(b'\n');
        self.out.settle()
    }

    /// Story and timeline, wrapped before an arrow.
    fn write_tail(&mut self, life: &Lifecycle, fresh: bool) {
        let Self { out, layout, .. } = self;
        let line = out.line();
        let room = self.width.filter(|_| fresh).map_or(usize::MAX, |width| width.saturating_sub(self.indent));
        let mut used = 0;
        if self.story {
            let start = line.len();
            story::push(line, life);
            if self.timeline && !life.states.is_empty() {
                line.extend_from_slice(b": ");
            }
            used = layout::cells(&line[start..]);
        }
        if !self.timeline {
            return;
        }
        let mut time = Vec::new();
        for (at, point) in story::points(life).enumerate() {
            let Point { state, .. } = point;
            time.clear();
            point.push_time(&mut time);
            let wanted = state.name().len() + 1 + layout::cells(&time);
            let arrow = if at == 0 { 0 } else { 3 };
            if used > 0 && used + arrow + wanted > room {
                if line.ends_with(b" ") {
                    line.pop();
                }
                line.push(b'\n');
                line.resize(line.len() + self.indent, b' ');
                used = 0;
                if at > 0 {
                    line.extend_from_slice(ARROW.trim_start().as_bytes());
                    used = 2;
                }
            } else if at > 0 {
                line.extend_from_slice(ARROW.as_bytes());
                used += arrow;
            }
            layout.state(line, state);
            line.push(b' ');
            line.extend_from_slice(&time);
            used += wanted;
        }
    }
}

fn fill(column: Column, out: &mut Vec<u8>, life: &Lifecycle, clock: &mut Clock) {
    let counter = |out: &mut Vec<u8>, figure: fn(&Counters) -> u64| match &life.counters {
        Some(counters) => story::push_amount(out, figure(counters)),
        None => out.push(b'?'),
    };
    match column {
        Column::Time => clock.push(out, life.at),
        Column::Duration => duration::push_span(out, &life.duration),
        Column::Evidence => out.extend_from_slice(words::evidence(life.duration.evidence).as_bytes()),
        Column::End => cell::push_end(out, life.ending.as_ref()),
        Column::Opened => {
            // The column is as wide as `simultan`.
            let name = life.opened_by.name();
            out.extend_from_slice(name.get(..8).unwrap_or(name).as_bytes());
        }
        Column::Closed => {
            out.extend_from_slice(life.closed_by.map_or("-", |closed| closed.name()).as_bytes());
        }
        Column::Sent => counter(out, |counters| counters.bytes_sent),
        Column::Received => counter(out, |counters| counters.bytes_received),
        Column::Retransmits => counter(out, |counters| u64::from(counters.retransmits)),
        Column::Rtt => match &life.counters {
            Some(counters) if counters.srtt_us > 0 => {
                duration::push_ns(out, u64::from(counters.srtt_us) * 1_000, false);
            }
            _ => out.push(b'?'),
        },
        _ => cell::push_socket(out, column, life.id, &life.socket, life.owner.as_ref()),
    }
}

impl<W: Write, N: Write> Sink for LivesSink<W, N> {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        match *update {
            Update::Closed(life) | Update::Unfinished(life) => self.write(life),
            Update::Lost { at: _, count, place, total } => {
                self.out.flush()?;
                notice::write_lost(&mut self.notices, count, place, total)
            }
            Update::Stuck(stuck) => {
                stuck::push_news(self.out.line(), &mut self.clock, stuck);
                self.out.settle()
            }
            Update::Seen(..) | Update::Moved(..) | Update::Measured(..) => Ok(()),
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
