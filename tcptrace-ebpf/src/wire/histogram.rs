//! Stays that are counted in the kernel.

use super::bytes::plain;

plain! {
    /// What groups a stay; what is not asked for is 0.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Group {
        pub cgroup: u64,
        pub pid: u32,
        pub netns: u32,
        pub lport: u16,
        pub rport: u16,
        /// Number of [`role`].
        pub role: u8,
        pub pad: [u8; 3],
    }
}

const _: () = assert!(size_of::<Group>() == 24);

/// Bits of [`Config::by`](super::Config::by).
pub mod by {
    pub const PID: u8 = 1;
    pub const LPORT: u8 = 1 << 1;
    pub const RPORT: u8 = 1 << 2;
    pub const NETNS: u8 = 1 << 3;
    pub const CGROUP: u8 = 1 << 4;
    pub const ROLE: u8 = 1 << 5;
}

/// How a connection began.
pub mod role {
    pub const CONNECT: u8 = 1;
    pub const ACCEPT: u8 = 2;
    pub const LISTEN: u8 = 3;
    pub const SIMULTANEOUS: u8 = 4;
}

plain! {
    /// One octave of a histogram on one CPU. All zeros is an empty one.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Octave {
        /// Sum of the lengths, nanoseconds; wraps.
        pub sum: u64,
        /// The bits of the shortest, inverted.
        pub shortest: u64,
        pub longest: u64,
        /// By bucket; they wrap.
        pub counts: [u32; 16],
    }
}

const _: () = assert!(size_of::<Octave>() == 88);

/// What is counted, as bits of [`Config::of`](super::Config::of).
pub mod of {
    pub const STATES: u8 = 1;
    pub const HANDSHAKE: u8 = 1 << 1;
    pub const ACCEPT_WAIT: u8 = 1 << 2;
    pub const LIFETIME: u8 = 1 << 3;
    pub const REACTION: u8 = 1 << 4;
    pub const FIN_TO_FIN: u8 = 1 << 5;
}

/// Rows of histograms: a state's is the kernel's number of it, and 0 is none's; behind them what is derived.
pub mod row {
    pub const HANDSHAKE: u32 = 13;
    pub const ACCEPT_WAIT: u32 = 14;
    pub const LIFETIME: u32 = 15;
    pub const REACTION: u32 = 16;
    pub const FIN_TO_FIN: u32 = 17;
}

/// Rows of states alone.
pub const STATES: u32 = 13;

/// All rows.
pub const ROWS: u32 = 18;

/// When a socket came to where lengths begin, CLOCK_MONOTONIC nanoseconds; 0 = not seen.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    pub born_ns: u64,
    /// FIN_WAIT_1 was entered.
    pub fin_ns: u64,
}

/// An established connection that waits for accept().
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub cookie: u64,
    pub since_ns: u64,
    pub group: Group,
}

/// A peer, whose shortest handshake is remembered.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub high: u64,
    pub low: u64,
    pub netns: u32,
    pub pad: u32,
}
