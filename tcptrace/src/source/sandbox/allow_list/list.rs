//! Which system calls, with which arguments.

use std::collections::BTreeMap;

use libc::c_int;
use seccompiler::{
    BackendError, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition, SeccompRule,
};

use super::Needs;

/// Rules of each system call by its number: one of them must fit; without any, every call fits.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whatever runs: memory, threads, time, signals, and what is open already.
const ALWAYS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_geteuid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwritev2,
];

/// Looking at files; opening them is below.
const LOOKING: &[i64] = &[
    libc::SYS_fgetxattr,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_uname,
];

/// The older names of some of them.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] =
    &[libc::SYS_epoll_wait, libc::SYS_poll, libc::SYS_readlink, libc::SYS_stat, libc::SYS_lstat];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What bpf(2) may be asked (Linux `include/uapi/linux/bpf.h:bpf_cmd`): maps, the iterator, figures. Nothing is loaded any more.
const BPF: [c_int; 11] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    9,  // BPF_PROG_DETACH
    15, // BPF_OBJ_GET_INFO_BY_FD
    24, // BPF_MAP_LOOKUP_BATCH
    25, // BPF_MAP_LOOKUP_AND_DELETE_BATCH
    28, // BPF_LINK_CREATE
    32, // BPF_ENABLE_STATS
    33, // BPF_ITER_CREATE
];

/// prctl(2): names of threads, and of memory (by glibc).
const PRCTL: [c_int; 2] = [libc::PR_SET_NAME, libc::PR_SET_VMA];

/// ioctl(2): is it a terminal (TCGETS), how wide (TIOCGWINSZ), and the detaching of a classic tracepoint before Linux 5.15
/// (PERF_EVENT_IOC_DISABLE). Not TIOCSTI, which types into a terminal. Numbers, because their type depends on the libc.
const IOCTL: [c_int; 3] = [0x5401, 0x5413, 0x2401];

/// One argument is one of these.
fn one_of(argument: u8, values: &[c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| all(&[(argument, Op::Eq, *value)])).collect()
}

/// All of these hold.
fn all(conditions: &[(u8, Op, c_int)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, op, value)| {
        SeccompCondition::new(*argument, Length::Dword, op.clone(), u64::from(value.cast_unsigned()))
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// Of the bits in `mask` of an argument exactly `bits` are set.
fn masked(argument: u8, mask: c_int, bits: c_int) -> Result<SeccompRule, BackendError> {
    all(&[(argument, Op::MaskedEq(u64::from(mask.cast_unsigned())), bits)])
}

/// The list for a run.
pub(super) fn of(needs: Needs) -> Result<Rules, BackendError> {
    let Needs { kernel, namespaces, fd_tables: _, renames, rotates } = needs;
    let mut rules: Rules = [ALWAYS, LOOKING, OLDER].concat().into_iter().map(|call| (call, vec![])).collect();
    // Threads, not processes; and nothing becomes code.
    rules.insert(libc::SYS_clone, vec![masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?]);
    rules.insert(libc::SYS_mmap, vec![masked(2, libc::PROT_EXEC, 0)?]);
    rules.insert(libc::SYS_mprotect, vec![masked(2, libc::PROT_EXEC, 0)?]);
    rules.insert(libc::SYS_prctl, one_of(0, &PRCTL)?);
    rules.insert(libc::SYS_ioctl, one_of(1, &IOCTL)?);
    let writes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    rules.insert(libc::SYS_openat, vec![masked(2, writes, 0)?]);
    if kernel {
        rules.insert(libc::SYS_bpf, one_of(0, &BPF)?);
        // A child of `--follow-forks`.
        rules.insert(libc::SYS_pidfd_open, vec![]);
    }
    if namespaces {
        let netlink = [(0, Op::Eq, libc::AF_NETLINK), (2, Op::Eq, libc::NETLINK_SOCK_DIAG)];
        rules.insert(libc::SYS_socket, vec![all(&netlink)?]);
        rules.insert(libc::SYS_setsockopt, vec![]);
        rules.insert(libc::SYS_setns, one_of(1, &[libc::CLONE_NEWNET])?);
    }
    if renames {
        rules.insert(libc::SYS_renameat2, vec![]);
        rules.insert(libc::SYS_renameat, vec![]);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_rename, vec![]);
    }
    if rotates {
        rules.insert(libc::SYS_openat, vec![]);
        rules.insert(libc::SYS_flock, vec![]);
        rules.insert(libc::SYS_unlinkat, vec![]);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_unlink, vec![]);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Needs =
        Needs { kernel: true, namespaces: true, fd_tables: true, renames: true, rotates: true };

    #[test]
    fn no_run_starts_programs_connects_mounts_or_looks_into_memory() {
        let rules = of(ALL).unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone3,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_perf_event_open,
            libc::SYS_init_module,
            libc::SYS_kexec_load,
            libc::SYS_capset,
            libc::SYS_setuid,
            libc::SYS_kill,
            libc::SYS_unshare,
            libc::SYS_memfd_create,
            libc::SYS_io_uring_setup,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }

    #[test]
    fn a_replay_has_neither_bpf_nor_sockets_nor_names_to_give() {
        let rules = of(Needs::default()).unwrap();
        for call in [libc::SYS_bpf, libc::SYS_socket, libc::SYS_setns, libc::SYS_renameat, libc::SYS_unlinkat]
        {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert_eq!(rules[&libc::SYS_openat].len(), 1, "only to read");
    }
}
