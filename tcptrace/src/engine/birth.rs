//! How lives begin.

use std::time::Duration;

use super::Engine;
use super::life::Life;
use super::stays::{Known, Stay};
use super::table::Slot;
use super::update::Update;
use crate::model::event::StateChange;
use crate::model::evidence::Span;
use crate::model::life::{FirstSeen, OpenedBy};
use crate::model::owner::{Owner, OwnerHow};
use crate::model::socket::{SocketId, SocketRef};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::{SeenBy, Transition};

/// Newborn lives that may still change their cookie, and accepts that may still find their life.
pub(super) const RECENT: usize = 256;

/// How long an accept() waits for the events of its life: they come within milliseconds.
const ACCEPT_WAIT: Duration = Duration::from_secs(1);

impl Engine {
    /// A new life, first seen at `at` in `state`.
    pub(super) fn begin(
        &mut self,
        socket: &SocketId,
        at: Mono,
        state: TcpState,
        first_seen: FirstSeen,
        out: &mut dyn FnMut(Update<'_>),
    ) -> Slot {
        let (entered, known) = match first_seen {
            FirstSeen::Event => (at, Known::Event),
            FirstSeen::Snapshot => (at, Known::Seen { earliest: None }),
            FirstSeen::Midway => self.midway(at),
        };
        self.evict(at, out);
        while self.accepted.front().is_some_and(|(.., since)| *since + ACCEPT_WAIT < at) {
            self.accepted.pop_front();
        }
        let mut life = Life::new(self.next_id, socket, first_seen, Stay { state, known, entered });
        let confirmed = self.loss.confirmed_at(at).unwrap_or(self.loss.generation.wrapping_sub(1));
        life.generation = confirmed;
        self.next_id += 1;
        self.connections += 1;
        // Who listens or connects was not handed over by accept(); an address says nothing of what lived there before.
        if !self.accepted.is_empty()
            && !matches!(state, TcpState::Listen | TcpState::SynSent)
            && let Some(index) = self.accepted.iter().position(|(accepted, _, when)| match accepted.cookie {
                Some(cookie) => life.cookie == cookie.0.get(),
                // Where it was accepted before it was born, that was another socket at the same address, which no event told of.
                None => {
                    life.address == accepted.address
                        && accepted.address != 0
                        && (first_seen != FirstSeen::Event || *when >= at)
                }
            })
            && let Some((_, task, _)) = self.accepted.remove(index)
        {
            life.owner = Some(Owner { task, how: OwnerHow::Accept });
        }
        let netns = self.netns.entry(life.netns).or_default();
        netns.lives += 1;
        if netns.lives == 1 {
            netns.repaired = confirmed;
        }
        let slot = self.table.insert(life);
        if !self.config.cookies {
            self.table.index_ends(slot);
        }
        slot
    }

    /// The namespace of a life from the classic path becomes known.
    pub(super) fn learn_netns(&mut self, slot: Slot, netns: Option<u32>) {
        let (0, Some(new)) = (self.table.life(slot).netns, netns) else { return };
        let mini = u32::from(self.table.life(slot).mini().is_some());
        self.table.life_mut(slot).netns = new;
        if let Some(none) = self.netns.get_mut(&0) {
            none.lives = none.lives.saturating_sub(1);
            none.minis = none.minis.saturating_sub(mini);
        }
        let known = self.netns.entry(new).or_default();
        known.lives += 1;
        known.minis += mini;
    }

    /// Takes what of cookie and address a life did not know yet.
    pub(super) fn learn_keys(&mut self, slot: Slot, socket: &SocketRef) {
        let life = self.table.life(slot);
        let cookie =
            if life.cookie == 0 { socket.cookie.map_or(0, |cookie| cookie.0.get()) } else { life.cookie };
        let address = if life.address == 0 { socket.address } else { life.address };
        if (cookie, address) == (life.cookie, life.address) {
            return;
        }
        self.table.rekey(slot, cookie, address);
    }

    pub(super) fn newborn(&mut self, address: u64, slot: Slot) {
        if self.newborn.len() == RECENT {
            self.newborn.pop_front();
        }
        self.newborn.push_back((address, slot, self.table.life(slot).id));
    }

    /// The passive life just born at the event's address under another cookie (kernels before 6.x), which now gets its
    /// own.
    pub(super) fn adopt_newborn(&mut self, event: &StateChange) -> Option<Slot> {
        let address = event.id.socket.address;
        let (_, slot, _) = *self.newborn.iter().rev().find(|(at, slot, id)| {
            *at == address
                && self.table.still(*slot, *id)
                && self.table.life(*slot).state() == TcpState::SynRecv
        })?;
        self.table.unindex(slot);
        self.table.life_mut(slot).cookie = event.id.socket.cookie.map_or(0, |cookie| cookie.0.get());
        self.table.index(slot);
        Some(slot)
    }

    pub(super) fn announce_birth(
        &mut self,
        slot: Slot,
        event: &StateChange,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let life = self.table.life(slot);
        if life.hidden {
            self.connections = self.connections.saturating_sub(1);
            return;
        }
        if !self.config.transitions {
            return;
        }
        let transition = Transition {
            at: event.at,
            from: event.from,
            to: event.to,
            in_from: Span::UNKNOWN,
            seen_by: SeenBy::Tracepoint,
            kernel: Some((event.from, event.to)),
            ending: None,
        };
        out(Update::Moved(&transition, &life.subject()));
    }

    /// The life that a `CLOSE>SYN_SENT`, `CLOSE>LISTEN` or `LISTEN>SYN_RECV` begins.
    pub(super) fn begin_by_event(
        &mut self,
        socket: &SocketId,
        event: &StateChange,
        out: &mut dyn FnMut(Update<'_>),
    ) -> Slot {
        let slot = self.begin(socket, event.at, event.to, FirstSeen::Event, out);
        let life = self.table.life_mut(slot);
        life.opened_by = match event.to {
            TcpState::SynSent => OpenedBy::Connect,
            TcpState::Listen => OpenedBy::Listen,
            _ => OpenedBy::Accept,
        };
        if event.to == TcpState::SynRecv {
            let syn = self.half_open.take(life.netns, life.ends).filter(|syn| *syn <= event.at);
            if let Some(entered) = syn {
                life.syn_seen = true;
                life.stays.set_last(Stay { state: TcpState::SynRecv, known: Known::Event, entered });
            }
            self.newborn(event.id.socket.address, slot);
        }
        slot
    }
}
