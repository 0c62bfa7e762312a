//! Losses: events that never came, lives that had to leave.

use super::stays::Known;
use super::table::Slot;
use super::update::Update;
use super::{Engine, MOST_CONNECTIONS};
use crate::model::event::LossPlace;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// Losses so far. After each one every life is doubtful until its next event or a dump confirms it: a generation
/// counter says so without touching the lives.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    pub(crate) generation: u32,
    /// When the last loss was noticed.
    pub(crate) at: Mono,
    totals: [u64; 3],
    /// Events that never came, as a dump has shown, not yet told: at least so many.
    pub(super) unseen: u64,
    /// Evictions not yet told.
    untold: u64,
    told: Mono,
}

/// Evictions are told at most this often, nanoseconds.
const TELL_NS: u64 = 1_000_000_000;

fn index(place: LossPlace) -> usize {
    match place {
        LossPlace::RingBuffer => 0,
        LossPlace::Map => 1,
        LossPlace::Table => 2,
    }
}

impl Loss {
    pub(crate) fn total(&self, place: LossPlace) -> u64 {
        self.totals[index(place)]
    }

    /// The generation of a life that something confirms which was seen at `at`. What was seen before the last loss was noticed confirms
    /// nothing: it may have waited in the ring while that loss came after it.
    pub(crate) fn confirmed_at(&self, at: Mono) -> Option<u32> {
        (at >= self.at).then_some(self.generation)
    }

    fn count(&mut self, place: LossPlace, count: u64) -> u64 {
        let total = &mut self.totals[index(place)];
        *total = total.saturating_add(count);
        *total
    }

    /// Tells of evictions that were not yet told.
    pub(crate) fn tell_evictions(&mut self, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        let count = std::mem::take(&mut self.untold);
        if count > 0 {
            self.told = at;
            let total = self.total(LossPlace::Table);
            out(Update::Lost { at, count, place: LossPlace::Table, total });
        }
    }
}

impl Engine {
    /// Events were lost before `at`.
    pub(super) fn lose(&mut self, at: Mono, count: u64, place: LossPlace, out: &mut dyn FnMut(Update<'_>)) {
        self.loss.generation = self.loss.generation.wrapping_add(1);
        self.loss.at = self.loss.at.max(at);
        self.complete_since = self.complete_since.map(|since| since.max(at));
        let total = self.loss.count(place, count);
        out(Update::Lost { at, count, place, total });
    }

    /// Makes room: the longest idle ESTABLISHED life leaves, else the longest idle of all.
    pub(super) fn evict(&mut self, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        while self.live() >= self.config.max_connections.clamp(1, MOST_CONNECTIONS) {
            let Some(slot) = self.longest_idle() else { return };
            let life = self.table.life(slot);
            // A life that is over waits only for a neighbour: it is told, not lost.
            if life.rare.as_deref().is_some_and(|rare| rare.ending.is_some())
                || matches!(life.phase(), super::life::Phase::Held(_))
            {
                let id = life.id;
                self.settle(slot, out);
                if !self.table.still(slot, id) {
                    continue;
                }
            }
            let reported = self.table.life(slot).reported || self.table.life(slot).hidden;
            self.leave(slot);
            if !reported {
                self.loss.count(LossPlace::Table, 1);
                self.loss.untold += 1;
            }
            self.complete_since = self.complete_since.map(|since| since.max(at));
        }
        if self.loss.untold > 0 && at.since(self.loss.told) >= TELL_NS {
            self.loss.tell_evictions(at, out);
        }
    }

    /// The one to lose when there is no more room.
    fn longest_idle(&mut self) -> Option<Slot> {
        let idle = self.table.longest_idle();
        let life = idle.map(|slot| self.table.life(slot));
        if life.is_some_and(|life| life.state() == TcpState::Established) {
            return idle;
        }
        let rest = self.rests.oldest().filter(|rest| {
            let entered = self.rests.at(*rest).entered();
            life.is_none_or(|life| entered <= life.stays.last().entered)
        });
        rest.map(|rest| self.wake(rest, self.now)).or(idle)
    }

    /// How the stay of a life that we meet midway is known.
    pub(super) fn midway(&self, at: Mono) -> (Mono, Known) {
        match self.complete_since.filter(|since| *since < at) {
            Some(since) => (since, Known::Seen { earliest: None }),
            None => (at, Known::Unknown),
        }
    }
}
