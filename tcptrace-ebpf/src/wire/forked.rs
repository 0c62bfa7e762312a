//! A process to follow.

use super::bytes::plain;

plain! {
    /// A watched process has a child.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Forked {
        pub kind: u8,
        pub pad: [u8; 3],
        pub child: u32,
    }
}

const _: () = assert!(size_of::<Forked>() == 8);
