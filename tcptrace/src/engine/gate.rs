//! Stands between the engine and the sinks: lets through what the user asked for, keeps back what cannot be decided yet.
//!
//! A connect chooses its local port after its first event, and a connection gets its owner at accept(): with a filter on
//! either, the transitions before that moment are held until the filter can answer.

mod held;

use crate::engine::filter::{Admission, Filter, LifeFilter};
use crate::engine::update::Update;
use crate::model::life::{Lifecycle, Subject};
use crate::model::state::TcpState;
use held::{Held, What};

/// What a command prints of the engine's news. Losses are always printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// True transitions.
    Transitions,
    /// The kernel's own events (`--raw`).
    KernelEvents,
    /// Whole lives.
    Lives(LifeFilter),
    /// Stuck sockets, which are filtered where they are found.
    Stuck,
}

/// The gate. Its memory is bounded: what had to be forgotten is counted.
#[derive(Debug)]
pub struct Gate {
    filter: Filter,
    /// The filter asks for nothing: the fast path.
    open: bool,
    show: Show,
    /// `--count`: let that many through.
    limit: u64,
    passed: u64,
    held: Held,
}

impl Gate {
    /// A gate for `filter` that lets at most `limit` transitions or lives through.
    #[must_use]
    pub fn new(filter: Filter, show: Show, limit: Option<u64>) -> Self {
        let open = filter.is_empty();
        Self { filter, open, show, limit: limit.unwrap_or(u64::MAX), passed: 0, held: Held::default() }
    }

    /// Hands to `out` what may be shown because of `update`: nothing, `update`, or what was held and then `update`.
    pub fn pass(&mut self, update: &Update<'_>, out: &mut dyn FnMut(&Update<'_>)) {
        match (update, &self.show) {
            (Update::Lost { .. } | Update::Stuck(_), _) => out(update),
            (Update::Moved(moved, subject), Show::Transitions) => {
                self.sift(update, subject, What::Moved(**moved), (moved.from, moved.to), out);
            }
            (Update::Measured(measured, subject), Show::Transitions) => {
                // It ends in no state.
                let neutral = (TcpState::Established, TcpState::Established);
                self.sift(update, subject, What::Measured(**measured), neutral, out);
            }
            (Update::Seen(change, subject), Show::KernelEvents) => {
                self.sift(update, subject, What::Seen(**change), (change.from, change.to), out);
            }
            (Update::Closed(life) | Update::Unfinished(life), Show::Lives(rules)) => {
                if rules.admits(life) && (self.open || self.admits_life(life)) {
                    self.let_through(update, out);
                }
            }
            // Not printed, but the last chance to learn who it was.
            (
                Update::Closed(life) | Update::Unfinished(life),
                Show::Transitions | Show::KernelEvents | Show::Stuck,
            ) => {
                if !self.held.is_empty() {
                    self.reconsider(&as_subject(life), out);
                    self.held.forget(life.id);
                }
            }
            (Update::Moved(..) | Update::Measured(..), Show::KernelEvents | Show::Lives(_) | Show::Stuck)
            | (Update::Seen(..), Show::Transitions | Show::Lives(_) | Show::Stuck) => {}
        }
    }

    /// Lets out what is held of a connection of which more is known now, e.g. its owner after accept(): call it where the
    /// engine learns something without a transition.
    pub fn reconsider(&mut self, subject: &Subject, out: &mut dyn FnMut(&Update<'_>)) {
        if self.held.is_empty() {
            return;
        }
        match self.filter.admits(subject) {
            Admission::Yes => self.release(subject, out),
            Admission::No => self.held.forget(subject.id),
            Admission::NotYet => {}
        }
    }

    /// Transitions or lives let through so far.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Has it let through all that `--count` allows?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.passed >= self.limit
    }

    /// Transitions that were forgotten because too many were held.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.held.forgotten()
    }

    /// The filter, e.g. to add the children of a followed process. It must not become empty.
    pub fn filter_mut(&mut self) -> &mut Filter {
        &mut self.filter
    }

    /// One transition: out, held, or dropped.
    fn sift(
        &mut self,
        update: &Update<'_>,
        subject: &Subject,
        what: What,
        (from, to): (TcpState, TcpState),
        out: &mut dyn FnMut(&Update<'_>),
    ) {
        if self.open {
            return self.let_through(update, out);
        }
        let asked = self.filter.admits_states(from, to);
        match self.filter.admits(subject) {
            Admission::Yes => {
                self.release(subject, out);
                if asked {
                    self.let_through(update, out);
                }
            }
            Admission::No => self.held.forget(subject.id),
            // Nobody will own it any more.
            Admission::NotYet if to == TcpState::Closed => self.held.forget(subject.id),
            Admission::NotYet if asked => self.held.push(subject.id, what),
            Admission::NotYet => {}
        }
    }

    /// Hands out what is held of `subject`, in order, with what is known of it now.
    fn release(&mut self, subject: &Subject, out: &mut dyn FnMut(&Update<'_>)) {
        for what in self.held.take(subject.id) {
            match &what {
                What::Moved(moved) => self.let_through(&Update::Moved(moved, subject), out),
                What::Measured(measured) => self.let_through(&Update::Measured(measured, subject), out),
                What::Seen(change) => self.let_through(&Update::Seen(change, subject), out),
            }
        }
    }

    fn let_through(&mut self, update: &Update<'_>, out: &mut dyn FnMut(&Update<'_>)) {
        if self.passed < self.limit {
            self.passed += 1;
            out(update);
        }
    }

    /// At its end what is not known is no match.
    fn admits_life(&self, life: &Lifecycle) -> bool {
        self.filter.admits(&as_subject(life)) == Admission::Yes
            && (self.filter.states.is_empty()
                || life.states.iter().any(|stay| self.filter.names_state(stay.state)))
    }
}

fn as_subject(life: &Lifecycle) -> Subject {
    Subject { id: life.id, socket: life.socket, owner: life.owner, opened_by: life.opened_by }
}

#[cfg(test)]
mod tests;
