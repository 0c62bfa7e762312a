//! tracefs: the classic tracepoint's layout and the exits of accept() are read there.

use std::fs;
use std::io;

use tcptrace_ebpf::wire::ABSENT;

use super::check::Check;
use crate::source::kernel::layout;

const ACCEPT: &str = "accepted connections keep their listener's owner until they act themselves";

/// tracefs, and what in it concerns us: the exits of accept() only where there is BTF to find the new socket by.
pub(super) fn check(has_btf: bool) -> Vec<Check> {
    let check = Check::new("tracefs", "/sys/kernel/tracing", "Linux Documentation/trace/ftrace.rst");
    let was_there = layout::tracefs().is_some();
    let at = match layout::mount_tracefs() {
        Ok(at) => at,
        Err(error) => return vec![out_of_reach(check.observe("error", error.to_string()), &error)],
    };
    let check = check.observe("path", at.display().to_string()).observe("mounted_now", !was_there);
    if let Err(error) = layout::read(&at) {
        let said =
            format!("sock:inet_sock_set_state cannot be read there ({error}): --attach classic is out");
        let advice = "use the BTF tracepoint (the default), or give CAP_DAC_READ_SEARCH";
        return vec![check.degraded(said, advice)];
    }
    let said = if was_there {
        format!("readable at {}", at.display())
    } else {
        format!("was mounted nowhere; now it is, at {} (by this command, and stays so)", at.display())
    };
    if !has_btf {
        return vec![check.fine(said)];
    }
    let accept = Check::new(
        "accept()",
        "syscalls:sys_exit_accept4",
        "Linux kernel/trace/trace_syscalls.c (CONFIG_FTRACE_SYSCALLS)",
    );
    let accept = if layout::accept_return_of(&at) == ABSENT {
        accept.degraded(
            format!("the kernel has no tracepoints of single system calls: {ACCEPT}"),
            "use a kernel built with CONFIG_FTRACE_SYSCALLS=y",
        )
    } else {
        accept.fine("its exit has tracepoints")
    };
    vec![check.fine(said), accept]
}

/// Not mounted, or closed to us: the mount table tells which.
fn out_of_reach(check: Check, error: &io::Error) -> Check {
    let mounted = fs::read_to_string("/proc/self/mountinfo").is_ok_and(|text| is_mounted(&text));
    let (how, advice) = if mounted {
        ("mounted, but not readable for this user".to_owned(), "run as root, or give CAP_DAC_READ_SEARCH")
    } else {
        (
            format!("not mounted, and mounting it failed ({error})"),
            "mount it as root: mount -t tracefs tracefs /sys/kernel/tracing",
        )
    };
    check.degraded(format!("{how}: {ACCEPT}, and --attach classic is out"), advice)
}

fn is_mounted(mountinfo: &str) -> bool {
    mountinfo
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .any(|(_, kind)| kind.starts_with("tracefs ") || kind.starts_with("debugfs "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_and_not_mounted_are_told_apart() {
        assert!(is_mounted("36 24 0:12 / /sys/kernel/tracing rw,relatime - tracefs tracefs rw\n"));
        assert!(!is_mounted("36 24 0:12 / /sys rw,relatime - sysfs tracefs rw\n"));
    }
}
