//! A socket as a dump (sock_diag or an iterator) finds it.

use super::evidence::{Evidence, Span};
use super::owner::Owner;
use super::socket::{Counters, SocketId};
use super::state::TcpState;
use super::time::Mono;

/// One socket of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSnapshot {
    /// When the dump saw it.
    pub at: Mono,
    /// Which socket, with its addresses.
    pub id: SocketId,
    /// Its true state: `FinWait2` or `TimeWait` for timewait sockets, `NewSynRecv` for request sockets.
    pub state: TcpState,
    /// A timewait socket (`inet_timewait_sock`), not a full one.
    pub mini: bool,
    /// Its owner, where the fd tables name one.
    pub owner: Option<Owner>,
    /// How long it has been in its state: bounds in nanoseconds (kernel-facts §17).
    pub age: Age,
    /// The connection has existed at least so long, nanoseconds; 0 where nothing tells.
    pub existed_ns: u64,
    /// The running timer.
    pub timer: Option<Timer>,
    /// Bytes in the receive queue; for a listener, connections waiting for accept().
    pub receive_queue: u32,
    /// Bytes in the send queue; for a listener, the limit of that queue.
    pub send_queue: u32,
    /// Counters, where the dump has them.
    pub counters: Option<Counters>,
}

/// Bounds of an age, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// It is at least this old.
    pub at_least_ns: u64,
    /// It is at most this old; `None` when nothing bounds it.
    pub at_most_ns: Option<u64>,
}

impl From<Span> for Age {
    /// The bounds that the evidence gives; an estimate without a largest error gives none.
    fn from(span: Span) -> Self {
        let ns = span.ns.unwrap_or(0);
        match span.evidence {
            Evidence::Exact => Self { at_least_ns: ns, at_most_ns: Some(ns) },
            Evidence::AtLeast => Self { at_least_ns: ns, at_most_ns: span.at_most_ns },
            Evidence::Estimated => Self {
                at_least_ns: ns.saturating_sub(span.error_ns.unwrap_or(ns)),
                at_most_ns: span.error_ns.map(|error| ns.saturating_add(error)),
            },
            Evidence::Unknown => Self::default(),
        }
    }
}

/// A kernel timer of a socket (`inet_diag`: idiag_timer, idiag_expires, idiag_retrans).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Which.
    pub kind: TimerKind,
    /// Nanoseconds until it fires, counted from the snapshot's moment.
    pub expires_ns: u64,
    /// It may be so much later, nanoseconds: the kernel looked at an unknown moment after that one. 0 for less than a millisecond.
    pub late_ns: u64,
    /// Retransmissions or probes so far.
    pub retransmits: u8,
}

/// Which timer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// Retransmission.
    Retransmit,
    /// Keepalive.
    Keepalive,
    /// TIME_WAIT or orphan FIN_WAIT_2.
    TimeWait,
    /// Zero-window probe.
    Probe,
}
