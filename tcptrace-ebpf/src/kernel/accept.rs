//! The exit of accept() and accept4(): who got the connection. Attached to the two system calls' own tracepoints, so that no other
//! system call pays for it.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel};
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tcptrace_ebpf::wire::{Accepted, AcceptedBy, kind, lost, of};

use super::config::{config, constant, layout, offsets};
use super::derived;
use super::memory;
use super::ring;
use super::sock::{follow, read_kernel};
use super::task;

/// Fields: `ret`, the new fd or a negative errno.
#[tracepoint]
pub fn accepted(ctx: TracePointContext) -> u32 {
    // SAFETY: inside the event, whose layout the loader read.
    let fd = unsafe {
        bpf_probe_read_kernel::<i64>(ctx.as_ptr().add(constant!(layout(), accept_ret) as usize).cast())
    }
    .unwrap_or(-1);
    if fd < 0 {
        return 0;
    }
    let Some((sk, cookie)) = socket_of(fd as u64) else { return 0 };
    let pid = task::current_pid();
    let comm = task::current_comm();
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let counted = constant!(config(), of);
    if counted & of::ACCEPT_WAIT != 0 {
        derived::accepted(now, sk, cookie, pid);
    }
    // Only a filter or a grouping by pid needs it in the kernel; else the record tells user space, which remembers.
    let owners = constant!(config(), owners) != 0;
    if owners || constant!(config(), by_pid) != 0 {
        let mut by = AcceptedBy { cookie, pid, ..AcceptedBy::default() };
        // SAFETY: aligned in an AcceptedBy.
        unsafe { comm.put(&raw mut by.comm) };
        let _ = memory::ACCEPTED.insert(&sk, &by, 0);
        if owners || !memory::is_wanted(pid) {
            return 0;
        }
    }
    if counted != 0 {
        return 0;
    }
    ring::send(now, lost::HINTS, |room: *mut Accepted| {
        // SAFETY: a reserved record of this type.
        unsafe {
            room.write(Accepted {
                kind: kind::ACCEPTED,
                pad: [0; 3],
                pid,
                at_ns: now,
                sk,
                cookie,
                comm: [0; 16],
            });
            comm.put(&raw mut (*room).comm);
        };
    });
    0
}

/// Address and cookie of the TCP socket behind an fd of the current task: task->files->fdt->fd[fd]->private_data->sk.
#[inline(always)]
pub(super) fn socket_of(fd: u64) -> Option<(u64, u64)> {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() } as *const u8;
    let files = follow(task, constant!(offsets(), task_files))?;
    let table = follow(files, constant!(offsets(), files_fdt))?;
    let array = follow(table, constant!(offsets(), fdtable_fd))?;
    let file = follow(array.wrapping_add(fd as usize * size_of::<u64>()), 0)?;
    let socket = follow(file, constant!(offsets(), file_private_data))?;
    let sk = follow(socket, constant!(offsets(), socket_sk))?;
    let protocol: u16 = read_kernel(sk, constant!(offsets(), sk_protocol))?;
    if protocol != 6 && protocol != 262 {
        return None;
    }
    Some((sk as u64, read_kernel(sk, constant!(offsets(), skc_cookie))?))
}
