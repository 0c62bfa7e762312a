//! The timers of timewait sockets (`--exact`): the only thing in the kernel that tells when TIME_WAIT and an orphan's FIN_WAIT_2
//! really end. A timewait socket is known by its timer's function; the socket is the struct around the timer.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::{Neighbour, kind, lost, what};

use super::config::{config, constant, offsets};
use super::ring;
use super::sock::{member, read_kernel};

/// `timer:timer_start(struct timer_list *timer, …)`.
#[btf_tracepoint]
pub fn timer_started(ctx: BtfTracePointContext) -> i32 {
    tell(ctx.arg(0), what::TIMEWAIT_ARMED);
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
