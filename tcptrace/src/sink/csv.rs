//! CSV: a header, then a row a record, under the names of the JSON fields. What stands in an object there (`owner`, the killer) is
//! flat here; unknown is an empty cell. Losses and the summary are no rows: they go beside the data.

mod stuck;

use std::io::{self, Write};

use ::csv::{ErrorKind, Writer, WriterBuilder};

use super::json::Stream;
use super::row::Row;
use super::text::cell as words_of;
use super::time::Rfc3339;
use super::{Sink, digits, escape, notice, words};
use crate::engine::update::Update;
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, Ending, Lifecycle};
use crate::model::owner::Owner;
use crate::model::socket::{Counters, SocketId};
use crate::model::summary::Summary;
use crate::model::time::ClockAnchor;

const TRANSITION: &[&str] = &[
    "time",
    "mono_ns",
    "from",
    "to",
    "in_from_ns",
    "evidence",
    "at_most_ns",
    "error_ns",
    "seen_by",
    "kernel_from",
    "kernel_to",
];
const SOCKET: &[&str] = &["id", "cookie", "netns", "family", "laddr", "lport", "raddr", "rport", "protocol"];
const OWNER: &[&str] = &["pid", "comm", "uid", "how", "cgroup_id"];
const ENDING: &[&str] = &["end", "detail"];
const LIFE: &[&str] = &[
    "opened_by",
    "closed_by",
    "first_seen",
    "states",
    "duration_ns",
    "duration_evidence",
    "handshake_rtt_us",
];
const CLOSING: &[&str] = &[
    "bytes_sent",
    "bytes_received",
    "segments_out",
    "segments_in",
    "retransmits",
    "srtt_us",
    "orphaned",
    "fd_held_ns",
];

/// Writes rows to `W`, and what people must be told beside them to `N`.
pub struct CsvSink<W: Write, N> {
    rows: Rows<W>,
    notices: N,
    stream: Stream,
    clock: Rfc3339,
}

/// Cells of one row after the other.
struct Rows<W: Write> {
    out: Writer<W>,
    cell: Vec<u8>,
}

fn io_error(error: ::csv::Error) -> io::Error {
    // The crate's own conversion hides the kind, and with it a closed pipe.
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl<W: Write> Rows<W> {
    /// Writes the cell that `fill` makes. A cell that a spreadsheet would take for a formula gets a leading `'`.
    fn cell(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.cell.clear();
        fill(&mut self.cell);
        if matches!(self.cell.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')) {
            self.cell.insert(0, b'\'');
        }
        self.out.write_field(&self.cell).map_err(io_error)
    }

    /// Sentences too name processes; and a table is looked at on terminals.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.cell(|cell| escape::push_escaped(cell, text.as_bytes()))
    }

    fn number(&mut self, number: impl Into<u64>) -> io::Result<()> {
        let number = number.into();
        self.cell(|cell| digits::push(cell, number))
    }

    fn known<T: Into<u64>>(&mut self, number: Option<T>) -> io::Result<()> {
        match number {
            Some(number) => self.number(number),
            None => self.text(""),
        }
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.out.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn socket(&mut self, ConnectionId(id): ConnectionId, socket: &SocketId) -> io::Result<()> {
        let ends = &socket.endpoints;
        self.number(id)?;
        self.cell(|cell| {
            if let Some(cookie) = socket.socket.cookie {
                digits::push_hex(cell, cookie.0.get());
            }
        })?;
        self.known(socket.netns)?;
        self.number(ends.family())?;
        for end in [&ends.local, &ends.remote] {
            self.cell(|cell| super::text::push_addr(cell, end.addr))?;
            self.known(end.port)?;
        }
        self.text(socket.protocol.name())
    }

    fn owner(&mut self, owner: Option<&Owner>, socket: &SocketId) -> io::Result<()> {
        self.known(owner.map(|owner| owner.task.pid))?;
        // A table is looked at on terminals too.
        self.cell(|cell| {
            if let Some(owner) = owner {
                escape::push_escaped(cell, owner.task.comm.bytes());
            }
        })?;
        self.known(socket.uid)?;
        self.text(owner.map_or("", |owner| owner.how.name()))?;
        self.known(socket.cgroup)
    }

    fn ending(&mut self, ending: Option<&Ending>) -> io::Result<()> {
        self.text(ending.map_or("", |ending| ending.end.name()))?;
        self.cell(|cell| {
            if let Some(detail) = ending.and_then(|ending| ending.detail.as_ref()) {
                words_of::push_detail(cell, detail);
            }
        })
    }

    fn transition(&mut self, row: &Row<'_>, time: &str) -> io::Result<()> {
        self.text(time)?;
        self.number(row.at.0)?;
        self.text(row.name(row.from))?;
        self.text(row.name(row.to))?;
        let Span { ns, evidence, at_most_ns, error_ns } = row.in_from;
        self.known(ns)?;
        self.text(words::evidence(evidence))?;
        self.known(at_most_ns)?;
        self.known(error_ns)?;
        self.text(row.seen_by.name())?;
        self.text(row.kernel.map_or("", |(from, _)| from.kernel_name()))?;
        self.text(row.kernel.map_or("", |(_, to)| to.kernel_name()))?;
        let subject = row.subject;
        self.socket(subject.id, &subject.socket)?;
        self.owner(subject.owner.as_ref(), &subject.socket)?;
        self.ending(row.ending)?;
        self.end_row()
    }

    fn life(&mut self, life: &Lifecycle, time: &str) -> io::Result<()> {
        self.text(time)?;
        self.number(life.at.0)?;
        self.socket(life.id, &life.socket)?;
        self.owner(life.owner.as_ref(), &life.socket)?;
        self.text(life.opened_by.name())?;
        self.text(life.closed_by.map_or("", |closed| closed.name()))?;
        self.text(life.first_seen.name())?;
        self.cell(|cell| push_states(cell, life))?;
        self.known(life.duration.ns)?;
        self.text(words::evidence(life.duration.evidence))?;
        self.known(life.handshake_rtt_us)?;
        self.ending(life.ending.as_ref())?;
        let counter = |figure: fn(&Counters) -> u64| life.counters.as_ref().map(figure);
        self.known(counter(|counters| counters.bytes_sent))?;
        self.known(counter(|counters| counters.bytes_received))?;
        self.known(counter(|counters| counters.segments_out.into()))?;
        self.known(counter(|counters| counters.segments_in.into()))?;
        self.known(counter(|counters| counters.retransmits.into()))?;
        self.known(counter(|counters| counters.srtt_us.into()).filter(|srtt_us| *srtt_us > 0))?;
        self.text(if life.orphaned { "true" } else { "false" })?;
        self.known(life.fd_held_ns)?;
        self.end_row()
    }
}

/// Appends `SYN_SENT:200000:exact;TIME_WAIT::estimated`: state, nanoseconds, evidence.
fn push_states(cell: &mut Vec<u8>, life: &Lifecycle) {
    for (at, residency) in life.states.iter().enumerate() {
        if at > 0 {
            cell.push(b';');
        }
        cell.extend_from_slice(residency.state.name().as_bytes());
        cell.push(b':');
        if let Some(ns) = residency.stay.ns {
            digits::push(cell, ns);
        }
        cell.push(b':');
        cell.extend_from_slice(words::evidence(residency.stay.evidence).as_bytes());
    }
}

impl<W: Write, N: Write> CsvSink<W, N> {
    /// A table of `stream`; `header` begins it with the names of its columns.
    ///
    /// # Errors
    /// None before the first flush: the header is buffered.
    pub fn new(out: W, notices: N, stream: Stream, anchor: ClockAnchor, header: bool) -> io::Result<Self> {
        let out = WriterBuilder::new().buffer_capacity(64 << 10).from_writer(out);
        let mut rows = Rows { out, cell: Vec::new() };
        if header {
            let names: [&[&str]; 5] = match stream {
                Stream::Moved | Stream::Raw => [TRANSITION, SOCKET, OWNER, ENDING, &[]],
                Stream::Lives => [&TRANSITION[..2], SOCKET, OWNER, LIFE, ENDING],
                Stream::Stuck => [&TRANSITION[..2], SOCKET, OWNER, stuck::COLUMNS, &[]],
            };
            let closing = if stream == Stream::Lives { CLOSING } else { &[] };
            for name in names.into_iter().chain([closing]).flatten() {
                rows.text(name)?;
            }
            rows.end_row()?;
        }
        Ok(Self { rows, notices, stream, clock: Rfc3339::new(anchor) })
    }
}

impl<W: Write, N: Write> Sink for CsvSink<W, N> {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        match (*update, self.stream) {
            (Update::Moved(..), Stream::Moved) | (Update::Seen(..), Stream::Raw) => {
                match Row::of(update, self.stream == Stream::Raw) {
                    Some(row) => self.rows.transition(&row, self.clock.format(row.at)),
                    None => Ok(()),
                }
            }
            (Update::Closed(life) | Update::Unfinished(life), Stream::Lives) => {
                self.rows.life(life, self.clock.format(life.at))
            }
            (Update::Stuck(stuck), Stream::Stuck) => self.rows.stuck(stuck, self.clock.format(stuck.at)),
            // Beside a table of something else it is no row.
            (Update::Stuck(stuck), _) => {
                let mut line = Vec::new();
                super::stuck::push_one(&mut line, stuck);
                self.notices.write_all(&line)
            }
            (Update::Lost { at: _, count, place, total }, _) => {
                notice::write_lost(&mut self.notices, count, place, total)
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.rows.out.flush()?;
        self.notices.flush()
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.rows.out.flush()?;
        notice::write_summary(&mut self.notices, summary)?;
        self.notices.flush()
    }
}

#[cfg(test)]
mod tests;
