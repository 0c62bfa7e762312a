//! A stuck socket as a record.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::Names;
use super::owner::Claim;
use super::socket::SocketRecord;
use super::stack::{self, FrameRecord};
use super::word::{TimerWord, Word};
use crate::engine::stuck::{Crowd, Holder, Origin, Other, Stuck, StuckEvent, Verdict};
use crate::model::evidence::Evidence;
use crate::model::state::TcpState;

/// A socket that stays in a state for too long.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Stuck")]
pub struct StuckRecord<'a> {
    /// RFC 3339, UTC, nanoseconds.
    time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    mono_ns: u64,
    #[serde(flatten)]
    socket: SocketRecord,
    /// Who it belongs to.
    owner: Option<Claim<'a>>,
    /// The state that it is stuck in.
    state: Word<TcpState>,
    /// When it entered it, CLOCK_MONOTONIC, as far as `evidence` says.
    since_mono_ns: Option<u64>,
    /// How long ago.
    age_ns: Option<u64>,
    /// How `age_ns` is known.
    evidence: Word<Evidence>,
    /// For `at_least`: an upper bound.
    at_most_ns: Option<u64>,
    /// For `estimated`: the largest error.
    error_ns: Option<u64>,
    /// The rule that it broke, e.g. `CLOSE_WAIT>30s`.
    rule: String,
    /// What happened.
    event: Word<StuckEvent>,
    /// Bytes that its process has not read, the FIN not counted.
    recv_queue: Option<u32>,
    /// Bytes that its peer has not acknowledged, the FIN not counted.
    send_queue: Option<u32>,
    /// The running timer.
    timer: Word<TimerWord>,
    /// When it fires, nanoseconds from now.
    timer_expires_ns: Option<u64>,
    /// Retransmissions or probes so far.
    timer_retransmits: Option<u8>,
    /// SO_KEEPALIVE.
    keepalive: Option<bool>,
    /// Every process that holds the socket; null where only a recording was asked, which does not tell.
    holders: Option<Vec<HolderRecord<'a>>>,
    /// The listener in whose accept queue it waits.
    listener: Option<OtherRecord<'a>>,
    /// The other end, where it is on this host.
    peer: Option<OtherRecord<'a>>,
    /// What it means; null where the facts do not tell.
    verdict: Option<Word<Verdict>>,
    /// What it may mean as well.
    alternative: Option<Word<Verdict>>,
    /// The group that it belongs to: same owner, state, local port and verdict.
    group: Option<GroupRecord>,
    /// One sentence about this socket.
    explanation: &'a str,
    /// One sentence of what to do.
    advice: &'a str,
    /// With --stacks: the functions through which its process opened it, the innermost first; null where `stack_note` says why.
    stack: Option<Vec<FrameRecord<'a>>>,
    /// Our own number of the stack: the same for sockets that the same process opened along the same path.
    stack_id: Option<u32>,
    /// With --stacks: why there is no stack, or why it is short.
    stack_note: Option<String>,
}

/// A process that holds the socket.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Holder")]
struct HolderRecord<'a> {
    /// In tcptrace's own pid namespace.
    pid: u32,
    /// The process's name.
    comm: Cow<'a, str>,
    /// By which fd.
    fd: u32,
    /// It opened the socket, rather than inheriting it or being passed it; null where nothing proves either.
    opened_it: Option<bool>,
}

impl<'a> HolderRecord<'a> {
    fn of(holder: &'a Holder) -> Self {
        let Holder { task, fd, opened_it } = holder;
        Self { pid: task.pid, comm: task.comm.as_str(), fd: *fd, opened_it: *opened_it }
    }
}

/// Another socket that explains this one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OtherSocket")]
struct OtherRecord<'a> {
    /// The kernel's socket cookie in hex.
    cookie: Option<String>,
    /// Inode of its network namespace.
    netns: Option<u32>,
    /// Local address.
    laddr: IpAddr,
    /// Local port.
    lport: Option<u16>,
    /// Its state.
    state: Word<TcpState>,
    /// Who holds it.
    owner: Option<Claim<'a>>,
    /// Bytes in its receive queue; of a listener, connections that wait for accept().
    recv_queue: Option<u32>,
    /// Bytes in its send queue; of a listener, the limit of that queue.
    send_queue: Option<u32>,
}

impl<'a> OtherRecord<'a> {
    fn of(other: &'a Other, names: Option<&'a dyn Names>) -> Self {
        let Other { socket, state, owner, receive_queue, send_queue } = other;
        Self {
            cookie: socket.socket.cookie.map(|cookie| cookie.to_string()),
            netns: socket.netns,
            laddr: socket.endpoints.local.addr,
            lport: socket.endpoints.local.port,
            state: Word(*state),
            owner: Claim::of(owner.as_ref(), socket, names),
            recv_queue: *receive_queue,
            send_queue: *send_queue,
        }
    }
}

/// The group of a stuck socket, at the same moment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StuckGroup")]
struct GroupRecord {
    /// How many sockets it has.
    count: u64,
    /// Age of the oldest.
    oldest_ns: Option<u64>,
    /// Median age of those whose age is known.
    median_ns: Option<u64>,
    /// By how many it grows a minute; null unless `--watch` has watched it for ten seconds.
    growth_per_minute: Option<i64>,
}

impl GroupRecord {
    fn of(crowd: &Crowd) -> Self {
        let Crowd { key: _, count, of: _, oldest, median_ns, growth_per_minute } = crowd;
        Self {
            count: *count,
            oldest_ns: oldest.ns,
            median_ns: *median_ns,
            growth_per_minute: *growth_per_minute,
        }
    }
}

impl<'a> StuckRecord<'a> {
    pub(super) fn of(stuck: &'a Stuck, time: &'a str, names: Option<&'a dyn Names>) -> Self {
        let Stuck {
            at,
            event,
            subject,
            state,
            since,
            age,
            rule,
            receive_queue,
            send_queue,
            timer,
            keepalive,
            holders,
            listener,
            peer,
            verdict,
            alternative,
            crowd,
            explanation,
            advice,
            origin,
        } = stuck;
        Self {
            time,
            mono_ns: at.0,
            socket: SocketRecord::of(subject.id, &subject.socket),
            owner: Claim::of(subject.owner.as_ref(), &subject.socket, names),
            state: Word(*state),
            since_mono_ns: since.map(|since| since.0),
            age_ns: age.ns,
            evidence: Word(age.evidence),
            at_most_ns: age.at_most_ns,
            error_ns: age.error_ns,
            rule: rule.to_string(),
            event: Word(*event),
            recv_queue: *receive_queue,
            send_queue: *send_queue,
            timer: Word(TimerWord(timer.map(|timer| timer.kind))),
            timer_expires_ns: timer.map(|timer| timer.expires_ns),
            timer_retransmits: timer.map(|timer| timer.retransmits),
            keepalive: *keepalive,
            holders: holders.as_ref().map(|holders| holders.iter().map(HolderRecord::of).collect()),
            listener: listener.as_ref().map(|other| OtherRecord::of(other, names)),
            peer: peer.as_ref().map(|other| OtherRecord::of(other, names)),
            verdict: verdict.map(Word),
            alternative: alternative.map(Word),
            group: crowd.as_ref().map(GroupRecord::of),
            explanation,
            advice,
            stack: FrameRecord::all(origin.as_ref()),
            stack_id: origin.as_ref().and_then(Origin::stack).map(|stack| stack.id),
            stack_note: stack::note(origin.as_ref()),
        }
    }
}
