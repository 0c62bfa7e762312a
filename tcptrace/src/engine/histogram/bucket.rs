//! Exponential buckets of base 2^(1/16): those of an OpenTelemetry exponential histogram of scale 4 and of a Prometheus native
//! histogram of schema 4. Bucket `i` holds `2^(i/16) < ns <= 2^((i+1)/16)`; it is kept as `i + 16`, so that the bucket of 1 ns
//! is 15.
//!
//! Integers only, so that the bounds are exact. The kernel half does the same, and a test holds both against each other.

/// Buckets of one octave.
const SCALE: usize = 16;

/// `floor(2^(63 + k/16))`: where the k-th bucket of an octave begins, in the octave of the highest bit.
const BEGINS: [u64; SCALE] = [
    0x8000_0000_0000_0000,
    0x85aa_c367_cc48_7b14,
    0x8b95_c1e3_ea8b_d6e6,
    0x91c3_d373_ab11_c336,
    0x9837_f051_8db8_a96f,
    0x9ef5_3260_91a1_11ad,
    0xa5fe_d6a9_b151_38ea,
    0xad58_3eea_42a1_4ac6,
    0xb504_f333_f9de_6484,
    0xbd08_a39f_580c_36be,
    0xc567_2a11_5506_dadd,
    0xce24_8c15_1f84_80e3,
    0xd744_fcca_d69d_6af4,
    0xe0cc_deec_2a94_e111,
    0xeac0_c6e7_dd24_392e,
    0xf525_7d15_2486_cc2c,
];

/// The bucket in which each 32nd of an octave begins; at most one boundary lies within a 32nd.
const GUESS: [u8; 32] = [
    0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 12, 13, 13, 14, 14, 14, 15,
    15,
];

/// The bucket of a length.
#[must_use]
pub fn of(ns: u64) -> u16 {
    if ns <= 1 {
        return 15;
    }
    // Where a whole nanosecond spans several buckets it is looked up six octaves higher, where it does not.
    let higher = if ns < 64 { 6 } else { 0 };
    // Bounds belong to the bucket below them.
    let below = (ns << higher) - 1;
    let shift = below.leading_zeros();
    let fraction = usize::try_from(below << shift >> 58).unwrap_or(0) & 31;
    let guess = GUESS.get(fraction).copied().unwrap_or(0);
    let next = BEGINS.get(usize::from(guess) + 1).copied();
    let more = next.is_some_and(|begins| below >= begins >> shift);
    let octave = u16::try_from(64 - higher - shift).unwrap_or(0);
    octave * 16 + u16::from(guess) + u16::from(more)
}

/// The longest length in a bucket, in whole nanoseconds.
#[must_use]
pub fn longest(bucket: u16) -> u64 {
    let Some(octave) = (bucket / 16).checked_sub(1).map(u32::from).filter(|octave| *octave < 64) else {
        return 1;
    };
    match BEGINS.get(usize::from(bucket % 16) + 1) {
        Some(begins) => begins >> (63 - octave),
        None => 1_u64.checked_shl(octave + 1).unwrap_or(u64::MAX),
    }
}

/// The shortest length in a bucket, in whole nanoseconds. Below 16 ns some buckets hold none.
#[must_use]
pub fn shortest(bucket: u16) -> u64 {
    match bucket.checked_sub(1).filter(|below| *below >= 15) {
        Some(below) => longest(below).saturating_add(1).min(longest(bucket)),
        None => 0,
    }
}

/// What stands for all of a bucket: no length in it is further away than 2.2 %.
#[must_use]
pub fn middle(bucket: u16) -> u64 {
    let (low, high) = (u128::from(shortest(bucket).max(1)), u128::from(longest(bucket)));
    let both = (low + high).max(1);
    let middle = match (low * high).checked_mul(2) {
        Some(twice) => twice.saturating_add(both / 2) / both,
        None => low * high / both * 2,
    };
    let middle = u64::try_from(middle).unwrap_or(u64::MAX);
    middle.clamp(shortest(bucket), longest(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths over the whole range: around each bound, and between.
    fn lengths() -> impl Iterator<Item = u64> {
        let around = (15..1040).flat_map(|bucket| {
            let bound = longest(bucket);
            [bound.saturating_sub(1), bound, bound.saturating_add(1)]
        });
        let mut seed = 7_u64;
        let random = (0..200_000_u32).map(move |step| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> (step % 63)
        });
        around.chain(random).chain(0..5000)
    }

    #[test]
    fn every_length_lies_between_the_bounds_of_its_bucket() {
        for ns in lengths() {
            let bucket = of(ns);
            assert!(shortest(bucket) <= ns && ns <= longest(bucket), "{ns} in {bucket}");
        }
    }

    #[test]
    fn the_bucket_is_the_logarithm() {
        for ns in lengths().filter(|ns| *ns > 1) {
            let exact = (ns as f64).log2() * 16.0;
            let index = f64::from(of(ns)) - 16.0;
            // f64 knows 53 bits: near a bound it cannot tell.
            assert!(index < exact + 1e-9 && exact <= index + 1.0 + 1e-9, "{ns}: {index} for {exact}");
        }
        assert_eq!((of(0), of(1), of(2), of(4), of(u64::MAX)), (15, 15, 31, 47, 1039));
    }

    #[test]
    fn the_middle_is_off_by_at_most_a_fiftieth() {
        for ns in lengths().filter(|ns| *ns > 0) {
            let middle = middle(of(ns)) as f64;
            // Whole nanoseconds are coarse where there are few of them.
            let rounding = 0.5;
            assert!((middle - ns as f64).abs() <= ns as f64 * 0.022 + rounding, "{ns}: {middle}");
        }
    }

    #[test]
    fn bounds_are_powers_of_the_base() {
        for bucket in 16..1039 {
            let exact = ((f64::from(bucket) - 15.0) / 16.0).exp2();
            let bound = longest(bucket) as f64;
            assert!(bound <= exact * (1.0 + 1e-12) && bound > exact * (1.0 - 1e-12) - 1.0, "{bucket}");
        }
    }
}
