//! Who a socket belongs to, and how we know.

use super::comm::Comm;

/// A process at a moment: thread-group id in our own pid namespace, and its name then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Thread-group id: what users call the pid.
    pub pid: u32,
    /// Name of the acting thread.
    pub comm: Comm,
}

/// How an owner was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OwnerHow {
    /// Inherited from the listening socket; the connection is not yet accepted.
    Listener = 1,
    /// Seen acting on the socket (shutdown, close) in process context.
    Close = 2,
    /// Holds it in its fd table.
    FdTable = 3,
    /// Called listen() on it.
    Listen = 4,
    /// Called connect() on it.
    Connect = 5,
    /// Got it from accept().
    Accept = 6,
}

impl OwnerHow {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Close => "close",
            Self::FdTable => "fd_table",
            Self::Listen => "listen",
            Self::Connect => "connect",
            Self::Accept => "accept",
        }
    }

    /// From the wire's number.
    #[must_use]
    pub fn from_wire(number: u8) -> Option<Self> {
        [Self::Listener, Self::Close, Self::FdTable, Self::Listen, Self::Connect, Self::Accept]
            .into_iter()
            .find(|how| *how as u8 == number)
    }
}

/// A claim that a process owns a socket. Never invented: where nothing is known there is no `Owner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub task: Task,
    /// How the claim was found.
    pub how: OwnerHow,
}
