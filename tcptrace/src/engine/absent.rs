//! What a complete dump proves by what it does not show.

use std::time::Duration;

use super::dump::{ALL_STATES, MINI_STATES};
use super::ending::Endpoint;
use super::life::Phase;
use super::stays::Known;
use super::sweep::{SLICE, Sweep};
use super::table::Slot;
use super::update::Update;
use super::{Engine, cause};
use crate::model::evidence::Span;
use crate::model::life::End;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

impl Engine {
    /// A dump of a namespace is complete: what it should have shown and did not is gone.
    pub(super) fn snapshot_done(
        &mut self,
        began: Mono,
        at: Mono,
        netns: u32,
        states: u32,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        self.graves.dumped(at);
        if self.minis > 0 {
            let minis: Vec<Slot> = self.table.indexed_by_ends().collect();
            for slot in minis {
                self.missing_mini(slot, began, at, netns, states, out);
            }
            if states & 1 << TcpState::TimeWait as u8 != 0 {
                let missing = self.missing_at_rest(netns, began);
                self.sweeps.push_back(Sweep { began, at, netns, states, missing });
                self.sweep(SLICE, out);
            }
        }
        for slot in self.vanished(netns, began, states) {
            self.loss.unseen += 1;
            self.end_unseen(slot, at, out);
        }
        self.tell_unseen(at, out);
        let known = self.netns.get(&netns).map_or(self.loss.generation, |known| known.repaired);
        // It may have moved on to any state: only a dump of all of them proves that it is gone.
        if known == self.loss.generation || self.loss.at > began || states & ALL_STATES != ALL_STATES {
            return;
        }
        let doubtful: Vec<Slot> = self
            .table
            .slots()
            .filter(|slot| {
                let life = self.table.life(*slot);
                life.netns == netns
                    && life.generation != self.loss.generation
                    && matches!(life.phase(), Phase::Open)
                    && life.stays.last().entered <= began
            })
            .collect();
        for slot in doubtful {
            self.end_unseen(slot, at, out);
        }
        if let Some(known) = self.netns.get_mut(&netns) {
            known.repaired = self.loss.generation;
        }
    }

    /// It is gone, and nothing has told how.
    fn end_unseen(&mut self, slot: Slot, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        let how = Endpoint {
            at,
            known: Known::Unknown,
            in_from: Some(Span::UNKNOWN),
            ending: cause::ending(End::Unknown),
            attached: false,
            kernel: None,
            seen_by: SeenBy::SockDiag,
        };
        self.end_seen(slot, how, out);
    }

    pub(super) fn missing_mini(
        &mut self,
        slot: Slot,
        began: Mono,
        at: Mono,
        netns: u32,
        states: u32,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let life = self.table.life(slot);
        let Some(mini) = life.mini().copied() else { return };
        let last = life.stays.last();
        // A FIN_WAIT_2 may have become TIME_WAIT: both must have been asked for.
        let needed =
            if last.state == TcpState::TimeWait { 1 << TcpState::TimeWait as u8 } else { MINI_STATES };
        let before = mini.confirmed.unwrap_or(last.entered).max(last.entered);
        if life.netns != netns || states & needed != needed || before >= began {
            return;
        }
        let expires = mini.expires.unwrap_or(at);
        let due = at + Duration::from_millis(20) >= expires;
        let gone = if due { expires.max(before).min(at) } else { at };
        let error_ns = Some(at.since(gone).max(gone.since(before)));
        let known = if mini.overflowed { Known::Unknown } else { Known::About { error_ns } };
        let end = match last.state {
            // One that was never made was not ended early.
            TcpState::TimeWait if due || mini.overflowed => End::TimeWait,
            TcpState::TimeWait => End::Recycled,
            _ if mini.peer_reset.is_some() => End::RstReceived,
            _ if mini.either => End::Unknown,
            _ if due => End::FinWait2Timeout,
            _ => End::Unknown,
        };
        self.gone(slot, gone, known, end, SeenBy::SockDiag, out);
    }
}
