//! Sockets that stay in a state for too long: which, who holds them, why, and what to do.
//!
//! Pure: [`survey`] judges what sources have read, [`follow`] tells what changed between two surveys.

mod age;
pub mod alarm;
pub mod closed;
pub mod follow;
pub mod group;
mod opener;
mod places;
pub mod recorded;
pub mod rule;
pub mod site;
pub mod stack;
pub mod survey;
#[cfg(test)]
mod tests;
pub mod trend;
pub mod verdict;
pub mod witness;
mod words;

use crate::model::evidence::Span;
use crate::model::life::Subject;
use crate::model::owner::{Owner, Task};
use crate::model::snapshot::Timer;
use crate::model::socket::SocketId;
use crate::model::state::TcpState;
use crate::model::time::Mono;
pub use rule::StuckRule;
pub use stack::Origin;
pub use verdict::Verdict;

/// What happened to a stuck socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StuckEvent {
    /// It crossed its rule's threshold, or had when we looked first.
    Began,
    /// It is stuck still.
    Still,
    /// It has left its state, or what made it stuck is over.
    Ended,
}

impl StuckEvent {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Still => "still",
            Self::Ended => "ended",
        }
    }
}

/// A process that holds the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub task: Task,
    /// By which fd.
    pub fd: u32,
    /// Whether it opened the socket itself (connect, accept), rather than inheriting it or being passed it; `None` where nothing proves
    /// either.
    pub opened_it: Option<bool>,
}

/// Another socket that explains this one: its peer on this host, or the listener in whose queue it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// Which.
    pub socket: SocketId,
    /// Its state.
    pub state: TcpState,
    /// Who holds it.
    pub owner: Option<Owner>,
    /// Bytes in its receive queue; of a listener, connections that wait for accept(). `None` in a recording.
    pub receive_queue: Option<u32>,
    /// Bytes in its send queue; of a listener, the limit of that queue. `None` in a recording.
    pub send_queue: Option<u32>,
}

impl Other {
    /// Its accept queue has no room left (Linux `include/net/sock.h:sk_acceptq_is_full`).
    fn is_full(&self) -> bool {
        self.receive_queue > self.send_queue
    }
}

/// The group that a stuck socket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// What its sockets have in common.
    pub key: group::Key,
    /// How many they are.
    pub count: u64,
    /// Of so many stuck sockets in all.
    pub of: u64,
    /// Age of the oldest.
    pub oldest: Span,
    /// Median age, nanoseconds, of those whose age is known.
    pub median_ns: Option<u64>,
    /// By how many it grows a minute; `None` when looked at only once, or not for long.
    pub growth_per_minute: Option<i64>,
}

/// One stuck socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// When it was looked at.
    pub at: Mono,
    /// What happened.
    pub event: StuckEvent,
    /// Which socket, and its owner.
    pub subject: Subject,
    /// The state that it is stuck in.
    pub state: TcpState,
    /// When it entered the state, as far as known.
    pub since: Option<Mono>,
    /// How long ago.
    pub age: Span,
    /// The rule that it broke.
    pub rule: StuckRule,
    /// Bytes that its process has not read.
    pub receive_queue: Option<u32>,
    /// Bytes that its peer has not acknowledged.
    pub send_queue: Option<u32>,
    /// The running timer.
    pub timer: Option<Timer>,
    /// SO_KEEPALIVE, where known.
    pub keepalive: Option<bool>,
    /// Everyone who holds it; `None` where only a recording was asked, which does not tell.
    pub holders: Option<Vec<Holder>>,
    /// The listener in whose queue it waits.
    pub listener: Option<Other>,
    /// Its other end, where that is on this host.
    pub peer: Option<Other>,
    /// What it means; `None` where the facts do not tell.
    pub verdict: Option<Verdict>,
    /// What it may mean as well.
    pub alternative: Option<Verdict>,
    /// Its group; `None` where nobody asked.
    pub crowd: Option<Crowd>,
    /// One sentence about this socket.
    pub explanation: String,
    /// One sentence of what to do.
    pub advice: String,
    /// Where it was opened; `None` where nobody asked.
    pub origin: Option<Origin>,
}
