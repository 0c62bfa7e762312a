//! What a run asks of the programs: constants for the verifier.

use super::bytes::plain;

plain! {
    /// Offsets of the classic tracepoint's fields, from its `format` file.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Layout {
        pub skaddr: u16,
        pub oldstate: u16,
        pub newstate: u16,
        pub sport: u16,
        pub dport: u16,
        pub family: u16,
        pub protocol: u16,
        /// 1 before Linux 5.6, 2 since.
        pub protocol_size: u16,
        pub saddr: u16,
        pub daddr: u16,
        pub saddr_v6: u16,
        pub daddr_v6: u16,
        /// Of `syscalls:sys_exit_accept*`.
        pub accept_ret: u16,
        pub pad: [u16; 3],
    }
}

const _: () = assert!(size_of::<Layout>() == 32);

/// At most so many of each kind of filter are evaluated in the kernel; more are left to user space.
pub const FILTERS: usize = 8;

plain! {
    /// An address prefix in v4-mapped form, both halves already masked.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Prefix {
        pub high: u64,
        pub low: u64,
        pub high_mask: u64,
        pub low_mask: u64,
    }
}

plain! {
    /// First and last port of a range.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PortRange {
        pub first: u16,
        pub last: u16,
    }
}

plain! {
    /// What the kernel half does, fixed at load: the verifier sees constants and drops what is off.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Config {
        /// Device and inode of our pid namespace; 0 in the initial one.
        pub pidns_dev: u64,
        pub pidns_ino: u64,
        /// A wake-up at most so often, nanoseconds.
        pub wake_ns: u64,
        /// A wake-up at once when so many bytes wait in the ring.
        pub wake_bytes: u64,
        /// `container_of` check of timer tracepoints: address of `tw_timer_handler`.
        pub tw_timer_handler: u64,
        /// The same of request sockets: `reqsk_timer_handler`.
        pub reqsk_timer_handler: u64,
        /// Our own pid: its events always pass (self-test).
        pub own_pid: u32,
        /// Histograms: at most so many new timewait sockets are told in about a second; the rest is counted.
        pub minis: u32,
        /// IPPROTO_MPTCP passes too.
        pub mptcp: u8,
        /// Only sockets of the pids in the map `PIDS`.
        pub by_pid: u8,
        /// Children of those pids join them.
        pub follow_forks: u8,
        /// 0 any, 4, 6.
        pub family: u8,
        /// How many of each filter follow; 0 = any.
        pub uids: u8,
        pub netns: u8,
        pub ports: u8,
        pub lports: u8,
        pub rports: u8,
        pub addrs: u8,
        pub laddrs: u8,
        pub raddrs: u8,
        /// Histograms: what groups them, bits of [`by`](super::by).
        pub by: u8,
        /// Histograms: owners matter, so accept() is remembered as with `by_pid`, without a record.
        pub owners: u8,
        /// Histograms: any filter is on.
        pub filtered: u8,
        /// Histograms: what is counted, bits of [`of`](super::of); 0 where events are told instead.
        pub of: u8,
        /// The kernel gives tracing programs neither socket storage (Linux 5.11) nor cookies (5.12): what is remembered is found by
        /// address, and a cookie is known only where somebody has asked for it.
        pub by_address: u8,
        pub pad: [u8; 7],
        pub uid: [u32; FILTERS],
        pub ns: [u32; FILTERS],
        pub port: [PortRange; FILTERS],
        pub lport: [PortRange; FILTERS],
        pub rport: [PortRange; FILTERS],
        pub addr: [Prefix; FILTERS],
        pub laddr: [Prefix; FILTERS],
        pub raddr: [Prefix; FILTERS],
    }
}

const _: () = assert!(size_of::<Config>().is_multiple_of(8));
