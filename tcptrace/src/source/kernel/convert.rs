//! Wire records into the model's events.

use tcptrace_ebpf::wire::{self, Record, flag, role, what};

use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::endpoints::{Endpoints, from_bytes};
use crate::model::event::{Accepted, Event, Neighbour, StateChange};
use crate::model::life::OpenedBy;
use crate::model::owner::{Owner, OwnerHow, Task};
use crate::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use crate::model::state::TcpState;
use crate::model::time::Mono;

use super::reasons::Reasons;

/// IPPROTO_MPTCP.
pub(super) const MPTCP: u16 = 262;

/// The event that a record of the BTF or the `classic` program tells; `None` when it names a state that TCP does not have.
#[must_use]
pub fn event(record: &Record, reasons: &Reasons, classic: bool) -> Option<Event> {
    match record {
        Record::StateChange(change) => state_change(change).map(Event::StateChange),
        Record::Accepted(accepted) => Some(Event::Accepted(Accepted {
            at: Mono(accepted.at_ns),
            socket: socket(accepted.sk, if classic { 0 } else { accepted.cookie }),
            task: Task { pid: accepted.pid, comm: Comm(accepted.comm) },
        })),
        Record::HalfOpen(half) => Some(Event::HalfOpen {
            at: Mono(half.at_ns),
            netns: half.netns,
            endpoints: Endpoints::new(
                (from_bytes(half.laddr), half.lport),
                (from_bytes(half.raddr), half.rport),
            ),
        }),
        Record::Forked(forked) => Some(Event::Forked { child: forked.child }),
        Record::Neighbour(neighbour) => Some(Event::Neighbour {
            at: Mono(neighbour.at_ns),
            socket: socket(neighbour.sk, neighbour.cookie),
            what: match neighbour.what {
                what::RESET_RECEIVED => Neighbour::ResetReceived,
                what::RESET_SENT => Neighbour::ResetSent(reasons.of(neighbour.value)),
                what::DESTROYED => Neighbour::Destroyed,
                what::TIMEWAIT_ARMED => Neighbour::TimewaitArmed(state(neighbour.value)?),
                what::TIMEWAIT_EXPIRED => Neighbour::TimewaitExpired,
                what::TIMEWAIT_KILLED => Neighbour::TimewaitKilled(state(neighbour.value)?),
                _ => return None,
            },
        }),
    }
}

/// From the number of [`role`]; `None` where the kernel half does not count.
pub(super) fn opened_by(number: u8) -> Option<OpenedBy> {
    match number {
        role::CONNECT => Some(OpenedBy::Connect),
        role::ACCEPT => Some(OpenedBy::Accept),
        role::LISTEN => Some(OpenedBy::Listen),
        role::SIMULTANEOUS => Some(OpenedBy::Simultaneous),
        _ => None,
    }
}

fn state(number: u16) -> Option<TcpState> {
    TcpState::from_kernel(u8::try_from(number).ok()?)
}

fn socket(address: u64, cookie: u64) -> SocketRef {
    SocketRef { address, cookie: Cookie::new(cookie) }
}

fn state_change(change: &wire::StateChange) -> Option<StateChange> {
    let is = |bit: u16| change.flags & bit != 0;
    let full = is(flag::FACTS);
    let owner = OwnerHow::from_wire(change.owner_how)
        .filter(|_| change.owner_pid != 0)
        .map(|how| Owner { task: Task { pid: change.owner_pid, comm: Comm(change.owner_comm) }, how });
    let done = is(flag::DONE);
    Some(StateChange {
        at: Mono(change.at_ns),
        id: SocketId {
            socket: socket(change.sk, change.cookie),
            protocol: if change.protocol == MPTCP { Protocol::Mptcp } else { Protocol::Tcp },
            endpoints: Endpoints::new(
                (from_bytes(change.laddr), change.lport),
                (from_bytes(change.raddr), change.rport),
            ),
            netns: full.then_some(change.netns).filter(|inode| *inode != 0),
            uid: full.then_some(change.uid),
            cgroup: full.then_some(change.cgroup).filter(|id| *id != 0),
            inode: full.then_some(change.inode).filter(|inode| *inode != 0),
        },
        from: TcpState::from_kernel(change.from)?,
        to: TcpState::from_kernel(change.to)?,
        since: (change.since_ns != 0).then_some(Mono(change.since_ns)),
        owner,
        actor: is(flag::ACTOR)
            .then_some(Task { pid: change.actor_pid, comm: Comm(change.actor_comm) })
            .filter(|task| task.pid != 0),
        facts: full.then(|| SocketFacts {
            error: change.error,
            error_soft: change.error_soft,
            shutdown: change.shutdown & 3,
            dead: is(flag::DEAD),
            done,
            linger_zero: is(flag::LINGER_ZERO),
            attached: is(flag::ATTACHED),
            locked: is(flag::LOCKED),
            linger2: change.linger2,
            subflow: is(flag::SUBFLOW),
            fastopen: is(flag::FASTOPEN),
            unanswered: change.unanswered,
            user_timeout: is(flag::USER_TIMEOUT),
            unacked: change.unacked,
            keepalive: is(flag::KEEPALIVE),
            opened_by: opened_by(change.role),
        }),
        counters: is(flag::COUNTERS).then(|| Counters {
            bytes_sent: change.bytes_sent,
            // The peer's FIN counts as a byte in the kernel (`tcp_rcv_nxt_update`).
            bytes_received: change.bytes_received.saturating_sub(u64::from(done)),
            segments_out: change.segments_out,
            segments_in: change.segments_in,
            retransmits: change.retransmits,
            srtt_us: change.srtt_us,
        }),
    })
}
