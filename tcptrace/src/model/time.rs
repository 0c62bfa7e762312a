//! Moments of the kernel's event clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of `CLOCK_MONOTONIC`, in nanoseconds: the clock of `bpf_ktime_get_ns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Nanoseconds from `earlier` to this moment; 0 when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// One moment read on both clocks: turns event times into times of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAnchor {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub mono: Mono,
    /// `CLOCK_REALTIME` of the same moment, nanoseconds since 1970-01-01 UTC.
    pub real_ns: i128,
}

impl ClockAnchor {
    /// Nanoseconds since 1970-01-01 UTC at `at`.
    #[must_use]
    pub fn real_ns(self, at: Mono) -> i128 {
        self.real_ns + i128::from(at.0) - i128::from(self.mono.0)
    }
}
