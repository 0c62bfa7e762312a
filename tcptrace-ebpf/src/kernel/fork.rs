//! `--follow-forks`: children of the watched pids join them.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

use super::config::{constant, offsets};
use super::memory;
use super::sock::member;
use super::task;

/// `sched:sched_process_fork(struct task_struct *parent, struct task_struct *child)`.
#[btf_tracepoint]
pub fn forked(ctx: BtfTracePointContext) -> i32 {
    if memory::is_wanted(task::current_pid()) {
        let child: *mut u8 = ctx.arg(1);
        let pid = member!(child, task_tgid: u32);
        let _ = memory::PIDS.insert(&pid, &1, 0);
    }
    0
}
