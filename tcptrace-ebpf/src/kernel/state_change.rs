//! `sock:inet_sock_set_state`, attached as BTF tracepoint or as classic tracepoint. It fires before the state is stored.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel};
use aya_ebpf::macros::{btf_tracepoint, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, TracePointContext};
use tcptrace_ebpf::wire::{Memory, StateChange, flag, how, kind, lost, memory};

use super::config::{config, constant, layout, offsets};
use super::filter::{self, Facts};
use super::memory::{self as memories, claim};
use super::ring;
use super::sock::{Address, Sock, TcpSock, member};
use super::task;

pub(super) const TCP: u16 = 6;
pub(super) const MPTCP: u16 = 262;

// Linux `include/net/tcp_states.h`.
const ESTABLISHED: u8 = 1;
pub(super) const SYN_SENT: u8 = 2;
pub(super) const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
pub(super) const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
pub(super) const LISTEN: u8 = 10;

// Bits of sk_flags, `enum sock_flags` of Linux `include/net/sock.h`.
const SOCK_DEAD: u64 = 1;
const SOCK_DONE: u64 = 1 << 1;
const SOCK_KEEPOPEN: u64 = 1 << 3;
const SOCK_LINGER: u64 = 1 << 4;

/// Aborted by SOCK_DESTROY (ECONNABORTED): the current task is the killer, no owner.
pub(super) const ABORTED: u16 = 103;

/// Arguments of the BTF tracepoint: `(const struct sock *sk, const int oldstate, const int newstate)`.
#[btf_tracepoint]
pub fn state_change_btf(ctx: BtfTracePointContext) -> i32 {
    let sock = Sock::new(ctx.arg(0));
    let from = ctx.arg::<i32>(1) as u8;
    let to = ctx.arg::<i32>(2) as u8;
    let protocol = sock.protocol();
    if protocol != TCP && !(protocol == MPTCP && constant!(config(), mptcp) != 0) {
        return 0;
    }
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let tcp = sock.tcp();
    let error = sock.error();
    let locked = sock.locked();
    let stored = memories::of(sock, to != CLOSE);
    // SAFETY: null or the socket's own storage.
    let mut remembered = unsafe { stored.as_mut() };

    // sk_err is stale on CLOSE>SYN_SENT: there nobody can have been killed.
    let killed = error == ABORTED && from != CLOSE;
    let acts = locked && !task::is_kernel_thread();
    let actor = if acts { task::current_pid() } else { 0 };
    if let Some(remembered) = remembered.as_deref_mut() {
        own(remembered, sock, from, to, if killed { 0 } else { actor });
    }

    let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
    let (local, remote) = sock.addresses();
    let facts = Facts {
        local,
        remote,
        lport: sock.local_port(tcp, to == CLOSE),
        rport: sock.remote_port(),
        uid: Some(sock.uid()),
        netns: Some(netns),
    };
    let ours = is_ours(actor, remembered.as_deref());
    if ours || filter::passes(&facts, remembered.as_deref()) {
        let actor_comm = match remembered.as_deref() {
            _ if actor == 0 => [0; 16],
            Some(remembered) if remembered.owner_pid == actor => remembered.owner_comm,
            _ => task::current_comm(),
        };
        let sent = Change { now, sock, tcp, from, to, protocol, error, locked, actor, cgroup, facts: &facts };
        ring::send(now, lost::RING, |room| sent.write(room, remembered.as_deref(), &actor_comm));
    }
    if let Some(remembered) = remembered {
        remember(remembered, from, to, now);
        if to == CLOSE && sock.flags() & SOCK_DEAD == 0 && sock.is_attached() {
            remembered.flags |= memory::FD_OPEN;
        }
    }
    0
}

/// Learns the owner from who acts and how (kernel-facts: process context and no kernel thread, else nobody).
#[inline(always)]
pub(super) fn own(remembered: &mut Memory, sock: Sock, from: u8, to: u8, actor: u32) {
    match (from, to) {
        (CLOSE, SYN_SENT) | (CLOSE, LISTEN) => {
            remembered.since_ns = 0;
            remembered.flags = 0;
            if actor != 0 {
                let by = if to == LISTEN { how::LISTEN } else { how::CONNECT };
                claim(remembered, actor, &task::current_comm(), by);
            }
        }
        // The copy of the listener's storage: its owner is the claim until accept().
        (LISTEN, SYN_RECV | ESTABLISHED) => {
            remembered.since_ns = 0;
            if remembered.owner_pid != 0 {
                remembered.owner_how = how::LISTENER;
            }
        }
        (SYN_RECV, ESTABLISHED) => {}
        _ if remembered.owner_how == how::LISTENER || remembered.owner_pid == 0 => {
            if let Some(by) = memories::accepter(sock.pointer() as u64)
                && by.cookie == sock.cookie()
            {
                claim(remembered, by.pid, &by.comm, how::ACCEPT);
            } else if actor != 0 {
                claim(remembered, actor, &task::current_comm(), how::CLOSE);
            }
        }
        _ if actor != 0 && actor != remembered.owner_pid && memories::is_wanted(actor) => {
            remembered.flags |= memory::WATCHED;
        }
        _ => {}
    }
}

/// A socket of tcptrace itself: its self-test passes every filter.
#[inline(always)]
pub(super) fn is_ours(actor: u32, remembered: Option<&Memory>) -> bool {
    let own = constant!(config(), own_pid);
    own != 0 && (actor == own || remembered.is_some_and(|remembered| remembered.owner_pid == own))
}

/// Starts the clock of the state that is entered; a self-transition leaves it running.
#[inline(always)]
pub(super) fn remember(remembered: &mut Memory, from: u8, to: u8, now: u64) {
    if from != to {
        remembered.since_ns = now;
        remembered.state = to;
    }
}

/// What the BTF path has in hand when it writes a record.
pub(super) struct Change<'a> {
    pub(super) now: u64,
    pub(super) sock: Sock,
    pub(super) tcp: Option<TcpSock>,
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) protocol: u16,
    pub(super) error: u16,
    pub(super) locked: bool,
    pub(super) actor: u32,
    pub(super) cgroup: u64,
    pub(super) facts: &'a Facts,
}

impl Change<'_> {
    #[inline(always)]
    pub(super) fn write(&self, room: *mut StateChange, remembered: Option<&Memory>, actor_comm: &[u8; 16]) {
        let sock = self.sock.pointer();
        let sk_flags = self.sock.flags();
        let attached = self.sock.is_attached();
        let mut flags = flag::FACTS;
        for (set, bit) in [
            (sk_flags & SOCK_DEAD != 0, flag::DEAD),
            (sk_flags & SOCK_DONE != 0, flag::DONE),
            (sk_flags & SOCK_KEEPOPEN != 0, flag::KEEPALIVE),
            (sk_flags & SOCK_LINGER != 0 && member!(sock, sk_lingertime: u64) == 0, flag::LINGER_ZERO),
            (attached, flag::ATTACHED),
            (self.locked, flag::LOCKED),
            (self.actor != 0, flag::ACTOR),
        ] {
            if set {
                flags |= bit;
            }
        }
        let known = Memory::NONE;
        let remembered = remembered.unwrap_or(&known);
        if remembered.flags & memory::WATCHED != 0 {
            flags |= flag::WATCHED;
        }
        // SAFETY: `room` is a reserved record of this type; every field is written, padding included.
        unsafe {
            let r = &mut *room;
            r.kind = kind::STATE_CHANGE;
            r.from = self.from;
            r.to = self.to;
            r.shutdown = member!(sock, sk_shutdown: u8);
            r.lport = self.facts.lport;
            r.rport = self.facts.rport;
            r.protocol = self.protocol;
            r.error = self.error;
            r.error_soft = member!(sock, sk_err_soft: u32) as u16;
            r.at_ns = self.now;
            r.sk = sock as u64;
            r.cookie = self.sock.cookie();
            r.since_ns = if remembered.state == self.from { remembered.since_ns } else { 0 };
            r.cgroup = self.cgroup;
            r.inode = if attached { member!(sock, sk_ino: u64) } else { 0 };
            put(&raw mut r.laddr, self.facts.local);
            put(&raw mut r.raddr, self.facts.remote);
            r.netns = self.facts.netns.unwrap_or(0);
            r.uid = self.facts.uid.unwrap_or(0);
            r.owner_pid = remembered.owner_pid;
            r.actor_pid = self.actor;
            r.owner_comm = remembered.owner_comm;
            r.actor_comm = *actor_comm;
            r.owner_how = remembered.owner_how;
            r.role = remembered.role;
            r.pad = 0;
            r.pad2 = 0;
            if let Some(tcp) = self.tcp {
                let tcp = tcp.pointer();
                flags |= flag::COUNTERS;
                if member!(tcp, is_mptcp: u8) & constant!(offsets(), is_mptcp_mask) as u8 != 0 {
                    flags |= flag::SUBFLOW;
                }
                if member!(tcp, fastopen_child: u8) & constant!(offsets(), fastopen_child_mask) as u8 != 0 {
                    flags |= flag::FASTOPEN;
                }
                if member!(tcp, icsk_user_timeout: u32) != 0 {
                    flags |= flag::USER_TIMEOUT;
                }
                r.unanswered = member!(tcp, icsk_retransmits: u8);
                r.linger2 = member!(tcp, linger2: i32);
                r.srtt_us = member!(tcp, srtt_us: u32) >> 3;
                r.retransmits = member!(tcp, total_retrans: u32);
                r.segments_out = member!(tcp, segs_out: u32);
                r.segments_in = member!(tcp, segs_in: u32);
                r.unacked = member!(tcp, write_seq: u32).wrapping_sub(member!(tcp, snd_una: u32));
                r.bytes_sent = member!(tcp, bytes_sent: u64).wrapping_sub(member!(tcp, bytes_retrans: u64));
                r.bytes_received = member!(tcp, bytes_received: u64);
            } else {
                r.unanswered = 0;
                r.linger2 = 0;
                r.srtt_us = 0;
                r.retransmits = 0;
                r.segments_out = 0;
                r.segments_in = 0;
                r.unacked = 0;
                r.bytes_sent = 0;
                r.bytes_received = 0;
            }
            r.flags = flags;
        }
    }
}

/// Writes an address as sixteen bytes.
#[inline(always)]
unsafe fn put(to: *mut [u8; 16], address: Address) {
    // SAFETY: the caller's array, which is 8-byte aligned inside the record.
    unsafe {
        to.cast::<u64>().write(address.high);
        to.cast::<u64>().add(1).write(address.low);
    }
}

/// Reads the classic event's field `$field`; 0 where the layout has none.
macro_rules! event {
    ($ctx:expr, $field:ident: $type:ty) => {{
        let at = constant!(layout(), $field) as usize;
        // SAFETY: inside the event, whose layout the loader read.
        unsafe { bpf_probe_read_kernel::<$type>($ctx.as_ptr().add(at).cast()) }.unwrap_or_default()
    }};
}

/// The same event as perf shows it: no cookie, no namespaces, no flags, and the current task only where TCP itself says that it is
/// the owner: in connect(), listen(), close() and shutdown().
#[tracepoint]
pub fn state_change_classic(ctx: TracePointContext) -> u32 {
    let protocol = if constant!(layout(), protocol_size) == 1 {
        event!(ctx, protocol: u8) as u16
    } else {
        event!(ctx, protocol: u16)
    };
    if protocol != TCP && !(protocol == MPTCP && constant!(config(), mptcp) != 0) {
        return 0;
    }
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let address = event!(ctx, skaddr: u64);
    let from = event!(ctx, oldstate: u32) as u8;
    let to = event!(ctx, newstate: u32) as u8;
    // SAFETY: null or this socket's entry.
    let mut remembered = unsafe { memories::by_address(address, to != CLOSE).as_mut() };

    // Transitions that only a system call on this very socket makes; MPTCP's worker makes them too, and is told by its name.
    let acts = matches!(
        (from, to),
        (CLOSE, SYN_SENT | LISTEN) | (LISTEN, CLOSE) | (ESTABLISHED, FIN_WAIT1) | (CLOSE_WAIT, LAST_ACK)
    );
    let comm = if acts { task::current_comm() } else { [0; 16] };
    let worker = comm.first_chunk::<8>() == Some(b"kworker/");
    let actor = if acts && !worker { task::current_pid() } else { 0 };
    if let Some(remembered) = remembered.as_deref_mut() {
        // A new life, whatever lived at this address before.
        if from == CLOSE || (from, to) == (LISTEN, SYN_RECV) {
            *remembered = Memory::NONE;
        }
        let by = match to {
            SYN_SENT => how::CONNECT,
            LISTEN => how::LISTEN,
            _ => how::CLOSE,
        };
        if from == LISTEN && to == SYN_RECV {
            let _ = memories::accepter(address);
            if memories::is_watched_port(event!(ctx, sport: u16)) {
                remembered.flags |= memory::WATCHED;
            }
        } else if remembered.owner_pid == 0
            && let Some(accepted) = memories::accepter(address)
        {
            claim(remembered, accepted.pid, &accepted.comm, how::ACCEPT);
        } else if actor != 0 && (by != how::CLOSE || remembered.owner_pid == 0) {
            claim(remembered, actor, &comm, by);
        }
        if to == LISTEN && remembered.flags & memory::WATCHED != 0 {
            memories::watch_port(event!(ctx, sport: u16));
        }
    }

    let v6 = event!(ctx, family: u16) == 10;
    let (local, remote) = if v6 {
        let words = |bytes: [u64; 2]| Address { high: bytes[0], low: bytes[1] };
        (words(event!(ctx, saddr_v6: [u64; 2])), words(event!(ctx, daddr_v6: [u64; 2])))
    } else {
        (Address::v4(event!(ctx, saddr: u32)), Address::v4(event!(ctx, daddr: u32)))
    };
    // At CLOSE>SYN_SENT the port is not chosen yet, or stale from an earlier connection of this socket: unknown.
    let lport = if (from, to) == (CLOSE, SYN_SENT) { 0 } else { event!(ctx, sport: u16) };
    let rport = event!(ctx, dport: u16);
    let facts = Facts { local, remote, lport, rport, uid: None, netns: None };
    let ours = is_ours(actor, remembered.as_deref());
    if ours || filter::passes(&facts, remembered.as_deref()) {
        let known = Memory::NONE;
        let remembered = remembered.as_deref().unwrap_or(&known);
        ring::send(now, lost::RING, |room: *mut StateChange| {
            // SAFETY: a reserved record of this type; every field is written.
            unsafe {
                put(&raw mut (*room).laddr, local);
                put(&raw mut (*room).raddr, remote);
                let r = &mut *room;
                r.kind = kind::STATE_CHANGE;
                r.from = from;
                r.to = to;
                r.shutdown = 0;
                r.flags = if actor != 0 { flag::ACTOR } else { 0 }
                    | if remembered.flags & memory::WATCHED != 0 { flag::WATCHED } else { 0 };
                r.lport = lport;
                r.rport = rport;
                r.protocol = protocol;
                r.error = 0;
                r.error_soft = 0;
                r.at_ns = now;
                r.sk = address;
                r.cookie = 0;
                r.since_ns = if remembered.state == from { remembered.since_ns } else { 0 };
                r.cgroup = 0;
                r.inode = 0;
                r.netns = 0;
                r.uid = 0;
                r.owner_pid = remembered.owner_pid;
                r.actor_pid = actor;
                r.owner_comm = remembered.owner_comm;
                r.actor_comm = comm;
                r.owner_how = remembered.owner_how;
                r.unanswered = 0;
                r.role = 0;
                r.pad = 0;
                r.linger2 = 0;
                r.srtt_us = 0;
                r.retransmits = 0;
                r.segments_out = 0;
                r.segments_in = 0;
                r.unacked = 0;
                r.pad2 = 0;
                r.bytes_sent = 0;
                r.bytes_received = 0;
            }
        });
    }
    if to == CLOSE {
        memories::forget(address);
    } else if let Some(remembered) = remembered {
        remember(remembered, from, to, now);
    }
    0
}
