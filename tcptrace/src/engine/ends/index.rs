//! Slots by both ends in five bytes each: the ends themselves are in the lives.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::Ends;
use crate::engine::table::Slot;

/// Several slots may have the same ends; how a slot's ends are found is told with every call.
#[derive(Debug, Default)]
pub(crate) struct EndsIndex(HashTable<Slot>);

fn hash(ends: &Ends) -> u64 {
    FxBuildHasher.hash_one(ends)
}

impl EndsIndex {
    /// Adds `slot`, which is not in it yet.
    pub(crate) fn insert(&mut self, slot: Slot, ends_of: impl Fn(Slot) -> Ends) {
        self.0.insert_unique(hash(&ends_of(slot)), slot, |slot| hash(&ends_of(*slot)));
    }

    /// Takes `slot` out, which has had `ends` since it was put in.
    pub(crate) fn remove(&mut self, slot: Slot, ends: &Ends) {
        if let Ok(entry) = self.0.find_entry(hash(ends), |other| *other == slot) {
            entry.remove();
        }
    }

    /// The slots with these ends.
    pub(crate) fn with<'a, F: Fn(Slot) -> Ends>(
        &'a self,
        ends: &Ends,
        ends_of: F,
    ) -> impl Iterator<Item = Slot> + use<'a, F> {
        let ends = *ends;
        let near = (!self.0.is_empty()).then(|| self.0.iter_hash(hash(&ends)));
        near.into_iter().flatten().copied().filter(move |slot| ends_of(*slot) == ends)
    }

    /// All of them.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::endpoints::Endpoints;

    fn ends(port: u16) -> Ends {
        let here = "10.0.0.1".parse().unwrap();
        Ends::pack(&Endpoints::new((here, 80), (here, port)))
    }

    proptest! {
        #[test]
        fn it_finds_all_slots_with_the_ends(steps in prop::collection::vec((any::<bool>(), 0_u32..100, 1_u16..20), 1..400)) {
            let mut ports = [0_u16; 100];
            let mut index = EndsIndex::default();
            for (put, slot, port) in steps {
                let at = slot as usize;
                index.remove(slot, &ends(ports[at]));
                ports[at] = 0;
                if put {
                    ports[at] = port;
                    index.insert(slot, |slot| ends(ports[slot as usize]));
                }
                for port in 1..20 {
                    let found: BTreeSet<Slot> = index.with(&ends(port), |slot| ends(ports[slot as usize])).collect();
                    let expected = (0..100).filter(|slot| ports[*slot as usize] == port).collect();
                    prop_assert_eq!(found, expected);
                }
                prop_assert_eq!(index.slots().count(), ports.iter().filter(|port| **port != 0).count());
            }
        }
    }
}
