//! Transitions that wait for the filter's answer: owned copies, bounded a connection and in all.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use crate::model::event::StateChange;
use crate::model::life::ConnectionId;
use crate::model::measure::Measured;
use crate::model::transition::Transition;

/// A life has a dozen transitions; more come only from a socket that is used again and again.
const A_CONNECTION: usize = 16;
/// About 20 MB: a flood of connections that nobody accepts must not eat the host.
const IN_ALL: usize = 100_000;

/// A copy of what waits.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A true transition.
    Moved(Transition),
    /// A length beside stays.
    Measured(Measured),
    /// The kernel's event.
    Seen(StateChange),
}

/// Everything that waits, by age and by connection.
#[derive(Debug)]
pub(super) struct Held {
    /// By the order in which it came, so that the oldest is found at once.
    by_age: BTreeMap<u64, (ConnectionId, What)>,
    by_connection: FxHashMap<ConnectionId, VecDeque<u64>>,
    next: u64,
    forgotten: u64,
    in_all: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self::with_room(IN_ALL)
    }
}

impl Held {
    /// Room for `in_all` of them.
    pub(super) fn with_room(in_all: usize) -> Self {
        Self { by_age: BTreeMap::new(), by_connection: FxHashMap::default(), next: 0, forgotten: 0, in_all }
    }

    /// Does nothing wait?
    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// How many had to be forgotten for want of room.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Keeps `what`; where there is no room the oldest goes.
    pub(super) fn push(&mut self, id: ConnectionId, what: What) {
        let ages = self.by_connection.entry(id).or_default();
        ages.push_back(self.next);
        self.by_age.insert(self.next, (id, what));
        self.next += 1;
        if ages.len() > A_CONNECTION {
            if let Some(oldest) = ages.pop_front() {
                self.by_age.remove(&oldest);
                self.forgotten += 1;
            }
        } else if self.by_age.len() > self.in_all {
            self.forget_oldest();
        }
    }

    /// Everything of one connection, in order; it waits no more.
    pub(super) fn take(&mut self, id: ConnectionId) -> Vec<What> {
        let ages = if self.is_empty() { None } else { self.by_connection.remove(&id) };
        let taken = ages.into_iter().flatten().filter_map(|age| self.by_age.remove(&age));
        taken.map(|(_, what)| what).collect()
    }

    /// Drops everything of one connection: the filter's answer is no, so that is no loss.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        drop(self.take(id));
    }

    fn forget_oldest(&mut self) {
        let Some((_, (id, _))) = self.by_age.pop_first() else { return };
        self.forgotten += 1;
        // The oldest of all is the oldest of its connection.
        if let Some(ages) = self.by_connection.get_mut(&id) {
            ages.pop_front();
            if ages.is_empty() {
                self.by_connection.remove(&id);
            }
        }
    }
}
