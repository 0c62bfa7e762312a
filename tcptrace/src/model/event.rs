//! All that the engine ever sees. Losses and the passing of time are events too.

use super::endpoints::Endpoints;
use super::owner::{Owner, Task};
use super::snapshot::SocketSnapshot;
use super::socket::{Counters, SocketFacts, SocketId, SocketRef};
use super::state::TcpState;
use super::time::Mono;

/// One firing of `sock:inet_sock_set_state`, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Mono,
    /// Which socket, with its addresses.
    pub id: SocketId,
    /// The state that it leaves.
    pub from: TcpState,
    /// The state that it enters; equal to `from` for a close() after shutdown().
    pub to: TcpState,
    /// When `from` was entered, as the kernel half remembers it for this socket.
    pub since: Option<Mono>,
    /// The owner that the kernel half remembers for this socket.
    pub owner: Option<Owner>,
    /// The current task, only where it acts on its own socket: process context, no kernel thread.
    pub actor: Option<Task>,
    /// The facts that decide what this means; `None` on the classic path.
    pub facts: Option<SocketFacts>,
    /// Counters so far; `None` on the classic path.
    pub counters: Option<Counters>,
}

/// accept() handed a connection to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// When accept() returned.
    pub at: Mono,
    /// The accepted connection.
    pub socket: SocketRef,
    /// Who called accept().
    pub task: Task,
}

/// What else happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// `tcp:tcp_receive_reset`: a RST came in. Also fires when we abort on data after close.
    ResetReceived,
    /// `tcp:tcp_send_reset` with the running kernel's name of the reason, lower case without `sk_rst_reason_`/`tcp_`, e.g.
    /// `abort_on_close`; `None` on kernels that give none.
    ResetSent(Option<ResetReason>),
    /// `tcp:tcp_destroy_sock`: the kernel frees it, so its last fd is closed.
    Destroyed,
    /// `timer:*` on the timewait socket's timer: it exists now (again), in state `substate`, until `expires` (estimated).
    TimewaitArmed(TcpState),
    /// Its timewait timer fired: it is gone.
    TimewaitExpired,
    /// Its timewait timer was cancelled: ended early.
    TimewaitKilled(TcpState),
}

/// A reset reason, an index into the names read from the running kernel's BTF (`enum sk_rst_reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// `TCP_ABORT_ON_CLOSE`: unread data at close().
    AbortOnClose,
    /// `TCP_ABORT_ON_LINGER`: TCP_LINGER2 below zero.
    AbortOnLinger,
    /// `TCP_ABORT_ON_MEMORY`: too many orphans or out of TCP memory.
    AbortOnMemory,
    /// `TCP_ABORT_ON_DATA`: data came after close().
    AbortOnData,
    /// `TCP_STATE`: linger 0, disconnect, or SOCK_DESTROY.
    TcpState,
    /// `TCP_KEEPALIVE_TIMEOUT`.
    KeepaliveTimeout,
    /// `TCP_TIMEWAIT_SOCKET`: data for a timewait socket.
    TimewaitSocket,
    /// Any other; the kernel's number.
    Other(u16),
}

/// Where events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossPlace {
    /// The ring buffer was full.
    RingBuffer,
    /// A kernel map was full.
    Map,
    /// Our connection table was full.
    Table,
}

impl LossPlace {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingBuffer => "ring_buffer",
            Self::Map => "map",
            Self::Table => "table",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The tracepoint fired.
    StateChange(StateChange),
    /// accept() returned a connection.
    Accepted(Accepted),
    /// A SYN came and a request socket holds the half-open connection (`--exact`).
    HalfOpen {
        /// When.
        at: Mono,
        /// The namespace.
        netns: u32,
        /// Its two ends, as the child will have them.
        endpoints: Endpoints,
    },
    /// A process of `--pid` has a child that counts too (`--follow-forks`).
    Forked {
        /// The child's pid.
        child: u32,
    },
    /// A neighbouring tracepoint fired for a socket.
    Neighbour {
        /// When.
        at: Mono,
        /// Which socket.
        socket: SocketRef,
        /// What.
        what: Neighbour,
    },
    /// A socket that a dump found.
    Snapshot(SocketSnapshot),
    /// A dump is complete: what it should have shown and did not is gone.
    SnapshotDone {
        /// When the dump began: sockets born later need not be in it.
        began: Mono,
        /// Its end.
        at: Mono,
        /// The namespace that was dumped.
        netns: u32,
        /// The states that it covered, as a mask of `1 << kernel number`.
        states: u32,
    },
    /// `TcpExtTCPTimeWaitOverflow` moved: that many TIME_WAITs were never made.
    TimeWaitOverflow {
        /// When it was read.
        at: Mono,
        /// In which namespace.
        netns: u32,
        /// By how much.
        count: u64,
    },
    /// `net.ipv4.tcp_fin_timeout` of a namespace, read once and when it may have changed.
    FinTimeout {
        /// Which namespace.
        netns: u32,
        /// Seconds.
        seconds: u32,
    },
    /// Events were lost before this moment.
    Lost {
        /// When we noticed.
        at: Mono,
        /// How many.
        count: u64,
        /// Where.
        place: LossPlace,
    },
    /// Time passes.
    Tick(Mono),
}
