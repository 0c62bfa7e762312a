//! A host to plan for, without looking at the one that we are on.

use std::io;
use std::path::Path;

use tcptrace::source::host::{Host, Process, Unwritable};

/// A host on which everything that is asked for exists.
pub(crate) struct Anywhere {
    /// So are the files of an example.
    pub(crate) files: bool,
}

impl Host for Anywhere {
    fn process(&self, _: u32) -> io::Result<Process> {
        Ok(Process::Here)
    }

    fn uid(&self, _: &str) -> Option<u32> {
        Some(1_000)
    }

    fn netns(&self, _: &Path) -> io::Result<u32> {
        Ok(1)
    }

    fn has_netns(&self, _: u32) -> bool {
        true
    }

    fn cgroup(&self, _: &Path) -> io::Result<Vec<u64>> {
        Ok(vec![1])
    }

    fn can_write(&self, _: &Path) -> Result<(), Unwritable> {
        Ok(())
    }

    fn exists(&self, _: &Path) -> bool {
        self.files
    }

    fn page_bytes(&self) -> u64 {
        4_096
    }
}
