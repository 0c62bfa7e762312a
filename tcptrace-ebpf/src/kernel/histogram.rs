//! `sock:inet_sock_set_state` counted instead of told: how long sockets stay in each state, in exponential buckets, by CPU.
//!
//! Attached in place of the main program. A record crosses the ring only where the kernel's CLOSE is not the end: what becomes a
//! timewait socket is the user side's to judge, its FIN_WAIT_2 included. So no stay is counted on both sides.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{HashMap, PerCpuArray, PerCpuHashMap};
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::bucket::{self, AT_LEAST, SLOTS, UNKNOWN};
use tcptrace_ebpf::wire::{Group, Memory, Octave, ROWS, by, lost, of, role};

use super::change::Change;
use super::config::{config, constant, offsets};
use super::derived;
use super::filter::{self, Facts};
use super::memory as memories;
use super::nested;
use super::ring;
use super::sock::{Sock, TcpSock, member};
use super::state_change::{
    ABORTED, CLOSE, ESTABLISHED, LISTEN, MPTCP, SYN_RECV, SYN_SENT, TCP, arguments, is_ours, own, remember,
};
use super::task::{self, Comm};

pub(super) const FIN_WAIT2: u8 = 5;
pub(super) const CLOSING: u8 = 11;

/// Without groups all histograms, with groups those of whatever exceeds their number: `row * SLOTS + slot`.
#[map]
static STAYS: PerCpuArray<Octave> = PerCpuArray::with_max_entries(ROWS * SLOTS, 0);

/// Numbers of the groups.
#[map]
static GROUPS: HashMap<Group, u32> = HashMap::with_max_entries(1, 0);

/// Histograms of groups: `group << 32 | row << 8 | slot`.
#[map]
static GROUP_STAYS: PerCpuHashMap<u64, Octave> = PerCpuHashMap::with_max_entries(1, 0);

/// This CPU's number and how many groups it has numbered: `cpu << 20 | count`, set by the loader.
#[map]
static NEXT_GROUP: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint]
pub fn histogram_btf(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    nested::note(sock, from, to);
    take(sock, from, to, lost::RING);
    0
}

/// Counts what one event ends; where there is no room for what must be told, that is counted under `loss`.
#[inline(always)]
pub(super) fn take(sock: Sock, from: u8, to: u8, loss: u32) {
    let protocol = sock.protocol();
    // A self-transition ends no stay.
    if from == to || (protocol != TCP && !(protocol == MPTCP && constant!(config(), mptcp) != 0)) {
        return;
    }
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let stored = memories::of(sock, to != CLOSE);
    // SAFETY: null or the socket's own storage.
    let mut remembered = unsafe { stored.as_mut() };
    let error = sock.error();
    let locked = sock.locked();

    // Births tell which sockets are tcptrace's own.
    let asked = from == CLOSE || constant!(config(), owners) != 0;
    let killed = error == ABORTED && from != CLOSE;
    let actor = if asked && locked && !killed && !task::is_kernel_thread() { task::current_pid() } else { 0 };
    if let Some(remembered) = remembered.as_deref_mut() {
        own(remembered, sock, from, to, actor);
        match (from, to) {
            (CLOSE, SYN_SENT) => remembered.role = role::CONNECT,
            (CLOSE, LISTEN) => remembered.role = role::LISTEN,
            (SYN_SENT, SYN_RECV) => remembered.role = role::SIMULTANEOUS,
            (LISTEN, SYN_RECV | ESTABLISHED) => remembered.role = role::ACCEPT,
            _ => {}
        }
    }
    let ours = is_ours(actor, remembered.as_deref());
    let mini = to == CLOSE && error == 0 && (from == FIN_WAIT2 || from == CLOSING);
    // What a birth leaves is no stay.
    let is_stay = from != CLOSE && (from != LISTEN || to == CLOSE);
    let asked_of = constant!(config(), of);
    // What ends with a timewait socket is of no matter to the others.
    let mini = mini && asked_of & (of::STATES | of::LIFETIME | of::FIN_TO_FIN) != 0;
    if ours || mini {
        tell(
            now,
            sock,
            (from, to),
            (protocol, error),
            (locked, actor),
            remembered.as_deref_mut(),
            (ours, loss),
        );
    } else if is_stay && asked_of & of::STATES != 0 {
        count(now, sock, (from, to), remembered.as_deref_mut());
    }
    if asked_of & !of::STATES != 0 && !ours {
        derived::count(now, sock, (from, to), error, remembered.as_deref_mut());
    }
    if let Some(remembered) = remembered {
        remember(remembered, from, to, now);
    }
}

/// Sends it as the main program does.
#[inline(always)]
fn tell(
    now: u64,
    sock: Sock,
    (from, to): (u8, u8),
    (protocol, error): (u16, u16),
    (locked, actor): (bool, u32),
    mut remembered: Option<&mut Memory>,
    (ours, loss): (bool, u32),
) {
    let tcp = sock.tcp();
    let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
    let facts = facts(sock, tcp, to, netns);
    if ours || passes(&facts, remembered.as_deref()) {
        let actor_comm = if actor == 0 { Comm::NONE } else { task::current_comm() };
        let sent = Change { now, sock, tcp, from, to, protocol, error, locked, actor, cgroup, facts: &facts };
        if let Some(mut room) = ring::reserve(loss) {
            sent.write(room.as_mut_ptr(), remembered.as_deref(), actor_comm);
            ring::submit(room, now);
        }
    }
}

#[inline(always)]
fn facts(sock: Sock, tcp: Option<TcpSock>, to: u8, netns: u32) -> Facts {
    let (local, remote) = sock.addresses();
    Facts {
        local,
        remote,
        lport: sock.local_port(tcp, to == CLOSE),
        rport: sock.remote_port(),
        uid: Some(sock.uid()),
        netns: Some(netns),
        unnamed: false,
    }
}

/// The user's filter, decided to the end: nobody looks again.
#[inline(always)]
fn passes(facts: &Facts, remembered: Option<&Memory>) -> bool {
    if constant!(config(), filtered) == 0 {
        return true;
    }
    if constant!(config(), by_pid) != 0
        && !remembered.is_some_and(|remembered| memories::is_wanted(remembered.owner_pid))
    {
        return false;
    }
    filter::passes(facts, None)
}

/// Counts the stay that ends now.
#[inline(always)]
fn count(now: u64, sock: Sock, (from, to): (u8, u8), remembered: Option<&mut Memory>) {
    // A child is only born when its handshake is over: its SYN_RECV is no stay, unless data came with the SYN.
    if let Some(remembered) = remembered.as_deref()
        && from == SYN_RECV
        && remembered.role == role::ACCEPT
        && !is_fastopen(sock)
    {
        return;
    }
    let length = stay(now, from, remembered.as_deref());
    // The way without groups carries nothing of them.
    if constant!(config(), by) == 0 {
        if wants(sock, to, remembered, true) {
            add(from as u32, length);
        }
    } else if let Some(group) = whose(sock, to, remembered, true) {
        add_to(&group, from as u32, length);
    }
}

/// Slot, place in it, and nanoseconds.
pub(super) type Length = (u32, u32, u64);

/// How long it was in `from`, which it leaves now.
#[inline(always)]
pub(super) fn stay(now: u64, from: u8, remembered: Option<&Memory>) -> Length {
    let (mut slot, mut place, mut ns) = (UNKNOWN, 0, 0);
    if let Some(remembered) = remembered {
        if remembered.state == from && remembered.since_ns != 0 {
            ns = now.saturating_sub(remembered.since_ns);
            (slot, place) = bucket::place(ns);
        } else if remembered.state == 0 {
            slot = AT_LEAST;
        }
    }
    (slot, place, ns)
}

/// Whether the filter wants it; its pids are asked only with `settled`.
#[inline(always)]
pub(super) fn wants(sock: Sock, to: u8, mut remembered: Option<&mut Memory>, settled: bool) -> bool {
    if constant!(config(), filtered) == 0 {
        return true;
    }
    let (netns, _) = memories::belongings(remembered.as_deref_mut(), sock);
    let facts = facts(sock, sock.tcp(), to, netns);
    if settled { passes(&facts, remembered.as_deref()) } else { filter::passes(&facts, None) }
}

/// Whose it is, where lengths are grouped; `None` where the filter does not want it.
#[inline(always)]
pub(super) fn whose(sock: Sock, to: u8, mut remembered: Option<&mut Memory>, settled: bool) -> Option<Group> {
    if !wants(sock, to, remembered.as_deref_mut(), settled) {
        return None;
    }
    let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
    let facts = facts(sock, sock.tcp(), to, netns);
    Some(group(constant!(config(), by), &facts, cgroup, remembered.as_deref()))
}

/// Counts a length in a row.
#[inline(always)]
pub(super) fn add(row: u32, (slot, place, ns): Length) {
    bump(STAYS.get_ptr_mut(row * SLOTS + slot), place, ns);
}

/// Counts it for a group, or for those for which there is no room.
#[inline(always)]
pub(super) fn add_to(group: &Group, row: u32, (slot, place, ns): Length) {
    let octave = of_group(group, row, slot).or_else(|| STAYS.get_ptr_mut(row * SLOTS + slot));
    bump(octave, place, ns);
}

#[inline(always)]
fn bump(octave: Option<*mut Octave>, place: u32, ns: u64) {
    if let Some(octave) = octave {
        // SAFETY: this CPU's own octave.
        let octave = unsafe { &mut *octave };
        octave.counts[place as usize & 15] += 1;
        octave.sum = octave.sum.wrapping_add(ns);
        if ns > octave.longest {
            octave.longest = ns;
        }
        if !ns > octave.shortest {
            octave.shortest = !ns;
        }
    }
}

#[inline(always)]
pub(super) fn is_fastopen(sock: Sock) -> bool {
    sock.tcp().is_some_and(|tcp| {
        member!(tcp.pointer(), fastopen_child: u8) & constant!(offsets(), fastopen_child_mask) as u8 != 0
    })
}

/// The group of a socket.
#[inline(always)]
fn group(asked: u8, facts: &Facts, cgroup: u64, remembered: Option<&Memory>) -> Group {
    let only = |bit: u8, value: u64| if asked & bit != 0 { value } else { 0 };
    let none = Memory::NONE;
    let remembered = remembered.unwrap_or(&none);
    Group {
        cgroup: only(by::CGROUP, cgroup),
        pid: only(by::PID, remembered.owner_pid as u64) as u32,
        netns: only(by::NETNS, facts.netns.unwrap_or(0) as u64) as u32,
        lport: only(by::LPORT, facts.lport as u64) as u16,
        rport: only(by::RPORT, facts.rport as u64) as u16,
        role: only(by::ROLE, remembered.role as u64) as u8,
        pad: [0; 3],
    }
}

/// This group's octave; `None` when there is no room for the group or for another octave of it.
#[inline(always)]
fn of_group(group: &Group, row: u32, slot: u32) -> Option<*mut Octave> {
    // SAFETY: copied at once.
    let number = match unsafe { GROUPS.get(group) }.copied() {
        Some(number) => number,
        None => {
            let next = NEXT_GROUP.get_ptr_mut(0)?;
            // SAFETY: this CPU's own number.
            let number = unsafe { *next };
            // Another CPU may have been faster.
            if GROUPS.insert(group, &number, BPF_NOEXIST as u64).is_ok() {
                // SAFETY: as above.
                unsafe { *next = number.wrapping_add(1) };
                number
            } else {
                // SAFETY: copied at once.
                unsafe { GROUPS.get(group) }.copied()?
            }
        }
    };
    let key = (number as u64) << 32 | (row as u64) << 8 | slot as u64;
    if let Some(octave) = GROUP_STAYS.get_ptr_mut(&key) {
        return Some(octave);
    }
    let _ = GROUP_STAYS.insert(&key, &Octave::default(), BPF_NOEXIST as u64);
    GROUP_STAYS.get_ptr_mut(&key)
}
