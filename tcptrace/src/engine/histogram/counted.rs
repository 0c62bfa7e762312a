//! What the kernel half has counted.

use super::group::Group;
use crate::model::measure::Measure;

/// What the kernel half has counted in one octave of a group's histogram of a state since it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whose.
    pub group: Group,
    /// Of what.
    pub measure: Measure,
    /// Of what kind and how many.
    pub stays: Stays,
}

/// Stays that the kernel half has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// Exact ones, in neighbouring buckets.
    Measured {
        /// The first bucket.
        first: u16,
        /// How many more in each.
        counts: [u64; 16],
        /// How much longer all of them together, nanoseconds.
        sum: u64,
        /// The shortest ever here; with whether it is new.
        shortest: (u64, bool),
        /// The longest ever here; with whether it is new.
        longest: (u64, bool),
    },
    /// They began before tracing did.
    AtLeast(u64),
    /// Their lengths are estimated.
    Estimated(u64),
    /// Nobody knows when they began, or ended.
    Unknown(u64),
    /// They go on in timewait sockets of which nobody was told: [`Ruled`](super::ruled::Ruled) knows when they are over.
    Ruled(u64),
}
