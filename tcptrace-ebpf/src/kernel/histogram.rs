//! `sock:inet_sock_set_state` counted instead of told: how long sockets stay in each state, in exponential buckets, by CPU.
//!
//! Attached in place of the main program. A record crosses the ring only where the kernel's CLOSE is not the end: of what becomes a
//! timewait socket user space may learn more, its FIN_WAIT_2 included. Where these are too many to be told, they are counted here. So no
//! stay is counted on both sides.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tcptrace_ebpf::bucket::{self, AT_LEAST, RULED, UNKNOWN};
use tcptrace_ebpf::wire::{Memory, lost, of, role};

use super::brief;
use super::change::Change;
use super::config::{config, constant, offsets};
use super::derived;
use super::group::{Whose, facts};
use super::memory as memories;
use super::mini::{Mini, TIME_WAIT};
use super::nested;
use super::octave::{self, Length};
use super::ring;
use super::sock::{Sock, member};
use super::state_change::{
    self, ABORTED, CLOSE, ESTABLISHED, LISTEN, MPTCP, SYN_RECV, SYN_SENT, TCP, arguments, is_ours, own,
    remember,
};
use super::task::{self, Comm};

// Into the entry that the macro makes: where the kernel guards its returns, a call costs more than most of what is done here.
#[btf_tracepoint]
#[inline(always)]
pub fn histogram_btf(ctx: BtfTracePointContext) -> i32 {
    let (sock, from, to) = arguments(&ctx);
    nested::note(sock);
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
    let brief = constant!(config(), owners) == 0;
    // What a birth leaves is no stay.
    let birth = from == CLOSE || (from == LISTEN && to != CLOSE);
    let stored = if brief { brief::of(sock, birth, to != CLOSE) } else { memories::of(sock, to != CLOSE) };
    // SAFETY: null or the socket's own.
    let mut remembered = unsafe { stored.as_mut() };
    let error = sock.error();
    let locked = sock.locked();

    let killed = error == ABORTED && from != CLOSE;
    let acts = !brief && locked && !killed && !task::is_kernel_thread();
    let actor = if acts { task::current_pid() } else { 0 };
    if let Some(remembered) = remembered.as_deref_mut() {
        if brief {
            brief::own(remembered, sock, from, to);
        } else {
            own(remembered, sock, from, to, actor);
        }
        match (from, to) {
            (CLOSE, SYN_SENT) => remembered.role = role::CONNECT,
            (CLOSE, LISTEN) => remembered.role = role::LISTEN,
            (SYN_SENT, SYN_RECV) => remembered.role = role::SIMULTANEOUS,
            (LISTEN, SYN_RECV | ESTABLISHED) => remembered.role = role::ACCEPT,
            _ => {}
        }
    }
    let ours = is_ours(actor, remembered.as_deref());
    let since = if ours { derived::NEVER } else { derived::milestones(now, sock, (from, to)) };
    if ours || !birth {
        let whose = Whose::of(sock, to, remembered.as_deref_mut());
        let mini = Mini::of(sock, from, to, error);
        let told = ours || (whose.wanted && mini.is_told(now));
        if told {
            let sent = (protocol, error, locked, actor);
            tell(now, sock, (from, to), sent, remembered.as_deref_mut(), loss);
        } else if whose.wanted && constant!(config(), of) & of::STATES != 0 {
            count(now, sock, from, remembered.as_deref(), mini, &whose);
        }
        if !ours {
            derived::count(now, sock, (from, to), (mini, told), remembered.as_deref_mut(), since, &whose);
        }
    }
    if let Some(remembered) = remembered {
        remember(remembered, from, to, now);
    }
    if brief && to == CLOSE {
        brief::end(sock);
    }
}

/// Whether [`take`] has taken this event.
#[inline(always)]
pub(super) fn knows(sock: Sock, from: u8, to: u8) -> bool {
    if constant!(config(), owners) != 0 {
        return state_change::knows(memories::of(sock, false), from, to);
    }
    state_change::knows(brief::of(sock, false, false), from, to) || to == CLOSE && brief::has_ended(sock)
}

/// Sends it as the main program does.
#[inline(always)]
fn tell(
    now: u64,
    sock: Sock,
    (from, to): (u8, u8),
    (protocol, error, locked, actor): (u16, u16, bool, u32),
    mut remembered: Option<&mut Memory>,
    loss: u32,
) {
    let tcp = sock.tcp();
    let (netns, cgroup) = memories::belongings(remembered.as_deref_mut(), sock);
    let facts = facts(sock, tcp, to, netns);
    let actor_comm = if actor == 0 { Comm::NONE } else { task::current_comm() };
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
        sparing: false,
    };
    if let Some(mut room) = ring::reserve(loss) {
        sent.write(room.as_mut_ptr(), remembered.as_deref(), actor_comm);
        ring::submit(room, now);
    }
}

/// Counts the stay that ends now.
#[inline(always)]
fn count(now: u64, sock: Sock, from: u8, remembered: Option<&Memory>, mini: Mini, whose: &Whose) {
    // A child is only born when its handshake is over: its SYN_RECV is no stay, unless data came with the SYN.
    if let Some(remembered) = remembered
        && from == SYN_RECV
        && remembered.role == role::ACCEPT
        && !is_fastopen(sock)
    {
        return;
    }
    let length = if mini == Mini::Orphan { BY_RULE } else { stay(now, from, remembered) };
    octave::count(&whose.group, from as u32, length);
    if mini == Mini::TimeWait {
        octave::count(&whose.group, TIME_WAIT as u32, BY_RULE);
    }
}

/// Of something that goes on in a timewait socket that nobody is told of.
pub(super) const BY_RULE: Length = (RULED, 0, 0);

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

#[inline(always)]
pub(super) fn is_fastopen(sock: Sock) -> bool {
    sock.tcp().is_some_and(|tcp| {
        member!(tcp.pointer(), fastopen_child: u8) & constant!(offsets(), fastopen_child_mask) as u8 != 0
    })
}
