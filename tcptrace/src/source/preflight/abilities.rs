//! What this kernel tells of sockets and what it does not: found by trying, never by its version.

use super::check::Check;
use crate::source::kernel::btf::Btf;
use crate::source::kernel::{Kernel, NO_STORAGE, Path};

/// What a trial run shows. The classic path has none of it, which the check of BTF says.
pub(super) fn check(kernel: &mut Kernel) -> Vec<Check> {
    let mut checks = Vec::new();
    if kernel.path() == Path::Btf {
        checks.push(cookies(kernel.cookies()));
        checks.push(open_files(kernel.holdings().map(|held| held.len())));
        if let Ok(btf) = Btf::of_this_kernel() {
            checks.push(reset_reasons(btf.tracepoint_arguments("tcp_send_reset")));
        }
    }
    checks.extend(kernel.names_newborns().map(newborns));
    checks
}

fn cookies(known: bool) -> Check {
    let check = Check::new(
        "socket cookies",
        "bpf_get_socket_cookie",
        "Linux kernel/trace/bpf_trace.c, net/core/filter.c",
    );
    if known {
        check.fine("every event has its socket's cookie, as in ss -e")
    } else {
        check.degraded(NO_STORAGE, "use Linux 5.12 or later to have them")
    }
}

fn open_files(held: Result<usize, String>) -> Check {
    let check = Check::new("open files", "iter/task_file", "Linux kernel/bpf/task_iter.c");
    match held {
        Ok(count) => check.observe("sockets", count).fine("the kernel says who holds which socket, in every namespace"),
        Err(why) => check.observe("error", why).degraded(
            "the kernel does not list them (Linux 5.11 does): who holds sockets older than tcptrace comes from /proc",
            "tcptrace works without it",
        ),
    }
}

fn reset_reasons(arguments: Option<usize>) -> Check {
    let check = Check::new("reset reasons", "tcp_send_reset", "Linux include/net/rstreason.h");
    if arguments.is_some_and(|count| count > 2) {
        check.fine("the kernel says why it sends a RST")
    } else {
        check.degraded(
            "the kernel does not say why it sends a RST: where state and flags leave it open, `detail` is null",
            "use Linux 6.10 or later to have them",
        )
    }
}

fn newborns(named: bool) -> Check {
    let check = Check::new(
        "newborn connections",
        "LISTEN>SYN_RECV",
        "Linux net/ipv4/inet_connection_sock.c:inet_csk_clone_lock",
    );
    if named {
        check.fine("the first event of an accepted connection names its peer")
    } else {
        check.degraded(
            "the first event of an accepted connection does not name its peer: there `raddr` and `rport` are null, from the next \
             one on they are known",
            "use Linux 6.18 or later to have them",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::preflight::Verdict;

    #[test]
    fn what_a_kernel_lacks_is_degraded_and_no_more() {
        for check in
            [cookies(false), open_files(Err("EINVAL".into())), reset_reasons(Some(2)), newborns(false)]
        {
            assert_eq!(check.verdict, Verdict::Degraded, "{check:?}");
        }
        for check in [cookies(true), open_files(Ok(0)), reset_reasons(Some(3)), newborns(true)] {
            assert_eq!(check.verdict, Verdict::Fine, "{check:?}");
        }
    }
}
