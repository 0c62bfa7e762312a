//! How many fds a process has open, and how many it may have.
//!
//! Ours keeps one for each network namespace of the host, and a host of containers has more of them than the usual soft limit of 1024.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::model::comm::Comm;

use super::fd_table::comm_of;

/// The fds of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdUse {
    /// Its name.
    pub comm: Comm,
    /// Open fds of any kind; `None` where they may not be read.
    pub open: Option<u64>,
    /// Soft `RLIMIT_NOFILE`; `None` where unreadable or unlimited.
    pub limit: Option<u64>,
}

/// Raises our own soft limit to the hard one, where that is possible.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    // Without, we say which namespaces could not be opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Looks at one process; fields that it keeps to itself are `None`.
#[must_use]
pub fn of(pid: u32) -> FdUse {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    FdUse { comm: comm_of(pid), open: open(pid).ok(), limit: soft_nofile(&limits) }
}

/// Entries of the fd table. Since Linux 6.2 the size of the directory is their number (`fs/proc/fd.c:proc_fd_getattr`), before
/// it is 0 and they are counted.
fn open(pid: u32) -> io::Result<u64> {
    let path = format!("/proc/{pid}/fd");
    match fs::metadata(&path)?.len() {
        0 => u64::try_from(fs::read_dir(path)?.count()).map_err(io::Error::other),
        size => Ok(size),
    }
}

/// `Max open files            1024                 4096                 files` (Linux `fs/proc/base.c:proc_pid_limits`).
fn soft_nofile(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_figure_and_unlimited_is_none() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096      files\n";
        assert_eq!(soft_nofile(text), Some(1024));
        assert_eq!(soft_nofile("Max open files  unlimited  unlimited  files\n"), None);
        assert_eq!(soft_nofile(""), None);
    }

    #[test]
    fn an_fd_more_is_counted() {
        let me = std::process::id();
        let before = of(me);
        let files: Vec<fs::File> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // Other tests open and close files meanwhile.
        assert!(of(me).open.unwrap() >= before.open.unwrap() + 25, "{before:?}");
        drop(files);
        assert!(before.limit.is_some() && before.comm == comm_of(me));
    }

    #[test]
    fn a_process_that_is_gone_has_no_figures() {
        assert_eq!((of(u32::MAX).open, of(u32::MAX).limit), (None, None));
    }
}
