//! Indexes of the per-CPU map `LOST`: what did not reach user space.

/// The ring buffer was full: state changes that did not reach user space.
pub const RING: u32 = 0;
/// Socket storage could not be made: the socket's memory is missing.
pub const MEMORY: u32 = 1;
/// The ring buffer was full: records beside the state changes (accept, resets, …) that did not reach user space.
pub const HINTS: u32 = 2;
/// Number of counters.
pub const COUNT: u32 = 3;
