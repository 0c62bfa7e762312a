//! What one firing of the state tracepoint does to a life.

use super::edge::{Edge, EdgeKind};
use super::ending::Step;
use super::life::Phase;
use super::stays::{Known, Stay};
use super::table::Slot;
use super::update::Update;
use super::{Engine, owner, rtt};
use crate::model::event::StateChange;
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, FirstSeen, OpenedBy, Subject};
use crate::model::owner::{Owner, OwnerHow};
use crate::model::socket::Protocol;
use crate::model::state::TcpState;
use crate::model::transition::SeenBy;

/// Where an event belongs.
enum Place {
    /// To this life.
    Life(Slot),
    /// To this life, which it begins.
    Born(Slot),
    /// To this half-open connection, which a dump had shown: it has become a full socket.
    Grown(Slot),
    /// To none: late, doubled, or a dead socket's.
    Nowhere(Option<Slot>),
}

/// Whether an event begins a life.
fn begins(event: &StateChange) -> bool {
    match (event.from, event.to) {
        (TcpState::Closed, TcpState::SynSent | TcpState::Listen) | (TcpState::Listen, TcpState::SynRecv) => {
            true
        }
        // An accepted MPTCP connection is made established.
        (TcpState::Listen, TcpState::Established) => event.id.protocol == Protocol::Mptcp,
        _ => false,
    }
}

impl Engine {
    pub(super) fn change(&mut self, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) {
        self.changes += 1;
        let place = self.place(event, out);
        if let Place::Life(slot) | Place::Born(slot) | Place::Grown(slot) = place {
            self.note(slot, event, out);
        }
        if self.config.kernel_events {
            self.tell_seen(&place, event, out);
        }
        match place {
            Place::Life(slot) => {
                if self.table.life(slot).state() == event.from {
                    self.trust_since(slot, event);
                } else {
                    self.catch_up(slot, event, out);
                }
                if event.from != event.to {
                    self.step(slot, event, out);
                } else if event.to == TcpState::FinWait2 {
                    self.expect_orphan(slot, event);
                }
            }
            Place::Born(slot) => {
                self.announce_birth(slot, event, out);
                self.entered(slot, event);
            }
            Place::Grown(slot) => {
                // To TCP it stays in SYN_RECV.
                let life = self.table.life_mut(slot);
                let stay = Stay { state: TcpState::SynRecv, ..life.stays.last() };
                life.stays.set_last(stay);
                life.opened_by = OpenedBy::Accept;
            }
            Place::Nowhere(_) => {}
        }
    }

    /// Tells of the kernel's own event.
    fn tell_seen(&self, place: &Place, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) {
        if let Place::Life(slot) | Place::Born(slot) | Place::Grown(slot) | Place::Nowhere(Some(slot)) = place
        {
            let life = self.table.life(*slot);
            if !life.hidden {
                out(Update::Seen(event, &life.subject()));
            }
        } else {
            let opened_by = OpenedBy::Unknown;
            let subject = Subject { id: ConnectionId(0), socket: event.id, owner: event.owner, opened_by };
            out(Update::Seen(event, &subject));
        }
    }

    /// Finds the life of an event, or begins it.
    fn place(&mut self, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) -> Place {
        let mut found = self.find(&event.id.socket);
        if begins(event) {
            let mut life = event.id;
            if event.from == TcpState::Listen && !self.config.cookies {
                // What is there may be the listener's.
                life.socket.cookie = None;
            }
            if let Some(old) = found {
                let state = self.table.life(old).state();
                if event.from == TcpState::Listen && state == TcpState::Listen {
                    // Before 6.x the child still carries its listener's cookie here (inet_csk_clone_lock).
                    life.socket.cookie = None;
                } else if event.from == TcpState::Listen && state == TcpState::NewSynRecv {
                    return Place::Grown(old);
                } else {
                    self.supersede(old, event.at, out);
                }
            }
            return Place::Born(self.begin_by_event(&life, event, out));
        }
        if found.is_none() && event.from == TcpState::SynRecv {
            found = self.adopt_newborn(event);
        }
        if found.is_none() && !self.config.cookies {
            found = self.table.with_ends(&super::ends::Ends::pack(&event.id.endpoints)).find(|slot| {
                let life = self.table.life(*slot);
                life.address == 0 && matches!(life.phase(), Phase::Open)
            });
        }
        let Some(slot) = found else {
            if event.from == TcpState::Closed {
                return Place::Nowhere(None);
            }
            return Place::Life(self.begin(&event.id, event.at, event.from, FirstSeen::Midway, out));
        };
        let life = self.table.life(slot);
        let last = life.stays.last();
        match life.phase() {
            Phase::Open if life.state() == event.from => Place::Life(slot),
            Phase::Open if event.at > last.entered && event.from != TcpState::Closed => Place::Life(slot),
            Phase::Open => Place::Nowhere(Some(slot)),
            _ => {
                let ended = match life.phase() {
                    Phase::Held(held) => held.at,
                    _ => life.rare.as_deref().and_then(|rare| rare.ended).map_or(last.entered, |(at, _)| at),
                };
                // The dead socket of a held fd, or an event that comes twice.
                if event.from == TcpState::Closed || event.at <= ended {
                    return Place::Nowhere(Some(slot));
                }
                // A later life on the same socket, whose birth we missed.
                self.supersede(slot, event.at, out);
                Place::Life(self.begin(&event.id, event.at, event.from, FirstSeen::Midway, out))
            }
        }
    }

    /// Takes from an event all that is not its transition: addresses, owner, facts, counters.
    fn note(&mut self, slot: Slot, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) {
        let killer = event.facts.is_some_and(|facts| facts.error == 103) && event.to == TcpState::Closed;
        let indexed = self.table.life(slot).in_ends;
        let mut ends = self.table.life(slot).ends;
        let learnt = ends.learn(&event.id.endpoints);
        if learnt && indexed {
            self.table.forget_ends(slot);
        }
        let (own_pid, confirmed) = (self.config.own_pid, self.loss.confirmed_at(event.at));
        self.learn_netns(slot, event.id.netns);
        // A child is born with the cookie that its listener has.
        let own = event.from != TcpState::Listen || event.to == TcpState::Closed;
        if !self.config.cookies && own {
            self.learn_keys(slot, &event.id.socket);
        }
        let life = self.table.life_mut(slot);
        life.generation = confirmed.unwrap_or(life.generation);
        life.learn(&event.id);
        life.ends = ends;
        if let Some(facts) = &event.facts {
            life.note(facts);
        }
        if let Some(owner) = event.owner {
            owner::claim(&mut life.owner, owner);
        }
        if let Some(actor) = event.actor.filter(|_| !killer) {
            let how = match (event.from, event.to) {
                (TcpState::Closed, TcpState::SynSent) => OwnerHow::Connect,
                (TcpState::Closed, TcpState::Listen) => OwnerHow::Listen,
                _ => OwnerHow::Close,
            };
            let known = life.owner.is_some_and(|owner| owner.task.pid == actor.pid);
            if !known || life.rare.is_some() {
                let mut last_seen = life.rare.as_deref().and_then(|rare| rare.last_seen);
                let before = last_seen;
                owner::acted(&mut life.owner, &mut last_seen, actor, how);
                if before != last_seen {
                    life.rare().last_seen = last_seen;
                }
            } else {
                owner::claim(&mut life.owner, Owner { task: actor, how });
            }
        }
        life.hidden |= own_pid != 0 && life.owner.is_some_and(|owner| owner.task.pid == own_pid);
        if learnt && (indexed || !self.config.cookies) {
            self.table.index_ends(slot);
        }
        if (learnt || begins(event)) && self.minis > 0 {
            self.recycle(slot, event, out);
        }
    }

    /// The kernel half's memory of the entry goes before ours where ours is no event, or doubtful after a loss.
    fn trust_since(&mut self, slot: Slot, event: &StateChange) {
        let Some(since) = event.since.filter(|since| *since <= event.at) else { return };
        let life = self.table.life_mut(slot);
        let last = life.stays.last();
        if matches!(last.known, Known::Event | Known::EntryOnly) || last.state != event.from {
            return;
        }
        let before = (life.stays.len() > 1).then(|| life.stays.at(life.stays.len() - 2).entered);
        let entered = before.map_or(since, |before| since.max(before));
        life.stays.set_last(Stay { state: last.state, known: Known::Event, entered });
    }

    /// Something between was lost: goes from our state to the one that the event leaves.
    fn catch_up(&mut self, slot: Slot, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life_mut(slot);
        let last = life.stays.last();
        let (at, known) = match event.since.filter(|since| *since >= last.entered && *since <= event.at) {
            Some(since) => (since, Known::Event),
            None => (event.at, Known::Unknown),
        };
        // One legal step was lost and the kernel half remembers when; else more may have been between.
        let edge = Edge { from: last.state, to: event.from };
        let in_from = if edge.kind() == EdgeKind::Unseen {
            if last.known == Known::Event {
                life.stays.set_last(Stay { known: Known::EntryOnly, ..last });
            }
            Some(Span::UNKNOWN)
        } else {
            None
        };
        let (to, seen_by) = (event.from, SeenBy::Tracepoint);
        self.moved(slot, Step { at, to, known, in_from, seen_by, kernel: None }, out);
        let life = self.table.life_mut(slot);
        life.closed_by = life.closed_by.or(super::life::closed_by(event.from));
    }

    /// Makes the transition of an event.
    fn step(&mut self, slot: Slot, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) {
        if self.table.life(slot).fictitious_syn_recv() && event.to != TcpState::FinWait1 {
            let life = self.table.life_mut(slot);
            let stay = Stay { known: Known::EntryOnly, ..life.stays.last() };
            life.stays.set_last(stay);
        }
        if let (TcpState::SynSent | TcpState::SynRecv, TcpState::Established) = (event.from, event.to) {
            self.handshake(slot, event);
        }
        let at = event.at.max(self.table.life(slot).stays.last().entered);
        if event.to != TcpState::Closed {
            let kernel = Some((event.from, event.to));
            let step = Step {
                at,
                to: event.to,
                known: Known::Event,
                in_from: None,
                seen_by: SeenBy::Tracepoint,
                kernel,
            };
            self.moved(slot, step, out);
            self.entered(slot, event);
            return;
        }
        self.closed(slot, at, event, out);
    }

    /// What is known on entering a state.
    fn entered(&mut self, slot: Slot, event: &StateChange) {
        let life = self.table.life_mut(slot);
        if let Some(by) = super::life::closed_by(event.to)
            && (life.closed_by.is_none() || event.to == TcpState::Closing)
        {
            life.closed_by = Some(by);
        }
        if event.from == TcpState::SynSent && event.to == TcpState::SynRecv {
            life.opened_by = OpenedBy::Simultaneous;
        }
        if event.to == TcpState::FinWait2 {
            if let Some(counters) = event.counters {
                life.rare().counters = Some(counters);
            }
            self.expect_orphan(slot, event);
        }
    }

    fn handshake(&mut self, slot: Slot, event: &StateChange) {
        let Some(counters) = event.counters else { return };
        let life = self.table.life_mut(slot);
        let passive = life.opened_by == OpenedBy::Accept;
        // A request that a dump has shown has waited for its final ACK; Fast Open did not wait for it.
        let waited = passive && (life.fastopen || life.first_seen == FirstSeen::Snapshot);
        if counters.retransmits == 0 && !waited && !(passive && rtt::of_a_cookie(counters.srtt_us)) {
            life.handshake_rtt_us = counters.srtt_us;
            self.rtts.seen(life.netns, life.ends.remote(), counters.srtt_us);
        }
    }
}
