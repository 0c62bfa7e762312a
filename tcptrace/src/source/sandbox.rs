//! After set-up a run gives away what it no longer needs: capabilities, new privileges, and most system calls.

mod allow_list;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What a run still does once it is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Asks the kernel half: maps, the iterator over open files, run-time figures.
    pub kernel: bool,
    /// Asks sock_diag in network namespaces, also in those that appear later.
    pub namespaces: bool,
    /// Reads fd tables of other users in /proc.
    pub fd_tables: bool,
    /// Gives its recording a name at the end, in a folder that may be somebody else's.
    pub renames: bool,
    /// Begins further files of a recording, and removes old ones.
    pub rotates: bool,
}

impl Needs {
    /// The capabilities to keep, where they are there.
    fn capabilities(self) -> CapabilitySet {
        let mut keep = CapabilitySet::empty();
        if self.kernel {
            // bpf(2) asks for CAP_BPF even to read a map before Linux 5.19 (`kernel/bpf/syscall.c:__sys_bpf`), and for CAP_SYS_ADMIN
            // to time programs (`bpf_enable_stats`).
            keep |= CapabilitySet::BPF | CapabilitySet::SYS_ADMIN;
        }
        if self.namespaces {
            // setns(2), and `/proc/PID/ns/net` of other users.
            keep |= CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE;
        }
        if self.fd_tables {
            keep |= CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        }
        if self.renames {
            keep |= CapabilitySet::DAC_OVERRIDE;
        }
        keep
    }
}

/// Drops what `needs` does not name: from the calling thread and those that it starts from now on the capabilities, from all threads
/// the system calls. What could not be dropped is told, one sentence each: a run without a sandbox is better than none.
#[must_use]
pub fn enter(needs: Needs) -> Vec<String> {
    let mut notes = Vec::new();
    if let Err(error) = limit(needs.capabilities()) {
        notes.push(format!("capabilities that are no longer needed could not be dropped: {error}"));
    }
    if let Err(why) = allow_list::install(needs) {
        notes.push(format!("system calls are not filtered: {why}"));
    }
    notes
}

/// Drops every capability of the calling thread: for threads that only write into what is open.
pub fn renounce() {
    // Less cannot fail; and if it did, the writer would do its work all the same.
    let _ = limit(CapabilitySet::empty());
}

fn limit(keep: CapabilitySet) -> rustix::io::Result<()> {
    let CapabilitySets { effective, permitted, inheritable: _ } = capabilities(None)?;
    // What is not inheritable is not ambient either (capabilities(7)).
    let inheritable = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets { effective: effective & keep, permitted: permitted & keep, inheritable },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_keeps_no_capability() {
        assert_eq!(Needs::default().capabilities(), CapabilitySet::empty());
    }

    #[test]
    fn nothing_that_runs_keeps_what_only_the_start_needs() {
        let all = Needs { kernel: true, namespaces: true, fd_tables: true, renames: true, rotates: true };
        let start = CapabilitySet::PERFMON
            | CapabilitySet::NET_ADMIN
            | CapabilitySet::SYS_RESOURCE
            | CapabilitySet::SYSLOG;
        assert!(!all.capabilities().intersects(start));
    }

    #[test]
    fn a_thread_that_renounces_has_nothing_left_and_the_others_keep_theirs() {
        let before = capabilities(None).unwrap();
        let after = std::thread::spawn(|| {
            renounce();
            capabilities(None).unwrap()
        });
        let after = after.join().unwrap();
        assert!(after.effective.is_empty() && after.permitted.is_empty() && after.inheritable.is_empty());
        assert_eq!(capabilities(None).unwrap(), before);
    }
}
