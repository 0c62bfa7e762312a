//! What a person is told of one stuck socket: a sentence about it, and one of what to do.

mod silence;

use super::verdict::{Case, Verdict};
use super::{Holder, Other};
use crate::model::endpoints::Endpoint;
use crate::model::owner::Task;
use crate::model::state::TcpState;

/// The explanation and the advice.
pub(super) fn sentences(
    case: &Case<'_>,
    verdict: Option<Verdict>,
    alternative: Option<Verdict>,
    age: &str,
) -> (String, String) {
    let (mut explanation, mut advice) = match verdict {
        Some(verdict) => of_verdict(case, verdict, age),
        None => silence::undecided(case, age),
    };
    if let Some(note) = keepalive(case, verdict) {
        explanation.push_str(note);
    }
    if let Some(other) = alternative {
        explanation.push_str(alternative_of(other));
        if other == Verdict::InheritedFd {
            advice.push_str("; `tcptrace stuck --watch` started before the connection tells who opened it");
        }
    }
    (explanation, advice)
}

fn of_verdict(case: &Case<'_>, verdict: Verdict, age: &str) -> (String, String) {
    let socket = case.socket;
    let who = who(case.holders);
    let peer = end(&socket.id.endpoints.remote);
    match verdict {
        Verdict::LeakedFd => (
            format!("{peer} closed {age} ago, everything it sent has been read, and it is not closed by {who}"),
            "fix the program: close() when read() returns 0, on error paths too; no kernel setting ends CLOSE_WAIT, \
             restarting the process does"
                .into(),
        ),
        Verdict::UnreadData => (
            format!("{peer} closed {age} ago and {} bytes of what it sent are unread by {who}", socket.receive_queue),
            "find out what the process does instead of reading (a blocked thread, a full pool); closing it now would send a RST, \
             because data is unread"
                .into(),
        ),
        Verdict::Draining => (
            format!(
                "{peer} closed its sending side {age} ago and {who} still has {} bytes on their way to it",
                socket.send_queue
            ),
            "wait if the peer reads slowly; if the queue does not shrink the peer is gone or stuck: bound it with TCP_USER_TIMEOUT".into(),
        ),
        Verdict::InheritedFd => (
            format!("{peer} closed {age} ago; the process that opened this socket has closed its copy, and {who} still holds an inherited one"),
            "close inherited fds in the child (O_CLOEXEC, SOCK_CLOEXEC, close_range), or let the owner call shutdown(), which acts on all \
             copies"
                .into(),
        ),
        Verdict::NeverAccepted => never_accepted(case, age, &peer),
        Verdict::InFlight => (
            format!(
                "no process has an fd of it: {} it was passed over a unix socket and not received, or the kernel itself uses it",
                if socket.state == TcpState::CloseWait { format!("{peer} closed {age} ago, and") } else { String::new() }
            )
            .replace(":  it", ": it"),
            "look at the process that should receive it with recvmsg() (SCM_RIGHTS): its unix socket's queue holds this connection".into(),
        ),
        Verdict::HalfClosedByUs => (
            format!("{who} has called shutdown() and keeps its fd, so no timeout applies; {peer} acknowledged our FIN {age} ago and has not closed"),
            "let the program close() or set a timeout of its own after shutdown(); tcp_fin_timeout is only for sockets that no process holds"
                .into(),
        ),
        Verdict::OrphanWaiting => orphan(case, age, &peer),
        Verdict::PeerNotClosing => (
            format!(
                "{who} waits for {peer} to close since {age}, and that end is on this host: {} in {}",
                case.peer.map_or_else(String::new, owner_of),
                case.peer.map_or("an unknown state", |peer| peer.state.name())
            ),
            "the cause is at the other end: look at its CLOSE_WAIT socket".into(),
        ),
        Verdict::PeerGone => silence::peer_gone(case, age, &peer),
        Verdict::HalfOpen => silence::half_open(case, age, &peer),
        Verdict::DeadFd => (
            format!(
                "the connection to {peer} is over ({}) and {who} keeps its fd; `ss` shows it nowhere",
                match case.error {
                    104 => "reset by the peer, which the process has not noticed",
                    110 => "timed out, which the process has not noticed",
                    32 => "reset after data, which the process has not noticed",
                    103 => "destroyed by an administrator, which the process has not noticed",
                    0 => "nothing is left of it to report",
                    _ => "with an error that the process has not fetched",
                }
            ),
            "fix the program: close() after an error or end of file; each such fd counts against RLIMIT_NOFILE and cannot be killed from outside"
                .into(),
        ),
    }
}

fn never_accepted(case: &Case<'_>, age: &str, peer: &str) -> (String, String) {
    let what = match case.socket.state {
        TcpState::CloseWait => format!("{peer} connected, waited and closed {age} ago"),
        _ => format!("{peer} has been connected for {age}"),
    };
    match case.listener {
        Some(listener) => (
            format!(
                "{what}; it is in the accept queue of {} ({}){}",
                end(&listener.socket.endpoints.local),
                owner_of(listener),
                listener.receive_queue.zip(listener.send_queue).map_or_else(String::new, |(waiting, limit)| {
                    format!(", which holds {waiting} of at most {}", u64::from(limit) + 1)
                })
            ),
            "the listening process does not call accept(): look at what it does instead; a longer backlog would only make the queue longer"
                .into(),
        ),
        None => (
            format!("{what}; it is in the accept queue of a listener that tcptrace cannot name"),
            "look for the process that listens on the local port and does not call accept()".into(),
        ),
    }
}

fn orphan(case: &Case<'_>, age: &str, peer: &str) -> (String, String) {
    let left = case.socket.timer.map(|timer| timer.expires_ns / 1_000_000_000);
    let timeout = case
        .fin_timeout_s
        .map_or_else(String::new, |seconds| format!(" (tcp_fin_timeout is {seconds} s here)"));
    let when = left.map_or_else(|| "by itself".to_owned(), |left| format!("by itself in {left} s"));
    (
        format!(
            "its process has closed it, {peer} acknowledged that {age} ago and has not closed; it ends {when}{timeout}"
        ),
        "nothing to do for this one; many of them mean that the peer does not close, look there".into(),
    )
}

fn alternative_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::PeerGone => {
            "; what is sent again is not acknowledged, so the peer or the path to it may be gone"
        }
        Verdict::UnreadData => "; what the peer sent is not all read either",
        Verdict::PeerNotClosing => "; the peer is on this host, in CLOSE_WAIT",
        Verdict::HalfClosedByUs => "; this end called shutdown() and keeps its fd, so it waits without limit",
        Verdict::InheritedFd => "; of its holders none is known to have opened it, so they may be inheritors",
        _ => "",
    }
}

/// Whether keepalive can end it.
fn keepalive(case: &Case<'_>, verdict: Option<Verdict>) -> Option<&'static str> {
    if !matches!(verdict, Some(Verdict::LeakedFd | Verdict::InheritedFd | Verdict::HalfClosedByUs)) {
        return None;
    }
    match case.keepalive {
        Some(true) => Some("; keepalive is on, and ends it only if the peer's host is gone"),
        Some(false) => Some("; keepalive is off"),
        None => None,
    }
}

pub(super) fn end(end: &Endpoint) -> String {
    let port = end.port.map_or("?".to_owned(), |port| port.to_string());
    if end.addr.is_ipv6() { format!("[{}]:{port}", end.addr) } else { format!("{}:{port}", end.addr) }
}

/// `nginx (pid 7, fd 3)`, or of several the first and how many more.
fn who(holders: &[Holder]) -> String {
    let Some(first) = holders.first() else { return "nobody whose fds can be read".into() };
    let more = match holders.len() - 1 {
        0 => String::new(),
        1 => ", with 1 other fd of it".into(),
        more => format!(", with {more} other fds of it"),
    };
    format!("{} (pid {}, fd {}){more}", name(&first.task), first.task.pid, first.fd)
}

pub(super) fn owner_of(other: &Other) -> String {
    match other.owner {
        Some(owner) => format!("{}, pid {}", name(&owner.task), owner.task.pid),
        None => "held by nobody whose fds can be read".into(),
    }
}

pub(super) fn name(task: &Task) -> String {
    if task.comm.bytes().is_empty() { "a process".into() } else { task.comm.as_str().into_owned() }
}
