//! What crosses the border between kernel and user space: fixed-width integers and byte arrays, padding spelled out.
//!
//! Records are read by [`Record::decode`], which is safe and total: a record of the wrong length or kind is `None`, and the
//! reader counts it.

#![expect(missing_docs, reason = "fields carry the kernel's own names; the others say what they are")]

mod bytes;

use bytes::plain;

/// A field that the running kernel does not have.
pub const ABSENT: u16 = u16::MAX;

/// Byte offsets of kernel struct members, from the running kernel's BTF (never hard-coded); [`ABSENT`] where there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    // struct sock_common
    pub skc_daddr: u16,
    pub skc_rcv_saddr: u16,
    pub skc_dport: u16,
    pub skc_num: u16,
    pub skc_family: u16,
    pub skc_state: u16,
    pub skc_net: u16,
    pub skc_v6_daddr: u16,
    pub skc_v6_rcv_saddr: u16,
    pub skc_cookie: u16,
    pub skc_flags: u16,
    // struct sock
    pub sk_err: u16,
    pub sk_err_soft: u16,
    pub sk_socket: u16,
    pub sk_lock_owned: u16,
    pub sk_uid: u16,
    pub sk_protocol: u16,
    pub sk_shutdown: u16,
    pub sk_lingertime: u16,
    pub sk_ino: u16,
    pub sk_cgroup: u16,
    // struct net, struct cgroup, struct kernfs_node
    pub net_inum: u16,
    pub cgroup_kn: u16,
    pub kernfs_id: u16,
    // struct inet_sock, struct inet_connection_sock
    pub inet_sport: u16,
    pub icsk_retransmits: u16,
    pub icsk_user_timeout: u16,
    // struct tcp_sock
    pub segs_in: u16,
    pub segs_out: u16,
    pub bytes_sent: u16,
    pub bytes_acked: u16,
    pub bytes_received: u16,
    pub bytes_retrans: u16,
    pub total_retrans: u16,
    pub srtt_us: u16,
    pub write_seq: u16,
    pub snd_una: u16,
    pub linger2: u16,
    pub is_mptcp: u16,
    /// Byte that holds the bit-field `syn_fastopen_child`.
    pub fastopen_child: u16,
    // struct task_struct, files_struct, fdtable, file, socket, inode
    pub task_flags: u16,
    pub task_tgid: u16,
    pub task_files: u16,
    pub files_fdt: u16,
    pub fdtable_fd: u16,
    pub fdtable_max_fds: u16,
    pub file_private_data: u16,
    pub task_comm: u16,
    pub socket_sk: u16,
    /// From `struct socket` to the inode number beside it (`struct socket_alloc`).
    pub socket_to_ino: u16,
    // struct inet_timewait_sock, struct timer_list
    pub tw_timer: u16,
    pub tw_substate: u16,
    pub timer_function: u16,
    pub timer_expires: u16,
    pub rsk_timer: u16,
    /// Byte that holds the bit-field `num_timeout`.
    pub num_timeout: u16,
    pub num_timeout_mask: u16,
    /// Bit of `syn_fastopen_child` in its byte, as a mask.
    pub fastopen_child_mask: u16,
    /// Size of `icsk_retransmits` and friends is 1; size of `is_mptcp`'s byte mask (1 for a bool).
    pub is_mptcp_mask: u16,
    /// `sk_shutdown` is a bit-field before 5.10: shift of its low bit in its byte.
    pub sk_shutdown_shift: u16,
}

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

/// At most so many of each kind of filter are evaluated in the kernel; more are left to user space.
pub const FILTERS: usize = 8;

/// An address prefix in v4-mapped form, both halves already masked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    pub high: u64,
    pub low: u64,
    pub high_mask: u64,
    pub low_mask: u64,
}

/// First and last port of a range.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

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
    /// Histograms: what groups them, bits of [`by`].
    pub by: u8,
    /// Histograms: owners matter, so accept() is remembered as with `by_pid`, without a record.
    pub owners: u8,
    /// Histograms: any filter is on.
    pub filtered: u8,
    pub pad: [u8; 5],
    pub uid: [u32; FILTERS],
    pub ns: [u32; FILTERS],
    pub port: [PortRange; FILTERS],
    pub lport: [PortRange; FILTERS],
    pub rport: [PortRange; FILTERS],
    pub addr: [Prefix; FILTERS],
    pub laddr: [Prefix; FILTERS],
    pub raddr: [Prefix; FILTERS],
}

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
    /// Number of [`role`]; histograms only.
    pub role: u8,
    pub owner_comm: [u8; 16],
    /// Id of the creator's cgroup.
    pub cgroup: u64,
    /// Inode of the network namespace; 0 = not looked up yet.
    pub netns: u32,
    pub pad2: u32,
}

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

/// First byte of every record.
pub mod kind {
    pub const STATE_CHANGE: u8 = 1;
    pub const ACCEPTED: u8 = 2;
    pub const NEIGHBOUR: u8 = 3;
    pub const FORKED: u8 = 4;
    pub const HALF_OPEN: u8 = 5;
}

/// Bits of [`StateChange::flags`].
pub mod flag {
    /// The BTF path wrote it: facts, counters, cookie and namespaces are real.
    pub const FACTS: u16 = 1;
    /// SOCK_DEAD.
    pub const DEAD: u16 = 1 << 1;
    /// SOCK_DONE.
    pub const DONE: u16 = 1 << 2;
    /// SO_LINGER with time 0.
    pub const LINGER_ZERO: u16 = 1 << 3;
    /// sk_socket is set.
    pub const ATTACHED: u16 = 1 << 4;
    /// sk_lock.owned.
    pub const LOCKED: u16 = 1 << 5;
    /// MPTCP subflow.
    pub const SUBFLOW: u16 = 1 << 6;
    /// TCP Fast Open child.
    pub const FASTOPEN: u16 = 1 << 7;
    /// TCP_USER_TIMEOUT is set.
    pub const USER_TIMEOUT: u16 = 1 << 8;
    /// SO_KEEPALIVE is on.
    pub const KEEPALIVE: u16 = 1 << 9;
    /// `actor_*` is certain.
    pub const ACTOR: u16 = 1 << 10;
    /// Counters are filled in.
    pub const COUNTERS: u16 = 1 << 11;
    /// Made for `--pid`: the socket has to do with one of its pids.
    pub const WATCHED: u16 = 1 << 12;
}

/// One firing of `sock:inet_sock_set_state`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    pub kind: u8,
    pub from: u8,
    pub to: u8,
    /// sk_shutdown.
    pub shutdown: u8,
    /// [`flag`].
    pub flags: u16,
    /// Host byte order; 0 = unknown.
    pub lport: u16,
    pub rport: u16,
    /// sk_protocol.
    pub protocol: u16,
    pub error: u16,
    pub error_soft: u16,
    pub at_ns: u64,
    /// Address of the struct sock.
    pub sk: u64,
    pub cookie: u64,
    /// When `from` was entered; 0 = unknown.
    pub since_ns: u64,
    pub cgroup: u64,
    pub inode: u64,
    /// v4 in mapped form.
    pub laddr: [u8; 16],
    pub raddr: [u8; 16],
    pub netns: u32,
    pub uid: u32,
    pub owner_pid: u32,
    pub actor_pid: u32,
    pub owner_comm: [u8; 16],
    pub actor_comm: [u8; 16],
    pub owner_how: u8,
    /// icsk_retransmits.
    pub unanswered: u8,
    /// Number of [`role`]; 0 = not asked for.
    pub role: u8,
    pub pad: u8,
    pub linger2: i32,
    pub srtt_us: u32,
    pub retransmits: u32,
    pub segments_out: u32,
    pub segments_in: u32,
    pub unacked: u32,
    pub pad2: u32,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

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

/// Numbers of [`Neighbour::what`].
pub mod what {
    pub const RESET_RECEIVED: u8 = 1;
    pub const RESET_SENT: u8 = 2;
    pub const DESTROYED: u8 = 3;
    pub const TIMEWAIT_ARMED: u8 = 4;
    pub const TIMEWAIT_EXPIRED: u8 = 5;
    pub const TIMEWAIT_KILLED: u8 = 6;
}

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

/// A watched process has a child.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forked {
    pub kind: u8,
    pub pad: [u8; 3],
    pub child: u32,
}

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
    /// The owner that [`Memory`] knows; 0 = none.
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
    /// `how` of that owner: the numbers of [`how`].
    pub owner_how: u8,
    /// SO_KEEPALIVE is on.
    pub keepalive: u8,
    pub pad: u32,
    pub comm: [u8; 16],
}

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

/// States with a histogram: the kernel's numbers, and 0.
pub const STATES: u32 = 13;

/// Indexes of the per-CPU map `LOST`.
pub mod lost {
    /// The ring buffer was full: state changes that did not reach user space.
    pub const RING: u32 = 0;
    /// Socket storage could not be made: the socket's memory is missing.
    pub const MEMORY: u32 = 1;
    /// The ring buffer was full: records beside the state changes (accept, resets, …) that did not reach user space.
    pub const HINTS: u32 = 2;
    /// Number of counters.
    pub const COUNT: u32 = 3;
}

plain!(Offsets {
    skc_daddr,
    skc_rcv_saddr,
    skc_dport,
    skc_num,
    skc_family,
    skc_state,
    skc_net,
    skc_v6_daddr,
    skc_v6_rcv_saddr,
    skc_cookie,
    skc_flags,
    sk_err,
    sk_err_soft,
    sk_socket,
    sk_lock_owned,
    sk_uid,
    sk_protocol,
    sk_shutdown,
    sk_lingertime,
    sk_ino,
    sk_cgroup,
    net_inum,
    cgroup_kn,
    kernfs_id,
    inet_sport,
    icsk_retransmits,
    icsk_user_timeout,
    segs_in,
    segs_out,
    bytes_sent,
    bytes_acked,
    bytes_received,
    bytes_retrans,
    total_retrans,
    srtt_us,
    write_seq,
    snd_una,
    linger2,
    is_mptcp,
    fastopen_child,
    task_flags,
    task_tgid,
    task_files,
    files_fdt,
    fdtable_fd,
    fdtable_max_fds,
    file_private_data,
    task_comm,
    socket_sk,
    socket_to_ino,
    tw_timer,
    tw_substate,
    timer_function,
    timer_expires,
    rsk_timer,
    num_timeout,
    num_timeout_mask,
    fastopen_child_mask,
    is_mptcp_mask,
    sk_shutdown_shift
});
plain!(Layout {
    skaddr,
    oldstate,
    newstate,
    sport,
    dport,
    family,
    protocol,
    protocol_size,
    saddr,
    daddr,
    saddr_v6,
    daddr_v6,
    accept_ret,
    pad
});
plain!(Prefix { high, low, high_mask, low_mask });
plain!(PortRange { first, last });
plain!(Config {
    pidns_dev,
    pidns_ino,
    wake_ns,
    wake_bytes,
    tw_timer_handler,
    reqsk_timer_handler,
    own_pid,
    mptcp,
    by_pid,
    follow_forks,
    family,
    uids,
    netns,
    ports,
    lports,
    rports,
    addrs,
    laddrs,
    raddrs,
    by,
    owners,
    filtered,
    pad,
    uid,
    ns,
    port,
    lport,
    rport,
    addr,
    laddr,
    raddr
});
plain!(StateChange {
    kind,
    from,
    to,
    shutdown,
    flags,
    lport,
    rport,
    protocol,
    error,
    error_soft,
    at_ns,
    sk,
    cookie,
    since_ns,
    cgroup,
    inode,
    laddr,
    raddr,
    netns,
    uid,
    owner_pid,
    actor_pid,
    owner_comm,
    actor_comm,
    owner_how,
    unanswered,
    role,
    pad,
    linger2,
    srtt_us,
    retransmits,
    segments_out,
    segments_in,
    unacked,
    pad2,
    bytes_sent,
    bytes_received
});
plain!(Accepted { kind, pad, pid, at_ns, sk, cookie, comm });
plain!(Neighbour { kind, what, value, pad, at_ns, sk, cookie });
plain!(HalfOpen { kind, pad, netns, at_ns, laddr, raddr, lport, rport, pad2 });
plain!(Forked { kind, pad, child });
plain!(Held {
    cookie,
    inode,
    cgroup,
    laddr,
    raddr,
    netns,
    uid,
    pid,
    fd,
    owner_pid,
    segments,
    error,
    lport,
    rport,
    protocol,
    state,
    shutdown,
    owner_how,
    keepalive,
    pad,
    comm
});
plain!(Group { cgroup, pid, netns, lport, rport, role, pad });
plain!(Octave { sum, shortest, longest, counts });

/// One record of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    StateChange(StateChange),
    Accepted(Accepted),
    Neighbour(Neighbour),
    Forked(Forked),
    HalfOpen(HalfOpen),
}

impl Record {
    /// Reads one record; `None` when its length or kind is not one of ours.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes.first()? {
            kind::STATE_CHANGE => StateChange::decode(bytes).map(Self::StateChange),
            kind::ACCEPTED => Accepted::decode(bytes).map(Self::Accepted),
            kind::NEIGHBOUR => Neighbour::decode(bytes).map(Self::Neighbour),
            kind::FORKED => Forked::decode(bytes).map(Self::Forked),
            kind::HALF_OPEN => HalfOpen::decode(bytes).map(Self::HalfOpen),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<Offsets>() == 60 * 2);
const _: () = assert!(size_of::<Layout>() == 32);
const _: () = assert!(size_of::<Memory>() == 48);
const _: () = assert!(size_of::<AcceptedBy>() == 32);
const _: () = assert!(size_of::<StateChange>() == 192);
const _: () = assert!(size_of::<Accepted>() == 48);
const _: () = assert!(size_of::<Neighbour>() == 32);
const _: () = assert!(size_of::<HalfOpen>() == 56);
const _: () = assert!(size_of::<Forked>() == 8);
const _: () = assert!(size_of::<Held>() == 112);
const _: () = assert!(size_of::<Group>() == 24);
const _: () = assert!(size_of::<Octave>() == 88);
const _: () = assert!(size_of::<Config>().is_multiple_of(8));
