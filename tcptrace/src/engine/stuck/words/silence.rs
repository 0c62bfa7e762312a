//! Sentences about sockets that wait for their peer: it is gone, slow, or nothing tells.

use std::fmt::Write as _;

use super::super::verdict::Case;
use super::{end, owner_of, who};
use crate::model::snapshot::TimerKind;
use crate::model::state::TcpState;

/// The kernel has sent something again, and nothing came back.
pub(super) fn peer_gone(case: &Case<'_>, age: &str, peer: &str) -> (String, String) {
    let timer = case.socket.timer;
    let tries = timer.map_or(0, |timer| timer.retransmits);
    let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
    let what = what_waits(case);
    let mut text = if timer.is_some_and(|timer| timer.kind == TimerKind::Probe) {
        format!(
            "{peer} closed its window and then fell silent: the last {tries} probes are not answered, and {what} waits since {age}"
        )
    } else {
        format!("{peer} has not answered {what} for {age}, sent again {times}")
    };
    // Writing into a String cannot fail.
    if let Some(listener) = case.listener {
        let _ = write!(
            text,
            "; its listener is on this host ({}){}",
            owner_of(listener),
            listener.receive_queue.zip(listener.send_queue).map_or_else(String::new, |(waiting, limit)| {
                format!(" and {waiting} connections wait in its accept queue of {limit}")
            })
        );
    } else if let Some(other) = case.peer {
        let _ = write!(
            text,
            "; that end is alive on this host ({} of {}), so what is sent does not reach it",
            other.state.name(),
            owner_of(other)
        );
    }
    let advice = match (case.socket.state, case.listener) {
        (TcpState::SynSent, Some(listener)) if listener.is_full() => {
            "the listener's accept queue is full, so SYNs are dropped: its process must accept faster"
        }
        (TcpState::SynSent, _) => {
            "check the address, the route and firewalls; give connect() a timeout in the program"
        }
        _ if case.peer.is_some() => {
            "look for what drops packets between the two: firewall rules, routes, interfaces that are down"
        }
        _ if case.is_orphan() => {
            "the peer or the path to it is gone: no process holds it, it ends by itself after tcp_orphan_retries"
        }
        _ => {
            "the peer or the path to it is gone: it ends by itself after tcp_retries2 (some 15 min), sooner with TCP_USER_TIMEOUT"
        }
    };
    (text, advice.into())
}

/// `our SYN`, `our FIN`, `500 bytes and our FIN`.
fn what_waits(case: &Case<'_>) -> String {
    match (case.socket.state, case.socket.send_queue) {
        (TcpState::SynSent, _) => "our SYN".into(),
        (_, 0) => "our FIN".into(),
        (_, bytes) => format!("{bytes} bytes and our FIN"),
    }
}

/// A handshake that does not complete.
pub(super) fn half_open(case: &Case<'_>, age: &str, peer: &str) -> (String, String) {
    let tries = case.socket.timer.map_or(0, |timer| timer.retransmits);
    let at = case.listener.map_or_else(String::new, |listener| format!(" to {}", owner_of(listener)));
    let full = case.listener.is_some_and(super::super::Other::is_full);
    let again = match tries {
        0 => "our SYN-ACK was sent once".to_owned(),
        1 => "our SYN-ACK was sent again once".to_owned(),
        _ => format!("our SYN-ACK was sent again {tries} times"),
    };
    let text = format!("{peer} sent a SYN{at} {age} ago and its final ACK is missing; {again}");
    if full {
        return (
            format!("{text}; the listener's accept queue is full, so its ACK may have come and been dropped"),
            "the listening process must accept faster; tcp_abort_on_overflow would tell the client".into(),
        );
    }
    (
        text,
        "a few are lost packets or clients that vanished, many from many addresses are a SYN flood: syncookies bear it".into(),
    )
}

/// The facts tell no verdict: what they do tell.
pub(super) fn undecided(case: &Case<'_>, age: &str) -> (String, String) {
    let socket = case.socket;
    let state = socket.state.name();
    let peer = end(&socket.id.endpoints.remote);
    if case.holders.is_empty() && !case.complete && socket.id.inode.is_some() {
        return (
            format!(
                "in {state} for {age}; no process that could be read holds it, and not every one could be read"
            ),
            "run as root to see every holder".into(),
        );
    }
    let closing = matches!(socket.state, TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing);
    let timer = socket.timer.map(|timer| timer.kind);
    let reader = case.peer.map_or_else(String::new, |other| format!(" (on this host: {})", owner_of(other)));
    match timer {
        Some(TimerKind::Probe) => (
            format!(
                "in {state} for {age} with {} bytes queued: {peer}{reader} {}its window is closed: it does not read",
                socket.send_queue,
                if socket.timer.is_some_and(|timer| timer.retransmits > 0) {
                    "has yet to answer the last probe, "
                } else {
                    "answers, but "
                }
            ),
            if case.is_orphan() && closing {
                "the peer's process must read; no process holds this end, the kernel gives up once its probes are two minutes apart".into()
            } else {
                "the peer's process must read; TCP_USER_TIMEOUT bounds the wait".into()
            },
        ),
        // Progress sets the count of retransmissions back.
        Some(TimerKind::Retransmit) if closing && socket.send_queue > 0 => (
            format!(
                "in {state} for {age}: {peer}{reader} acknowledges what it gets, {} bytes and our FIN are still on their way",
                socket.send_queue
            ),
            "wait; if the queue does not shrink, look at loss and at the speed of the path".into(),
        ),
        _ if case.is_orphan() && closing => (
            format!("in {state} to {peer} for {age}, closed by its process"),
            "the kernel finishes it by itself".into(),
        ),
        _ => (
            format!("in {state} to {peer} for {age}, held by {}", who(case.holders)),
            "its state alone does not tell what is wrong: see queues, timer and holders".into(),
        ),
    }
}
