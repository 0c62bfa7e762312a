//! The timers of timewait sockets (`--exact`): the only thing in the kernel that tells when TIME_WAIT and an orphan's FIN_WAIT_2
//! really end, and when a half-open connection began. Both are known by their timers' functions; the socket is the struct around
//! the timer.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::{HalfOpen, Neighbour, kind, lost, what};

use super::config::{config, constant, offsets};
use super::ring;
use super::sock::{Address, INET6, follow, member, read_kernel};

/// `timer:timer_start(struct timer_list *timer, …)`.
#[btf_tracepoint]
pub fn timer_started(ctx: BtfTracePointContext) -> i32 {
    let timer: *mut u8 = ctx.arg(0);
    if member!(timer, timer_function: u64) == constant!(config(), reqsk_timer_handler) {
        tell_half_open(timer);
    } else {
        tell(timer, what::TIMEWAIT_ARMED);
    }
    0
}

/// `timer:timer_expire_entry(struct timer_list *timer, …)`.
#[btf_tracepoint]
pub fn timer_expired(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), what::TIMEWAIT_EXPIRED);
    0
}

/// `timer:timer_cancel(struct timer_list *timer)`: fires before an expiry too, which tells for itself.
#[btf_tracepoint]
pub fn timer_cancelled(ctx: BtfTracePointContext) -> i32 {
    let timer: *mut u8 = ctx.arg(0);
    if !is_timewait(timer) {
        return 0;
    }
    // SAFETY: no arguments.
    let now = unsafe { bpf_jiffies64() };
    let due = member!(timer, timer_expires: u64);
    if (due.wrapping_sub(now) as i64) > 0 {
        tell(timer, what::TIMEWAIT_KILLED);
    }
    0
}

/// A request socket's timer starts with the SYN, and again with each retransmission of the SYN-ACK; only the first is told.
#[inline(always)]
fn tell_half_open(timer: *mut u8) {
    let request = timer.cast_const().wrapping_sub(constant!(offsets(), rsk_timer) as usize);
    let timeouts = read_kernel::<u8>(request, constant!(offsets(), num_timeout)).unwrap_or(0);
    if timeouts & constant!(offsets(), num_timeout_mask) as u8 != 0 {
        return;
    }
    // A request socket begins with a sock_common.
    let v6 = read_kernel::<u16>(request, constant!(offsets(), skc_family)) == Some(INET6);
    let ends = if v6 {
        let halves = |offset| read_kernel::<[u64; 2]>(request, offset).unwrap_or_default();
        [halves(constant!(offsets(), skc_v6_rcv_saddr)), halves(constant!(offsets(), skc_v6_daddr))]
    } else {
        let mapped = |offset| {
            let address = Address::v4(read_kernel::<u32>(request, offset).unwrap_or(0));
            [address.high, address.low]
        };
        [mapped(constant!(offsets(), skc_rcv_saddr)), mapped(constant!(offsets(), skc_daddr))]
    };
    let lport = read_kernel::<u16>(request, constant!(offsets(), skc_num)).unwrap_or(0);
    let rport = u16::from_be(read_kernel::<u16>(request, constant!(offsets(), skc_dport)).unwrap_or(0));
    let netns = follow(request, constant!(offsets(), skc_net))
        .and_then(|net| read_kernel::<u32>(net, constant!(offsets(), net_inum)))
        .unwrap_or(0);
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    ring::send(now, lost::HINTS, |room: *mut HalfOpen| {
        // SAFETY: a reserved record of this type, whose addresses are 8-byte aligned; every field is written.
        unsafe {
            (&raw mut (*room).laddr).cast::<[u64; 2]>().write(ends[0]);
            (&raw mut (*room).raddr).cast::<[u64; 2]>().write(ends[1]);
            let r = &mut *room;
            r.kind = kind::HALF_OPEN;
            r.pad = [0; 3];
            r.netns = netns;
            r.at_ns = now;
            r.lport = lport;
            r.rport = rport;
            r.pad2 = 0;
        }
    });
}

/// Whether it is the timer of a timewait socket. Every timer of the host comes by here.
#[inline(always)]
fn is_timewait(timer: *mut u8) -> bool {
    member!(timer, timer_function: u64) == constant!(config(), tw_timer_handler)
}

#[inline(always)]
fn tell(timer: *mut u8, what: u8) {
    if !is_timewait(timer) {
        return;
    }
    let sk = timer.cast_const().wrapping_sub(constant!(offsets(), tw_timer) as usize);
    let cookie = read_kernel::<u64>(sk, constant!(offsets(), skc_cookie)).unwrap_or(0);
    let substate = read_kernel::<u8>(sk, constant!(offsets(), tw_substate)).unwrap_or(0);
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    ring::send(now, lost::HINTS, |room: *mut Neighbour| {
        // SAFETY: a reserved record of this type.
        unsafe {
            room.write(Neighbour {
                kind: kind::NEIGHBOUR,
                what,
                value: substate.into(),
                pad: 0,
                at_ns: now,
                sk: sk as u64,
                cookie,
            });
        }
    });
}
