//! What this process may do.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Resource, getrlimit};

use super::check::{Check, Lack};
use super::release::Release;
use crate::source::capabilities::{Capabilities, Capability};
use crate::source::kernel::probe;
use crate::source::sysctl;

/// Inode of the initial user namespace (Linux `include/uapi/linux/nsfs.h`: USER_NS_INIT_INO).
const INITIAL_USER_NAMESPACE: u64 = 0xefff_fffd;
/// Locked memory that our maps want, where the kernel counts it so.
const MEMLOCK: u64 = 64 << 20;

/// Rights, the most important first.
pub(super) fn check(root: bool, capabilities: Capabilities, release: Release) -> Vec<Check> {
    let mut checks = match user_namespace() {
        // No single capability would help there.
        Some(check) => vec![check],
        None => std::iter::once(privileges(root, capabilities)).chain(losses(capabilities)).collect(),
    };
    checks.extend(memlock(capabilities, release));
    checks
}

fn privileges(root: bool, capabilities: Capabilities) -> Check {
    let uid = rustix::process::geteuid().as_raw();
    let check = Check::new("privileges", "this process", "capabilities(7), Linux include/linux/capability.h")
        .observe("uid", uid)
        .observe("cap_bpf", capabilities.has(Capability::Bpf))
        .observe("cap_perfmon", capabilities.has(Capability::Perfmon))
        .observe("cap_sys_admin", capabilities.has(Capability::SysAdmin));
    let who = if root { "root".to_owned() } else { format!("uid {uid}") };
    if capabilities.can_trace() {
        let by =
            if capabilities.has(Capability::SysAdmin) { "CAP_SYS_ADMIN" } else { "CAP_BPF and CAP_PERFMON" };
        return check.fine(format!("{who}, with {by}: eBPF programs can be loaded"));
    }
    let lacks: Vec<&str> = [Capability::Bpf, Capability::Perfmon]
        .into_iter()
        .filter(|capability| !capabilities.has(*capability))
        .map(Capability::name)
        .collect();
    let said = format!("{who} without {}: no eBPF program can be loaded", lacks.join(" and "));
    let advice = if root {
        "in a container add them (docker run --cap-add BPF --cap-add PERFMON --pid host), or run on the host"
    } else {
        "run as root (sudo tcptrace), or give the binary the two: sudo setcap cap_bpf,cap_perfmon+ep $(which tcptrace)"
    };
    check.missing(Lack::Rights, said, advice)
}

/// What is lost without each of the other capabilities. That of CAP_SYS_ADMIN is told where it shows: with the namespaces.
fn losses(capabilities: Capabilities) -> Vec<Check> {
    let lacking = |capability| {
        (!capabilities.has(capability))
            .then(|| Check::new(capability.name(), "this process", "capabilities(7)"))
    };
    let advice = |capability: Capability| {
        format!("add {} (setcap, docker --cap-add), or run as root", capability.name().to_ascii_lowercase())
    };
    let ptrace = lacking(Capability::SysPtrace).map(|check| {
        check.degraded(
            "network namespaces that only processes of others are in are not found: their older sockets appear only once they act; and \
             where eBPF does not show open files (before Linux 5.11), older sockets of others have no owner until they act",
            advice(Capability::SysPtrace),
        )
    });
    let read = lacking(Capability::DacReadSearch).filter(|_| !capabilities.has(Capability::DacOverride)).map(|check| {
        check.degraded(
            "tracefs is closed (see there); and where eBPF does not show open files (before Linux 5.11), older sockets of other users \
             have no owner until they act",
            advice(Capability::DacReadSearch),
        )
    });
    let net = lacking(Capability::NetAdmin).map(|check| {
        check.degraded(
            "`tcptrace kill` cannot close sockets; everything else works",
            advice(Capability::NetAdmin),
        )
    });
    [ptrace, read, net].into_iter().flatten().collect()
}

/// Whether this is a container without root of the host. Such capabilities do not count for eBPF, which asks for those of the
/// initial namespace.
pub(super) fn in_user_namespace() -> bool {
    fs::metadata("/proc/self/ns/user").is_ok_and(|found| found.ino() != INITIAL_USER_NAMESPACE)
}

fn user_namespace() -> Option<Check> {
    in_user_namespace().then(|| {
        let source = "user_namespaces(7), Linux kernel/bpf/syscall.c";
        Check::new("user namespace", "/proc/self/ns/user", source).missing(
            Lack::Rights,
            "this is a user namespace (a rootless container): its root may not load eBPF programs",
            "run on the host, or in a privileged container that is not rootless",
        )
    })
}

/// Before 5.11 maps count against RLIMIT_MEMLOCK, which aya raises where it may.
fn memlock(capabilities: Capabilities, release: Release) -> Option<Check> {
    if release >= Release(5, 11) {
        return None;
    }
    let limit = getrlimit(Resource::Memlock).current;
    let check =
        Check::new("memlock", "RLIMIT_MEMLOCK", "getrlimit(2), Linux kernel/bpf/syscall.c before 5.11")
            .observe("limit_bytes", limit);
    let enough = limit.is_none_or(|limit| limit >= MEMLOCK);
    Some(if enough || capabilities.has(Capability::SysResource) {
        check.fine("locked memory suffices, or may be raised")
    } else {
        check.degraded(
            format!(
                "{} KiB of locked memory may be too few for the maps on this kernel",
                limit.unwrap_or_default() >> 10
            ),
            "raise it (ulimit -l unlimited), or add CAP_SYS_RESOURCE",
        )
    })
}

/// Whether the addresses that `--exact` goes by are shown.
pub(super) fn addresses() -> Check {
    let check =
        Check::new("kernel addresses", "/proc/kallsyms", "Linux kernel/ksyms_common.c:kallsyms_show_value");
    if probe::timer_addresses() {
        check.fine("shown, as --exact needs them")
    } else {
        check.degraded(
            "not shown: --exact has no effect, the ends of TIME_WAIT are estimated",
            "run as root or with CAP_SYSLOG, and kernel.kptr_restrict below 2",
        )
    }
}

/// Whether the kernel times our programs when asked.
pub(super) fn statistics() -> Check {
    let check =
        Check::new("run-time figures", "BPF_ENABLE_STATS", "Linux kernel/bpf/syscall.c:bpf_enable_stats");
    let always = sysctl::here("kernel.bpf_stats_enabled").is_ok_and(|value| value != "0");
    let check = check.observe("kernel.bpf_stats_enabled", always);
    if always {
        // Not ours to turn off, but who measures overheads should know.
        return check.fine("always on (kernel.bpf_stats_enabled=1, which costs every eBPF program a little)");
    }
    if probe::run_time_figures() {
        check.fine("the kernel times our programs when asked")
    } else {
        check.degraded(
            "the kernel does not time eBPF programs for us: what tcptrace costs is not known",
            "run as root or with CAP_SYS_ADMIN, on Linux 5.8 or later",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::preflight::Verdict;

    fn capabilities(bits: u64) -> Capabilities {
        Capabilities::parse(&format!("CapEff:\t{bits:016x}\n")).unwrap()
    }

    #[test]
    fn nobody_is_told_which_two_capabilities_are_missing() {
        let check = privileges(false, capabilities(0));
        assert_eq!(check.verdict, Verdict::Missing(Lack::Rights));
        assert!(check.said.contains("CAP_BPF and CAP_PERFMON"), "{}", check.said);
        assert!(check.advice.unwrap().contains("sudo"));
    }

    #[test]
    fn root_of_a_container_is_not_told_to_use_sudo() {
        let check = privileges(true, capabilities(1 << 39));
        assert!(check.said.contains("without CAP_PERFMON"), "{}", check.said);
        assert!(!check.advice.unwrap().contains("sudo"));
    }

    #[test]
    fn each_lesser_capability_has_its_loss_and_none_is_fatal() {
        assert!(losses(capabilities(u64::MAX)).is_empty());
        let told = |bits| losses(capabilities(bits)).iter().map(|check| check.name).collect::<Vec<_>>();
        assert_eq!(told(0), ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_NET_ADMIN"]);
        assert_eq!(told(1 << 1 | 1 << 19), ["CAP_NET_ADMIN"], "CAP_DAC_OVERRIDE reads too");
        assert!(losses(capabilities(0)).iter().all(|check| !matches!(check.verdict, Verdict::Missing(_))));
    }

    #[test]
    fn locked_memory_is_looked_at_on_old_kernels_only() {
        assert!(memlock(capabilities(0), Release(5, 11)).is_none());
        let check = memlock(capabilities(1 << 24), Release(5, 10)).unwrap();
        assert_eq!(check.verdict, Verdict::Fine);
    }
}
