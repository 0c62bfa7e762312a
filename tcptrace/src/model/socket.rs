//! What the kernel tells of one socket besides its state.

use super::cookie::Cookie;
use super::endpoints::Endpoints;
use super::life::OpenedBy;

/// Which socket: by cookie where the attach path has it, else by address and order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRef {
    /// Address of the kernel's `struct sock`; reused within 119 µs. 0 when it comes from sock_diag.
    pub address: u64,
    /// `None` on the classic path.
    pub cookie: Option<Cookie>,
}

/// The transport protocol, as far as tcptrace follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IPPROTO_TCP (6), MPTCP subflows included.
    Tcp,
    /// The MPTCP connection itself (262), only with `--mptcp`.
    Mptcp,
}

impl Protocol {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Mptcp => "mptcp",
        }
    }
}

/// Addresses and belongings of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketId {
    /// Which socket.
    pub socket: SocketRef,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its two ends.
    pub endpoints: Endpoints,
    /// Inode number of its network namespace; `None` on the classic path.
    pub netns: Option<u32>,
    /// Uid of its creator; for a child not yet accepted, of the listener's.
    pub uid: Option<u32>,
    /// Id of its creator's cgroup (v2).
    pub cgroup: Option<u64>,
    /// Inode of its `struct socket`: `None` while orphaned or not yet accepted.
    pub inode: Option<u64>,
}

/// The facts that decide what a transition means (kernel-facts: sk_flags, sk_err, sk_shutdown, …). Only the BTF path has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketFacts {
    /// `sk_err`, an errno; stale on CLOSE>SYN_SENT.
    pub error: u16,
    /// `sk_err_soft`.
    pub error_soft: u16,
    /// `sk_shutdown`: 1 = receive, 2 = send, 3 = both.
    pub shutdown: u8,
    /// SOCK_DEAD: no process holds it any more (orphan).
    pub dead: bool,
    /// SOCK_DONE: the peer's FIN has been processed.
    pub done: bool,
    /// SO_LINGER is on with a time of 0.
    pub linger_zero: bool,
    /// `sk_socket` is set: a process has an fd of it.
    pub attached: bool,
    /// `sk_lock.owned`: process context, so the current task acts on its own socket.
    pub locked: bool,
    /// TCP_LINGER2, `tp->linger2` in jiffies: negative means that FIN_WAIT_2 is reset at once, 0 that tcp_fin_timeout applies.
    pub linger2: i32,
    /// An MPTCP subflow.
    pub subflow: bool,
    /// Child made by TCP Fast Open (`tp->syn_fastopen_child` / `fastopen_rsk`).
    pub fastopen: bool,
    /// `icsk_retransmits` at that moment.
    pub unanswered: u8,
    /// `icsk_user_timeout` is set.
    pub user_timeout: bool,
    /// Unacknowledged bytes: `write_seq - snd_una`.
    pub unacked: u32,
    /// Keepalive is on (SOCK_KEEPOPEN).
    pub keepalive: bool,
    /// How the connection began, where the kernel half counts and so its birth is not told. Not recorded.
    pub opened_by: Option<OpenedBy>,
}

/// What a connection has carried so far. Application bytes: SYN and FIN are already taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes sent at least once (`bytes_sent - bytes_retrans`).
    pub bytes_sent: u64,
    /// Bytes received in order (`bytes_received`, less the peer's FIN).
    pub bytes_received: u64,
    /// Segments out (`segs_out`).
    pub segments_out: u32,
    /// Segments in (`segs_in`).
    pub segments_in: u32,
    /// Retransmitted segments (`total_retrans`).
    pub retransmits: u32,
    /// Smoothed round-trip time, microseconds (`srtt_us >> 3`); 0 while not measured.
    pub srtt_us: u32,
}
