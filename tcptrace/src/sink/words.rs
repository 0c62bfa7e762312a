//! Words of the contract for values of the model that have no `name()` of their own.

use crate::model::evidence::Evidence;
use crate::model::snapshot::TimerKind;

/// The word for `evidence` in every output.
pub(super) const fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Exact => "exact",
        Evidence::AtLeast => "at_least",
        Evidence::Estimated => "estimated",
        Evidence::Unknown => "unknown",
    }
}

/// The word for a socket's running timer in every output.
pub(super) const fn timer(kind: Option<TimerKind>) -> &'static str {
    match kind {
        None => "none",
        Some(TimerKind::Retransmit) => "retransmit",
        Some(TimerKind::Keepalive) => "keepalive",
        Some(TimerKind::TimeWait) => "time_wait",
        Some(TimerKind::Probe) => "probe",
    }
}
