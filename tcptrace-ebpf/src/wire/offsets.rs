//! Where the running kernel keeps what is read of a socket.

use super::bytes::plain;

/// A field that the running kernel does not have.
pub const ABSENT: u16 = u16::MAX;

plain! {
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
        // struct pt_regs, where its stack and frame pointer have these names (x86)
        pub pt_regs_sp: u16,
        pub pt_regs_bp: u16,
    }
}

const _: () = assert!(size_of::<Offsets>() == 62 * 2);
