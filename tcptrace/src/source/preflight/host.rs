//! What of the host can be seen besides events: older sockets, namespaces, cgroups.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::check::Check;
use crate::model::state::TcpState;
use crate::source::capabilities::{Capabilities, Capability};
use crate::source::cgroup::CgroupTree;
use crate::source::netns;
use crate::source::sock_diag::{Diag, mask};

/// Inode of the initial pid namespace (Linux `include/uapi/linux/nsfs.h`: PID_NS_INIT_INO).
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// All of it.
pub(super) fn check(capabilities: Capabilities) -> Vec<Check> {
    vec![sock_diag(), network_namespaces(capabilities), pid_namespace(), cgroups()]
}

fn sock_diag() -> Check {
    let check = Check::new("sock_diag", "netlink SOCK_DIAG", "sock_diag(7), Linux net/ipv4/inet_diag.c");
    let mut listeners = 0u64;
    let answered = netns::own()
        .and_then(|own| Diag::open(None)?.dump(own, mask([TcpState::Listen]), &mut |_| listeners += 1));
    match answered {
        Ok(_) => {
            let plural = if listeners == 1 { "" } else { "s" };
            check
                .observe("listeners", listeners)
                .fine(format!("answers ({listeners} listening socket{plural} here)"))
        }
        Err(error) => check.observe("error", error.to_string()).degraded(
            format!(
                "does not answer ({error}): sockets that are older than tcptrace appear only once they act"
            ),
            "load the modules (modprobe inet_diag tcp_diag), or use a kernel with CONFIG_INET_DIAG",
        ),
    }
}

fn network_namespaces(capabilities: Capabilities) -> Check {
    let check = Check::new("network namespaces", "/proc/*/ns/net", "setns(2), network_namespaces(7)");
    let found = match netns::find_all() {
        Ok(found) => found,
        Err(error) => return check.degraded(format!("cannot be listed ({error})"), "mount /proc"),
    };
    let others = found.namespaces.get(1..).unwrap_or_default();
    let shut = others.iter().filter(|netns| netns::in_netns(netns, || ()).is_err_and(is_refusal)).count();
    let seen = Seen { others: others.len(), shut, unreadable: found.unreadable };
    let all_rights = capabilities.has(Capability::SysAdmin) && capabilities.has(Capability::SysPtrace);
    judge_namespaces(check, &seen, all_rights)
}

/// What a search of network namespaces came to.
struct Seen {
    others: usize,
    shut: usize,
    /// Processes whose namespace could not be read.
    unreadable: u64,
}

fn judge_namespaces(check: Check, seen: &Seen, all_rights: bool) -> Check {
    let Seen { others, shut, unreadable } = *seen;
    let check = check
        .observe("others", others)
        .observe("not_entered", shut)
        .observe("unreadable_processes", unreadable);
    let who = if unreadable == 1 { "1 process".to_owned() } else { format!("{unreadable} processes") };
    // Some processes are closed even to root, by a security module; their namespace mostly has other processes too.
    if shut == 0 && (unreadable == 0 || all_rights) {
        let mut said = match others {
            0 => "only our own".to_owned(),
            others => format!("our own and {others} more, all of which can be entered"),
        };
        if unreadable > 0 {
            said = format!("{said} ({who} could not be looked at, though)");
        }
        return check.fine(said);
    }
    let mut what = Vec::new();
    if shut > 0 {
        what.push(format!("{shut} of {others} others cannot be entered"));
    }
    if unreadable > 0 {
        what.push(format!("those of {who} cannot be seen"));
    }
    let what = what.join(", and ");
    check.degraded(
        format!("{what}: sockets there that are older than tcptrace appear only once they act"),
        if all_rights {
            "nothing is to be done where a security module forbids it"
        } else {
            "run as root, or add CAP_SYS_ADMIN and CAP_SYS_PTRACE"
        },
    )
}

/// One that has gone since it was found is no shut one.
#[expect(clippy::needless_pass_by_value, reason = "the shape that is_err_and takes")]
fn is_refusal(error: io::Error) -> bool {
    error.kind() != io::ErrorKind::NotFound
}

fn pid_namespace() -> Check {
    let check = Check::new("pid namespace", "/proc/self/ns/pid", "pid_namespaces(7)");
    match fs::metadata("/proc/self/ns/pid") {
        Ok(found) if found.ino() == INITIAL_PID_NAMESPACE => check.fine("the host's"),
        Ok(found) => check.observe("inode", found.ino()).degraded(
            "not the host's: processes outside of it have no pid here and are shown as unknown",
            "run on the host, or in a container with its pids (docker run --pid host)",
        ),
        Err(error) => check.degraded(format!("not known ({error}): no process has a name"), "mount /proc"),
    }
}

fn cgroups() -> Check {
    let check = Check::new("cgroups", "cgroup2", "cgroups(7), Linux Documentation/admin-guide/cgroup-v2.rst");
    match CgroupTree::open() {
        Ok(tree) => {
            let at = tree.mount().display().to_string();
            check.observe("path", at.as_str()).fine(format!("cgroup v2 at {at}"))
        }
        Err(error) => check.observe("error", error.to_string()).degraded(
            format!("{error}: cgroup paths and containers are not named, and --cgroup does not work"),
            "mount it: mount -t cgroup2 none /sys/fs/cgroup/unified",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::preflight::Verdict;

    #[test]
    fn sock_diag_answers_without_rights() {
        assert_eq!(sock_diag().verdict, Verdict::Fine);
    }

    #[test]
    fn namespaces_that_cannot_be_entered_are_counted() {
        let judged = |others, shut, unreadable, all_rights| {
            let seen = Seen { others, shut, unreadable };
            judge_namespaces(Check::new("network namespaces", "", ""), &seen, all_rights)
        };
        assert_eq!(judged(0, 0, 0, false).said, "only our own");
        assert_eq!(judged(2, 0, 1, true).verdict, Verdict::Fine, "a process that is closed even to root");
        let told = judged(3, 2, 97, false);
        assert_eq!(told.verdict, Verdict::Degraded);
        assert!(
            told.said.starts_with("2 of 3 others cannot be entered, and those of 97 processes"),
            "{}",
            told.said
        );
    }

    #[test]
    fn a_namespace_that_has_gone_is_not_shut() {
        assert!(!is_refusal(io::Error::from(io::ErrorKind::NotFound)));
        assert!(is_refusal(io::Error::from(io::ErrorKind::PermissionDenied)));
    }
}
