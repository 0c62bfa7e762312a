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
use tcptrace_ebpf::wire::{Group, Memory, Octave, STATES, by, lost, role};

use super::change::Change;
use super::config::{config, constant, offsets};
use super::filter::{self, Facts};
use super::memory as memories;
use super::ring;
use super::sock::{Sock, TcpSock, member};
use super::state_change::{ABORTED, CLOSE, LISTEN, MPTCP, SYN_RECV, SYN_SENT, TCP, is_ours, own, remember};
use super::task;

const FIN_WAIT2: u8 = 5;
const CLOSING: u8 = 11;

/// Without groups all histograms, with groups those of whatever exceeds their number: `state * SLOTS + slot`.
#[map]
static STAYS: PerCpuArray<Octave> = PerCpuArray::with_max_entries(STATES * SLOTS, 0);

/// Numbers of the groups.
#[map]
static GROUPS: HashMap<Group, u32> = HashMap::with_max_entries(1, 0);

/// Histograms of groups: `group << 32 | state << 8 | slot`.
#[map]
static GROUP_STAYS: PerCpuHashMap<u64, Octave> = PerCpuHashMap::with_max_entries(1, 0);

/// This CPU's number and how many groups it has numbered: `cpu << 20 | count`, set by the loader.
#[map]
static NEXT_GROUP: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Arguments of the BTF tracepoint: `(const struct sock *sk, const int oldstate, const int newstate)`.
#[btf_tracepoint]
pub fn histogram_btf(ctx: BtfTracePointContext) -> i32 {
    let sock = Sock::new(ctx.arg(0));
    let from = ctx.arg::<i32>(1) as u8;
    let to = ctx.arg::<i32>(2) as u8;
    let protocol = sock.protocol();
    // A self-transition ends no stay.
    if from == to || (protocol != TCP && !(protocol == MPTCP && constant!(config(), mptcp) != 0)) {
        return 0;
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
            (LISTEN, SYN_RECV) => remembered.role = role::ACCEPT,
            _ => {}
        }
    }
    let ours = is_ours(actor, remembered.as_deref());
    let mini = to == CLOSE && error == 0 && (from == FIN_WAIT2 || from == CLOSING);
    // What a birth leaves is no stay.
    let stay = from != CLOSE && (from != LISTEN || to == CLOSE);
    if ours || mini {
        tell(now, sock, (from, to), (protocol, error), (locked, actor), remembered.as_deref_mut(), ours);
    } else if stay {
        count(now, sock, (from, to), remembered.as_deref_mut());
    }
    if let Some(remembered) = remembered {
        remember(remembered, from, to, now);
    }
    0
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
    ours: bool,
) {
    let tcp = sock.tcp();
    let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
    let facts = facts(sock, tcp, to, netns);
    if ours || passes(&facts, remembered.as_deref()) {
        let actor_comm = if actor == 0 { [0; 16] } else { task::current_comm() };
        let sent = Change { now, sock, tcp, from, to, protocol, error, locked, actor, cgroup, facts: &facts };
        ring::send(now, lost::RING, |room| sent.write(room, remembered.as_deref(), &actor_comm));
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
fn count(now: u64, sock: Sock, (from, to): (u8, u8), mut remembered: Option<&mut Memory>) {
    let (mut slot, mut place, mut ns) = (UNKNOWN, 0, 0);
    if let Some(remembered) = remembered.as_deref() {
        // A child is only born when its handshake is over: its SYN_RECV is no stay, unless data came with the SYN.
        if from == SYN_RECV && remembered.role == role::ACCEPT && !is_fastopen(sock) {
            return;
        }
        if remembered.state == from && remembered.since_ns != 0 {
            ns = now.saturating_sub(remembered.since_ns);
            (slot, place) = bucket::place(ns);
        } else if remembered.state == 0 {
            slot = AT_LEAST;
        }
    }
    let grouped = constant!(config(), by);
    let filtered = constant!(config(), filtered) != 0;
    let mut octave = None;
    if grouped != 0 || filtered {
        let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
        let facts = facts(sock, sock.tcp(), to, netns);
        if filtered && !passes(&facts, remembered.as_deref()) {
            return;
        }
        if grouped != 0 {
            octave = of_group(grouped, &facts, cgroup, remembered.as_deref(), (from, slot));
        }
    }
    let octave = octave.or_else(|| STAYS.get_ptr_mut(from as u32 * SLOTS + slot));
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
fn is_fastopen(sock: Sock) -> bool {
    sock.tcp().is_some_and(|tcp| {
        member!(tcp.pointer(), fastopen_child: u8) & constant!(offsets(), fastopen_child_mask) as u8 != 0
    })
}

/// This group's octave; `None` when there is no room for the group or for another octave of it.
#[inline(always)]
fn of_group(
    asked: u8,
    facts: &Facts,
    cgroup: u64,
    remembered: Option<&Memory>,
    (from, slot): (u8, u32),
) -> Option<*mut Octave> {
    let only = |bit: u8, value: u64| if asked & bit != 0 { value } else { 0 };
    let none = Memory::NONE;
    let remembered = remembered.unwrap_or(&none);
    let group = Group {
        cgroup: only(by::CGROUP, cgroup),
        pid: only(by::PID, remembered.owner_pid as u64) as u32,
        netns: only(by::NETNS, facts.netns.unwrap_or(0) as u64) as u32,
        lport: only(by::LPORT, facts.lport as u64) as u16,
        rport: only(by::RPORT, facts.rport as u64) as u16,
        role: only(by::ROLE, remembered.role as u64) as u8,
        pad: [0; 3],
    };
    // SAFETY: copied at once.
    let number = match unsafe { GROUPS.get(&group) }.copied() {
        Some(number) => number,
        None => {
            let next = NEXT_GROUP.get_ptr_mut(0)?;
            // SAFETY: this CPU's own number.
            let number = unsafe { *next };
            // Another CPU may have been faster.
            if GROUPS.insert(&group, &number, BPF_NOEXIST as u64).is_ok() {
                // SAFETY: as above.
                unsafe { *next = number.wrapping_add(1) };
                number
            } else {
                // SAFETY: copied at once.
                unsafe { GROUPS.get(&group) }.copied()?
            }
        }
    };
    let key = (number as u64) << 32 | (from as u64) << 8 | slot as u64;
    if let Some(octave) = GROUP_STAYS.get_ptr_mut(&key) {
        return Some(octave);
    }
    let _ = GROUP_STAYS.insert(&key, &Octave::default(), BPF_NOEXIST as u64);
    GROUP_STAYS.get_ptr_mut(&key)
}
