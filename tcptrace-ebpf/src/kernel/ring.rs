//! The way to user space: one ring buffer, losses counted, wake-ups batched.

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::macros::map;
use aya_ebpf::maps::ring_buf::RingBufEntry;
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use tcptrace_ebpf::wire::lost;

use super::config::{config, constant};

/// The loader sets the size that runs.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 24, 0);

/// What was lost, by the indexes of [`lost`].
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);

/// When user space was last woken, CLOCK_MONOTONIC nanoseconds. CPUs race for it; the worst that comes of it is a second wake-up.
#[unsafe(no_mangle)]
static mut LAST_WAKE: u64 = 0;

/// Adds one to a loss counter.
#[inline(always)]
pub(super) fn count_lost(what: u32) {
    if let Some(counter) = LOST.get_ptr_mut(what) {
        // SAFETY: this CPU's own counter. A program that interrupts another one on its CPU must count elsewhere.
        unsafe { *counter += 1 };
    }
}

/// Room for a record, to be filled and given to [`submit`]. A full ring is counted under `loss`.
#[inline(always)]
pub(super) fn reserve<R: 'static>(loss: u32) -> Option<RingBufEntry<R>> {
    let room = EVENTS.reserve::<R>(0);
    if room.is_none() {
        count_lost(loss);
    }
    room
}

/// Hands a filled record over.
#[inline(always)]
pub(super) fn submit<R>(room: RingBufEntry<R>, now: u64) {
    room.submit(wake(now) as u64);
}

/// Reserves a record, has `fill` write it in place, and hands it over. Where two programs share a `fill`, the compiler makes it a function
/// of its own, which costs the verifier dearly: those reserve and submit.
#[inline(always)]
pub(super) fn send<R: 'static>(now: u64, loss: u32, fill: impl FnOnce(*mut R)) {
    if let Some(mut room) = reserve(loss) {
        fill(room.as_mut_ptr());
        submit(room, now);
    }
}

/// Whether this record wakes the reader: the first after a pause does, and one that finds the ring filling up. After it is woken the
/// reader looks again by itself for a little longer than the pause, so that nothing stays behind.
#[inline(always)]
fn wake(now: u64) -> u32 {
    // SAFETY: a plain word; see LAST_WAKE.
    let last = unsafe { core::ptr::read_volatile(&raw const LAST_WAKE) };
    let pause = now.wrapping_sub(last);
    let due = pause > constant!(config(), wake_ns)
        || (pause > 500_000 && EVENTS.query(BPF_RB_AVAIL_DATA as u64) > constant!(config(), wake_bytes));
    if due {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(&raw mut LAST_WAKE, now) };
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    }
}
