//! The system calls of a run that is set up; all others fail.
//!
//! They fail with ENOSYS rather than kill: an incident is no moment to die because another libc calls something newer. libc takes
//! ENOSYS for an older kernel and falls back, while EPERM from futex(2) and its kin makes it abort. It is also what lets clone(2) be told
//! from clone3(2), whose flags a filter cannot see: threads can be started, processes cannot.

use super::Needs;

/// Tests set this to `kill`: a call that the list lacks then ends tcptrace, so that no test passes without it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
const TEST: &str = "TCPTRACE_TEST_SANDBOX";

/// Filters the system calls of all threads, and forbids new privileges (`PR_SET_NO_NEW_PRIVS`), which the kernel demands for it.
///
/// # Errors
/// Why not, in words.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub(super) fn install(_: Needs) -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string())?;
    Err(format!("no list of them exists for {}", std::env::consts::ARCH))
}

/// Filters the system calls of all threads, and forbids new privileges (`PR_SET_NO_NEW_PRIVS`), which the kernel demands for it.
///
/// # Errors
/// Why not, in words.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
pub(super) fn install(needs: Needs) -> Result<(), String> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads};

    let deadly = std::env::var_os(TEST).is_some_and(|word| word == "kill");
    let refuse = if deadly { SeccompAction::KillProcess } else { SeccompAction::Errno(libc::ENOSYS as u32) };
    let in_words = |error: &dyn std::error::Error| error.to_string();
    let mut rules = list::of(needs).map_err(|error| in_words(&error))?;
    if deadly {
        // What is refused to make libc fall back must not kill.
        rules.insert(libc::SYS_clone3, Vec::new());
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| in_words(&error))?;
    let filter = SeccompFilter::new(rules.into_iter().collect(), refuse, SeccompAction::Allow, arch)
        .map_err(|error| in_words(&error))?;
    let program = BpfProgram::try_from(filter).map_err(|error| in_words(&error))?;
    apply_filter_all_threads(&program).map_err(|error| in_words(&error))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod list;
