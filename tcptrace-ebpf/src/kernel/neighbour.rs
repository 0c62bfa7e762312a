//! The tracepoints beside the main one: resets both ways, and the end of the struct.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::{Neighbour, kind, lost, memory, what};

use super::config::{config, constant, offsets};
use super::memory as memories;
use super::ring;
use super::sock::{Sock, load};

/// `tcp:tcp_receive_reset(struct sock *sk)`.
#[btf_tracepoint]
pub fn reset_received(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), what::RESET_RECEIVED, 0);
    0
}

/// `tcp:tcp_send_reset(const struct sock *sk, const struct sk_buff *skb, const enum sk_rst_reason reason)`, for kernels with a reason.
#[btf_tracepoint]
pub fn reset_sent(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), what::RESET_SENT, ctx.arg::<u32>(2) as u16);
    0
}

/// The same before 6.10, where it says no reason.
#[btf_tracepoint]
pub fn reset_sent_bare(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), what::RESET_SENT, u16::MAX);
    0
}

/// `tcp:tcp_destroy_sock(struct sock *sk)`: told only for sockets that closed while an fd was open.
#[btf_tracepoint]
pub fn destroyed(ctx: BtfTracePointContext) -> i32 {
    let sock: *mut u8 = ctx.arg(0);
    // SAFETY: null or the socket's own storage.
    let Some(remembered) = (unsafe { memories::of(Sock::new(sock), false).as_ref() }) else { return 0 };
    let told = remembered.flags & memory::FD_OPEN != 0;
    if constant!(config(), by_address) != 0 {
        memories::forget(sock as u64);
    }
    if told {
        tell(sock, what::DESTROYED, 0);
    }
    0
}

/// Sends one record about `sock`, which may be null and may be a timewait or request socket.
#[inline(always)]
fn tell(sock: *mut u8, what: u8, value: u16) {
    if sock.is_null() {
        return;
    }
    let cookie = load::<u64>(sock, constant!(offsets(), skc_cookie)).unwrap_or(0);
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    ring::send(now, lost::HINTS, |room: *mut Neighbour| {
        // SAFETY: a reserved record of this type.
        unsafe {
            room.write(Neighbour {
                kind: kind::NEIGHBOUR,
                what,
                value,
                pad: 0,
                at_ns: now,
                sk: sock as u64,
                cookie,
            });
        }
    });
}
