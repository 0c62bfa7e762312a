//! The struct offsets that the programs need, looked up in the kernel's BTF.

use tcptrace_ebpf::wire::{ABSENT, Offsets};

use super::btf::Btf;

/// Offsets with the list of what this kernel lacks.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// For the programs.
    pub offsets: Offsets,
    /// `struct.member` of each that is absent, with what is lost without it.
    pub missing: Vec<(&'static str, &'static str)>,
}

/// Looks all of them up.
#[must_use]
pub fn resolve(btf: &Btf) -> Resolved {
    let mut missing = Vec::new();
    let mut at = |name: &'static str, loses: &'static str| -> u16 {
        let found = name
            .split_once('.')
            .and_then(|(structure, path)| btf.member(structure, path))
            .and_then(|member| u16::try_from(member.byte).ok());
        if found.is_none() {
            missing.push((name, loses));
        }
        found.unwrap_or(ABSENT)
    };
    let offsets = Offsets {
        skc_daddr: at("sock_common.skc_daddr", "everything"),
        skc_rcv_saddr: at("sock_common.skc_rcv_saddr", "everything"),
        skc_dport: at("sock_common.skc_dport", "everything"),
        skc_num: at("sock_common.skc_num", "everything"),
        skc_family: at("sock_common.skc_family", "everything"),
        skc_state: at("sock_common.skc_state", "everything"),
        skc_net: at("sock_common.skc_net.net", "network namespaces"),
        skc_v6_daddr: at("sock_common.skc_v6_daddr", "IPv6 addresses"),
        skc_v6_rcv_saddr: at("sock_common.skc_v6_rcv_saddr", "IPv6 addresses"),
        skc_cookie: at("sock_common.skc_cookie", "who accepted a connection"),
        skc_flags: at("sock_common.skc_flags", "TIME_WAIT against orphaned FIN_WAIT_2"),
        sk_err: at("sock.sk_err", "why a connection ended"),
        sk_err_soft: at("sock.sk_err_soft", "timeouts after ICMP"),
        sk_socket: at("sock.sk_socket", "orphans"),
        sk_lock_owned: at("sock.sk_lock.owned", "owners"),
        sk_uid: at("sock.sk_uid", "uids"),
        sk_protocol: at("sock.sk_protocol", "everything"),
        sk_shutdown: at("sock.sk_shutdown", "close against shutdown"),
        sk_lingertime: at("sock.sk_lingertime", "linger against unread data"),
        sk_ino: at("sock.sk_ino", "socket inodes in events"),
        sk_cgroup: at("sock.sk_cgrp_data.cgroup", "cgroups"),
        net_inum: at("net.ns.inum", "network namespaces"),
        cgroup_kn: at("cgroup.kn", "cgroups"),
        kernfs_id: at("kernfs_node.id", "cgroups"),
        inet_sport: at("inet_sock.inet_sport", "local ports at the end of a connection"),
        icsk_retransmits: at("inet_connection_sock.icsk_retransmits", "kinds of timeouts"),
        icsk_user_timeout: at("inet_connection_sock.icsk_user_timeout", "kinds of timeouts"),
        segs_in: at("tcp_sock.segs_in", "segment counts"),
        segs_out: at("tcp_sock.segs_out", "segment counts"),
        bytes_sent: at("tcp_sock.bytes_sent", "byte counts"),
        bytes_acked: at("tcp_sock.bytes_acked", "byte counts"),
        bytes_received: at("tcp_sock.bytes_received", "byte counts"),
        bytes_retrans: at("tcp_sock.bytes_retrans", "byte counts"),
        total_retrans: at("tcp_sock.total_retrans", "retransmits"),
        srtt_us: at("tcp_sock.srtt_us", "round-trip times"),
        write_seq: at("tcp_sock.write_seq", "kinds of timeouts"),
        snd_una: at("tcp_sock.snd_una", "kinds of timeouts"),
        linger2: at("tcp_sock.linger2", "how long orphans wait"),
        is_mptcp: at("tcp_sock.is_mptcp", "marking MPTCP subflows"),
        fastopen_child: at("tcp_sock.syn_fastopen_child", "marking Fast Open children"),
        task_flags: at("task_struct.flags", "owners"),
        task_tgid: at("task_struct.tgid", "owners of older sockets"),
        task_files: at("task_struct.files", "who accepted a connection"),
        files_fdt: at("files_struct.fdt", "who accepted a connection"),
        fdtable_fd: at("fdtable.fd", "who accepted a connection"),
        fdtable_max_fds: at("fdtable.max_fds", "who accepted a connection"),
        file_private_data: at("file.private_data", "who accepted a connection"),
        task_comm: at("task_struct.comm", "owners of older sockets"),
        socket_sk: at("socket.sk", "who accepted a connection"),
        socket_to_ino: at("socket_alloc.vfs_inode.i_ino", "socket inodes in events"),
        tw_timer: at("inet_timewait_sock.tw_timer", "exact ends of TIME_WAIT"),
        tw_substate: at("inet_timewait_sock.tw_substate", "exact ends of TIME_WAIT"),
        timer_function: at("timer_list.function", "exact ends of TIME_WAIT"),
        timer_expires: at("timer_list.expires", "exact ends of TIME_WAIT"),
        rsk_timer: at("request_sock.rsk_timer", "when a half-open connection began"),
        num_timeout: at("request_sock.num_timeout", "when a half-open connection began"),
        num_timeout_mask: btf
            .member("request_sock", "num_timeout")
            .map_or(0, |member| u16::from(member.mask)),
        fastopen_child_mask: mask(btf, "syn_fastopen_child"),
        is_mptcp_mask: mask(btf, "is_mptcp"),
        sk_shutdown_shift: 0,
        pt_regs_sp: register(btf, "sp"),
        pt_regs_bp: register(btf, "bp"),
    };
    Resolved { offsets, missing }
}

/// Where a system call has left a register of its caller; only x86 has these names.
fn register(btf: &Btf, name: &str) -> u16 {
    btf.member("pt_regs", name).and_then(|member| u16::try_from(member.byte).ok()).unwrap_or(ABSENT)
}

fn mask(btf: &Btf, field: &str) -> u16 {
    btf.member("tcp_sock", field).map_or(0, |member| u16::from(member.mask))
}

impl Resolved {
    /// What is absent without which nothing works.
    #[must_use]
    pub fn fatal(&self) -> Option<&'static str> {
        self.missing.iter().find(|(_, loses)| *loses == "everything").map(|(name, _)| *name)
    }
}
