//! One connection, from first seen to gone.

use super::evidence::Span;
use super::measure::Measure;
use super::owner::{Owner, Task};
use super::socket::{Counters, SocketId};
use super::state::TcpState;
use super::time::Mono;

/// Our own number of a connection: sequential, never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// How a life began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenedBy {
    /// connect().
    Connect,
    /// A listener got it.
    Accept,
    /// listen().
    Listen,
    /// Both ends sent SYNs at once.
    Simultaneous,
    /// It was there before we looked.
    Unknown,
}

impl OpenedBy {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Listen => "listen",
            Self::Simultaneous => "simultaneous",
            Self::Unknown => "unknown",
        }
    }
}

/// Who closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// Our side.
    Local,
    /// The peer.
    Remote,
    /// Both at once.
    Both,
}

impl ClosedBy {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Both => "both",
        }
    }
}

/// How we came to know a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstSeen {
    /// From its birth.
    Event,
    /// It existed before and a dump showed it.
    Snapshot,
    /// Its first event was not a birth: it existed before, or events were lost.
    Midway,
}

impl FirstSeen {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Snapshot => "snapshot",
            Self::Midway => "midway",
        }
    }
}

/// How a connection ended: the table of `end` values in the JSON contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Both FINs done, we wait.
    TimeWait,
    /// Passive closer, our FIN acknowledged.
    Fin,
    /// Orphan FIN_WAIT_2 expired without the peer's FIN.
    FinWait2Timeout,
    /// The peer reset.
    RstReceived,
    /// We reset.
    RstSent,
    /// SYN answered by RST or ICMP port unreachable.
    Refused,
    /// ICMP unreachable or no route while connecting.
    Unreachable,
    /// The peer vanished.
    Timeout,
    /// Our process gave up while connecting.
    GaveUp,
    /// EADDRNOTAVAIL.
    NoLocalPort,
    /// SOCK_DESTROY (`ss -K`).
    Aborted,
    /// A listener closed or shut down.
    ListenClosed,
    /// Its TIME_WAIT was ended early.
    Recycled,
    /// We lost events and the socket is gone, or the attach path cannot tell.
    Unknown,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::TimeWait,
        Self::Fin,
        Self::FinWait2Timeout,
        Self::RstReceived,
        Self::RstSent,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::GaveUp,
        Self::NoLocalPort,
        Self::Aborted,
        Self::ListenClosed,
        Self::Recycled,
        Self::Unknown,
    ];

    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeWait => "time_wait",
            Self::Fin => "fin",
            Self::FinWait2Timeout => "fin_wait_2_timeout",
            Self::RstReceived => "rst_received",
            Self::RstSent => "rst_sent",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::GaveUp => "gave_up",
            Self::NoLocalPort => "no_local_port",
            Self::Aborted => "aborted",
            Self::ListenClosed => "listen_closed",
            Self::Recycled => "recycled",
            Self::Unknown => "unknown",
        }
    }
}

/// What precisely made it end: the `detail` column of that table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A fixed word of the contract, e.g. `unread_data`.
    Word(&'static str),
    /// The process that destroyed it.
    Killer(Task),
}

/// How and why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The kind.
    pub end: End,
    /// More precisely, where known.
    pub detail: Option<Detail>,
}

/// One stay in one state: the unit of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residency {
    /// The state.
    pub state: TcpState,
    /// When it was entered, or first seen in it; `None` where unknown.
    pub entered: Option<Mono>,
    /// How long it lasted; `ns` is `None` while it lasts.
    pub stay: Span,
    /// TIME_WAIT and orphan FIN_WAIT_2: when the kernel's rule ends it.
    pub expires: Option<Mono>,
}

/// One connection from first seen to gone, and why it ended: what sinks print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// Our number.
    pub id: ConnectionId,
    /// Which socket, with its addresses.
    pub socket: SocketId,
    /// The best claim of ownership.
    pub owner: Option<Owner>,
    /// The last process seen acting on it, where it is another one than `owner`.
    pub last_seen: Option<Task>,
    /// How it began.
    pub opened_by: OpenedBy,
    /// Who closed first.
    pub closed_by: Option<ClosedBy>,
    /// How we came to know it.
    pub first_seen: FirstSeen,
    /// Its stays in order; the last is open while it lives.
    pub states: Vec<Residency>,
    /// From first seen to the end.
    pub duration: Span,
    /// Round-trip time of the handshake, microseconds; `None` unless trustworthy.
    pub handshake_rtt_us: Option<u32>,
    /// How it ended; `None` while it lives.
    pub ending: Option<Ending>,
    /// Counters at the end, or at the last event.
    pub counters: Option<Counters>,
    /// Its process closed it before it ended.
    pub orphaned: bool,
    /// Time between CLOSED and the last close of its fd, nanoseconds, when over 1 ms.
    pub fd_held_ns: Option<u64>,
    /// Lengths beside its stays, where the engine was asked for them.
    pub measured: Vec<(Measure, Span)>,
    /// The moment of the last change, or of printing.
    pub at: Mono,
}

/// What every record about a socket names: the connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Our number.
    pub id: ConnectionId,
    /// Which socket, with its addresses as far as known now.
    pub socket: SocketId,
    /// The best claim of ownership now.
    pub owner: Option<Owner>,
    /// How it began.
    pub opened_by: OpenedBy,
}
