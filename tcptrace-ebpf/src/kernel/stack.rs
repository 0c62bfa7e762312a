//! `stuck --stacks`: the user stack of who opens a socket, at connect() and at the exit of accept(). Programs of their own, attached
//! only when asked for, so that nothing else pays for them.
//!
//! The chain of frame pointers misses the function that calls a C library without frame pointers, as most are: the system call's
//! wrapper has set up no frame. So the top of the stack is kept too, for user space to take the first steps by the binary's unwind
//! tables.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_F_USER_STACK;
use aya_ebpf::helpers::generated::{
    bpf_get_current_task_btf, bpf_get_stack, bpf_probe_read_user, bpf_task_pt_regs,
};
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel};
use aya_ebpf::macros::{btf_tracepoint, map, tracepoint};
use aya_ebpf::maps::{HashMap, PerCpuArray};
use aya_ebpf::programs::{BtfTracePointContext, TracePointContext};
use tcptrace_ebpf::wire::{DUMP, FRAMES, Taken, how, lost};

use super::accept::socket_of;
use super::config::{config, constant, layout, offsets};
use super::filter::{self, Facts};
use super::memory;
use super::ring::count_lost;
use super::sock::{Sock, load, read_kernel};
use super::state_change::{CLOSE, SYN_SENT, TCP};
use super::task;

/// By socket cookie, from the opening to the end of the struct. A plain hash: a stuck socket is among the oldest, which an LRU evicts.
#[map]
static STACKS: HashMap<u64, Taken> = HashMap::with_max_entries(1, 0);

/// Where one is put together: too large for a program's own stack. Each program has its own, since one may interrupt the other.
#[map]
static STACK_ROOM: PerCpuArray<Taken> = PerCpuArray::with_max_entries(2, 0);

/// `sock:inet_sock_set_state`, attached beside the main program: CLOSE → SYN_SENT happens in connect() and nowhere else.
#[btf_tracepoint]
pub fn stack_at_connect(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(1) as u8 != CLOSE || ctx.arg::<i32>(2) as u8 != SYN_SENT {
        return 0;
    }
    let sock = Sock::new(ctx.arg(0));
    if sock.protocol() != TCP || task::is_kernel_thread() {
        return 0;
    }
    // What nobody asked for must not take the room. The pid is looked at below, as for accept().
    let (local, remote) = sock.addresses();
    let (uid, netns) = (Some(sock.uid()), Some(sock.netns()));
    let facts = Facts { local, remote, lport: 0, rport: sock.remote_port(), unnamed: false, uid, netns };
    if filter::passes(&facts, None) {
        take(ctx.as_ptr(), 0, sock.cookie(), how::CONNECT);
    }
    0
}

/// The exit of accept() and accept4(), beside `accepted`.
#[tracepoint]
pub fn stack_at_accept(ctx: TracePointContext) -> u32 {
    // SAFETY: inside the event, whose layout the loader read.
    let fd = unsafe {
        bpf_probe_read_kernel::<i64>(ctx.as_ptr().add(constant!(layout(), accept_ret) as usize).cast())
    }
    .unwrap_or(-1);
    if fd >= 0
        && let Some((_, cookie)) = socket_of(fd as u64)
    {
        take(ctx.as_ptr(), 1, cookie, how::ACCEPT);
    }
    0
}

/// `tcp:tcp_destroy_sock`: nobody will ask any more.
#[btf_tracepoint]
pub fn stack_gone(ctx: BtfTracePointContext) -> i32 {
    let cookie = load::<u64>(ctx.arg(0), constant!(offsets(), skc_cookie)).unwrap_or(0);
    if cookie != 0 {
        let _ = STACKS.remove(cookie);
    }
    0
}

/// Keeps the current task's stack. A socket without a cookie is one that no filter has let pass.
#[inline(always)]
fn take(ctx: *mut c_void, room: u32, cookie: u64, how: u8) {
    let pid = task::current_pid();
    if cookie == 0 || pid == constant!(config(), own_pid) || !memory::is_wanted(pid) {
        return;
    }
    let Some(room) = STACK_ROOM.get_ptr_mut(room) else { return };
    // SAFETY: this CPU's own entry, and a program does not interrupt itself.
    let taken = unsafe { &mut *room };
    // SAFETY: no arguments.
    taken.at_ns = unsafe { bpf_ktime_get_ns() };
    taken.pid = pid;
    taken.how = how;
    let bytes = (FRAMES * size_of::<u64>()) as u32;
    // SAFETY: the array is as large as is said.
    taken.frames_len =
        unsafe { bpf_get_stack(ctx, (&raw mut taken.frames).cast(), bytes, BPF_F_USER_STACK as u64) } as i32;
    if taken.frames_len <= 0 {
        count_lost(lost::UNREADABLE);
    }
    // SAFETY: the current task's registers are there while it runs.
    let registers = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as *const u8;
    taken.sp = read_kernel(registers, constant!(offsets(), pt_regs_sp)).unwrap_or(0);
    taken.bp = read_kernel(registers, constant!(offsets(), pt_regs_bp)).unwrap_or(0);
    // SAFETY: the array is as large as is said; a bad address makes the helper fail, nothing else.
    let failed = taken.sp == 0
        || unsafe {
            bpf_probe_read_user((&raw mut taken.dump).cast(), DUMP as u32, taken.sp as *const c_void)
        } != 0;
    taken.dump_len = if failed { 0 } else { DUMP as u32 };
    if STACKS.insert(cookie, &*taken, 0).is_err() {
        count_lost(lost::STACKS);
    }
}
