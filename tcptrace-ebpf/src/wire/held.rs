//! A socket and a process that has it open.

use super::bytes::plain;

plain! {
    /// A socket in a process's fd table, as the iterator over all open files writes it.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Held {
        pub cookie: u64,
        pub inode: u64,
        pub cgroup: u64,
        /// v4 in mapped form. Kept by a socket whose connection is over.
        pub laddr: [u8; 16],
        pub raddr: [u8; 16],
        pub netns: u32,
        pub uid: u32,
        pub pid: u32,
        pub fd: u32,
        /// The owner that [`Memory`](super::Memory) knows; 0 = none.
        pub owner_pid: u32,
        /// Segments out and in: 0 = it never had a connection.
        pub segments: u32,
        pub error: u16,
        /// Host byte order; 0 = unknown.
        pub lport: u16,
        pub rport: u16,
        pub protocol: u16,
        /// The kernel's number.
        pub state: u8,
        pub shutdown: u8,
        /// `how` of that owner: the numbers of [`how`](super::how).
        pub owner_how: u8,
        /// SO_KEEPALIVE is on.
        pub keepalive: u8,
        pub pad: u32,
        pub comm: [u8; 16],
    }
}

const _: () = assert!(size_of::<Held>() == 112);
