//! `sock:inet_sock_set_state` as classic tracepoint.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tcptrace_ebpf::wire::{Memory, StateChange, flag, how, kind, lost, memory};

use super::change::put;
use super::config::{config, constant, layout};
use super::filter::{self, Facts};
use super::memory::{self as memories, claim};
use super::ring;
use super::sock::Address;
use super::state_change::{
    CLOSE, CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, LAST_ACK, LISTEN, MPTCP, SYN_RECV, SYN_SENT, TCP, is_ours,
    remember,
};
use super::task::{self, Comm};

/// Reads the classic event's field `$field`; 0 where the layout has none.
macro_rules! event {
    ($ctx:expr, $field:ident: $type:ty) => {{
        let at = constant!(layout(), $field) as usize;
        let mut value = <$type>::default();
        // No look at the result: each branch here would double the paths that the verifiers of old kernels walk, and what cannot be
        // read is zeros.
        // SAFETY: inside the event, whose layout the loader read.
        unsafe {
            bpf_probe_read_kernel(
                (&raw mut value).cast(),
                size_of::<$type>() as u32,
                $ctx.as_ptr().add(at).cast(),
            );
        }
        value
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
    let comm = if acts { task::current_comm() } else { Comm::NONE };
    let worker = comm.begins_with(*b"kworker/");
    let actor = if acts && !worker { task::current_pid() } else { 0 };
    if let Some(remembered) = remembered.as_deref_mut() {
        // A new life, whatever lived at this address before.
        if from == CLOSE || (from, to) == (LISTEN, SYN_RECV) {
            memories::clear(remembered);
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
            // SAFETY: aligned in an AcceptedBy.
            claim(remembered, accepted.pid, unsafe { Comm::of(&accepted.comm) }, how::ACCEPT);
        } else if actor != 0 && (by != how::CLOSE || remembered.owner_pid == 0) {
            claim(remembered, actor, comm, by);
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
    let unnamed = from == LISTEN && to != CLOSE && rport == 0;
    let facts = Facts { local, remote, lport, rport, uid: None, netns: None, unnamed };
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
                Comm::of(&remembered.owner_comm).put(&raw mut r.owner_comm);
                comm.put(&raw mut r.actor_comm);
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
