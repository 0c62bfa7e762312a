//! Words of the contract for values of the model that have no `name()` of their own.

use crate::model::evidence::Evidence;

/// The word for `evidence` in every output.
pub(super) const fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Exact => "exact",
        Evidence::AtLeast => "at_least",
        Evidence::Estimated => "estimated",
        Evidence::Unknown => "unknown",
    }
}
