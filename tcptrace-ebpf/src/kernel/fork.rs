//! `--follow-forks`: children of the watched pids join them.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::{Forked, kind, lost};

use super::config::{constant, offsets};
use super::memory;
use super::ring;
use super::sock::member;
use super::task;

/// Only when the key is new (Linux `include/uapi/linux/bpf.h`).
const BPF_NOEXIST: u64 = 1;

/// `sched:sched_process_fork(struct task_struct *parent, struct task_struct *child)`.
#[btf_tracepoint]
pub fn forked(ctx: BtfTracePointContext) -> i32 {
    if memory::is_wanted(task::current_pid()) {
        let child: *mut u8 = ctx.arg(1);
        let pid = member!(child, task_tgid: u32);
        // A new thread shares its process's pid.
        if memory::PIDS.insert(&pid, &1, BPF_NOEXIST).is_ok() {
            // SAFETY: no arguments.
            ring::send(unsafe { bpf_ktime_get_ns() }, lost::HINTS, |room: *mut Forked| {
                // SAFETY: a reserved record of this type.
                unsafe { room.write(Forked { kind: kind::FORKED, pad: [0; 3], child: pid }) };
            });
        }
    }
    0
}
