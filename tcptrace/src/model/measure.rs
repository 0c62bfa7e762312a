//! What histograms count: stays in a state, and the lengths beside them that people ask for.

use super::evidence::Span;
use super::state::TcpState;
use super::time::Mono;
use super::transition::SeenBy;

/// What a length is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// A stay in this state.
    State(TcpState),
    /// A handshake that succeeded: for connect() the time in SYN_SENT, for an accepted connection the round-trip time that the
    /// kernel measured, where it can be one.
    Handshake,
    /// From ESTABLISHED to the return of accept().
    AcceptWait,
    /// From its birth until a connection is over: CLOSED or TIME_WAIT.
    Lifetime,
    /// From the peer's FIN to ours: what the application took to close.
    Reaction,
    /// From our FIN to the peer's.
    FinToFin,
}

impl Measure {
    /// Those that are not stays, in the order of a life.
    pub const DERIVED: [Self; 5] =
        [Self::Handshake, Self::AcceptWait, Self::Reaction, Self::FinToFin, Self::Lifetime];

    /// The word in every output; of a stay the state's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State(state) => state.name(),
            Self::Handshake => "handshake",
            Self::AcceptWait => "accept_wait",
            Self::Lifetime => "lifetime",
            Self::Reaction => "reaction",
            Self::FinToFin => "fin_to_fin",
        }
    }

    /// The word for its kind: `state` for all stays.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::State(_) => "state",
            other => other.name(),
        }
    }

    /// The state, of a stay.
    #[must_use]
    pub const fn state(self) -> Option<TcpState> {
        match self {
            Self::State(state) => Some(state),
            _ => None,
        }
    }

    /// All of them, stays in the order of a life first.
    pub fn all() -> impl Iterator<Item = Self> {
        TcpState::ALL.into_iter().map(Self::State).chain(Self::DERIVED)
    }
}

/// A length beside stays has become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// When.
    pub at: Mono,
    /// Of what.
    pub measure: Measure,
    /// How long.
    pub span: Span,
    /// What told us of its end.
    pub seen_by: SeenBy,
}
