//! An event as one line. What is unknown, false or 0 is left out, but for where `FORMAT.md` says otherwise.

use std::io::Write as _;

use super::field::Key;
use super::put::{address, digits, flag, hex, number, positive, some, text};
use super::{key, word};
use crate::model::comm::Comm;
use crate::model::endpoints::Endpoints;
use crate::model::event::{Accepted, Event, Neighbour, StateChange};
use crate::model::owner::{Owner, Task};
use crate::model::snapshot::{Age, SocketSnapshot, Timer};
use crate::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};

/// The footer's keys that no event has.
const FOOTER: &[u8] = br#","events":0,"changes":0,"lost":0,"duration_ns":0,"complete":false"#;

/// Appends the line of `event`.
pub(super) fn encode(out: &mut Vec<u8>, event: &Event) {
    match event {
        Event::StateChange(change) => state_change(out, change),
        Event::Accepted(Accepted { at, socket, task }) => {
            begin(out, "accepted", Some(at.0));
            reference(out, socket);
            push_task(out, task, [key::PID, key::COMM, key::COMM_HEX]);
        }
        Event::HalfOpen { at, netns, endpoints } => {
            begin(out, "half_open", Some(at.0));
            number(out, key::NETNS, (*netns).into());
            ends(out, endpoints);
        }
        Event::Forked { child } => {
            begin(out, "forked", None);
            number(out, key::PID, (*child).into());
        }
        Event::Neighbour { at, socket, what } => {
            begin(out, neighbour(what), Some(at.0));
            reference(out, socket);
            match what {
                Neighbour::ResetSent(Some(reason)) => match word::reason(*reason) {
                    Ok(name) => text(out, key::REASON, name),
                    Err(number) => text(out, key::REASON, &format!("other_{number}")),
                },
                Neighbour::TimewaitArmed(state) | Neighbour::TimewaitKilled(state) => {
                    text(out, key::STATE, word::state(*state));
                }
                Neighbour::ResetSent(None)
                | Neighbour::ResetReceived
                | Neighbour::Destroyed
                | Neighbour::TimewaitExpired => {}
            }
        }
        Event::Snapshot(socket) => snapshot(out, socket),
        Event::SnapshotDone { began, at, netns, states } => {
            begin(out, "dump_done", Some(at.0));
            number(out, key::NETNS, (*netns).into());
            number(out, key::BEGAN, began.0);
            number(out, key::STATES, (*states).into());
        }
        Event::TimeWaitOverflow { at, netns, count } => {
            begin(out, "time_wait_overflow", Some(at.0));
            number(out, key::NETNS, (*netns).into());
            number(out, key::COUNT, *count);
        }
        Event::FinTimeout { netns, seconds } => {
            begin(out, "fin_timeout", None);
            number(out, key::NETNS, (*netns).into());
            number(out, key::SECONDS, (*seconds).into());
        }
        Event::Lost { at, count, place } => {
            begin(out, "lost", Some(at.0));
            number(out, key::COUNT, *count);
            text(out, key::PLACE, word::place(*place));
        }
        Event::Tick(at) => begin(out, "tick", Some(at.0)),
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the line that shows every key once with a value of its type: programs that guess columns from the first lines
/// (DuckDB, ClickHouse) would quietly drop one that comes late.
pub(super) fn fields(out: &mut Vec<u8>) {
    begin(out, "fields", None);
    for (key, kind) in key::ALL {
        out.extend_from_slice(key.bytes());
        out.extend_from_slice(match kind {
            key::Kind::Number => b"0",
            key::Kind::Text => b"\"\"",
            key::Kind::Flag => b"false",
        });
    }
    out.extend_from_slice(FOOTER);
    out.extend_from_slice(b"}\n");
}

fn begin(out: &mut Vec<u8>, kind: &str, mono: Option<u64>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
    some(out, key::MONO, mono);
}

fn state_change(out: &mut Vec<u8>, change: &StateChange) {
    let StateChange { at, id, from, to, since, owner, actor, facts, counters } = change;
    begin(out, "change", Some(at.0));
    identity(out, id);
    text(out, key::FROM, word::state(*from));
    text(out, key::TO, word::state(*to));
    some(out, key::SINCE, since.map(|since| since.0));
    push_owner(out, owner.as_ref());
    if let Some(actor) = actor {
        push_task(out, actor, [key::ACTOR_PID, key::ACTOR_COMM, key::ACTOR_COMM_HEX]);
    }
    if let Some(facts) = facts {
        push_facts(out, facts);
    }
    push_counters(out, counters.as_ref());
}

fn snapshot(out: &mut Vec<u8>, socket: &SocketSnapshot) {
    let SocketSnapshot {
        at,
        id,
        state,
        mini,
        owner,
        age,
        // Only a look at the living host asks for it.
        existed_ns: _,
        timer,
        receive_queue,
        send_queue,
        counters,
    } = socket;
    let Age { at_least_ns, at_most_ns } = age;
    begin(out, "socket", Some(at.0));
    identity(out, id);
    push_owner(out, owner.as_ref());
    push_counters(out, counters.as_ref());
    text(out, key::STATE, word::state(*state));
    flag(out, key::MINI, *mini);
    positive(out, key::AGE_AT_LEAST, *at_least_ns);
    some(out, key::AGE_AT_MOST, *at_most_ns);
    if let Some(Timer { kind, expires_ns, late_ns, retransmits }) = timer {
        text(out, key::TIMER, word::timer(*kind));
        positive(out, key::TIMER_EXPIRES, *expires_ns);
        positive(out, key::TIMER_LATE, *late_ns);
        positive(out, key::TIMER_RETRANSMITS, (*retransmits).into());
    }
    positive(out, key::RECEIVE_QUEUE, (*receive_queue).into());
    positive(out, key::SEND_QUEUE, (*send_queue).into());
}

const fn neighbour(what: &Neighbour) -> &'static str {
    match what {
        Neighbour::ResetReceived => "reset_received",
        Neighbour::ResetSent(_) => "reset_sent",
        Neighbour::Destroyed => "destroyed",
        Neighbour::TimewaitArmed(_) => "timewait_armed",
        Neighbour::TimewaitExpired => "timewait_expired",
        Neighbour::TimewaitKilled(_) => "timewait_killed",
    }
}

fn reference(out: &mut Vec<u8>, socket: &SocketRef) {
    let SocketRef { address, cookie } = socket;
    if let Some(cookie) = cookie {
        hex(out, key::COOKIE, cookie.0.get());
    }
    if *address != 0 {
        hex(out, key::ADDRESS, *address);
    }
}

fn identity(out: &mut Vec<u8>, id: &SocketId) {
    let SocketId { socket, protocol, endpoints, netns, uid, cgroup, inode } = id;
    reference(out, socket);
    if *protocol != Protocol::Tcp {
        text(out, key::PROTOCOL, word::protocol(*protocol));
    }
    some(out, key::NETNS, netns.map(u64::from));
    ends(out, endpoints);
    some(out, key::UID, uid.map(u64::from));
    some(out, key::CGROUP, *cgroup);
    some(out, key::INODE, *inode);
}

fn ends(out: &mut Vec<u8>, endpoints: &Endpoints) {
    address(out, key::LADDR, &endpoints.local.addr);
    some(out, key::LPORT, endpoints.local.port.map(u64::from));
    address(out, key::RADDR, &endpoints.remote.addr);
    some(out, key::RPORT, endpoints.remote.port.map(u64::from));
}

fn push_owner(out: &mut Vec<u8>, owner: Option<&Owner>) {
    if let Some(Owner { task, how }) = owner {
        push_task(out, task, [key::PID, key::COMM, key::COMM_HEX]);
        text(out, key::HOW, word::how(*how));
    }
}

fn push_task(out: &mut Vec<u8>, task: &Task, [pid, comm, comm_hex]: [Key; 3]) {
    number(out, pid, task.pid.into());
    let Comm(all) = task.comm;
    let bytes = task.comm.bytes();
    out.extend_from_slice(comm.bytes());
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        // A string can always be written as JSON, and a vector takes it.
        let _ = serde_json::to_writer(&mut *out, &task.comm.as_str());
    }
    let rest = all.get(bytes.len()..).unwrap_or_default();
    if rest.iter().any(|byte| *byte != 0) || str::from_utf8(bytes).is_err() {
        out.extend_from_slice(comm_hex.bytes());
        out.push(b'"');
        for byte in all {
            // A vector takes it.
            let _ = write!(out, "{byte:02x}");
        }
        out.push(b'"');
    }
}

fn push_facts(out: &mut Vec<u8>, facts: &SocketFacts) {
    let SocketFacts {
        error,
        error_soft,
        shutdown,
        dead,
        done,
        linger_zero,
        attached,
        locked,
        linger2,
        subflow,
        fastopen,
        unanswered,
        user_timeout,
        unacked,
        keepalive,
        opened_by: _,
    } = facts;
    out.extend_from_slice(key::FACTS.bytes());
    out.push(b'"');
    let first = out.len();
    for (set, word) in [
        (dead, "dead"),
        (done, "done"),
        (attached, "attached"),
        (locked, "locked"),
        (linger_zero, "linger_zero"),
        (subflow, "subflow"),
        (fastopen, "fastopen"),
        (user_timeout, "user_timeout"),
        (keepalive, "keepalive"),
    ] {
        if *set {
            if out.len() > first {
                out.push(b' ');
            }
            out.extend_from_slice(word.as_bytes());
        }
    }
    out.push(b'"');
    positive(out, key::ERROR, (*error).into());
    positive(out, key::ERROR_SOFT, (*error_soft).into());
    positive(out, key::SHUTDOWN, (*shutdown).into());
    if *linger2 != 0 {
        out.extend_from_slice(key::LINGER2.bytes());
        if *linger2 < 0 {
            out.push(b'-');
        }
        digits(out, linger2.unsigned_abs().into());
    }
    positive(out, key::UNANSWERED, (*unanswered).into());
    positive(out, key::UNACKED, (*unacked).into());
}

fn push_counters(out: &mut Vec<u8>, counters: Option<&Counters>) {
    let Some(counters) = counters else { return };
    let Counters { bytes_sent, bytes_received, segments_out, segments_in, retransmits, srtt_us } = counters;
    // Always there, so that a reader can tell 0 from unknown.
    number(out, key::BYTES_SENT, *bytes_sent);
    positive(out, key::BYTES_RECEIVED, *bytes_received);
    positive(out, key::SEGMENTS_OUT, (*segments_out).into());
    positive(out, key::SEGMENTS_IN, (*segments_in).into());
    positive(out, key::RETRANSMITS, (*retransmits).into());
    positive(out, key::SRTT, (*srtt_us).into());
}
