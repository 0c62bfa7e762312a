//! Classes of state changes: what RFC 9293 draws, what Linux adds, what nobody may see.

use crate::model::state::TcpState;

/// One directed pair of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The state left.
    pub from: TcpState,
    /// The state entered.
    pub to: TcpState,
}

/// How ordinary an edge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// In figure 5 of RFC 9293 or in the notes below it.
    Rfc,
    /// Not in the RFC; Linux does it: resets, timeouts and aborts straight to CLOSED, Fast Open, MPTCP.
    Linux,
    /// Neither: something between was lost.
    Unseen,
}

impl EdgeKind {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc => "rfc",
            Self::Linux => "linux",
            Self::Unseen => "unseen",
        }
    }
}

impl Edge {
    /// The class of this edge. A request socket counts as `SYN_RECV`, which it is to TCP.
    #[must_use]
    pub const fn kind(self) -> EdgeKind {
        use TcpState::{
            CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, NewSynRecv,
            SynRecv, SynSent, TimeWait,
        };
        match (self.from, self.to) {
            // Opening. LISTEN > SYN_SENT is drawn, Linux never does it.
            (Closed, Listen | SynSent)
            | (Listen, SynRecv | NewSynRecv | SynSent | Closed)
            | (SynSent, SynRecv | Established | Closed)
            | (SynRecv | NewSynRecv, Established | FinWait1 | Listen)
            // Closing; FIN_WAIT_1 > TIME_WAIT is note 3 below the figure.
            | (Established, FinWait1 | CloseWait)
            | (FinWait1, FinWait2 | Closing | TimeWait)
            | (FinWait2 | Closing, TimeWait)
            | (CloseWait, LastAck)
            | (LastAck | TimeWait, Closed) => EdgeKind::Rfc,
            // RST, timeout or abort; an orphan FIN_WAIT_2 that expires. A child of an MPTCP listener is born established.
            (SynRecv | NewSynRecv | Established | FinWait1 | FinWait2 | CloseWait | Closing, Closed)
            | (NewSynRecv, SynRecv)
            | (Listen, Established) => EdgeKind::Linux,
            _ => EdgeKind::Unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(from: TcpState, to: TcpState) -> EdgeKind {
        Edge { from, to }.kind()
    }

    #[test]
    fn every_transition_that_the_kernel_emits_has_a_place() {
        use TcpState::*;
        // kernel-facts §18, self-transitions aside.
        for (from, to) in [
            (Closed, SynSent),
            (Closed, Listen),
            (Listen, SynRecv),
            (Listen, Closed),
            (SynSent, Established),
            (SynSent, SynRecv),
            (SynSent, Closed),
            (SynRecv, Established),
            (SynRecv, Closed),
            (SynRecv, FinWait1),
            (Established, FinWait1),
            (Established, CloseWait),
            (Established, Closed),
            (FinWait1, FinWait2),
            (FinWait1, Closing),
            (FinWait1, Closed),
            (FinWait2, Closed),
            (Closing, Closed),
            (CloseWait, LastAck),
            (CloseWait, Closed),
            (LastAck, Closed),
            (Listen, Established),
        ] {
            assert_ne!(kind(from, to), EdgeKind::Unseen, "{from} > {to}");
        }
    }

    #[test]
    fn the_rfc_draws_no_straight_way_from_established_to_closed() {
        assert_eq!(kind(TcpState::Established, TcpState::Closed), EdgeKind::Linux);
        assert_eq!(kind(TcpState::LastAck, TcpState::Closed), EdgeKind::Rfc);
        assert_eq!(kind(TcpState::FinWait1, TcpState::TimeWait), EdgeKind::Rfc);
    }

    #[test]
    fn a_jump_over_a_lost_event_is_unseen() {
        assert_eq!(kind(TcpState::SynSent, TcpState::CloseWait), EdgeKind::Unseen);
        assert_eq!(kind(TcpState::CloseWait, TcpState::Established), EdgeKind::Unseen);
        assert_eq!(kind(TcpState::Established, TcpState::Established), EdgeKind::Unseen);
    }
}
