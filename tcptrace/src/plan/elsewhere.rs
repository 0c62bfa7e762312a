//! The host of a recording: not this one. Its pids, users and namespaces cannot be looked up here.

use std::io;
use std::path::Path;

use crate::cli::FilterArgs;
use crate::failure::Failure;
use crate::source::host::{Host, Process, Unwritable};

/// Knows nothing of processes, users and places; files are written here all the same.
pub(super) struct Elsewhere<'a>(pub(super) &'a dyn Host);

impl Host for Elsewhere<'_> {
    fn process(&self, _: u32) -> io::Result<Process> {
        Ok(Process::Here)
    }

    fn uid(&self, _: &str) -> Option<u32> {
        None
    }

    fn netns(&self, _: &Path) -> io::Result<u32> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn has_netns(&self, _: u32) -> bool {
        true
    }

    fn cgroup(&self, _: &Path) -> io::Result<Vec<u64>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn can_write(&self, path: &Path) -> Result<(), Unwritable> {
        self.0.can_write(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.exists(path)
    }

    fn page_bytes(&self) -> u64 {
        self.0.page_bytes()
    }
}

/// Refuses names that only the recorded host could resolve.
pub(super) fn check(args: &FilterArgs) -> Result<(), Failure> {
    let number = |word: &&String| {
        let word = word.trim();
        let word = word.strip_prefix("net:[").and_then(|word| word.strip_suffix(']')).unwrap_or(word);
        !word.bytes().all(|byte| byte.is_ascii_digit())
    };
    if let Some(name) = args.uids.iter().find(number) {
        return Err(Failure::usage(format!(
            "--uid {name} with --from: a recording knows users by number only; write the uid it had there"
        )));
    }
    if let Some(name) = args.netns.iter().find(number) {
        return Err(Failure::usage(format!(
            "--netns {name} with --from: a recording knows namespaces by inode number only; `-o json` shows them as netns"
        )));
    }
    if let Some(path) = args.cgroups.first() {
        return Err(Failure::usage(format!(
            "--cgroup {path} with --from: a recording does not know the paths of cgroups; filter when recording, or by `--comm`"
        )));
    }
    Ok(())
}
