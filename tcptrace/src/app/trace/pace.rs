//! How often a run looks at what nobody wakes it for.

use std::time::Duration;

/// The pace of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Losses, polls and the reader's presence are looked after so often.
    pub(super) tick: Duration,
    /// What is due by the engine's rules may wait for more that is.
    pub(super) lag: Duration,
}

impl Pace {
    /// Lines are read as they come.
    pub(super) const TELLING: Self =
        Self { tick: Duration::from_millis(100), lag: Duration::from_millis(10) };

    /// Histograms are shown now and then: each wake-up that they do without is left to the host.
    pub(super) const COUNTING: Self =
        Self { tick: Duration::from_millis(500), lag: Duration::from_millis(100) };
}
