//! What becomes a timewait socket, whose changes and end no event of the state tracepoint tells.

use tcptrace_ebpf::wire::of;

use super::change::{SOCK_DEAD, SOCK_DONE};
use super::config::{config, constant, offsets};
use super::sock::{Sock, member};
use super::state_change::CLOSE;

pub(super) const FIN_WAIT2: u8 = 5;
pub(super) const TIME_WAIT: u8 = 6;
pub(super) const CLOSING: u8 = 11;

/// A budget is for so many nanoseconds, as a power of two: about a second.
const STRETCH: u32 = 30;

/// The stretch of time in which the last one was told of, and how many were in it. CPUs race for both; the worst that comes of it is that
/// some more are told.
#[unsafe(no_mangle)]
static mut STRETCH_TOLD: u64 = 0;
#[unsafe(no_mangle)]
static mut TOLD: u64 = 0;

/// What the kernel's CLOSE is instead of the end, as the engine judges it (`engine/cause.rs`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mini {
    /// The end, or none.
    Not,
    /// It enters TIME_WAIT.
    TimeWait,
    /// An orphan, whose FIN_WAIT_2 goes on (Linux `net/ipv4/tcp.c`: `__tcp_close`).
    Orphan,
}

impl Mini {
    #[inline(always)]
    pub(super) fn of(sock: Sock, from: u8, to: u8, error: u16) -> Self {
        if to != CLOSE || error != 0 || (from != FIN_WAIT2 && from != CLOSING) {
            return Self::Not;
        }
        let flags = sock.flags();
        if from == CLOSING || flags & SOCK_DONE != 0 {
            return Self::TimeWait;
        }
        let linger2 = sock.tcp().map_or(0, |tcp| member!(tcp.pointer(), linger2: i32));
        if flags & SOCK_DEAD != 0 && linger2 >= 0 { Self::Orphan } else { Self::Not }
    }

    /// Whether user space, which may learn more, is told of it. Only so many a second are.
    #[inline(always)]
    pub(super) fn is_told(self, now: u64) -> bool {
        let asked = constant!(config(), of);
        let matters = match self {
            Self::Not => 0,
            Self::TimeWait => of::STATES,
            Self::Orphan => of::STATES | of::LIFETIME | of::FIN_TO_FIN,
        };
        if asked & matters == 0 {
            return false;
        }
        let stretch = now >> STRETCH;
        // SAFETY: plain words; see STRETCH_TOLD.
        unsafe {
            if core::ptr::read_volatile(&raw const STRETCH_TOLD) != stretch {
                core::ptr::write_volatile(&raw mut STRETCH_TOLD, stretch);
                core::ptr::write_volatile(&raw mut TOLD, 0);
            }
            let told = core::ptr::read_volatile(&raw const TOLD) + 1;
            core::ptr::write_volatile(&raw mut TOLD, told);
            told <= constant!(config(), minis) as u64
        }
    }
}
