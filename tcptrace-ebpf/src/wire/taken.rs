//! The user stack of a process that opened a socket.

use super::bytes::plain;

/// At most so many return addresses are kept, the innermost ones.
pub const FRAMES: usize = 48;
/// So many bytes of the stack itself are kept, from its top.
pub const DUMP: usize = 512;

plain! {
    /// What is kept of the stack at connect() or accept(), by socket cookie.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Taken {
        pub at_ns: u64,
        /// Stack pointer and frame pointer; 0 where the kernel does not say.
        pub sp: u64,
        pub bp: u64,
        pub pid: u32,
        /// Bytes of `frames` that count, or a negative errno.
        pub frames_len: i32,
        /// Bytes of `dump` that count: all or none.
        pub dump_len: u32,
        /// `how` of the opener: the numbers of [`how`](super::how).
        pub how: u8,
        pub pad: [u8; 3],
        /// Instruction pointers, the innermost first, along the chain of frame pointers.
        pub frames: [u64; FRAMES],
        /// The stack from `sp` upwards.
        pub dump: [u8; DUMP],
    }
}

const _: () = assert!(size_of::<Taken>() == 936);
