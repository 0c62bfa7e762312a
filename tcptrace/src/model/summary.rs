//! What a run amounted to.

/// Totals of a run, printed as its last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// State changes that reached us.
    pub events: u64,
    /// Events lost on the way.
    pub lost: u64,
    /// Records beside the state changes that were lost: who accepted, resets.
    pub lost_hints: u64,
    /// Connections that we knew.
    pub connections: u64,
    /// Connections that left the table because it was full.
    pub evictions: u64,
    /// How long we traced, nanoseconds.
    pub duration_ns: u64,
    /// What the kernel half cost, where `kernel.bpf_stats_enabled` could be set.
    pub kernel: Option<KernelCost>,
}

/// Cost of the kernel half, from the kernel's own statistics (`bpf_prog_info`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelCost {
    /// Runs of all programs.
    pub runs: u64,
    /// Their time, nanoseconds.
    pub ns: u64,
}
