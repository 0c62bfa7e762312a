//! The states of a TCP connection (RFC 9293 §3.3.2, Linux `include/net/tcp_states.h`).

use std::fmt;
use std::str::FromStr;

/// A TCP state. `NewSynRecv` is Linux's name for a half-open connection that is only a request socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TcpState {
    /// Data flows both ways.
    Established = 1,
    /// SYN sent, no answer yet.
    SynSent = 2,
    /// SYN received and answered, the final ACK not yet seen.
    SynRecv = 3,
    /// Our FIN is sent, not yet acknowledged.
    FinWait1 = 4,
    /// Our FIN is acknowledged, the peer's has not come.
    FinWait2 = 5,
    /// Both FINs are done and we closed first: waiting out old segments.
    TimeWait = 6,
    /// No connection.
    Closed = 7,
    /// The peer's FIN has come, our process has not closed.
    CloseWait = 8,
    /// Our FIN, the second one, waits for its ACK.
    LastAck = 9,
    /// Waiting for connections.
    Listen = 10,
    /// Both sent FINs at once; ours is not yet acknowledged.
    Closing = 11,
    /// Half open, held in a request socket (Linux `TCP_NEW_SYN_RECV`).
    NewSynRecv = 12,
}

impl TcpState {
    /// All states in the order of a life.
    pub const ALL: [Self; 12] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::NewSynRecv,
        Self::SynRecv,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The state with the kernel's number `number`, if there is one.
    #[must_use]
    pub fn from_kernel(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }

    /// The name in every output. A request socket is printed as what it is to TCP: `SYN_RECV`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv | Self::NewSynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT_1",
            Self::FinWait2 => "FIN_WAIT_2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
        }
    }

    /// The kernel's own name, as its tracepoint prints it without `TCP_`.
    #[must_use]
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSE",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::NewSynRecv => "NEW_SYN_RECV",
            _ => self.name(),
        }
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no TCP state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownState(pub String);

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a TCP state; the states are", self.0)?;
        for state in TcpState::ALL.into_iter().filter(|state| *state != TcpState::NewSynRecv) {
            write!(f, " {state}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownState {}

/// Accepts the spellings of ss (`close-wait`), netstat (`CLOSE_WAIT`, `FIN_WAIT1`), bcc, the RFC (`SYN-RECEIVED`) and OpenTelemetry.
impl FromStr for TcpState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        let plain: String =
            word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let plain = plain.strip_prefix("TCP").unwrap_or(&plain);
        Ok(match plain {
            "CLOSED" | "CLOSE" | "UNCONN" => Self::Closed,
            "LISTEN" | "LISTENING" => Self::Listen,
            "SYNSENT" => Self::SynSent,
            "SYNRECV" | "SYNRCVD" | "SYNRECEIVED" => Self::SynRecv,
            "NEWSYNRECV" => Self::NewSynRecv,
            "ESTABLISHED" | "ESTAB" => Self::Established,
            "FINWAIT1" => Self::FinWait1,
            "FINWAIT2" => Self::FinWait2,
            "CLOSEWAIT" => Self::CloseWait,
            "CLOSING" => Self::Closing,
            "LASTACK" => Self::LastAck,
            "TIMEWAIT" => Self::TimeWait,
            _ => return Err(UnknownState(word.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_field_names_its_state() {
        for (spellings, state) in [
            (&["close-wait", "CLOSE_WAIT", "CloseWait", "TCP_CLOSE_WAIT"][..], TcpState::CloseWait),
            (&["fin-wait-1", "FIN_WAIT1", "FIN_WAIT_1", "FIN-WAIT-1"], TcpState::FinWait1),
            (&["syn-recv", "SYN_RCVD", "SYN-RECEIVED", "syn_received"], TcpState::SynRecv),
            (&["estab", "ESTABLISHED"], TcpState::Established),
            (&["unconn", "CLOSE", "closed"], TcpState::Closed),
        ] {
            for spelling in spellings {
                assert_eq!(spelling.parse(), Ok(state), "{spelling}");
            }
        }
    }

    #[test]
    fn names_and_numbers_find_their_way_back() {
        for state in TcpState::ALL {
            assert_eq!(TcpState::from_kernel(state as u8), Some(state));
            assert_eq!(state.kernel_name().parse(), Ok(state));
        }
        assert_eq!(TcpState::from_kernel(0), None);
        assert_eq!(TcpState::from_kernel(13), None);
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_list() {
        let said = "CLOSEWAITING".parse::<TcpState>().unwrap_err().to_string();
        assert!(said.contains("`CLOSEWAITING`") && said.contains("CLOSE_WAIT"), "{said}");
    }
}
