//! All TIME_WAITs that have been told, found by cookie or by both ends, each due when the rule ends it.

use std::time::Duration;

use super::agenda::{self, Agenda};
use super::chunks::Chunks;
use super::ends::{Ends, EndsIndex};
use super::index::CookieIndex;
use super::rest::Rest;
use super::table::Slot;
use crate::model::time::Mono;

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    rests: Chunks<Rest>,
    by_cookie: CookieIndex,
    by_ends: EndsIndex,
    agenda: Agenda,
    highest: Highest,
}

/// The highest cookie among those that have come to rest, by the batch that it is from. A processor gives cookies from a batch of its own,
/// in order (Linux `include/linux/cookie.h`): one beyond the highest is a new socket's, which need not be looked for.
#[derive(Debug)]
struct Highest([u64; 64]);

impl Default for Highest {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Highest {
    /// Batches that share a place: of what is below the highest of them nothing is known.
    fn place(cookie: u64) -> usize {
        (cookie >> 12) as usize & 63
    }

    fn note(&mut self, cookie: u64) {
        let highest = &mut self.0[Self::place(cookie)];
        *highest = cookie.max(*highest);
    }

    fn is_beyond(&self, cookie: u64) -> bool {
        cookie > self.0[Self::place(cookie)]
    }
}

impl Rests {
    pub(crate) fn len(&self) -> usize {
        self.rests.len()
    }

    pub(crate) fn add(&mut self, now: Mono, rest: Rest) {
        let (id, expires) = (rest.id, rest.expires);
        self.highest.note(rest.cookie);
        let slot = self.rests.put(rest);
        let rests = &self.rests;
        self.by_cookie.insert(slot, |slot| rests.at(slot).cookie);
        self.by_ends.insert(slot, |slot| rests.at(slot).ends);
        self.agenda.add(now, expires, id, slot);
    }

    pub(crate) fn take(&mut self, slot: Slot) -> Rest {
        let rests = &self.rests;
        self.by_cookie.remove(slot, |slot| rests.at(slot).cookie);
        self.by_ends.remove(slot, &rests.at(slot).ends);
        self.rests.take(slot, Rest::vacant())
    }

    pub(crate) fn at(&self, slot: Slot) -> &Rest {
        self.rests.at(slot)
    }

    pub(crate) fn find(&self, cookie: u64) -> Option<Slot> {
        if cookie == 0 || self.highest.is_beyond(cookie) {
            return None;
        }
        self.by_cookie.find(cookie, |slot| self.rests.at(slot).cookie)
    }

    /// The one with these ends in this namespace: there can be only one.
    pub(crate) fn with_ends(&self, ends: &Ends, netns: u32) -> Option<Slot> {
        self.by_ends
            .with(ends, |slot| self.rests.at(slot).ends)
            .find(|slot| self.rests.at(*slot).netns == netns)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_ends.slots()
    }

    pub(crate) fn doubt(&mut self, netns: u32) {
        for slot in self.rests.slots() {
            let rest = self.rests.at_mut(slot);
            if rest.netns == netns {
                rest.doubt();
            }
        }
    }

    /// A dump shows it, with the timer where it tells of one.
    pub(crate) fn confirm(&mut self, now: Mono, slot: Slot, at: Mono, left: Option<Duration>) {
        let rest = self.rests.at_mut(slot);
        rest.confirm(at);
        if let Some(expires) = left.map(|left| at + left) {
            let before = std::mem::replace(&mut rest.expires, expires);
            if agenda::is_sooner(expires, before) {
                let id = rest.id;
                self.agenda.add(now, expires, id, slot);
            }
        }
    }

    pub(crate) fn next_due(&self) -> Option<Mono> {
        self.agenda.next()
    }

    /// The next that is due at `now`, with its deadline; the inner `None` is one that is gone.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<(Mono, Option<Slot>)> {
        let (due, mark, slot) = self.agenda.take_due(now)?;
        let rest = self.rests.at(slot);
        Some((due, (rest.id != 0 && agenda::mark(rest.id) == mark).then_some(slot)))
    }

    /// It is due later.
    pub(crate) fn postpone(&mut self, now: Mono, slot: Slot, until: Mono) {
        let id = self.rests.at(slot).id;
        self.agenda.add(now, until, id, slot);
    }

    /// The one that has been here longest: it is due first.
    pub(crate) fn oldest(&mut self) -> Option<Slot> {
        while let Some(due) = self.agenda.next() {
            if let Some((due, Some(slot))) = self.take_due(due) {
                self.postpone(due, slot, due);
                return Some(slot);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_cookie_whatever_batch_it_is_from() {
        let mut rests = Rests::default();
        assert_eq!(rests.find(7), None);
        // The second and the last but one share a place; the cookies come as from two processors, in turns.
        let cookies = [7, 4_100, 9, 4_096 * 64 + 3, 4_096 * 65 + 4, 5];
        for (cookie, id) in cookies.into_iter().zip(1..) {
            let mut rest = Rest::vacant();
            (rest.id, rest.cookie) = (id, cookie);
            rests.add(Mono(1), rest);
        }
        for (cookie, id) in cookies.into_iter().zip(1..) {
            let slot = rests.find(cookie);
            assert_eq!(slot.map(|slot| rests.at(slot).id), Some(id), "{cookie}");
        }
        for other in [0, 1, 8, 10, 4_099, 4_101, 4_096 * 65 + 3, u64::MAX] {
            assert_eq!(rests.find(other), None, "{other}");
        }
        let slot = rests.find(4_100).unwrap();
        assert_eq!(rests.take(slot).cookie, 4_100);
        assert_eq!(rests.find(4_100), None);
    }

    #[test]
    fn a_timer_that_a_dump_tells_a_tick_differently_is_due_when_it_was() {
        let mut rests = Rests::default();
        let due = Mono(60_000_000_000);
        let mut rest = Rest::vacant();
        (rest.id, rest.cookie, rest.expires) = (1, 7, due);
        rests.add(Mono(1), rest);
        let slot = rests.find(7).unwrap();
        let tells = |left| Some(Duration::from_millis(left));
        rests.confirm(Mono(2), slot, Mono(0), tells(59_996));
        assert_eq!((rests.at(slot).expires, rests.next_due()), (Mono(59_996_000_000), Some(due)));
        rests.confirm(Mono(3), slot, Mono(0), tells(5_000));
        assert_eq!(rests.next_due(), Some(Mono(5_000_000_000)));
    }
}
