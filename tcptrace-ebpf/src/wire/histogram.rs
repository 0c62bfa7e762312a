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

/// Bits of [`Config::by`].
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

/// States with a histogram: the kernel's numbers, and 0.
pub const STATES: u32 = 13;
