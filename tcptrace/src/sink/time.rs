//! How moments are printed. A stand-in to compile against: the sinks' own file wins.

/// The `time` column's style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeStyle {
    /// Local time of day.
    #[default]
    Local,
    /// UTC.
    Utc,
    /// Seconds of CLOCK_MONOTONIC.
    Mono,
    /// Seconds since tracing began.
    Delta,
    /// No time at all.
    None,
}
