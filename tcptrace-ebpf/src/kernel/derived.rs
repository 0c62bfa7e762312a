//! What histograms count beside stays: handshakes, waits for accept(), lifetimes, the application's reaction to a FIN, and the time
//! between the two FINs. Each costs something only where it is asked for.

use core::ffi::c_void;
use core::ptr::null_mut;

use aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE;
use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{HashMap, LruHashMap};
use tcptrace_ebpf::bucket::{self, AT_LEAST, UNKNOWN};
use tcptrace_ebpf::wire::{Memory, Milestones, Peer, Ready, by, lost, of, role, row};

use super::config::{config, constant, offsets};
use super::group::Whose;
use super::histogram::{BY_RULE, is_fastopen, stay};
use super::memory as memories;
use super::mini::{CLOSING, FIN_WAIT2, Mini};
use super::octave::{self, Length};
use super::ring;
use super::sock::{Sock, member, read_kernel};
use super::state_change::{CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, LAST_ACK, LISTEN, SYN_RECV, SYN_SENT};

/// A passive handshake that took so many times the shortest with that peer includes the client's delay: as the engine has it.
const LATE: u32 = 100;

/// Socket storage of its own, so that the memory of those who do not ask stays small. A child writes its own.
#[repr(C)]
struct MilestoneStorage {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
    key: *const i32,
    value: *const Milestones,
}

// SAFETY: only a definition; the kernel does the locking.
unsafe impl Sync for MilestoneStorage {}

#[btf_map]
static MILESTONES: MilestoneStorage = MilestoneStorage {
    r#type: core::ptr::null(),
    map_flags: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
};

/// The same by address, for kernels without socket storage; from a socket's birth to its CLOSE.
#[map]
static MILESTONES_BY_ADDRESS: LruHashMap<u64, Milestones> = LruHashMap::with_max_entries(1, 0);

/// Connections that wait for accept(), by socket address: accept()'s own program cannot reach socket storage.
#[map]
static READY: HashMap<u64, Ready> = HashMap::with_max_entries(1, 0);

/// The shortest handshake with each peer, microseconds.
#[map]
static PEERS: LruHashMap<Peer, u32> = LruHashMap::with_max_entries(1, 0);

/// Counts what a change of state ends, except what user space is told of.
#[inline(always)]
pub(super) fn count(
    now: u64,
    sock: Sock,
    (from, to): (u8, u8),
    (mini, told): (Mini, bool),
    mut remembered: Option<&mut Memory>,
    since: Milestones,
    whose: &Whose,
) {
    let asked = constant!(config(), of);
    if asked & !of::STATES == 0 {
        return;
    }
    let known = remembered.as_deref().map_or(0, |remembered| remembered.role);
    if asked & of::ACCEPT_WAIT != 0 && known == role::ACCEPT {
        wait_for_accept(now, sock, (from, to), whose);
    }
    if !whose.wanted {
        return;
    }
    let (mut row, mut length) = (0, (UNKNOWN, 0, 0));
    if asked & of::HANDSHAKE != 0 && to == ESTABLISHED && (from == SYN_SENT || from == SYN_RECV) {
        row = row::HANDSHAKE;
        let passive = from == SYN_RECV;
        let rtt = round_trip(sock, passive, remembered.as_deref_mut());
        if !passive {
            length = stay(now, from, remembered.as_deref());
        } else if known == role::ACCEPT {
            length = rtt;
        }
    }
    if asked & of::REACTION != 0 && from == CLOSE_WAIT && to == LAST_ACK {
        row = row::REACTION;
        length = stay(now, from, remembered.as_deref());
    }
    let both_fins = (from == FIN_WAIT1 && to == CLOSING) || (from == FIN_WAIT2 && mini == Mini::TimeWait);
    if asked & of::FIN_TO_FIN != 0 && both_fins {
        row = row::FIN_TO_FIN;
        length = passed(now, since.fin_ns, known);
    }
    if row != 0 {
        octave::count(&whose.group, row, length);
    }
    let over = to == CLOSE && from != LISTEN && !(mini == Mini::Orphan && told);
    if asked & of::LIFETIME != 0 && over {
        let lasted = if mini == Mini::Orphan { BY_RULE } else { passed(now, since.born_ns, known) };
        octave::count(&whose.group, row::LIFETIME, lasted);
    }
}

/// The time since `began`, 0 for a moment that was not seen: `role` is 0 where the birth was not either.
#[inline(always)]
fn passed(now: u64, began: u64, role: u8) -> Length {
    if began != 0 {
        let ns = now.saturating_sub(began);
        let (slot, place) = bucket::place(ns);
        (slot, place, ns)
    } else if role == 0 {
        (AT_LEAST, 0, 0)
    } else {
        (UNKNOWN, 0, 0)
    }
}

/// Nothing was seen.
pub(super) const NEVER: Milestones = Milestones { born_ns: 0, fin_ns: 0 };

/// What is known of the socket, this change included.
#[inline(always)]
pub(super) fn milestones(now: u64, sock: Sock, (from, to): (u8, u8)) -> Milestones {
    if constant!(config(), of) & (of::LIFETIME | of::FIN_TO_FIN) == 0 {
        return NEVER;
    }
    let born = (from == CLOSE && to == SYN_SENT) || (from == LISTEN && (to == SYN_RECV || to == ESTABLISHED));
    let create = born || to == FIN_WAIT1;
    if !create && to != CLOSE && to != CLOSING {
        return NEVER;
    }
    // SAFETY: null or the socket's own.
    let stored = unsafe { stored(sock, create).as_mut() };
    let Some(stored) = stored else {
        if create {
            ring::count_lost(lost::MEMORY);
        }
        return NEVER;
    };
    if born {
        stored.born_ns = now;
        stored.fin_ns = 0;
    }
    if to == FIN_WAIT1 {
        stored.fin_ns = now;
    }
    let found = Milestones { born_ns: stored.born_ns, fin_ns: stored.fin_ns };
    if to == CLOSE && constant!(config(), by_address) != 0 {
        let _ = MILESTONES_BY_ADDRESS.remove(&(sock.pointer() as u64));
    }
    found
}

/// Where a socket's milestones are kept, if they are; made when `create`.
#[inline(always)]
fn stored(sock: Sock, create: bool) -> *mut Milestones {
    if constant!(config(), by_address) != 0 {
        let address = sock.pointer() as u64;
        if create && MILESTONES_BY_ADDRESS.get_ptr_mut(&address).is_none() {
            let _ = MILESTONES_BY_ADDRESS.insert(&address, &NEVER, 0);
        }
        return MILESTONES_BY_ADDRESS.get_ptr_mut(&address).unwrap_or(null_mut());
    }
    let flags = if create { BPF_SK_STORAGE_GET_F_CREATE as u64 } else { 0 };
    // SAFETY: the verifier knows both pointers.
    let found = unsafe {
        bpf_sk_storage_get(
            (&raw const MILESTONES).cast_mut().cast::<c_void>(),
            sock.pointer().cast(),
            null_mut(),
            flags,
        )
    };
    found.cast()
}

/// The round-trip time of a handshake as the kernel measured it, where it can be one (as `engine/rtt.rs` has it). Both roles tell how
/// near a peer is.
#[inline(always)]
fn round_trip(sock: Sock, passive: bool, remembered: Option<&mut Memory>) -> Length {
    let unknown = (UNKNOWN, 0, 0);
    let Some(tcp) = sock.tcp() else { return unknown };
    let tcp = tcp.pointer();
    let srtt_us = member!(tcp, srtt_us: u32) >> 3;
    let resent = member!(tcp, total_retrans: u32) != 0;
    // With a SYN cookie it comes from timestamps, which count milliseconds; Fast Open did not wait for it.
    if srtt_us == 0 || resent || (passive && (srtt_us % 1000 == 0 || is_fastopen(sock))) {
        return unknown;
    }
    let (netns, _) = memories::belongings(remembered, sock);
    let (_, remote) = sock.addresses();
    let peer = Peer { high: remote.high, low: remote.low, netns, pad: 0 };
    // SAFETY: copied at once.
    let shortest = unsafe { PEERS.get(&peer) }.copied().unwrap_or(u32::MAX);
    if srtt_us < shortest {
        let _ = PEERS.insert(&peer, &srtt_us, 0);
    } else if passive && srtt_us / LATE >= shortest {
        return unknown;
    }
    let ns = srtt_us as u64 * 1000;
    let (slot, place) = bucket::place(ns);
    (slot, place, ns)
}

/// An accepted connection is established, and waits; or it is over.
#[inline(always)]
fn wait_for_accept(now: u64, sock: Sock, (from, to): (u8, u8), whose: &Whose) {
    let address = sock.pointer() as u64;
    if to == CLOSE {
        let _ = READY.remove(&address);
    }
    // Fast Open may have been accepted before.
    if from != SYN_RECV || to != ESTABLISHED || is_fastopen(sock) {
        return;
    }
    // Which process it will belong to is known at accept().
    if !whose.admitted {
        return;
    }
    let ready = Ready { cookie: sock.cookie(), since_ns: now, group: whose.group };
    if READY.insert(&address, &ready, 0).is_err() {
        ring::count_lost(lost::MEMORY);
    }
}

/// accept() has returned this socket to `pid`.
#[inline(always)]
pub(super) fn accepted(now: u64, address: u64, cookie: u64, pid: u32) {
    // SAFETY: copied at once.
    let ready = unsafe { READY.get(&address) }.copied();
    // Where nobody had asked for its cookie somebody may have since; its address it keeps until its CLOSE.
    let unasked = |ready: &Ready| ready.cookie == 0 && constant!(config(), by_address) != 0;
    let ready = ready.filter(|ready| ready.cookie == cookie || unasked(ready));
    // Reset while it waited: that was no wait for accept().
    if ready.is_none()
        && read_kernel::<u8>(address as *const u8, constant!(offsets(), skc_state)) == Some(CLOSE)
    {
        return;
    }
    let asked = constant!(config(), by);
    let (mut group, length) = match ready {
        Some(ready) => {
            let _ = READY.remove(&address);
            (ready.group, passed(now, ready.since_ns, role::ACCEPT))
        }
        // It waited before tracing did, or came by Fast Open; whether the filter wants it is not known.
        None if constant!(config(), filtered) != 0 => return,
        None => Default::default(),
    };
    if ready.is_none() {
        group.role = if asked & by::ROLE != 0 { role::ACCEPT } else { 0 };
    }
    if !memories::is_wanted(pid) {
        return;
    }
    if asked & by::PID != 0 {
        group.pid = pid;
    }
    let length = if ready.is_some() { length } else { (UNKNOWN, 0, 0) };
    octave::count(&group, row::ACCEPT_WAIT, length);
}
