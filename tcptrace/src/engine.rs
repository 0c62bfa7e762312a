//! Floor 2: what the events mean. Pure: no IO, no clock; time is an argument.

pub mod filter;
pub mod gate;
pub mod lifecycle;
pub mod table;
pub mod update;
