//! The current task, where it means something.

use aya_ebpf::bindings::bpf_pidns_info;
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_ns_current_pid_tgid};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};

use super::config::{config, constant, offsets};
use super::sock::read_kernel;

/// PF_KTHREAD (Linux `include/linux/sched.h`).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Thread-group id of the current task as our pid namespace numbers it; 0 where it has none there.
#[inline(always)]
pub(super) fn current_pid() -> u32 {
    let inode = constant!(config(), pidns_ino);
    if inode == 0 {
        return (bpf_get_current_pid_tgid() >> 32) as u32;
    }
    let mut ids = bpf_pidns_info { pid: 0, tgid: 0 };
    // SAFETY: the helper writes `size_of` bytes into `ids`.
    unsafe {
        bpf_get_ns_current_pid_tgid(
            constant!(config(), pidns_dev),
            inode,
            &raw mut ids,
            size_of::<bpf_pidns_info>() as u32,
        );
    }
    ids.tgid
}

/// Whether it is a kernel thread, e.g. MPTCP's worker: never an owner.
#[inline(always)]
pub(super) fn is_kernel_thread() -> bool {
    // SAFETY: no arguments. Its sibling for direct loads came with Linux 5.11.
    let task = unsafe { bpf_get_current_task() } as *const u8;
    read_kernel::<u32>(task, constant!(offsets(), task_flags)).unwrap_or(0) & KERNEL_THREAD != 0
}

/// Its name now.
#[inline(always)]
pub(super) fn current_comm() -> [u8; 16] {
    bpf_get_current_comm().unwrap_or_default()
}
