//! One state change.

use super::bytes::plain;

plain! {
    /// One firing of `sock:inet_sock_set_state`.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct StateChange {
        pub kind: u8,
        pub from: u8,
        pub to: u8,
        /// sk_shutdown.
        pub shutdown: u8,
        /// [`flag`].
        pub flags: u16,
        /// Host byte order; 0 = unknown.
        pub lport: u16,
        pub rport: u16,
        /// sk_protocol.
        pub protocol: u16,
        pub error: u16,
        pub error_soft: u16,
        pub at_ns: u64,
        /// Address of the struct sock.
        pub sk: u64,
        pub cookie: u64,
        /// When `from` was entered; 0 = unknown.
        pub since_ns: u64,
        pub cgroup: u64,
        pub inode: u64,
        /// v4 in mapped form.
        pub laddr: [u8; 16],
        pub raddr: [u8; 16],
        pub netns: u32,
        pub uid: u32,
        pub owner_pid: u32,
        pub actor_pid: u32,
        pub owner_comm: [u8; 16],
        pub actor_comm: [u8; 16],
        pub owner_how: u8,
        /// icsk_retransmits.
        pub unanswered: u8,
        /// Number of [`role`](super::role); 0 = not asked for.
        pub role: u8,
        pub pad: u8,
        pub linger2: i32,
        pub srtt_us: u32,
        pub retransmits: u32,
        pub segments_out: u32,
        pub segments_in: u32,
        pub unacked: u32,
        pub pad2: u32,
        pub bytes_sent: u64,
        pub bytes_received: u64,
    }
}

const _: () = assert!(size_of::<StateChange>() == 192);

/// Bits of [`StateChange::flags`].
pub mod flag {
    /// The BTF path wrote it: facts, counters, cookie and namespaces are real.
    pub const FACTS: u16 = 1;
    /// SOCK_DEAD.
    pub const DEAD: u16 = 1 << 1;
    /// SOCK_DONE.
    pub const DONE: u16 = 1 << 2;
    /// SO_LINGER with time 0.
    pub const LINGER_ZERO: u16 = 1 << 3;
    /// sk_socket is set.
    pub const ATTACHED: u16 = 1 << 4;
    /// sk_lock.owned.
    pub const LOCKED: u16 = 1 << 5;
    /// MPTCP subflow.
    pub const SUBFLOW: u16 = 1 << 6;
    /// TCP Fast Open child.
    pub const FASTOPEN: u16 = 1 << 7;
    /// TCP_USER_TIMEOUT is set.
    pub const USER_TIMEOUT: u16 = 1 << 8;
    /// SO_KEEPALIVE is on.
    pub const KEEPALIVE: u16 = 1 << 9;
    /// `actor_*` is certain.
    pub const ACTOR: u16 = 1 << 10;
    /// Counters are filled in.
    pub const COUNTERS: u16 = 1 << 11;
    /// Made for `--pid`: the socket has to do with one of its pids.
    pub const WATCHED: u16 = 1 << 12;
}
