//! Whether a percentile has moved between two samples, or chance explains it.
//!
//! The bounds are those of order statistics: the number of lengths below the true percentile is binomial, whatever the lengths are
//! like, so two ranks enclose it with a known probability. Nothing is assumed and nothing is drawn at random: the same recordings
//! give the same answer.

use statrs::distribution::{Binomial, DiscreteCDF as _};

use super::sample::Sample;

/// The probability that a statement about one percentile is right, at least.
pub const CONFIDENCE: f64 = 0.95;

/// What may be wrong on each side of each of the two samples.
const TAIL: f64 = (1.0 - CONFIDENCE) / 4.0;

/// A percentile of one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Lengths in the sample.
    pub count: u64,
    /// The percentile, nanoseconds; `None` of an empty sample.
    pub value: Option<u64>,
    /// Between these the true one is; `None` where the sample is too small to say.
    pub bounds: Option<(u64, u64)>,
}

/// What the samples say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has become longer.
    Longer,
    /// It has become shorter.
    Shorter,
    /// Chance explains what there is.
    NoneShown,
    /// One of the samples is too small: so many lengths are needed in each.
    TooFew(u64),
}

impl Verdict {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Longer => "longer",
            Self::Shorter => "shorter",
            Self::NoneShown => "none_shown",
            Self::TooFew(_) => "too_few",
        }
    }
}

/// One percentile before and now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Which, 0 to 100.
    pub percent: f64,
    /// In the first sample.
    pub before: Estimate,
    /// In the second.
    pub now: Estimate,
    /// By how much it has moved at least and at most, nanoseconds.
    pub bounds: Option<(i128, i128)>,
    /// What that says.
    pub verdict: Verdict,
}

impl Shift {
    /// Compares a percentile, which is neither 0 nor 100; a sample that is missing is an empty one.
    #[must_use]
    pub fn of(percent: f64, before: Option<&Sample>, now: Option<&Sample>) -> Self {
        let (before, now) = (estimate(percent, before), estimate(percent, now));
        let bounds = before.bounds.zip(now.bounds).map(|(before, now)| {
            (i128::from(now.0) - i128::from(before.1), i128::from(now.1) - i128::from(before.0))
        });
        let verdict = match bounds {
            None => Verdict::TooFew(needed(percent)),
            Some((least, _)) if least > 0 => Verdict::Longer,
            Some((_, most)) if most < 0 => Verdict::Shorter,
            Some(_) => Verdict::NoneShown,
        };
        Self { percent, before, now, bounds, verdict }
    }

    /// From the one percentile to the other, nanoseconds.
    #[must_use]
    pub fn by(&self) -> Option<i128> {
        Some(i128::from(self.now.value?) - i128::from(self.before.value?))
    }
}

fn estimate(percent: f64, sample: Option<&Sample>) -> Estimate {
    let Some(sample) = sample.filter(|sample| sample.total() > 0) else { return Estimate::default() };
    let count = sample.total();
    let rank = (count as f64 * percent / 100.0).ceil().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the count")]
    let rank = (rank as u64).min(count);
    let value = sample.at(rank).map(|(low, high)| low + (high - low) / 2);
    let bounds =
        ranks(count, percent / 100.0).and_then(|(low, high)| Some((sample.at(low)?.0, sample.at(high)?.1)));
    Estimate { count, value, bounds }
}

/// The ranks that enclose the `portion` quantile of what `count` lengths were taken from: the true one is below the lower and above
/// the upper with a probability of [`TAIL`] each, at most.
fn ranks(count: u64, portion: f64) -> Option<(u64, u64)> {
    let below = Binomial::new(portion, count).ok()?;
    // The largest low with P(X <= low - 1) <= TAIL, the smallest high with P(X >= high) <= TAIL.
    let low = last(count, |rank| below.cdf(rank - 1) <= TAIL)?;
    let high = count + 1 - last(count, |from_the_end| below.sf(count - from_the_end) <= TAIL)?;
    Some((low, high))
}

/// The largest number from 1 to `most` for which `holds`, which does for none larger than one for which it does not.
fn last(most: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut yes, mut no) = (0, most + 1);
    while yes + 1 < no {
        let middle = yes + (no - yes) / 2;
        if holds(middle) { yes = middle } else { no = middle }
    }
    (yes > 0).then_some(yes)
}

/// How many lengths a sample must have before it says anything of a percentile.
fn needed(percent: f64) -> u64 {
    let portion = percent / 100.0;
    let most = (TAIL.ln() / portion.max(1.0 - portion).ln()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
    let most = most as u64;
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from 0 to 1, always the same.
    fn random(mut seed: u64) -> impl FnMut() -> f64 {
        move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Lengths of a long tail.
    fn sample(count: u64, scale: f64, random: &mut dyn FnMut() -> f64) -> Sample {
        let mut sample = Sample::default();
        for _ in 0..count {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive and small"
            )]
            sample.add((scale * 1e6 / (1.0 - random())) as u64);
        }
        sample
    }

    #[test]
    fn the_bounds_are_those_of_the_tables() {
        // Order statistics of the median at 97.5 %, by hand: P(X <= 1) for 10 is 0.0107, P(X <= 2) is 0.0547.
        assert_eq!(ranks(10, 0.5), Some((2, 9)));
        assert_eq!((ranks(6, 0.5), ranks(7, 0.5)), (None, Some((1, 7))));
        assert_eq!((needed(50.0), needed(90.0), needed(99.0), needed(99.9)), (7, 42, 437, 4380));
        for percent in [1.0, 50.0, 90.0, 99.0, 99.9] {
            let count = needed(percent);
            assert!(ranks(count, percent / 100.0).is_some() && ranks(count - 1, percent / 100.0).is_none());
        }
    }

    #[test]
    fn the_bounds_hold_as_often_as_they_say() {
        let mut random = random(1);
        let (mut wrong, rounds) = (0, 2_000);
        for _ in 0..rounds {
            let one = sample(100, 1.0, &mut random);
            let (low, high) = estimate(50.0, Some(&one)).bounds.unwrap();
            // The median of 1 / (1 - u) is 2.
            wrong += u32::from(low > 2_000_000 || high < 2_000_000);
        }
        // At most 2.5 %, give or take three deviations.
        assert!(wrong <= rounds / 40 + 21, "{wrong}");
        assert!(wrong > rounds / 400, "{wrong}: much wider than need be");
    }

    #[test]
    fn what_has_not_changed_is_hardly_ever_said_to_have() {
        let mut random = random(2);
        let mut wrong = 0;
        for _ in 0..1_000 {
            let (before, now) = (sample(200, 1.0, &mut random), sample(200, 1.0, &mut random));
            let shift = Shift::of(90.0, Some(&before), Some(&now));
            wrong += u32::from(shift.verdict != Verdict::NoneShown);
        }
        assert!(wrong <= 50, "{wrong} of 1000");
    }

    #[test]
    fn what_has_changed_is_said_with_its_sign_and_the_true_shift_in_the_bounds() {
        let mut random = random(3);
        let (before, now) = (sample(5_000, 1.0, &mut random), sample(5_000, 1.2, &mut random));
        let shift = Shift::of(50.0, Some(&before), Some(&now));
        assert_eq!(shift.verdict, Verdict::Longer);
        let (least, most) = shift.bounds.unwrap();
        assert!(least <= 400_000 && 400_000 <= most, "{shift:?}");
        assert_eq!(Shift::of(50.0, Some(&now), Some(&before)).verdict, Verdict::Shorter);
    }

    #[test]
    fn a_small_sample_says_nothing() {
        let mut random = random(4);
        let (few, many) = (sample(6, 1.0, &mut random), sample(6_000, 9.0, &mut random));
        assert_eq!(Shift::of(50.0, Some(&few), Some(&many)).verdict, Verdict::TooFew(7));
        assert_eq!(Shift::of(99.0, None, Some(&many)).verdict, Verdict::TooFew(437));
    }
}
