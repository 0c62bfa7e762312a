//! Floor 3: where events come from.

pub mod host;
pub mod kernel;
