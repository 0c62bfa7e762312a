//! How a duration is known.

/// Where a figure comes from; printed with every duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// A kernel event marks it.
    Exact,
    /// It began before we could see it.
    AtLeast,
    /// From a rule of the kernel or from a poll.
    Estimated,
    /// Not known.
    Unknown,
}

/// A duration with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Nanoseconds; `None` when unknown or not over yet.
    pub ns: Option<u64>,
    /// How `ns` is known.
    pub evidence: Evidence,
    /// For `AtLeast`: an upper bound, nanoseconds, where there is one.
    pub at_most_ns: Option<u64>,
    /// For `Estimated`: the largest error, nanoseconds, where it can be bounded.
    pub error_ns: Option<u64>,
}

impl Span {
    /// Nothing is known.
    pub const UNKNOWN: Self =
        Self { ns: None, evidence: Evidence::Unknown, at_most_ns: None, error_ns: None };

    /// Marked by kernel events at both ends.
    #[must_use]
    pub const fn exact(ns: u64) -> Self {
        Self { ns: Some(ns), evidence: Evidence::Exact, at_most_ns: None, error_ns: None }
    }

    /// At least `ns`.
    #[must_use]
    pub const fn at_least(ns: u64, at_most_ns: Option<u64>) -> Self {
        Self { ns: Some(ns), evidence: Evidence::AtLeast, at_most_ns, error_ns: None }
    }

    /// About `ns`, give or take `error_ns`.
    #[must_use]
    pub const fn estimated(ns: u64, error_ns: Option<u64>) -> Self {
        Self { ns: Some(ns), evidence: Evidence::Estimated, at_most_ns: None, error_ns }
    }
}
