//! What this host allows, looked at piece by piece and then tried for real.
//!
//! Nothing on the host is changed, but for what tracing itself does: tracefs is mounted where it is not, and the kernel may load
//! its `tcp_diag` module.

mod abilities;
mod build;
mod check;
mod host;
mod release;
mod rights;
mod tracefs;
mod trial;
mod types;

use crate::source::capabilities::Capabilities;
use crate::source::kernel::Path;

pub use build::Build;
pub use check::{Check, Lack, Verdict};
pub use release::Release;
pub use types::Types;

/// All checks, in the order in which to read them.
#[derive(Clone, Debug)]
pub struct Report {
    /// At least one.
    pub checks: Vec<Check>,
    /// What they come to.
    pub outcome: Outcome,
    /// Whether this process is root.
    pub root: bool,
    /// Whether sudo would bring rights that this process lacks.
    pub sudo_helps: bool,
}

/// What a host comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was tried, by this attach path, and events came.
    Works(Path),
    /// Rights are missing; nothing seen so far speaks against the kernel.
    NotPermitted,
    /// This kernel cannot do it.
    Unsuitable,
    /// It was tried and failed for a reason that is neither.
    Failed,
}

/// Looks at this host. With the rights to trace it attaches everything for a moment, with a ring buffer of `ring_bytes`.
#[must_use]
pub fn check(ring_bytes: u32) -> Report {
    let root = rustix::process::geteuid().is_root();
    let release = Release::of_this_kernel();
    let types = Types::of_this_kernel();
    let inside = rights::in_user_namespace();
    // Those of a user namespace look like rights, and are none here.
    let own = Capabilities::of_this_process().unwrap_or_default();
    let capabilities = if inside { Capabilities::default() } else { own };
    let permitted = capabilities.can_trace();
    let mut checks = rights::check(root, capabilities, release);
    checks.push(release::check(release));
    checks.extend(permitted.then(release::ring_buffer).flatten());
    checks.push(release::lockdown());
    checks.extend(types.check());
    checks.extend(tracefs::check(types.missing.is_ok()));
    checks.extend(host::check(capabilities));
    let mut works = None;
    if permitted {
        checks.push(rights::addresses());
        checks.push(rights::statistics());
        works = trial::run(ring_bytes, &mut checks);
    }
    let outcome = Outcome::of(works, &checks);
    Report { checks, outcome, root, sudo_helps: !root && !inside }
}

impl Outcome {
    /// From the trial, if it went well, else from what is missing.
    fn of(works: Option<Path>, checks: &[Check]) -> Self {
        let missing = |lack| checks.iter().any(|check| check.verdict == Verdict::Missing(lack));
        match works {
            Some(path) => Self::Works(path),
            // Rights do not help where the kernel refuses on principle.
            None if missing(Lack::Kernel) => Self::Unsuitable,
            None if missing(Lack::Rights) => Self::NotPermitted,
            None => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(lack: Lack) -> Check {
        Check::new("x", "y", "z").missing(lack, "it is not there", "get it")
    }

    #[test]
    fn a_kernel_that_cannot_outweighs_missing_rights() {
        let (rights, kernel) = (check_of(Lack::Rights), check_of(Lack::Kernel));
        assert_eq!(Outcome::of(None, &[rights.clone(), kernel.clone()]), Outcome::Unsuitable);
        assert_eq!(Outcome::of(None, &[rights]), Outcome::NotPermitted);
        assert_eq!(Outcome::of(None, &[check_of(Lack::Luck)]), Outcome::Failed);
        assert_eq!(Outcome::of(Some(Path::Btf), &[kernel]), Outcome::Works(Path::Btf));
    }

    #[test]
    fn looking_at_this_host_says_something_of_each_part() {
        let report = check(1 << 20);
        for name in ["kernel", "lockdown", "BTF", "tracefs", "sock_diag", "network namespaces"] {
            assert!(report.checks.iter().any(|check| check.name == name), "{name}");
        }
        for check in &report.checks {
            assert!(!check.said.is_empty() && !check.said.ends_with('.'), "{check:?}");
            assert_eq!(check.verdict == Verdict::Fine, check.advice.is_none(), "{check:?}");
        }
    }
}
