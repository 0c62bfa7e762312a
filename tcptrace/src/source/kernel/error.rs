//! Why the kernel half could not start.

use std::fmt;

/// What stopped it, and with it the exit code.
#[derive(Debug)]
pub enum AttachError {
    /// Rights are missing (exit code 77).
    NotPermitted(String),
    /// The kernel cannot do it (exit code 78).
    Unsuitable(String),
    /// Something failed that should not have (exit code 1).
    Failed(String),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted(what) | Self::Unsuitable(what) | Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for AttachError {}

/// Finds the errno at the bottom of one of aya's errors.
pub(super) fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        next = error.source();
    }
    None
}

/// One line out of an error that may carry a whole verifier log.
pub(super) fn short(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let line = error.to_string();
        let line = line.lines().next().unwrap_or("").trim_end_matches(':').to_owned();
        if !line.is_empty() && !said.contains(&line) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(&line);
        }
        next = error.source();
    }
    said
}

impl AttachError {
    /// Classifies a failure of `doing`.
    pub(super) fn of(doing: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        const EPERM: i32 = 1;
        const ENOENT: i32 = 2;
        const EACCES: i32 = 13;
        const EMFILE: i32 = 24;
        const EINVAL: i32 = 22;
        const ENOTSUP: i32 = 524;
        match os_error(error) {
            Some(EPERM) => Self::NotPermitted(format!(
                "{doing}: not permitted; run as root (sudo), or give the binary CAP_BPF and CAP_PERFMON: \
                 setcap cap_bpf,cap_perfmon+ep tcptrace"
            )),
            Some(EMFILE) => Self::Failed(format!(
                "{doing}: too many open files; tcptrace needs some 60, and one more for each network namespace: raise the limit \
                 (ulimit -n 4096)"
            )),
            // The verifier or the loader refused it: another attach path may do.
            Some(EACCES | EINVAL | ENOENT | ENOTSUP) => Self::Unsuitable(format!(
                "{doing}: refused by the kernel ({}); try the other attach path (--attach btf or classic), and please report \
                 it with the output of `tcptrace preflight`",
                short(error)
            )),
            _ => Self::Failed(format!("{doing}: {}", short(error))),
        }
    }
}
