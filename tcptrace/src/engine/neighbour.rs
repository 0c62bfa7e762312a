//! What the neighbouring tracepoints tell: accept(), RSTs, destroyed sockets, timers of timewait sockets.

use super::birth::RECENT;
use super::ending::Step;
use super::life::Phase;
use super::stays::Known;
use super::table::Slot;
use super::update::Update;
use super::{Engine, HOLD, cause, owner};
use crate::model::event::{Accepted, Neighbour, ResetReason};
use crate::model::life::{End, OpenedBy};
use crate::model::owner::{Owner, OwnerHow};
use crate::model::socket::SocketRef;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

/// A timer set for longer may share its bucket of the wheel with one set for a minute, nanoseconds.
const NEAR_A_MINUTE_NS: u64 = 50_000_000_000;

/// The widest such bucket (HZ=100), nanoseconds.
const ONE_BUCKET_NS: u64 = 6_000_000_000;

impl Engine {
    pub(super) fn accept(&mut self, accepted: &Accepted, out: &mut dyn FnMut(Update<'_>)) {
        let own_pid = self.config.own_pid;
        if let Some(slot) = self.find(&accepted.socket) {
            let life = self.table.life_mut(slot);
            if matches!(life.opened_by, OpenedBy::Accept | OpenedBy::Unknown)
                && matches!(life.phase(), Phase::Open)
                && life.state() != TcpState::Listen
            {
                life.opened_by = OpenedBy::Accept;
                owner::claim(&mut life.owner, Owner { task: accepted.task, how: OwnerHow::Accept });
                life.hidden |= own_pid != 0 && accepted.task.pid == own_pid;
                if self.config.measures {
                    self.derive_wait(slot, accepted.at, out);
                }
            }
            return;
        }
        if self.accepted.len() == RECENT {
            self.accepted.pop_front();
        }
        self.accepted.push_back((accepted.socket, accepted.task, accepted.at));
    }

    pub(super) fn neighbour(
        &mut self,
        at: Mono,
        socket: &SocketRef,
        what: Neighbour,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let found = match what {
            // They mean nothing to a TIME_WAIT: one that rests need not wake.
            Neighbour::ResetReceived | Neighbour::ResetSent(_) | Neighbour::Destroyed => {
                self.table.find(socket)
            }
            Neighbour::TimewaitArmed(_) | Neighbour::TimewaitExpired | Neighbour::TimewaitKilled(_) => {
                self.find(socket)
            }
        };
        let Some(slot) = found else { return };
        match what {
            Neighbour::ResetReceived => {
                if matches!(self.table.life(slot).phase(), Phase::Open) {
                    self.table.life_mut(slot).rare().reset_received = true;
                }
            }
            Neighbour::ResetSent(reason) => self.reset_sent(slot, at, reason, out),
            Neighbour::Destroyed => self.destroyed(slot, at, out),
            Neighbour::TimewaitArmed(state) => {
                if let Some(mini) = self.table.life_mut(slot).mini_mut() {
                    mini.confirmed = Some(at);
                    mini.overflowed = false;
                    if state == TcpState::TimeWait {
                        self.became_time_wait(slot, at, Known::Event, out);
                    }
                }
            }
            Neighbour::TimewaitExpired => self.timer_ended(slot, at, None, out),
            Neighbour::TimewaitKilled(state) => self.timer_ended(slot, at, Some(state), out),
        }
    }

    fn reset_sent(
        &mut self,
        slot: Slot,
        at: Mono,
        reason: Option<ResetReason>,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        match self.table.life(slot).phase() {
            Phase::Open => self.table.life_mut(slot).rare().reset_sent = Some((at, reason)),
            Phase::Held(held) => {
                if let Some(ending) = cause::after_reset(held, reason) {
                    let (at, attached, from) = (held.at, held.attached, held.from);
                    self.end(slot, at, Known::Event, ending, attached, Some(from), out);
                }
            }
            // Data for an orphan in FIN_WAIT_2: the RST ends it. A true TIME_WAIT survives what it answers.
            Phase::Mini(_) if self.table.life(slot).state() == TcpState::FinWait2 => {
                let word = match reason {
                    Some(ResetReason::TimewaitSocket | ResetReason::AbortOnData) => "data_after_close",
                    Some(ResetReason::AbortOnMemory) => "memory",
                    _ => return,
                };
                let ending = cause::because(End::RstSent, word);
                self.gone_because(slot, at, Known::Event, ending, SeenBy::Tracepoint, out);
            }
            Phase::Mini(_) | Phase::Over => {}
        }
    }

    /// A RST that went out just before the close settles it at once.
    pub(super) fn said_before(&mut self, slot: Slot, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life(slot);
        let Phase::Held(held) = life.phase() else { return };
        if held.fallback.end != End::Unknown {
            return;
        }
        let sent = life.rare.as_deref().and_then(|rare| rare.reset_sent);
        if let Some((at, reason)) = sent
            && held.at <= at + HOLD
        {
            self.reset_sent(slot, at, reason, out);
        }
    }

    /// The kernel frees the socket: its last fd is closed, and no more RSTs of a close() are to come.
    fn destroyed(&mut self, slot: Slot, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        let id = self.table.life(slot).id;
        match self.table.life(slot).phase() {
            Phase::Held(held) if held.data_after_close => return,
            Phase::Held(_) => self.settle_held(slot, out),
            // We missed its end.
            Phase::Open => {
                self.end(slot, at, Known::Unknown, cause::ending(End::Unknown), false, None, out);
                return;
            }
            Phase::Mini(_) | Phase::Over => {}
        }
        if self.table.still(slot, id) {
            self.fd_closed(slot, Some(at), out);
        }
    }

    /// An orphan FIN_WAIT_2 got the peer's FIN.
    fn became_time_wait(&mut self, slot: Slot, at: Mono, known: Known, out: &mut dyn FnMut(Update<'_>)) {
        let last = self.table.life(slot).stays.last();
        if last.state == TcpState::FinWait2 {
            let at = at.max(last.entered);
            let (to, seen_by) = (TcpState::TimeWait, SeenBy::Timer);
            let step = Step { at, to, known, in_from: None, seen_by, kernel: None };
            self.time_wait(slot, step, false, false, out);
        }
    }

    /// The timer of a timewait socket fired (`None`) or was cancelled in this state.
    fn timer_ended(
        &mut self,
        slot: Slot,
        at: Mono,
        killed: Option<TcpState>,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let Some(mini) = self.table.life(slot).mini().copied() else { return };
        let id = self.table.life(slot).id;
        if killed == Some(TcpState::TimeWait) {
            // A re-arm within the same bucket of the wheel is not traced: it became TIME_WAIT unseen.
            self.became_time_wait(slot, at, Known::Unknown, out);
            if !self.table.still(slot, id) {
                return;
            }
        }
        // With a timeout near a minute, a FIN soon after its beginning is a re-arm within the same bucket: it may have been
        // TIME_WAIT that expired.
        let entered = self.table.life(slot).stays.last().entered;
        let masked = mini.expires.is_some_and(|expires| expires.since(entered) > NEAR_A_MINUTE_NS)
            && mini.confirmed.is_none_or(|confirmed| confirmed.since(entered) < ONE_BUCKET_NS);
        let end = match (self.table.life(slot).state(), killed) {
            (TcpState::TimeWait, None) => End::TimeWait,
            (TcpState::TimeWait, Some(_)) => End::Recycled,
            (_, None) if mini.either || masked => End::Unknown,
            (_, None) => End::FinWait2Timeout,
            (_, Some(_)) if mini.peer_reset.is_some() => End::RstReceived,
            (_, Some(_)) => End::Unknown,
        };
        self.gone(slot, at, Known::Event, end, SeenBy::Timer, out);
    }
}
