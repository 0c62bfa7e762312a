//! Lengths beside stays: told as soon as they are known, where histograms ask for them.

use super::Engine;
use super::life::Life;
use super::stays::Known;
use super::table::Slot;
use super::update::Update;
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{FirstSeen, OpenedBy};
use crate::model::measure::{Measure, Measured};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::{SeenBy, Transition};

impl Engine {
    /// Tells what a transition, whose moment is known as `known`, makes known.
    pub(super) fn derive(
        &mut self,
        slot: Slot,
        moved: &Transition,
        known: Known,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        use TcpState::{
            CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv, SynSent, TimeWait,
        };
        let Transition { at, from, to, in_from, seen_by, .. } = *moved;
        let life = self.table.life(slot);
        let span = match (from, to) {
            (SynSent, Established) => Some((Measure::Handshake, in_from)),
            (SynRecv, Established) => Some((Measure::Handshake, self.round_trip(life))),
            (CloseWait, LastAck) => Some((Measure::Reaction, in_from)),
            (FinWait1, Closing) => Some((Measure::FinToFin, in_from)),
            (FinWait1 | FinWait2, TimeWait) => {
                Some((Measure::FinToFin, between_fins(life, in_from, at, known)))
            }
            _ => None,
        };
        // A listener's is no connection's.
        let over = match to {
            TimeWait => true,
            Closed => from != TimeWait && from != TcpState::Listen,
            _ => false,
        };
        let lasted = over.then(|| (Measure::Lifetime, of_both_halves(life, life.lasted(at, known), known)));
        for (measure, span) in span.into_iter().chain(lasted) {
            self.tell_measured(slot, Measured { at, measure, span, seen_by }, out);
        }
    }

    /// accept() has returned at `at`.
    pub(super) fn derive_wait(&mut self, slot: Slot, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life(slot);
        let waited = life.stays.iter().find(|stay| stay.state == TcpState::Established);
        // With Fast Open it may have been accepted before it was established.
        let span =
            waited.filter(|_| !life.fastopen).map_or(Span::UNKNOWN, |stay| stay.until(at, Known::Event));
        let seen_by = SeenBy::Tracepoint;
        self.tell_measured(slot, Measured { at, measure: Measure::AcceptWait, span, seen_by }, out);
    }

    fn tell_measured(&mut self, slot: Slot, measured: Measured, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life_mut(slot);
        if life.hidden {
            return;
        }
        life.rare().measured.push((measured.measure, measured.span));
        out(Update::Measured(&measured, &life.subject()));
    }

    /// An accepted connection's, as the kernel measured it, where it can be believed.
    fn round_trip(&self, life: &Life) -> Span {
        let rtt_us = life.handshake_rtt_us;
        let passive = life.opened_by == OpenedBy::Accept;
        if !passive || rtt_us == 0 || self.rtts.is_late(life.netns, life.ends.remote(), rtt_us) {
            return Span::UNKNOWN;
        }
        Span::exact(u64::from(rtt_us) * 1000)
    }
}

/// From our FIN to the peer's, which came at `at`.
fn between_fins(life: &Life, in_last: Span, at: Mono, known: Known) -> Span {
    match life.stays.iter().find(|stay| stay.state == TcpState::FinWait1) {
        Some(stay) => stay.until(at, known),
        // It was first seen in FIN_WAIT_2.
        None => of_both_halves(life, Span::at_least(in_last.ns.unwrap_or(0), None), known),
    }
}

/// What the kernel half has counted from its birth is known to us only from its end on: where that is estimated, so is the whole.
fn of_both_halves(life: &Life, span: Span, end: Known) -> Span {
    let counted = life.first_seen == FirstSeen::Midway && life.opened_by != OpenedBy::Unknown;
    match end {
        Known::Unknown => Span::UNKNOWN,
        Known::About { .. } | Known::Seen { .. } if counted => {
            Span { evidence: Evidence::Estimated, ..Span::UNKNOWN }
        }
        _ => span,
    }
}
