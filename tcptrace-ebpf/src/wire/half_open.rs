//! A connection that so far only the other side wants.

use super::bytes::plain;

plain! {
    /// A SYN came and a request socket holds the half-open connection: its first timer was started.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct HalfOpen {
        pub kind: u8,
        pub pad: [u8; 3],
        pub netns: u32,
        pub at_ns: u64,
        /// v4 in mapped form.
        pub laddr: [u8; 16],
        pub raddr: [u8; 16],
        /// Host byte order.
        pub lport: u16,
        pub rport: u16,
        pub pad2: u32,
    }
}

const _: () = assert!(size_of::<HalfOpen>() == 56);
