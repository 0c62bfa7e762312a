//! Lengths, each kept to a thousandth: fine enough that the bounds of a percentile are those of single lengths.

use std::collections::BTreeMap;

/// Buckets of an octave: 1024.
const BITS: u32 = 10;

/// Lengths of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    counts: BTreeMap<u64, u64>,
    total: u64,
}

impl Sample {
    /// Adds one, nanoseconds.
    pub fn add(&mut self, ns: u64) {
        let shift = (63 - (ns | 1).leading_zeros()).saturating_sub(BITS);
        *self.counts.entry(ns >> shift << shift).or_default() += 1;
        self.total += 1;
    }

    /// How many.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Between which lengths the one of this rank is, the shortest being 1.
    #[must_use]
    pub fn at(&self, rank: u64) -> Option<(u64, u64)> {
        let mut seen = 0;
        for (begin, count) in &self.counts {
            seen += count;
            if rank >= 1 && seen >= rank {
                let shift = (63 - (begin | 1).leading_zeros()).saturating_sub(BITS);
                return Some((*begin, begin + ((1 << shift) - 1)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_within_its_bounds_which_are_a_thousandth_apart() {
        for ns in (0..64).map(|bit| 1_u64 << bit).flat_map(|ns| [ns - 1, ns, ns + ns / 3]).chain([u64::MAX]) {
            let mut sample = Sample::default();
            sample.add(ns);
            let (low, high) = sample.at(1).unwrap();
            assert!(low <= ns && ns <= high && high - low <= ns / 1024, "{ns}: {low} {high}");
        }
    }

    #[test]
    fn ranks_count_from_the_shortest() {
        let mut sample = Sample::default();
        [30, 10, 20, 20].into_iter().for_each(|ns| sample.add(ns));
        let found: Vec<_> = (0..6).map(|rank| sample.at(rank).map(|(low, _)| low)).collect();
        assert_eq!(found, [None, Some(10), Some(20), Some(20), Some(30), None]);
    }
}
