//! What is due when: deadlines of single lives, checked lazily.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::table::Slot;
use crate::model::time::Mono;

/// A heap of deadlines. An entry may be stale: whoever takes it compares the id and asks the life what is due.
#[derive(Debug, Default)]
pub(crate) struct Agenda(BinaryHeap<Reverse<(Mono, u64, Slot)>>);

impl Agenda {
    pub(crate) fn add(&mut self, due: Mono, id: u64, slot: Slot) {
        self.0.push(Reverse((due, id, slot)));
    }

    /// The earliest deadline, which may be stale.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.0.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next `(due, id, slot)` that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<(Mono, u64, Slot)> {
        let Reverse((due, ..)) = self.0.peek()?;
        if *due > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}
