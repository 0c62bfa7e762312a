//! The kernel itself: how old it is, and whether it is locked down.

use std::fmt;
use std::fs;

use crate::source::kernel::probe;

use super::check::{Check, Lack};

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// The first two numbers of a kernel release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(pub u32, pub u32);

impl Release {
    /// Of the running kernel; 0.0 when it calls itself strangely.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        Self::parse(&full()).unwrap_or_default()
    }

    /// `6.1.0-13-amd64` is 6.1.
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// As uname(1) prints it.
fn full() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// How old the kernel is. Vendors backport, so this alone condemns only what is hopeless.
pub(super) fn check(release: Release) -> Check {
    let uname = rustix::system::uname();
    let machine = uname.machine().to_string_lossy().into_owned();
    let said = format!("Linux {} ({machine})", full());
    let check =
        Check::new("kernel", "this kernel", "Linux kernel/bpf/ringbuf.c, include/trace/events/sock.h")
            .observe("release", full())
            .observe("machine", machine);
    if release < Release(4, 16) {
        let said = format!("{said}: it has no tracepoint sock:inet_sock_set_state, which came with 4.16");
        check.missing(Lack::Kernel, said, "boot Linux 5.8 or later")
    } else if release < Release(5, 8) {
        let said = format!("{said}: the BPF ring buffer came with 5.8; this works only if it was backported");
        check.degraded(said, "boot Linux 5.8 or later if attaching fails")
    } else {
        check.fine(said)
    }
}

/// Whether maps of the kind that carries our events can be made; `None` when the kernel does not let us try.
pub(super) fn ring_buffer() -> Option<Check> {
    let check = Check::new("ring buffer", "BPF_MAP_TYPE_RINGBUF", "Linux kernel/bpf/ringbuf.c");
    probe::ring_buffer().map(|has_it| {
        if has_it {
            check.fine("the kernel has it")
        } else {
            check.missing(
                Lack::Kernel,
                "this kernel has no BPF ring buffer (Linux 5.8)",
                "boot Linux 5.8 or later",
            )
        }
    })
}

/// Whether the kernel protects itself against root.
pub(super) fn lockdown() -> Check {
    let check = Check::new("lockdown", LOCKDOWN, "Linux security/lockdown/lockdown.c, kernel_lockdown(7)");
    let Ok(text) = fs::read_to_string(LOCKDOWN) else {
        return check.fine("off, as far as can be seen (the kernel shows no lockdown file)");
    };
    judge_lockdown(check, &text)
}

/// `none [integrity] confidentiality`: the one in brackets holds.
fn judge_lockdown(check: Check, text: &str) -> Check {
    let mode =
        text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("none", |(mode, _)| mode);
    let check = check.observe("mode", mode);
    match mode {
        // LOCKDOWN_BPF_READ_KERNEL: bpf_probe_read_kernel() reads nothing, and tracefs is closed.
        "confidentiality" => check.missing(
            Lack::Kernel,
            "the kernel is locked down (confidentiality): no eBPF program may read its memory, not even root's",
            "boot with lockdown=integrity or without lockdown",
        ),
        "none" => check.fine("off"),
        other => check.fine(format!("{other}: it does not concern tracing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::preflight::Verdict;

    #[test]
    fn releases_of_all_vendors_are_read() {
        for (text, release) in [
            ("6.18.44-fc-v657", Release(6, 18)),
            ("4.18.0-553.el8_10.x86_64", Release(4, 18)),
            ("5.15.0-91-generic", Release(5, 15)),
            ("7.0-rc3", Release(7, 0)),
        ] {
            assert_eq!(Release::parse(text), Some(release), "{text}");
        }
        assert_eq!(Release::parse("linux"), None);
        assert!(Release(5, 10) > Release(5, 8));
    }

    #[test]
    fn age_alone_condemns_only_what_has_no_tracepoint() {
        let verdict = |release| check(release).verdict;
        assert_eq!(verdict(Release(4, 15)), Verdict::Missing(Lack::Kernel));
        assert_eq!(verdict(Release(4, 18)), Verdict::Degraded);
        assert_eq!(verdict(Release(5, 8)), Verdict::Fine);
    }

    #[test]
    fn only_confidentiality_stops_tracing() {
        let verdict = |text| judge_lockdown(Check::new("lockdown", LOCKDOWN, ""), text).verdict;
        assert_eq!(verdict("[none] integrity confidentiality\n"), Verdict::Fine);
        assert_eq!(verdict("none [integrity] confidentiality\n"), Verdict::Fine);
        assert_eq!(verdict("none integrity [confidentiality]\n"), Verdict::Missing(Lack::Kernel));
    }
}
