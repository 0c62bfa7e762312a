//! What the kernel half remembers of a socket.

/// What the kernel half remembers of a socket between its events.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// When `state` was entered, CLOCK_MONOTONIC nanoseconds; 0 = not seen.
    pub since_ns: u64,
    /// Owner's pid; 0 = unknown.
    pub owner_pid: u32,
    /// `how` of the owner claim: the numbers of [`how`].
    pub owner_how: u8,
    /// The kernel's number of the state it is in.
    pub state: u8,
    /// Bits of [`memory`].
    pub flags: u8,
    /// Number of [`role`](super::role); histograms only.
    pub role: u8,
    pub owner_comm: [u8; 16],
    /// Id of the creator's cgroup.
    pub cgroup: u64,
    /// Inode of the network namespace; 0 = not looked up yet.
    pub netns: u32,
    pub pad2: u32,
}

const _: () = assert!(size_of::<Memory>() == 48);

impl Memory {
    /// Nothing is remembered.
    pub const NONE: Self = Self {
        since_ns: 0,
        owner_pid: 0,
        owner_how: 0,
        state: 0,
        flags: 0,
        role: 0,
        owner_comm: [0; 16],
        cgroup: 0,
        netns: 0,
        pad2: 0,
    };
}

/// A place in the table of open sockets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which socket's; 0 = nobody's.
    pub key: u64,
    pub memory: Memory,
    /// Whose it was last. With it, a place is a cache line.
    pub last: u64,
}

const _: () = assert!(size_of::<Open>() == 64);

/// Places in the table of open sockets: a power of two.
pub const OPEN_SOCKETS: u32 = 1 << 15;

/// Bits of [`Memory::flags`].
pub mod memory {
    /// A pid of `--pid` has to do with it.
    pub const WATCHED: u8 = 1;
    /// An fd was still open when it closed: its destruction will be told.
    pub const FD_OPEN: u8 = 2;
}

/// Numbers of `owner.how`, ascending in weight of the claim; the same as `OwnerHow` of the user side.
pub mod how {
    pub const LISTENER: u8 = 1;
    pub const CLOSE: u8 = 2;
    pub const FD_TABLE: u8 = 3;
    pub const LISTEN: u8 = 4;
    pub const CONNECT: u8 = 5;
    pub const ACCEPT: u8 = 6;
}

/// Who accepted a socket, kept until the socket's next event.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptedBy {
    pub cookie: u64,
    pub pid: u32,
    pub pad: u32,
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<AcceptedBy>() == 32);
