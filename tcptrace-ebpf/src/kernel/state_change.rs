//! `sock:inet_sock_set_state`, attached as BTF tracepoint. It fires before the state is stored.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::wire::{Memory, how, lost, memory};

use super::change::{Change, SOCK_DEAD};
use super::config::{config, constant};
use super::filter::{self, Facts};
use super::memory::{self as memories, claim};
use super::nested;
use super::ring;
use super::sock::Sock;
use super::task::{self, Comm};

pub(super) const TCP: u16 = 6;
pub(super) const MPTCP: u16 = 262;

// Linux `include/net/tcp_states.h`.
pub(super) const ESTABLISHED: u8 = 1;
pub(super) const SYN_SENT: u8 = 2;
pub(super) const SYN_RECV: u8 = 3;
pub(super) const FIN_WAIT1: u8 = 4;
pub(super) const CLOSE: u8 = 7;
pub(super) const CLOSE_WAIT: u8 = 8;
pub(super) const LAST_ACK: u8 = 9;
pub(super) const LISTEN: u8 = 10;

/// Aborted by SOCK_DESTROY (ECONNABORTED): the current task is the killer, no owner.
pub(super) const ABORTED: u16 = 103;

/// Arguments of the BTF tracepoint: `(const struct sock *sk, const int oldstate, const int newstate)`.
#[inline(always)]
pub(super) fn arguments(ctx: &BtfTracePointContext) -> (Sock, u8, u8) {
    (Sock::new(ctx.arg(0)), ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8)
}

// Into the entry that the macro makes: where the kernel guards its returns, a call costs more than most of what is done here.
#[btf_tracepoint]
#[inline(always)]
pub fn state_change_btf(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    nested::note(sock);
    take(sock, from, to, lost::RING);
    0
}

/// Tells of one event, if the user wants it; where there is no room, that is counted under `loss`.
#[inline(always)]
pub(super) fn take(sock: Sock, from: u8, to: u8, loss: u32) {
    let protocol = sock.protocol();
    if protocol != TCP && !(protocol == MPTCP && constant!(config(), mptcp) != 0) {
        return;
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
    let actor = if locked { acting(remembered.as_deref()) } else { 0 };
    if let Some(remembered) = remembered.as_deref_mut() {
        own(remembered, sock, from, to, if killed { 0 } else { actor });
    }

    let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
    let (local, remote) = sock.addresses();
    let rport = sock.remote_port();
    let facts = Facts {
        local,
        remote,
        lport: sock.local_port(tcp, to == CLOSE),
        rport,
        unnamed: from == LISTEN && to != CLOSE && rport == 0,
        uid: Some(sock.uid()),
        netns: Some(netns),
    };
    let ours = is_ours(actor, remembered.as_deref());
    if ours || filter::passes(&facts, remembered.as_deref()) {
        let actor_comm = match remembered.as_deref() {
            _ if actor == 0 => Comm::NONE,
            // SAFETY: aligned in a Memory.
            Some(remembered) if remembered.owner_pid == actor => unsafe { Comm::of(&remembered.owner_comm) },
            _ => task::current_comm(),
        };
        let sent = Change {
            now,
            sock,
            tcp,
            from,
            to,
            protocol,
            error,
            locked,
            actor,
            cgroup,
            facts: &facts,
            sparing: true,
        };
        if let Some(mut room) = ring::reserve(loss) {
            sent.write(room.as_mut_ptr(), remembered.as_deref(), actor_comm);
            ring::submit(room, now);
        }
    }
    if let Some(remembered) = remembered {
        remember(remembered, from, to, now);
        if to == CLOSE && sock.flags() & SOCK_DEAD == 0 && sock.is_attached() {
            remembered.flags |= memory::FD_OPEN;
        } else if to == CLOSE && constant!(config(), by_address) != 0 {
            memories::forget(sock.pointer() as u64);
        }
    }
}

/// The pid of the current task, which holds the lock; 0 for a kernel thread. The owner is none, and need not be looked at.
#[inline(always)]
fn acting(remembered: Option<&Memory>) -> u32 {
    let pid = task::current_pid();
    let owns = remembered.is_some_and(|remembered| remembered.owner_pid == pid);
    if owns || !task::is_kernel_thread() { pid } else { 0 }
}

/// Learns the owner from who acts and how (kernel-facts: process context and no kernel thread, else nobody).
#[inline(always)]
pub(super) fn own(remembered: &mut Memory, sock: Sock, from: u8, to: u8, actor: u32) {
    if constant!(config(), by_address) != 0 {
        begin(remembered, sock, from, to);
    }
    match (from, to) {
        (CLOSE, SYN_SENT) | (CLOSE, LISTEN) => {
            remembered.since_ns = 0;
            remembered.flags = 0;
            if actor != 0 {
                let by = if to == LISTEN { how::LISTEN } else { how::CONNECT };
                claim(remembered, actor, task::current_comm(), by);
            }
            if to == LISTEN && constant!(config(), by_address) != 0 && remembered.flags & memory::WATCHED != 0
            {
                memories::watch_port(sock.local_port(None, false));
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
                && (constant!(config(), by_address) != 0 || by.cookie == sock.cookie())
            {
                // SAFETY: aligned in an AcceptedBy.
                claim(remembered, by.pid, unsafe { Comm::of(&by.comm) }, how::ACCEPT);
            } else if actor != 0 {
                claim(remembered, actor, task::current_comm(), how::CLOSE);
            }
        }
        _ if actor != 0 && actor != remembered.owner_pid && memories::is_wanted(actor) => {
            remembered.flags |= memory::WATCHED;
        }
        _ => {}
    }
}

/// Without socket storage: forgets whatever lived at this address before, and gives a child what its listener's port tells.
#[inline(always)]
fn begin(remembered: &mut Memory, sock: Sock, from: u8, to: u8) {
    if from == CLOSE || from == LISTEN && to != CLOSE {
        memories::clear(remembered);
    }
    if from == LISTEN && to == SYN_RECV {
        let _ = memories::accepter(sock.pointer() as u64);
        if memories::is_watched_port(sock.local_port(None, false)) {
            remembered.flags |= memory::WATCHED;
        }
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

/// Whether [`remember`] was told of this event.
#[inline(always)]
pub(super) fn knows(stored: *const Memory, from: u8, to: u8) -> bool {
    // SAFETY: null or the socket's own storage.
    from != to && unsafe { stored.as_ref() }.is_some_and(|remembered| remembered.state == to)
}
