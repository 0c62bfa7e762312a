//! What this kernel's eBPF can do, tried out.

use aya::maps::MapType;
use aya::sys::{Stats, enable_stats, is_map_supported};

/// Whether a ring buffer can be made; `None` when we may not try.
#[must_use]
pub fn ring_buffer() -> Option<bool> {
    is_map_supported(MapType::RingBuf).ok()
}

/// Whether the kernel times programs for us when asked.
#[must_use]
pub fn run_time_figures() -> bool {
    enable_stats(Stats::RunTime).is_ok()
}

/// Whether the kernel shows us the addresses of its timers' functions.
#[must_use]
pub fn timer_addresses() -> bool {
    super::symbols::address("tw_timer_handler").is_some()
}
