//! Slots by cookie in four bytes each: the cookies themselves are in the lives, and eight bits of their product here tell most of
//! the others apart.

use super::table::Slot;

/// So many lives can be held: the place of a life has 24 bits, and one is spared for what is vacant.
pub const MOST_CONNECTIONS: usize = SLOT as usize;

/// The bits of a place that are the slot.
const SLOT: u32 = (1 << 24) - 1;

/// What a cookie is looked for by. Cookies come in runs: the product spreads them.
#[derive(Clone, Copy)]
struct Spread {
    /// Where to begin, in parts of 2^32.
    first: u32,
    /// The mark of its place: above the slot's bits.
    mark: u32,
}

impl Spread {
    fn new(cookie: u64) -> Self {
        let product = cookie.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        Self { first: half(product >> 32), mark: half(product) & !SLOT }
    }
}

/// A slot and its cookie's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u32);

impl Place {
    const VACANT: Self = Self(u32::MAX);

    fn new(slot: Slot, spread: Spread) -> Self {
        Self(slot & SLOT | spread.mark)
    }

    fn slot(self) -> Slot {
        self.0 & SLOT
    }

    /// False: this is surely another's place.
    fn may_be(self, spread: Spread) -> bool {
        self.0 & !SLOT == spread.mark
    }
}

/// An open-addressed index; how a slot's cookie is found is told with every call.
#[derive(Debug, Default)]
pub(crate) struct CookieIndex {
    /// At most three quarters are taken, and after growing a half: eight bytes a life.
    places: Vec<Place>,
    taken: usize,
}

impl CookieIndex {
    pub(crate) fn find(&self, cookie: u64, cookie_of: impl Fn(Slot) -> u64) -> Option<Slot> {
        let place = self.places[self.place(cookie, cookie_of)?];
        (place != Place::VACANT).then(|| place.slot())
    }

    /// Puts `slot`, below [`MOST_CONNECTIONS`], in the place of whatever had its cookie.
    pub(crate) fn insert(&mut self, slot: Slot, cookie_of: impl Fn(Slot) -> u64) {
        if self.taken * 4 >= self.places.len() * 3 {
            self.grow(&cookie_of);
        }
        let cookie = cookie_of(slot);
        if let Some(place) = self.place(cookie, cookie_of) {
            self.taken += usize::from(self.places[place] == Place::VACANT);
            self.places[place] = Place::new(slot, Spread::new(cookie));
        }
    }

    /// Takes `slot` out; one that is not in it, or no longer, changes nothing.
    pub(crate) fn remove(&mut self, slot: Slot, cookie_of: impl Fn(Slot) -> u64) {
        let Some(mut hole) = self.place(cookie_of(slot), &cookie_of) else { return };
        if self.places[hole] == Place::VACANT || self.places[hole].slot() != slot {
            return;
        }
        self.taken -= 1;
        let many = self.places.len();
        let behind = |at: usize, from: usize| if at >= from { at - from } else { at + many - from };
        let mut next = hole;
        loop {
            next = self.after(next);
            let place = self.places[next];
            if place == Place::VACANT {
                break;
            }
            // It may move up unless its search begins behind the hole.
            let begins = self.first(Spread::new(cookie_of(place.slot())));
            if behind(next, begins) >= behind(next, hole) {
                self.places[hole] = place;
                hole = next;
            }
        }
        self.places[hole] = Place::VACANT;
    }

    /// Where `cookie` is or would be; `None` only while there are no places at all.
    fn place(&self, cookie: u64, cookie_of: impl Fn(Slot) -> u64) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let spread = Spread::new(cookie);
        let mut at = self.first(spread);
        loop {
            let place = self.places[at];
            if place == Place::VACANT || place.may_be(spread) && cookie_of(place.slot()) == cookie {
                return Some(at);
            }
            at = self.after(at);
        }
    }

    /// Where the search for a cookie begins, among any number of places.
    fn first(&self, spread: Spread) -> usize {
        (spread.first as usize * self.places.len()) >> 32
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.places.len() { 0 } else { place + 1 }
    }

    fn grow(&mut self, cookie_of: &impl Fn(Slot) -> u64) {
        let more = (self.places.len() / 2 * 3).max(64);
        let old = std::mem::replace(&mut self.places, vec![Place::VACANT; more]);
        for old in old.into_iter().filter(|place| *place != Place::VACANT) {
            if let Some(place) = self.place(cookie_of(old.slot()), cookie_of) {
                self.places[place] = old;
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
