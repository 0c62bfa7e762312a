//! What it means that a socket is stuck, decided by facts (kernel-facts §§4, 6, 14, 17).

use super::{Holder, Other};
use crate::model::snapshot::{SocketSnapshot, TimerKind};
use crate::model::state::TcpState;

/// Why a socket is stuck: the table of `verdict` values in the JSON contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// CLOSE_WAIT, held, nothing queued: the process never closes.
    LeakedFd,
    /// CLOSE_WAIT, receive queue not empty: the process does not read.
    UnreadData,
    /// CLOSE_WAIT, still sending what was queued or written.
    Draining,
    /// The process that opened it closed its copy; others still hold it.
    InheritedFd,
    /// In a listener's accept queue.
    NeverAccepted,
    /// No holder in any fd table: passed over a unix socket, or a kernel user.
    InFlight,
    /// FIN_WAIT_2 after shutdown(), fd open: no timeout applies.
    HalfClosedByUs,
    /// FIN_WAIT_2 after close(): expires by itself.
    OrphanWaiting,
    /// FIN_WAIT_2, and the peer is on this host and does not close.
    PeerNotClosing,
    /// Retransmitting into silence.
    PeerGone,
    /// SYN_RECV not completing.
    HalfOpen,
    /// The connection is CLOSED, its fd still open.
    DeadFd,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::LeakedFd,
        Self::UnreadData,
        Self::Draining,
        Self::InheritedFd,
        Self::NeverAccepted,
        Self::InFlight,
        Self::HalfClosedByUs,
        Self::OrphanWaiting,
        Self::PeerNotClosing,
        Self::PeerGone,
        Self::HalfOpen,
        Self::DeadFd,
    ];

    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeakedFd => "leaked_fd",
            Self::UnreadData => "unread_data",
            Self::Draining => "draining",
            Self::InheritedFd => "inherited_fd",
            Self::NeverAccepted => "never_accepted",
            Self::InFlight => "in_flight",
            Self::HalfClosedByUs => "half_closed_by_us",
            Self::OrphanWaiting => "orphan_waiting",
            Self::PeerNotClosing => "peer_not_closing",
            Self::PeerGone => "peer_gone",
            Self::HalfOpen => "half_open",
            Self::DeadFd => "dead_fd",
        }
    }
}

/// What is known of one socket when it is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) socket: &'a SocketSnapshot,
    pub(super) holders: &'a [Holder],
    /// Every fd table of the host could be read.
    pub(super) complete: bool,
    pub(super) listener: Option<&'a Other>,
    pub(super) peer: Option<&'a Other>,
    pub(super) keepalive: Option<bool>,
    /// `sk_err` of a dead one.
    pub(super) error: u16,
    pub(super) fin_timeout_s: Option<u32>,
}

impl Case<'_> {
    /// The verdict, and another one that the facts do not rule out.
    pub(super) fn decide(&self) -> (Option<Verdict>, Option<Verdict>) {
        let only = |verdict| (Some(verdict), None);
        match self.socket.state {
            TcpState::Closed => only(Verdict::DeadFd),
            TcpState::NewSynRecv | TcpState::SynRecv => only(Verdict::HalfOpen),
            TcpState::CloseWait => self.close_wait(),
            TcpState::FinWait2 if self.is_orphan() => {
                (Some(Verdict::OrphanWaiting), self.peer_holds_on().then_some(Verdict::PeerNotClosing))
            }
            TcpState::FinWait2 => match self.holderless() {
                Some(verdict) => (verdict, None),
                None if self.peer_holds_on() => {
                    (Some(Verdict::PeerNotClosing), Some(Verdict::HalfClosedByUs))
                }
                None => only(Verdict::HalfClosedByUs),
            },
            TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing | TcpState::SynSent => {
                (self.is_unanswered().then_some(Verdict::PeerGone), None)
            }
            TcpState::Established if self.socket.id.inode.is_none() => only(Verdict::NeverAccepted),
            TcpState::Established => (self.holderless().flatten(), None),
            TcpState::Listen | TcpState::TimeWait => (None, None),
        }
    }

    fn close_wait(&self) -> (Option<Verdict>, Option<Verdict>) {
        // An orphan would be in LAST_ACK: without a struct socket it has never been accepted.
        if self.socket.id.inode.is_none() {
            return (Some(Verdict::NeverAccepted), None);
        }
        if let Some(verdict) = self.holderless() {
            return (verdict, None);
        }
        let unread = self.socket.receive_queue > 0;
        if self.socket.send_queue > 0 {
            let other = if self.is_unanswered() {
                Some(Verdict::PeerGone)
            } else {
                unread.then_some(Verdict::UnreadData)
            };
            return (Some(Verdict::Draining), other);
        }
        if unread {
            return (Some(Verdict::UnreadData), None);
        }
        if self.holders.iter().all(|holder| holder.opened_it == Some(false)) {
            return (Some(Verdict::InheritedFd), None);
        }
        // Only one who is known to have opened it rules out that it was passed on.
        let doubt = self.holders.iter().all(|holder| holder.opened_it.is_none()) && self.holders.len() > 1;
        (Some(Verdict::LeakedFd), doubt.then_some(Verdict::InheritedFd))
    }

    /// Nobody holds it, although it has a struct socket: in flight, or (inner `None`) with someone who cannot be read.
    fn holderless(&self) -> Option<Option<Verdict>> {
        self.holders.is_empty().then_some(self.complete.then_some(Verdict::InFlight))
    }

    pub(super) fn is_orphan(&self) -> bool {
        self.socket.mini || self.socket.id.inode.is_none()
    }

    /// The peer has our FIN and keeps its end open.
    pub(super) fn peer_holds_on(&self) -> bool {
        self.peer.is_some_and(|peer| peer.state == TcpState::CloseWait)
    }

    /// Something of ours has been sent again, and nothing came back. A peer that answers zero-window probes is there: each answer sets
    /// their count back to 0 (Linux `net/ipv4/tcp_input.c:tcp_ack`), so one may be on its way, two are not.
    fn is_unanswered(&self) -> bool {
        self.socket.timer.is_some_and(|timer| match timer.kind {
            TimerKind::Retransmit => timer.retransmits > 0,
            TimerKind::Probe => timer.retransmits > 1,
            TimerKind::Keepalive | TimerKind::TimeWait => false,
        })
    }
}
