//! Events that never came and that nobody counted: a dump finds them out, because it contradicts a life that has long stood still.

use std::time::Duration;

use super::Engine;
use super::dump::ALL_STATES;
use super::life::{Life, Phase};
use super::table::Slot;
use super::update::Update;
use crate::model::event::LossPlace;
use crate::model::socket::Protocol;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// No event comes so late after what it tells of.
const LATE: Duration = Duration::from_secs(3);

/// A moment for comparing dumps, which are seconds apart: units of 2^30 ns.
pub(super) fn coarse(at: Mono) -> u32 {
    u32::try_from(at.0 >> 30).unwrap_or(u32::MAX)
}

impl Engine {
    /// Whether every event of a life comes here, so that what a dump shows can be held against it. MPTCP shares cookies among sockets
    /// of which a dump does not show all.
    fn is_accountable(&self, life: &Life) -> bool {
        self.config.cookies
            && self.complete_since.is_some()
            && life.protocol == Protocol::Tcp
            && !life.keyed_by_address()
            && !matches!(life.state(), TcpState::Closed | TcpState::NewSynRecv)
    }

    /// Whether a dump of `at` that shows another state than this life's proves that an event was never told. Every event before it has
    /// been taken.
    pub(super) fn has_stood_still(&self, life: &Life, at: Mono) -> bool {
        self.is_accountable(life) && life.stays.last().entered + LATE <= at
    }

    /// A dump of a namespace that began then is complete: who was in neither this one of all states nor the one before it is gone. One
    /// alone proves nothing: the kernel counts the sockets of a bucket to go on after a full datagram, and passes over one when an
    /// earlier one leaves meanwhile (Linux `net/ipv4/inet_diag.c:inet_diag_dump_icsk`).
    pub(super) fn vanished(&mut self, netns: u32, began: Mono, states: u32) -> Vec<Slot> {
        if states & ALL_STATES != ALL_STATES {
            return Vec::new();
        }
        let Some(known) = self.netns.get_mut(&netns) else { return Vec::new() };
        let Some(before) = known.dumped.replace(began) else { return Vec::new() };
        let gone = |slot: &Slot| {
            let life = self.table.life(*slot);
            life.netns == netns
                && matches!(life.phase(), Phase::Open)
                && life.shown < coarse(before)
                // Otherwise what is counted already may have been its end.
                && life.generation == self.loss.generation
                && self.has_stood_still(life, before)
        };
        self.table.slots().filter(gone).collect()
    }

    /// Tells of the events that dumps have found out, at least so many: a loss like any other, after which all is looked at.
    pub(super) fn tell_unseen(&mut self, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        let count = std::mem::take(&mut self.loss.unseen);
        if count > 0 {
            self.lose(at, count, LossPlace::RingBuffer, out);
        }
    }
}
