//! One accept().

use super::bytes::plain;

plain! {
    /// accept() returned a connection.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Accepted {
        pub kind: u8,
        pub pad: [u8; 3],
        pub pid: u32,
        pub at_ns: u64,
        pub sk: u64,
        pub cookie: u64,
        pub comm: [u8; 16],
    }
}

const _: () = assert!(size_of::<Accepted>() == 48);
