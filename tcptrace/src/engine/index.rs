//! Slots by cookie in four bytes each: the cookies themselves are in the lives.

use super::table::{NOWHERE, Slot};

/// An open-addressed index; how a slot's cookie is found is told with every call.
#[derive(Debug, Default)]
pub(crate) struct CookieIndex {
    /// [`NOWHERE`] where vacant; at most three quarters are taken, and after growing a half: eight bytes a life.
    places: Vec<Slot>,
    taken: usize,
}

impl CookieIndex {
    pub(crate) fn find(&self, cookie: u64, cookie_of: impl Fn(Slot) -> u64) -> Option<Slot> {
        let place = self.place(cookie, cookie_of)?;
        Some(self.places[place]).filter(|slot| *slot != NOWHERE)
    }

    /// Puts `slot` in the place of whatever had its cookie.
    pub(crate) fn insert(&mut self, slot: Slot, cookie_of: impl Fn(Slot) -> u64) {
        if self.taken * 4 >= self.places.len() * 3 {
            self.grow(&cookie_of);
        }
        if let Some(place) = self.place(cookie_of(slot), cookie_of) {
            self.taken += usize::from(self.places[place] == NOWHERE);
            self.places[place] = slot;
        }
    }

    /// Takes `slot` out; one that is not in it, or no longer, changes nothing.
    pub(crate) fn remove(&mut self, slot: Slot, cookie_of: impl Fn(Slot) -> u64) {
        let Some(mut hole) = self.place(cookie_of(slot), &cookie_of) else { return };
        if self.places[hole] != slot {
            return;
        }
        self.taken -= 1;
        let many = self.places.len();
        let behind = |at: usize, from: usize| if at >= from { at - from } else { at + many - from };
        let mut next = hole;
        loop {
            next = self.after(next);
            let slot = self.places[next];
            if slot == NOWHERE {
                break;
            }
            // It may move up unless its search begins behind the hole.
            let begins = self.first(cookie_of(slot));
            if behind(next, begins) >= behind(next, hole) {
                self.places[hole] = slot;
                hole = next;
            }
        }
        self.places[hole] = NOWHERE;
    }

    /// Where `cookie` is or would be; `None` only while there are no places at all.
    fn place(&self, cookie: u64, cookie_of: impl Fn(Slot) -> u64) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut at = self.first(cookie);
        while self.places[at] != NOWHERE && cookie_of(self.places[at]) != cookie {
            at = self.after(at);
        }
        Some(at)
    }

    /// Where the search for `cookie` begins.
    fn first(&self, cookie: u64) -> usize {
        // Cookies come in runs: the product spreads them, its high bits choose among any number of places.
        let spread = cookie.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (spread as usize * self.places.len()) >> 32
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.places.len() { 0 } else { place + 1 }
    }

    fn grow(&mut self, cookie_of: &impl Fn(Slot) -> u64) {
        let more = (self.places.len() / 2 * 3).max(64);
        let old = std::mem::replace(&mut self.places, vec![NOWHERE; more]);
        for slot in old.into_iter().filter(|slot| *slot != NOWHERE) {
            if let Some(place) = self.place(cookie_of(slot), cookie_of) {
                self.places[place] = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(steps in prop::collection::vec((any::<bool>(), 0_u32..200, 0_u64..60), 1..600)) {
            let mut cookies = vec![0_u64; 200];
            let (mut index, mut map) = (CookieIndex::default(), BTreeMap::new());
            for (put, slot, cookie) in steps {
                let at = slot as usize;
                index.remove(slot, |slot| cookies[slot as usize]);
                if map.get(&cookies[at]) == Some(&slot) {
                    map.remove(&cookies[at]);
                }
                if put {
                    cookies[at] = cookie;
                    index.insert(slot, |slot| cookies[slot as usize]);
                    map.insert(cookie, slot);
                }
                for cookie in 0..60 {
                    prop_assert_eq!(index.find(cookie, |slot| cookies[slot as usize]), map.get(&cookie).copied());
                }
            }
        }
    }
}
