//! What the words of outputs mean, in half a line each.

use crate::engine::stuck::Verdict;
use crate::model::life::End;

/// What `end` says.
pub(super) const fn of_end(end: End) -> &'static str {
    match end {
        End::TimeWait => "both FINs done, we wait",
        End::Fin => "the peer closed first, our FIN is acknowledged",
        End::FinWait2Timeout => "we closed, the peer's FIN never came",
        End::RstReceived => "the peer reset",
        End::RstSent => "we reset",
        End::Refused => "the SYN was answered by a RST or ICMP port unreachable",
        End::Unreachable => "ICMP unreachable or no route while connecting",
        End::Timeout => "the peer vanished",
        End::GaveUp => "our process closed it while connecting",
        End::NoLocalPort => "no local port was free",
        End::Aborted => "destroyed by an administrator (`ss -K`)",
        End::ListenClosed => "a listener closed or shut down",
        End::Recycled => "its TIME_WAIT was ended early",
        End::Unknown => "events were lost and the socket is gone",
    }
}

/// What `verdict` says.
pub(super) const fn of_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LeakedFd => "CLOSE_WAIT, everything read: the process never closes",
        Verdict::UnreadData => "CLOSE_WAIT, data in the receive queue: the process does not read",
        Verdict::Draining => "CLOSE_WAIT, still sending what was written",
        Verdict::InheritedFd => "its opener closed it, but a child or another holder did not",
        Verdict::NeverAccepted => "waits in a listener's queue: the server does not accept()",
        Verdict::InFlight => "in no fd table: passed over a unix socket, or the kernel's own",
        Verdict::HalfClosedByUs => "FIN_WAIT_2 after shutdown(), fd open: no timeout applies",
        Verdict::OrphanWaiting => "FIN_WAIT_2 after close(): expires by itself",
        Verdict::PeerNotClosing => "FIN_WAIT_2, and the peer, on this host, does not close",
        Verdict::PeerGone => "sends again into silence: the peer or the path is gone",
        Verdict::HalfOpen => "SYN_RECV: the client's last ACK does not come",
        Verdict::DeadFd => "the connection is over, its fd is still open",
    }
}
