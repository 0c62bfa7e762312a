//! Indexes of the per-CPU map `LOST`: what did not reach user space.

/// The ring buffer was full: state changes that did not reach user space.
pub const RING: u32 = 0;
/// Socket storage could not be made: the socket's memory is missing.
pub const MEMORY: u32 = 1;
/// The ring buffer was full: records beside the state changes (accept, resets, …) that did not reach user space.
pub const HINTS: u32 = 2;
/// No room in the map `STACKS`: stacks of sockets that were not kept.
pub const STACKS: u32 = 3;
/// Stacks that could not be read.
pub const UNREADABLE: u32 = 4;
/// No loss: state changes that came while the main program was running and that the second one took.
pub const RESCUED: u32 = 5;
/// As [`RING`], where the main program was interrupted: two programs on one CPU must not count in one place.
pub const RING_NESTED: u32 = 6;
/// Number of counters.
pub const COUNT: u32 = 7;
