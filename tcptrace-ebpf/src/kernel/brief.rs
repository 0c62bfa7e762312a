//! What is remembered of a socket where nobody asks for owners: in a table by address, from its birth to its CLOSE. Socket storage costs
//! the kernel allocations at each birth, copies for each child and locks at each end; it keeps only what finds no place in the table.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use tcptrace_ebpf::wire::{Memory, OPEN_SOCKETS, Open};

use super::config::{config, constant, offsets};
use super::memory as memories;
use super::sock::{Sock, member};
use super::state_change::{CLOSE, LISTEN};
use super::task;

/// The loader makes it [`OPEN_SOCKETS`] large where it is used. Two CPUs may take a place at once, within nanoseconds: then one of the
/// two stays that begin is not known.
#[map]
static OPEN: Array<Open> = Array::with_max_entries(1, 0);

/// So many places after the first may be another's.
const PLACES: u32 = 4;

/// 127.0.0.1, in network order.
const LOCALHOST: u32 = u32::from_ne_bytes([127, 0, 0, 1]);

/// The port on which tcptrace itself listens, for its self-test; 0 for none.
#[unsafe(no_mangle)]
static mut OWN_PORT: u16 = 0;

/// The socket's place, if it has one.
#[inline(always)]
fn place(key: u64) -> Option<&'static mut Open> {
    nth_where(key, |open| open.key == key)
}

/// The first of the socket's possible places that fits.
#[inline(always)]
fn nth_where(key: u64, fits: impl Fn(&Open) -> bool) -> Option<&'static mut Open> {
    let first = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32;
    for step in 0..PLACES {
        let open = OPEN.get_ptr_mut(first.wrapping_add(step) & (OPEN_SOCKETS - 1))?;
        // SAFETY: plain words, which are the socket's own once it has the place.
        let open = unsafe { &mut *open };
        if fits(open) {
            return Some(open);
        }
    }
    None
}

/// The memory of a socket, if it has one; at its birth a new one, whatever had its address before; made when `create`.
#[inline(always)]
pub(super) fn of(sock: Sock, birth: bool, create: bool) -> *mut Memory {
    let key = sock.number();
    if let Some(open) = place(key) {
        if birth {
            memories::clear(&mut open.memory);
        }
        return &raw mut open.memory;
    }
    if !birth {
        let stored = memories::of(sock, false);
        if !stored.is_null() || !create {
            return stored;
        }
    }
    match nth_where(key, |open| open.key == 0) {
        Some(open) => {
            open.key = key;
            memories::clear(&mut open.memory);
            &raw mut open.memory
        }
        None => {
            let stored = memories::of(sock, true);
            // A listener's, or of whatever had the address before.
            // SAFETY: null or the socket's own.
            if birth && let Some(stored) = unsafe { stored.as_mut() } {
                memories::clear(stored);
            }
            stored
        }
    }
}

/// Its address will be somebody else's.
#[inline(always)]
pub(super) fn end(sock: Sock) {
    if let Some(open) = place(sock.number()) {
        open.last = open.key;
        open.key = 0;
    }
}

/// Whether it had a place and nobody has it since.
#[inline(always)]
pub(super) fn has_ended(sock: Sock) -> bool {
    let key = sock.number();
    nth_where(key, |open| open.key == 0 && open.last == key).is_some()
}

/// Marks the sockets of tcptrace itself: those of its self-test.
#[inline(always)]
pub(super) fn own(remembered: &mut Memory, sock: Sock, from: u8, to: u8) {
    let own = constant!(config(), own_pid);
    let port = || sock.local_port(None, false);
    // SAFETY: a plain word, which only the self-test changes, one event after the other.
    let listens = unsafe { core::ptr::read_volatile(&raw const OWN_PORT) };
    let listen = |port| unsafe { core::ptr::write_volatile(&raw mut OWN_PORT, port) };
    if from == CLOSE {
        if sock.locked() && task::current_pid() == own {
            remembered.owner_pid = own;
            if to == LISTEN {
                listen(port());
            }
        }
    } else if from == LISTEN && to == CLOSE {
        if remembered.owner_pid == own {
            listen(0);
        }
    } else if from == LISTEN
        && listens != 0
        && port() == listens
        && member!(sock.pointer(), skc_rcv_saddr: u32) == LOCALHOST
    {
        remembered.owner_pid = own;
    }
}
