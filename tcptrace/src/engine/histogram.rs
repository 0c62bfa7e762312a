//! How long stays last: histograms by state and by what the user groups them.
//!
//! Only what is exact is counted in buckets; what began before we looked, is estimated or is not known is counted beside.

pub mod asked;
pub mod book;
pub mod bucket;
pub mod counted;
pub mod group;
pub mod ruled;
pub mod sample;
pub mod shift;

use std::collections::BTreeMap;

use crate::model::evidence::Evidence;

/// Lengths in exponential buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    buckets: BTreeMap<u16, u64>,
    count: u64,
    sum: u128,
    shortest: Option<u64>,
    longest: Option<u64>,
    at_least: u64,
    estimated: u64,
    unknown: u64,
}

impl Histogram {
    /// Counts one stay.
    pub fn count(&mut self, ns: Option<u64>, evidence: Evidence) {
        match (ns, evidence) {
            (Some(ns), Evidence::Exact) => {
                *self.buckets.entry(bucket::of(ns)).or_default() += 1;
                self.add(1, u128::from(ns), ns, ns);
            }
            (_, evidence) => self.add_beside(evidence, 1),
        }
    }

    /// Counts `count` stays in a bucket; [`Histogram::add`] tells their lengths.
    pub fn fill(&mut self, bucket: u16, count: u64) {
        *self.buckets.entry(bucket).or_default() += count;
    }

    /// Takes in the lengths of `count` stays that are in the buckets.
    pub fn add(&mut self, count: u64, sum: u128, shortest: u64, longest: u64) {
        self.count += count;
        self.sum += sum;
        self.shortest = Some(self.shortest.map_or(shortest, |known| known.min(shortest)));
        self.longest = Some(self.longest.map_or(longest, |known| known.max(longest)));
    }

    /// Counts stays beside the buckets, where exact ones have no place.
    pub fn add_beside(&mut self, evidence: Evidence, count: u64) {
        match evidence {
            Evidence::AtLeast => self.at_least += count,
            Evidence::Estimated => self.estimated += count,
            Evidence::Exact | Evidence::Unknown => self.unknown += count,
        }
    }

    /// Stays in the buckets.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.count
    }

    /// Nothing was counted, nothing beside either.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.beside().iter().all(|(_, count)| *count == 0)
    }

    /// What is counted beside the buckets.
    #[must_use]
    pub fn beside(&self) -> [(Evidence, u64); 3] {
        [
            (Evidence::AtLeast, self.at_least),
            (Evidence::Estimated, self.estimated),
            (Evidence::Unknown, self.unknown),
        ]
    }

    /// The shortest, nanoseconds.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.shortest
    }

    /// The longest, nanoseconds.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.longest
    }

    /// The mean, nanoseconds.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        u64::try_from(mean).ok()
    }

    /// Standard deviation, nanoseconds, to the precision of the buckets.
    #[must_use]
    pub fn stdev(&self) -> Option<f64> {
        let mean = self.sum as f64 / self.count as f64;
        let squares: f64 = self
            .buckets
            .iter()
            .map(|(bucket, count)| {
                (self.within(bucket::middle(*bucket)) as f64 - mean).powi(2) * *count as f64
            })
            .sum();
        (self.count > 0).then(|| (squares / self.count as f64).sqrt())
    }

    /// The length that `percent` of the stays do not exceed; exact to 2.2 %.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        if percent >= 100.0 {
            return self.longest;
        }
        let wanted = (self.count as f64 * percent / 100.0).ceil().max(1.0);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen as f64 >= wanted {
                return Some(self.within(bucket::middle(*bucket)));
            }
        }
        self.longest
    }

    /// No bucket's middle lies outside of what was seen.
    fn within(&self, ns: u64) -> u64 {
        ns.max(self.shortest.unwrap_or(0)).min(self.longest.unwrap_or(u64::MAX))
    }

    /// Buckets that are not empty, by their number, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.buckets.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Takes all of another in.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.buckets() {
            self.fill(bucket, count);
        }
        if let (Some(shortest), Some(longest)) = (other.shortest, other.longest) {
            self.add(other.count, other.sum, shortest, longest);
        }
        for (evidence, count) in other.beside() {
            self.add_beside(evidence, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_fiftieth_and_never_outside_of_what_was_seen() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.count(Some(ms * 1_000_000), Evidence::Exact);
        }
        for percent in [1.0, 50.0, 90.0, 99.0, 99.9] {
            let found = histogram.percentile(percent).unwrap() as f64;
            let right = percent * 1e7;
            assert!((found - right).abs() <= right * 0.022, "{percent}: {found}");
        }
        assert_eq!(histogram.percentile(100.0), Some(1_000_000_000));
        assert_eq!((histogram.min(), histogram.max()), (Some(1_000_000), Some(1_000_000_000)));
        assert_eq!(histogram.mean(), Some(500_500_000));
        let stdev = histogram.stdev().unwrap();
        assert!((stdev / 288_675_000.0 - 1.0).abs() < 0.02, "{stdev}");
    }

    #[test]
    fn what_is_not_exact_stays_outside_of_the_buckets() {
        let mut histogram = Histogram::default();
        histogram.count(Some(5), Evidence::AtLeast);
        histogram.count(Some(5), Evidence::Estimated);
        histogram.count(None, Evidence::Unknown);
        assert_eq!((histogram.total(), histogram.percentile(50.0), histogram.mean()), (0, None, None));
        assert!(!histogram.is_empty() && histogram.beside().iter().all(|(_, count)| *count == 1));
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut one, mut two, mut all) = (Histogram::default(), Histogram::default(), Histogram::default());
        for ns in 0..1000 {
            let half = if ns % 3 == 0 { &mut one } else { &mut two };
            half.count(Some(ns * ns), Evidence::Exact);
            all.count(Some(ns * ns), Evidence::Exact);
        }
        one.merge(&two);
        assert_eq!(one, all);
    }
}
