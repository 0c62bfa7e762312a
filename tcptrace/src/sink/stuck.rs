//! Stuck sockets for people: one look as groups or one by one, or line by line as they come and go.

mod crowds;
mod site;

use std::io::{self, Write};
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::text::push_endpoint;
use super::writer::Buffered;
use super::{Sink, digits, duration, escape, notice};
use crate::engine::stuck::group::{self, Group};
use crate::engine::stuck::{Other, Stuck, StuckEvent};
use crate::engine::update::Update;
use crate::model::evidence::{Evidence, Span};
use crate::model::owner::Task;
use crate::model::state::TcpState;
use crate::model::summary::Summary;
use crate::sink::time::Clock;
use crowds::{Crowds, push_crowd};

/// How stuck sockets are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// All at the end: in groups when there are many.
    Groups,
    /// All at the end, one by one.
    Each,
    /// As they come and go: in groups while there are many.
    Live,
    /// The same, in groups by where they were opened.
    Sites,
    /// As they come and go, one by one.
    LiveEach,
}

/// Writes to `W`, and what people must be told beside to `N`.
pub struct StuckSink<W, N> {
    out: Buffered<W>,
    notices: N,
    telling: Telling,
    clock: Clock,
    header: bool,
    kept: Vec<Stuck>,
    told: site::Told,
    crowds: Crowds,
}

const HEAD: &[u8] =
    b"AGE     STATE       VERDICT            OWNER                 LOCAL > REMOTE, RECV-Q/SEND-Q\n";

impl<W: Write, N: Write> StuckSink<W, N> {
    /// A sink that tells as `telling` says; lines of a live one begin with `clock`'s time.
    pub fn new(out: W, notices: N, telling: Telling, clock: Clock, header: bool) -> Self {
        Self {
            out: Buffered::new(out),
            notices,
            telling,
            clock,
            header,
            kept: Vec::new(),
            told: site::Told::default(),
            crowds: Crowds::default(),
        }
    }

    fn line(&mut self, stuck: &Stuck) -> io::Result<()> {
        let line = self.out.line();
        match (self.telling, stuck.crowd) {
            (Telling::Live, Some(crowd)) if self.crowds.takes(&crowd) => {
                if let Some(event) = self.crowds.news(stuck.at, &crowd) {
                    push_crowd(line, &mut self.clock, stuck, &crowd, event);
                }
            }
            (Telling::Live | Telling::LiveEach, _) => push_news(line, &mut self.clock, stuck),
            (Telling::Groups | Telling::Each | Telling::Sites, _) => push_one(line, stuck),
        }
        self.out.settle()
    }

    fn is_live(&self) -> bool {
        matches!(self.telling, Telling::Live | Telling::LiveEach)
    }

    fn group(&mut self, group: &Group<'_>) -> io::Result<()> {
        push_group(self.out.line(), group);
        self.out.settle()
    }

    fn tell_all(&mut self) -> io::Result<()> {
        let kept = std::mem::take(&mut self.kept);
        if kept.is_empty() {
            return Ok(());
        }
        if self.header {
            self.out.line().extend_from_slice(HEAD);
        }
        if self.telling == Telling::Groups && kept.len() > group::EACH_UP_TO {
            return group::groups(&kept).iter().try_for_each(|group| self.group(group));
        }
        // Two ends of one connection stand on one line: that of the end that has yet to close.
        let blamed: FxHashSet<_> = kept
            .iter()
            .filter(|stuck| stuck.state == TcpState::CloseWait)
            .filter_map(|stuck| stuck.subject.socket.socket.cookie)
            .collect();
        for stuck in &kept {
            let other = stuck.peer.as_ref().and_then(|peer| peer.socket.socket.cookie);
            let told =
                stuck.state == TcpState::FinWait2 && other.is_some_and(|other| blamed.contains(&other));
            if !told {
                self.line(stuck)?;
            }
        }
        Ok(())
    }
}

/// Appends the lines about a group.
fn push_group(line: &mut Vec<u8>, group: &Group<'_>) {
    let Some(oldest) = group.sockets.first() else { return };
    push_head(line, oldest, &oldest.age, group.sockets.len());
    match group.key.lport {
        Some(port) => {
            line.extend_from_slice(b"local port ");
            digits::push(line, port.into());
        }
        None if group.sockets.len() > 1 => {
            line.extend_from_slice(b"various local ports");
            let to = oldest.subject.socket.endpoints.remote;
            if group.sockets.iter().all(|stuck| stuck.subject.socket.endpoints.remote == to) {
                line.extend_from_slice(b" > ");
                push_endpoint(line, &to);
            }
        }
        None => push_ends(line, oldest),
    }
    if group.sockets.len() > 1 {
        line.extend_from_slice(b", ");
        digits::push(line, group.sockets.len() as u64);
        line.extend_from_slice(b" sockets, median age ");
        match group.median_ns() {
            Some(ns) => duration::push_ns(line, ns, true),
            None => line.push(b'?'),
        }
    }
    line.push(b'\n');
    push_story(line, oldest);
}

/// Appends the lines about a socket that gets stuck, or no longer is, as the live outputs print them.
pub(super) fn push_news(line: &mut Vec<u8>, clock: &mut Clock, stuck: &Stuck) {
    clock.push(line, stuck.at);
    if clock.width() > 0 {
        line.push(b' ');
    }
    push_event(line, stuck.event);
    push_one(line, stuck);
}

fn push_event(line: &mut Vec<u8>, event: StuckEvent) {
    line.extend_from_slice(b"stuck ");
    push_padded(line, event.name().as_bytes(), 5);
}

/// Appends the lines about one stuck socket.
pub(super) fn push_one(line: &mut Vec<u8>, stuck: &Stuck) {
    push_head(line, stuck, &stuck.age, 1);
    push_ends(line, stuck);
    line.push(b'\n');
    if stuck.event != StuckEvent::Ended {
        push_story(line, stuck);
    }
}

fn push_padded(line: &mut Vec<u8>, text: &[u8], width: usize) {
    line.extend_from_slice(text);
    let cells = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
    line.resize(line.len() + width.saturating_sub(cells) + 1, b' ');
}

fn push_head(line: &mut Vec<u8>, stuck: &Stuck, age: &Span, count: usize) {
    let mut cell = Vec::new();
    // Two bounds a tick apart are one figure.
    let narrow = age.at_most_ns.is_some_and(|most| most.saturating_sub(age.ns.unwrap_or(0)) <= 50_000_000);
    match (age.ns, age.evidence) {
        (Some(ns), Evidence::AtLeast) if narrow => duration::push_ns(&mut cell, ns, false),
        _ => duration::push_span(&mut cell, age),
    }
    push_padded(line, &cell, duration::WIDTH);
    push_padded(line, stuck.state.name().as_bytes(), 11);
    push_padded(line, stuck.verdict.map_or("-", |verdict| verdict.name()).as_bytes(), 18);
    cell.clear();
    match stuck.subject.owner {
        Some(owner) => push_task(&mut cell, &owner.task),
        None => cell.push(b'-'),
    }
    if let (1, Some(holder)) = (count, stuck.holders.as_deref().and_then(<[_]>::first)) {
        cell.extend_from_slice(b" fd ");
        digits::push(&mut cell, holder.fd.into());
    }
    push_padded(line, &cell, 21);
}

fn push_task(line: &mut Vec<u8>, task: &Task) {
    escape::push_escaped(line, task.comm.bytes());
    line.push(b'[');
    digits::push(line, task.pid.into());
    line.push(b']');
}

fn push_ends(line: &mut Vec<u8>, stuck: &Stuck) {
    let ends = &stuck.subject.socket.endpoints;
    push_endpoint(line, &ends.local);
    line.extend_from_slice(b" > ");
    push_endpoint(line, &ends.remote);
    if let (Some(receive), Some(send)) = (stuck.receive_queue, stuck.send_queue) {
        line.extend_from_slice(b", ");
        digits::push(line, receive.into());
        line.push(b'/');
        digits::push(line, send.into());
    }
    if let Some(peer) = &stuck.peer {
        push_pair(line, peer);
    }
}

/// ` <-> FIN_WAIT_2 of curl[8]`: the other end of the connection.
fn push_pair(line: &mut Vec<u8>, peer: &Other) {
    line.extend_from_slice(" ↔ ".as_bytes());
    line.extend_from_slice(peer.state.name().as_bytes());
    match peer.owner {
        Some(owner) => {
            line.extend_from_slice(b" of ");
            push_task(line, &owner.task);
        }
        None => line.extend_from_slice(b" of nobody"),
    }
}

fn push_story(line: &mut Vec<u8>, stuck: &Stuck) {
    for (mark, text) in [("        ", &stuck.explanation), ("        => ", &stuck.advice)] {
        line.extend_from_slice(mark.as_bytes());
        // It names processes, which choose their own names.
        escape::push_escaped(line, text.as_bytes());
        line.push(b'\n');
    }
    if let Some(holders) = stuck.holders.as_deref().filter(|holders| holders.len() > 1) {
        line.extend_from_slice(b"        held by");
        for (at, holder) in holders.iter().enumerate() {
            line.extend_from_slice(if at == 0 { b" " } else { b", " });
            push_task(line, &holder.task);
            line.extend_from_slice(b" fd ");
            digits::push(line, holder.fd.into());
            line.extend_from_slice(match holder.opened_it {
                Some(true) => b" (opened it)".as_slice(),
                Some(false) => b" (inherited or passed)",
                None => b"",
            });
        }
        line.push(b'\n');
    }
}

impl<W: Write, N: Write> Sink for StuckSink<W, N> {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        match *update {
            Update::Stuck(stuck) if self.is_live() => self.line(stuck),
            Update::Stuck(stuck) => {
                self.kept.push(stuck.clone());
                Ok(())
            }
            Update::Lost { at: _, count, place, total } => {
                self.out.flush()?;
                notice::write_lost(&mut self.notices, count, place, total)
            }
            Update::Seen(..)
            | Update::Moved(..)
            | Update::Measured(..)
            | Update::Closed(_)
            | Update::Unfinished(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.telling == Telling::Sites {
            self.tell_look()?;
        }
        self.out.flush()?;
        self.notices.flush()
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if self.telling == Telling::Sites {
            self.tell_look()?;
            // The anchor is where the run began.
            self.tell_sites(self.clock.anchor().mono + Duration::from_nanos(summary.duration_ns))?;
        } else {
            self.tell_all()?;
        }
        self.out.flush()?;
        if self.is_live() || self.telling == Telling::Sites {
            notice::write_summary(&mut self.notices, summary)?;
        }
        self.notices.flush()
    }
}

#[cfg(test)]
mod tests;
