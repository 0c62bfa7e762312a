//! Floor 2: what the events mean. Pure: no IO, no clock; time is an argument.
//!
//! [`Engine::observe`] takes every [`Event`] in the order of the ring buffer and tells what it means as [`Update`]s.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::model::endpoints::Endpoints;
use crate::model::event::{Event, LossPlace};
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, FirstSeen, Lifecycle, OpenedBy, Subject};
use crate::model::owner::Task;
use crate::model::snapshot::SocketSnapshot;
use crate::model::socket::{Protocol, SocketId, SocketRef};
use crate::model::time::Mono;

pub mod doctor;
pub mod edge;
pub mod filter;
pub mod gate;
pub mod histogram;
pub mod stuck;
pub mod update;

mod absent;
mod agenda;
mod birth;
mod cause;
mod change;
mod chunks;
mod close;
mod config;
mod derived;
mod dump;
mod ending;
mod ends;
mod graves;
mod half_open;
mod index;
mod life;
mod loss;
mod mini;
mod neighbour;
mod owner;
mod peer;
mod report;
mod rest;
mod resting;
mod rests;
mod rtt;
mod standing;
mod stays;
mod sweep;
mod table;
mod timewait;
mod unseen;

use agenda::Agenda;
pub use config::Config;
pub use dump::ALL_STATES;
use ends::Ends;
use graves::Graves;
use half_open::HalfOpen;
pub use index::MOST_CONNECTIONS;
use life::Life;
use loss::Loss;
use rests::Rests;
use rtt::Rtts;
pub use standing::Standing;
use table::{Slot, Table};
use update::Update;

/// How long a closing may wait for the RST that tells why: it comes within microseconds, in the same context.
const HOLD: Duration = Duration::from_millis(20);

/// How long the report of an ended life may wait for the last close of its fd.
const FD_WAIT: Duration = Duration::from_secs(1);

/// What only a poll of sock_diag can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The namespace to dump; `None` on the classic path: all of them.
    pub netns: Option<u32>,
    /// The states to dump, a mask of `1 << kernel number`.
    pub states: u32,
}

/// What is known of one network namespace.
#[derive(Clone, Copy, Debug, Default)]
struct Netns {
    fin_timeout_s: Option<u32>,
    /// When that was last told.
    fin_timeout_at: Mono,
    lives: u32,
    minis: u32,
    /// The loss that a full dump has repaired.
    repaired: u32,
    /// When its last complete dump of all states began.
    dumped: Option<Mono>,
}

/// Turns events into true lives.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    traced: cause::Traced,
    table: Table,
    rests: Rests,
    agenda: Agenda,
    /// What dumps did not show and is still to be ended.
    sweeps: VecDeque<sweep::Sweep>,
    /// Timewait sockets that the event at hand has made, told or woken.
    fresh: Vec<(u64, Slot)>,
    graves: Graves,
    half_open: HalfOpen,
    loss: Loss,
    rtts: Rtts,
    netns: FxHashMap<u32, Netns>,
    /// Passive lives just born, for kernels that change their cookie after it: `(address, slot, id)`.
    newborn: VecDeque<(u64, Slot, u64)>,
    /// accept() returned before we knew the life.
    accepted: VecDeque<(SocketRef, Task, Mono)>,
    /// Timewait sockets in the table.
    minis: u32,
    next_id: u64,
    changes: u64,
    connections: u64,
    /// Since when nothing can have escaped us.
    complete_since: Option<Mono>,
    now: Mono,
    scratch: Lifecycle,
}

impl Engine {
    /// An engine that knows nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let socket = SocketId {
            socket: SocketRef { address: 0, cookie: None },
            protocol: Protocol::Tcp,
            endpoints: Endpoints::unknown(),
            netns: None,
            uid: None,
            cgroup: None,
            inode: None,
        };
        Self {
            traced: cause::Traced { resets: config.resets },
            complete_since: config.complete_since,
            config,
            table: Table::new(!config.cookies),
            rests: Rests::default(),
            agenda: Agenda::default(),
            sweeps: VecDeque::new(),
            fresh: Vec::new(),
            graves: Graves::default(),
            half_open: HalfOpen::default(),
            loss: Loss::default(),
            rtts: Rtts::default(),
            netns: FxHashMap::default(),
            newborn: VecDeque::new(),
            accepted: VecDeque::new(),
            minis: 0,
            next_id: 1,
            changes: 0,
            connections: 0,
            now: Mono(0),
            scratch: Lifecycle {
                id: ConnectionId(0),
                socket,
                owner: None,
                last_seen: None,
                opened_by: OpenedBy::Unknown,
                closed_by: None,
                first_seen: FirstSeen::Event,
                states: Vec::new(),
                duration: Span::UNKNOWN,
                handshake_rtt_us: None,
                ending: None,
                counters: None,
                orphaned: false,
                fd_held_ns: None,
                measured: Vec::new(),
                at: Mono(0),
            },
        }
    }

    /// Takes one event and tells what it means. What was due before it comes first.
    pub fn observe(&mut self, event: &Event, out: &mut dyn FnMut(Update<'_>)) {
        match event {
            Event::StateChange(change) => {
                self.pass(change.at, out);
                self.change(change, out);
            }
            Event::Accepted(accepted) => {
                self.pass(accepted.at, out);
                self.accept(accepted, out);
            }
            Event::Neighbour { at, socket, what } => {
                self.pass(*at, out);
                self.neighbour(*at, socket, *what, out);
            }
            Event::Snapshot(snapshot) => self.snapshot(snapshot, out),
            Event::SnapshotDone { began, at, netns, states } => {
                self.snapshot_done(*began, *at, *netns, *states, out);
                self.pass(*at, out);
            }
            Event::TimeWaitOverflow { netns, .. } => self.overflowed(*netns),
            Event::FinTimeout { netns, seconds } => {
                self.fin_timeout(*netns, *seconds);
            }
            Event::HalfOpen { at, netns, endpoints } => {
                self.half_open.add(*netns, Ends::pack(endpoints), *at);
            }
            // Which processes count is the filter's business.
            Event::Forked { .. } => {}
            Event::Lost { at, count, place } => self.lose(*at, *count, *place, out),
            Event::Tick(at) => {
                self.pass(*at, out);
                self.sweep(sweep::SLICE, out);
                self.loss.tell_evictions(*at, out);
            }
        }
        self.lay_to_rest();
    }

    /// Settles what is held back; with `unfinished` also tells of the lives still open, in the order of their ids.
    pub fn finish(&mut self, now: Mono, unfinished: bool, out: &mut dyn FnMut(Update<'_>)) {
        self.pass(now, out);
        self.sweep(usize::MAX, out);
        let mut open: Vec<(u64, Slot)> =
            self.table.slots().map(|slot| (self.table.life(slot).id, slot)).collect();
        open.sort_unstable();
        for (id, slot) in &open {
            if self.table.still(*slot, *id) {
                self.settle(*slot, out);
            }
        }
        for (id, slot) in open {
            if !self.table.still(slot, id) {
                continue;
            }
            let life = self.table.life(slot);
            if unfinished && self.config.lives && !life.reported && !life.hidden {
                life.report(&mut self.scratch, now, &self.rtts);
                out(Update::Unfinished(&self.scratch));
            }
        }
        self.loss.tell_evictions(now, out);
        self.lay_to_rest();
    }

    /// What only a dump can tell: the timewait sockets of each namespace, and after a loss everything. Empty when there
    /// is nothing to ask.
    pub fn open_questions(&self) -> impl Iterator<Item = Question> + '_ {
        self.netns.iter().filter_map(|(netns, known)| {
            let states = if known.lives > 0 && known.repaired != self.loss.generation {
                ALL_STATES
            } else if known.minis > 0 {
                dump::MINI_STATES
            } else {
                return None;
            };
            Some(Question { netns: (*netns != 0).then_some(*netns), states })
        })
    }

    /// When something is due by itself: a [`Event::Tick`] is wanted then.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        let swept = (!self.sweeps.is_empty()).then_some(self.now);
        [self.agenda.next(), self.rests.next_due(), swept].into_iter().flatten().min()
    }

    /// The connection that is this socket's now, if it is known and shown.
    #[must_use]
    pub fn subject(&self, socket: &SocketRef) -> Option<Subject> {
        self.with_life(socket, |life| (!life.hidden).then(|| life.subject()))?
    }

    /// What `look` sees in the life that is this socket's.
    fn with_life<T>(&self, socket: &SocketRef, look: impl FnOnce(&Life) -> T) -> Option<T> {
        if let Some(slot) = self.table.find(socket) {
            return Some(look(self.table.life(slot)));
        }
        let rest = self.rests.find(socket.cookie?.0.get())?;
        Some(look(&self.rests.at(rest).life(self.minute_slack_ns())))
    }

    /// A number for a connection that is none of ours: a dead fd.
    pub fn number(&mut self) -> ConnectionId {
        let id = self.next_id;
        self.next_id += 1;
        ConnectionId(id)
    }

    /// Whether a socket of a dump is one that is known already.
    #[must_use]
    pub fn knows(&self, snapshot: &SocketSnapshot) -> bool {
        self.shown(snapshot).is_some()
            || snapshot.id.socket.cookie.is_some_and(|cookie| self.rests.find(cookie.0.get()).is_some())
    }

    /// Connections known in this run, our own not counted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Connections held now, timewait sockets included.
    #[must_use]
    pub fn live(&self) -> usize {
        self.table.len() + self.rests.len()
    }

    /// Connections that left the table because it was full.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.loss.total(LossPlace::Table)
    }

    /// State changes observed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.changes
    }

    /// Events lost on the way, evictions not counted.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.loss.total(LossPlace::RingBuffer) + self.loss.total(LossPlace::Map)
    }

    /// Does what is due by `now`.
    fn pass(&mut self, now: Mono, out: &mut dyn FnMut(Update<'_>)) {
        self.now = self.now.max(now);
        loop {
            while self
                .rests
                .next_due()
                .is_some_and(|rest| rest <= now && self.agenda.next().is_none_or(|life| rest <= life))
            {
                self.rest_due(now);
            }
            let Some((due, mark, slot)) = self.agenda.take_due(now) else { return };
            if agenda::mark(self.table.life(slot).id) == mark {
                self.due(due, slot, out);
            }
        }
    }
}

#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
