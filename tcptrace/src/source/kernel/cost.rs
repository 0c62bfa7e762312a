//! What the kernel half costs, by the kernel's own count.
//!
//! The kernel times every run of every eBPF program on the host while somebody asks (BPF_ENABLE_STATS), which itself costs some tens
//! of nanoseconds a run. So by default it is asked for in short samples.

use std::os::fd::OwnedFd;

use aya::programs::ProgramInfo;
use aya::sys::{Stats, enable_stats};

use crate::model::summary::KernelCost;

use super::Kernel;

/// Of so many ticks, one is measured.
const ONE_IN: u64 = 8;

/// Decides when to measure.
pub(super) struct Meter {
    always: bool,
    ticks: u64,
    /// While this is open the kernel measures.
    open: Option<OwnedFd>,
}

impl Meter {
    pub(super) fn new(always: bool) -> Self {
        Self { always, ticks: 0, open: enable_stats(Stats::RunTime).ok() }
    }
}

impl Kernel {
    /// To be called a few times a second: opens and closes the measuring samples.
    pub fn sample_cost(&mut self) {
        let meter = &mut self.cost;
        meter.ticks += 1;
        if meter.always || meter.ticks.is_multiple_of(ONE_IN) {
            if meter.open.is_none() {
                meter.open = enable_stats(Stats::RunTime).ok();
            }
        } else {
            meter.open = None;
        }
    }

    /// Cost of each attached program: name, measured runs, their nanoseconds.
    #[must_use]
    pub fn costs(&self) -> Vec<(&'static str, KernelCost)> {
        self.attached
            .iter()
            .filter_map(|name| {
                let info: ProgramInfo = self.ebpf.program(name)?.info().ok()?;
                let ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
                Some((*name, KernelCost { runs: info.run_count(), ns }))
            })
            .collect()
    }

    /// Cost of the main program; `None` when nothing was measured.
    #[must_use]
    pub fn main_cost(&self) -> Option<KernelCost> {
        self.costs()
            .into_iter()
            .find(|(name, cost)| {
                (name.starts_with("state_change") || *name == "histogram_btf") && cost.runs > 0
            })
            .map(|(_, cost)| cost)
    }
}
