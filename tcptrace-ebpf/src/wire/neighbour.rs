//! What neighbouring tracepoints tell of a socket.

use super::bytes::plain;

plain! {
    /// A neighbouring tracepoint fired for a socket.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Neighbour {
        pub kind: u8,
        /// [`what`].
        pub what: u8,
        /// Reset reason number, or timewait substate.
        pub value: u16,
        pub pad: u32,
        pub at_ns: u64,
        pub sk: u64,
        pub cookie: u64,
    }
}

const _: () = assert!(size_of::<Neighbour>() == 32);

/// Numbers of [`Neighbour::what`].
pub mod what {
    pub const RESET_RECEIVED: u8 = 1;
    pub const RESET_SENT: u8 = 2;
    pub const DESTROYED: u8 = 3;
    pub const TIMEWAIT_ARMED: u8 = 4;
    pub const TIMEWAIT_EXPIRED: u8 = 5;
    pub const TIMEWAIT_KILLED: u8 = 6;
}
