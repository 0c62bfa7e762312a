//! Moves and ends of lives, and what of them waits to be told.

use super::life::Phase;
use super::stays::{Known, Stay};
use super::table::Slot;
use super::update::Update;
use super::{Engine, FD_WAIT, cause};
use crate::model::evidence::Span;
use crate::model::life::{End, Ending};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::{SeenBy, Transition};

/// A fd held for less is not worth a word, nanoseconds.
const FD_HELD_NS: u64 = 1_000_000;

/// One transition to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) at: Mono,
    pub(super) to: TcpState,
    pub(super) known: Known,
    /// `None`: what the stay says.
    pub(super) in_from: Option<Span>,
    pub(super) seen_by: SeenBy,
    pub(super) kernel: Option<(TcpState, TcpState)>,
}

impl Engine {
    /// Makes one transition of a life that goes on.
    pub(super) fn moved(&mut self, slot: Slot, step: Step, out: &mut dyn FnMut(Update<'_>)) {
        let Step { at, to, known, in_from, seen_by, kernel } = step;
        let life = self.table.life_mut(slot);
        let last = life.stays.last();
        let in_from = in_from.unwrap_or_else(|| life.stays.current().until(at, known));
        life.stays.push(Stay { state: to, known, entered: at });
        if !life.hidden {
            let ending = (to == TcpState::TimeWait && !self.config.through_time_wait)
                .then_some(cause::ending(End::TimeWait));
            let transition = Transition { at, from: last.state, to, in_from, seen_by, kernel, ending };
            if self.config.transitions {
                out(Update::Moved(&transition, &life.subject()));
            }
            if self.config.measures {
                self.derive(slot, &transition, known, out);
            }
        }
        self.table.touch(slot);
    }

    /// Ends a life by the kernel's event `from > CLOSE`, or by what else tells of it.
    #[expect(clippy::too_many_arguments, reason = "an end has that many sides, and three callers")]
    pub(super) fn end(
        &mut self,
        slot: Slot,
        at: Mono,
        known: Known,
        ending: Ending,
        attached: bool,
        kernel: Option<TcpState>,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let seen_by = SeenBy::Tracepoint;
        self.tell_peer(slot, at, ending, out);
        self.end_seen(slot, Endpoint { at, known, in_from: None, ending, attached, kernel, seen_by }, out);
    }

    pub(super) fn end_seen(&mut self, slot: Slot, how: Endpoint, out: &mut dyn FnMut(Update<'_>)) {
        let Endpoint { at, known, in_from, ending, attached, kernel, seen_by } = how;
        self.drop_mini(slot);
        let wait = attached && self.config.destroys;
        let life = self.table.life_mut(slot);
        let last = life.stays.last();
        let reported = life.reported;
        life.enter(Phase::Over);
        if life.closed_by.is_none() {
            life.closed_by = cause::closed_by(ending.end);
        }
        let rare = life.rare();
        rare.ending = Some(ending);
        rare.ended = Some((at, known));
        if wait && !reported {
            rare.fd_wait = Some(at + FD_WAIT);
        }
        if !life.hidden {
            let in_from = in_from.unwrap_or_else(|| life.stays.current().until(at, known));
            let transition = Transition {
                at,
                from: last.state,
                to: TcpState::Closed,
                in_from,
                seen_by,
                kernel: kernel.map(|from| (from, TcpState::Closed)),
                ending: (!reported).then_some(ending),
            };
            if self.config.transitions {
                out(Update::Moved(&transition, &life.subject()));
            }
            if self.config.measures {
                self.derive(slot, &transition, known, out);
            }
        }
        let life = self.table.life(slot);
        if reported {
            self.leave(slot);
        } else if wait {
            let id = life.id;
            self.agenda.add(self.now, at + FD_WAIT, id, slot);
        } else {
            self.tell(slot, out);
        }
    }

    /// Reports a life that has ended, and lets it go unless it goes on as a timewait socket.
    pub(super) fn tell(&mut self, slot: Slot, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life(slot);
        if self.config.lives && !life.hidden && !life.reported {
            life.report(&mut self.scratch, self.now, &self.rtts);
            out(Update::Closed(&self.scratch));
        }
        if life.mini().is_none() {
            self.leave(slot);
            return;
        }
        // Of a reported TIME_WAIT only its end is still to be told.
        let life = self.table.life_mut(slot);
        life.reported = true;
        life.stays.trim();
        life.rare = None;
        self.fresh.push((life.id, slot));
    }

    /// The last fd of an ended life was closed at `at`, or (`None`) we wait for that no longer.
    pub(super) fn fd_closed(&mut self, slot: Slot, at: Option<Mono>, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life_mut(slot);
        let mini = matches!(life.phase(), Phase::Mini(_));
        let entered = life.stays.last().entered;
        let Some(rare) = life.rare.as_deref_mut() else { return };
        let (Some(_), Some(_)) = (rare.fd_wait.take(), rare.ending) else { return };
        let ended = if mini { entered } else { rare.ended.map_or(entered, |(at, _)| at) };
        rare.fd_held_ns = at.map(|at| at.since(ended)).filter(|ns| *ns > FD_HELD_NS);
        self.tell(slot, out);
    }

    /// Settles whatever of a life is held back.
    pub(super) fn settle(&mut self, slot: Slot, out: &mut dyn FnMut(Update<'_>)) {
        let id = self.table.life(slot).id;
        self.settle_held(slot, out);
        if self.table.still(slot, id) {
            self.fd_closed(slot, None, out);
        }
    }

    /// A later life takes the cookie of this one.
    pub(super) fn supersede(&mut self, slot: Slot, at: Mono, out: &mut dyn FnMut(Update<'_>)) {
        let id = self.table.life(slot).id;
        self.settle(slot, out);
        if !self.table.still(slot, id) {
            return;
        }
        self.table.unindex(slot);
        if self.table.life(slot).mini().is_some() {
            return;
        }
        // Its end was lost; when it was is not known.
        let how = Endpoint {
            at,
            known: Known::Unknown,
            in_from: Some(Span::UNKNOWN),
            ending: cause::ending(End::Unknown),
            attached: false,
            kernel: None,
            seen_by: SeenBy::Tracepoint,
        };
        self.end_seen(slot, how, out);
    }

    /// Takes a life out of the table.
    pub(super) fn leave(&mut self, slot: Slot) {
        self.drop_mini(slot);
        let life = self.table.remove(slot);
        let netns = self.netns.entry(life.netns).or_default();
        netns.lives = netns.lives.saturating_sub(1);
        if netns.lives == 0 && netns.fin_timeout_s.is_none() {
            self.netns.remove(&life.netns);
        }
        self.graves.add(life.cookie, self.now);
    }

    /// What is due for a life now.
    pub(super) fn due(&mut self, due: Mono, slot: Slot, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life(slot);
        match life.phase() {
            Phase::Held(held) if held.until <= due => self.settle_held(slot, out),
            Phase::Over | Phase::Mini(_)
                if life.rare.as_deref().and_then(|rare| rare.fd_wait).is_some_and(|until| until <= due) =>
            {
                self.fd_closed(slot, None, out);
            }
            Phase::Mini(_) => self.mini_due(due, slot, out),
            _ => {}
        }
    }

    pub(super) fn settle_held(&mut self, slot: Slot, out: &mut dyn FnMut(Update<'_>)) {
        if let Phase::Held(held) = self.table.life(slot).phase() {
            let (at, fallback, attached, from) = (held.at, held.fallback, held.attached, held.from);
            self.end(slot, at, Known::Event, fallback, attached, Some(from), out);
        }
    }
}

/// One end, from every side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    pub(super) at: Mono,
    pub(super) known: Known,
    /// `None`: what the stay says.
    pub(super) in_from: Option<Span>,
    pub(super) ending: Ending,
    pub(super) attached: bool,
    pub(super) kernel: Option<TcpState>,
    pub(super) seen_by: SeenBy,
}
