//! A host on which there is nothing: planning asks it, and gets no answer that depends on where this runs.

use std::io;
use std::path::Path;

use tcptrace::source::host::{Host, Process, Unwritable};

/// It.
pub(crate) struct NoHost;

impl Host for NoHost {
    fn process(&self, pid: u32) -> io::Result<Process> {
        Ok(match pid % 3 {
            0 => Process::Here,
            1 => Process::ThreadOf(pid),
            _ => Process::Nobody,
        })
    }

    fn uid(&self, _: &str) -> Option<u32> {
        None
    }

    fn netns(&self, _: &Path) -> io::Result<u32> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn has_netns(&self, inode: u32) -> bool {
        inode.is_multiple_of(2)
    }

    fn cgroup(&self, _: &Path) -> io::Result<Vec<u64>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn can_write(&self, _: &Path) -> Result<(), Unwritable> {
        Ok(())
    }

    fn exists(&self, _: &Path) -> bool {
        false
    }

    fn page_bytes(&self) -> u64 {
        4096
    }
}
