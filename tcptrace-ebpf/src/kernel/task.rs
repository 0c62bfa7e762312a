//! The current task, where it means something.

use core::mem::MaybeUninit;

use aya_ebpf::bindings::bpf_pidns_info;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_get_current_task, bpf_get_ns_current_pid_tgid};

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

/// A task's name, as two words: to set or copy sixteen bytes the compiler calls a function, and in a program that calls functions of
/// its own verifiers before Linux 6.2 take every number for one that matters, and look at a thousand ways where there are ten.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Comm([u64; 2]);

impl Comm {
    pub(super) const NONE: Self = Self([0; 2]);

    /// Reads a record's.
    ///
    /// # Safety
    /// It is 8-byte aligned, as in every record.
    #[inline(always)]
    pub(super) unsafe fn of(name: &[u8; 16]) -> Self {
        let words = name.as_ptr().cast::<u64>();
        // SAFETY: sixteen bytes; the caller's promise.
        unsafe { Self([words.read(), words.add(1).read()]) }
    }

    /// Writes it into a record.
    ///
    /// # Safety
    /// `to` can be written and is 8-byte aligned, as in every record.
    #[inline(always)]
    pub(super) unsafe fn put(self, to: *mut [u8; 16]) {
        let words = to.cast::<u64>();
        // SAFETY: sixteen bytes; the caller's promise.
        unsafe {
            words.write(self.0[0]);
            words.add(1).write(self.0[1]);
        }
    }

    #[inline(always)]
    pub(super) fn bytes(self) -> [u8; 16] {
        // SAFETY: two words of plain numbers.
        unsafe { core::mem::transmute(self.0) }
    }

    /// Whether it begins with these letters.
    #[inline(always)]
    pub(super) fn begins_with(self, letters: [u8; 8]) -> bool {
        self.0[0] == u64::from_ne_bytes(letters)
    }
}

/// Its name now; empty where the kernel does not tell.
#[inline(always)]
pub(super) fn current_comm() -> Comm {
    let mut comm = MaybeUninit::<Comm>::uninit();
    // SAFETY: the helper writes all sixteen bytes, zeros where it fails.
    unsafe {
        bpf_get_current_comm(comm.as_mut_ptr().cast(), size_of::<Comm>() as u32);
        comm.assume_init()
    }
}
