//! A true transition of a connection.

use super::evidence::Span;
use super::life::Ending;
use super::state::TcpState;
use super::time::Mono;

/// What told us of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeenBy {
    /// `sock:inet_sock_set_state`.
    Tracepoint,
    /// A timer tracepoint (`--exact`).
    Timer,
    /// A poll of sock_diag.
    SockDiag,
    /// The kernel's rule for it, e.g. TIME_WAIT lasts 60 s.
    Rule,
}

impl SeenBy {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracepoint => "tracepoint",
            Self::Timer => "timer",
            Self::SockDiag => "sock_diag",
            Self::Rule => "rule",
        }
    }
}

/// One true state change of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Mono,
    /// The state left.
    pub from: TcpState,
    /// The state entered.
    pub to: TcpState,
    /// Time spent in `from`.
    pub in_from: Span,
    /// What told us.
    pub seen_by: SeenBy,
    /// The kernel's own event behind it, `(old, new)`, where there is one.
    pub kernel: Option<(TcpState, TcpState)>,
    /// Set when it ends the connection: at CLOSED, or on entering TIME_WAIT.
    pub ending: Option<Ending>,
}
