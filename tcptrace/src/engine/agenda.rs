//! What is due when: deadlines of single lives, checked lazily.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::table::Slot;
use crate::model::time::Mono;

/// A deadline, the mark of its life, and where that was.
type Entry = (Mono, Mark, Slot);

/// The low half of an id: tells lives that have the same slot within some minutes.
pub(crate) type Mark = u32;

/// The mark of a life.
pub(crate) fn mark(id: u64) -> Mark {
    let [a, b, c, d, ..] = id.to_le_bytes();
    Mark::from_le_bytes([a, b, c, d])
}

/// Two ticks of the slowest kernel. Each dump tells a timer of whole ticks a little differently.
const TICKS: Duration = Duration::from_millis(20);

/// Whether a deadline that was `old` and is `new` now needs another entry. A dump may show a hundred thousand that do not.
pub(crate) fn is_sooner(new: Mono, old: Mono) -> bool {
    new + TICKS < old
}

/// How far an entry may step back in its lane: events of two CPUs come a little out of order.
const STEPS: usize = 8;

/// Deadlines. An entry may be stale: whoever takes it compares the mark and asks the life what is due.
///
/// Nearly all deadlines lie one of a few fixed spans ahead (60 s of TIME_WAIT, a moment for the last fd), so that those of a span
/// come in order: a queue for each takes and gives them in constant time, and touches no more than its two ends.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// By the bits of the span.
    lanes: Vec<(u32, VecDeque<Entry>)>,
    /// What did not fit into its lane.
    odd: BinaryHeap<Reverse<Entry>>,
    /// The earliest of all.
    next: Option<Mono>,
}

impl Agenda {
    /// Adds a deadline, seen from `now`.
    pub(crate) fn add(&mut self, now: Mono, due: Mono, id: u64, slot: Slot) {
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        let bits = u64::BITS - due.since(now).leading_zeros();
        let lane = match self.lanes.iter().position(|(of, _)| *of == bits) {
            Some(lane) => &mut self.lanes[lane].1,
            None => {
                self.lanes.push((bits, VecDeque::new()));
                let Some((_, lane)) = self.lanes.last_mut() else { return };
                lane
            }
        };
        let entry = (due, mark(id), slot);
        let back = lane.iter().rev().take(STEPS + 1).take_while(|before| **before > entry).count();
        match back {
            0 => lane.push_back(entry),
            1..=STEPS => lane.insert(lane.len() - back, entry),
            _ => self.odd.push(Reverse(entry)),
        }
    }

    /// The earliest deadline, which may be stale.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.next
    }

    /// The next `(due, mark, slot)` that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<Entry> {
        if self.next? > now {
            return None;
        }
        let first = self.lanes.iter().filter_map(|(_, lane)| lane.front()).min().copied();
        let odd = self.odd.peek().map(|Reverse(entry)| *entry);
        let taken = match (first, odd) {
            (Some(first), odd) if odd.is_none_or(|odd| first <= odd) => {
                let lane = self.lanes.iter_mut().find(|(_, lane)| lane.front() == Some(&first));
                lane.and_then(|(_, lane)| lane.pop_front())
            }
            _ => self.odd.pop().map(|Reverse(entry)| entry),
        };
        let first = self.lanes.iter().filter_map(|(_, lane)| lane.front()).min().map(|(due, ..)| *due);
        let odd = self.odd.peek().map(|Reverse((due, ..))| *due);
        self.next = first.into_iter().chain(odd).min();
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_gives_what_a_heap_gives(steps in prop::collection::vec((0_u64..40, 0_u64..5_000, any::<bool>()), 1..400)) {
            let (mut agenda, mut heap) = (Agenda::default(), BinaryHeap::new());
            let mut now = 1_000_000;
            for (id, (passed, ahead, take)) in steps.into_iter().enumerate() {
                now += passed;
                // Three spans with a little disorder, and now and then any.
                let due = Mono(match ahead % 4 {
                    0 => now + 60_000 - ahead % 7,
                    1 => now + 100 + ahead % 3,
                    2 => now + 4_000,
                    _ => now + ahead,
                });
                agenda.add(Mono(now), due, id as u64, 7);
                heap.push(Reverse((due, mark(id as u64), 7)));
                prop_assert_eq!(agenda.next(), heap.peek().map(|Reverse((due, ..))| *due));
                if take {
                    loop {
                        let expected = match heap.peek() {
                            Some(Reverse((due, ..))) if *due <= Mono(now) => heap.pop().map(|Reverse(entry)| entry),
                            _ => None,
                        };
                        prop_assert_eq!(agenda.take_due(Mono(now)), expected);
                        if expected.is_none() {
                            break;
                        }
                    }
                }
            }
        }
    }
}
