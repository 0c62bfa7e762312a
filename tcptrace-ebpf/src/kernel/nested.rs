//! Events that come while the main program runs on the same CPU: a softirq in the middle of a system call. The kernel does not run
//! a program inside itself (Linux `kernel/trace/bpf_trace.c:__bpf_trace_run`), so a second one stands behind the first on the same
//! tracepoint. It looks whether the first has taken this event, and takes it if not.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::lost;

use super::histogram;
use super::memory as memories;
use super::ring::count_lost;
use super::sock::Sock;
use super::state_change::{self, arguments};

/// A power of two.
const PLACES: u32 = 512;
/// An odd number without a pattern, to spread bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The sockets whose events the main program has taken: between its end and the second one's look there is but an interrupt, whose
/// events are of other sockets, or another CPU, should the kernel preempt a task in the middle of a
/// tracepoint. What is remembered of the socket tells the latter.
#[map]
static TAKEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(PLACES, 0);

#[inline(always)]
fn place(key: u64) -> Option<*mut u64> {
    TAKEN.get_ptr_mut((key.wrapping_mul(SPREAD) >> 32) as u32 & (PLACES - 1))
}

/// Notes that the main program takes this event: its first act.
#[inline(always)]
pub(super) fn note(sock: Sock) {
    let key = sock.number();
    if let Some(place) = place(key) {
        // SAFETY: this CPU's own.
        unsafe { *place = key };
    }
}

/// Whether the main program has taken it on this CPU.
#[inline(always)]
fn is_taken(sock: Sock) -> bool {
    let key = sock.number();
    let Some(place) = place(key) else { return true };
    // SAFETY: this CPU's own.
    let taken = unsafe { *place } == key;
    if taken {
        // SAFETY: as above.
        unsafe { *place = 0 };
    }
    taken
}

/// Behind `state_change_btf`.
#[btf_tracepoint]
#[inline(always)]
pub fn state_change_nested(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    if !is_taken(sock) && !state_change::knows(memories::of(sock, false), from, to) {
        count_lost(lost::RESCUED);
        state_change::take(sock, from, to, lost::RING_NESTED);
    }
    0
}

/// Behind `histogram_btf`.
#[btf_tracepoint]
#[inline(always)]
pub fn histogram_nested(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    if !is_taken(sock) && !histogram::knows(sock, from, to) {
        count_lost(lost::RESCUED);
        histogram::take(sock, from, to, lost::RING_NESTED);
    }
    0
}
