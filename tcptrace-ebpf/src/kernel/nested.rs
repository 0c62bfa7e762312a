//! Events that come while the main program runs on the same CPU: a softirq in the middle of a system call. The kernel does not run
//! a program inside itself (Linux `kernel/trace/bpf_trace.c:__bpf_trace_run`), so a second one stands behind the first on the same
//! tracepoint. It looks whether the first has taken this event, and takes it if not.

use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::lost;

use super::config::{constant, offsets};
use super::histogram;
use super::ring::count_lost;
use super::sock::{Sock, member};
use super::state_change::{self, arguments};

/// A power of two.
const PLACES: u32 = 512;
/// An odd number without a pattern, to spread bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What the main program has taken, by socket: nothing lies between its end and the second one's look but an interrupt, whose events
/// are of other sockets.
#[map]
static TAKEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(PLACES, 0);

/// Notes that the main program takes this event: its first act.
#[inline(always)]
pub(super) fn note(sock: Sock, from: u8, to: u8) {
    let mark = mark(sock, from, to);
    if let Some(place) = TAKEN.get_ptr_mut(place(mark)) {
        // SAFETY: this CPU's own.
        unsafe { *place = mark };
    }
}

/// Whether the main program has taken it; otherwise it is the caller's, and counted.
#[inline(always)]
fn is_taken(mark: u64) -> bool {
    let Some(place) = TAKEN.get_ptr_mut(place(mark)) else { return true };
    // SAFETY: this CPU's own.
    let taken = unsafe { *place } == mark;
    if taken {
        // SAFETY: as above.
        unsafe { *place = 0 };
    } else {
        count_lost(lost::RESCUED);
    }
    taken
}

#[inline(always)]
fn place(mark: u64) -> u32 {
    (mark.wrapping_mul(SPREAD) >> 32) as u32 & (PLACES - 1)
}

/// Which event of which socket, never 0. By its addresses and ports: the verifier does not let a program reckon with a socket's address.
#[inline(always)]
fn mark(sock: Sock, from: u8, to: u8) -> u64 {
    let sk = sock.pointer();
    let ends = (member!(sk, skc_daddr: u32) as u64) << 32 | member!(sk, skc_rcv_saddr: u32) as u64;
    let ports = (member!(sk, skc_dport: u16) as u64) << 16 | member!(sk, skc_num: u16) as u64;
    ends.wrapping_mul(SPREAD) ^ ports << 8 ^ (from << 4 | to) as u64 | 1 << 63
}

/// Behind `state_change_btf`.
#[btf_tracepoint]
pub fn state_change_nested(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    if !is_taken(mark(sock, from, to)) {
        state_change::take(sock, from, to, lost::RING_NESTED);
    }
    0
}

/// Behind `histogram_btf`.
#[btf_tracepoint]
pub fn histogram_nested(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    if !is_taken(mark(sock, from, to)) {
        histogram::take(sock, from, to, lost::RING_NESTED);
    }
    0
}
