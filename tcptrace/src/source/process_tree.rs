//! Who started whom: the parents of all processes at a moment.

use std::fs;
use std::io;

use rustc_hash::FxHashMap;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::fd_table::numbers;

/// Children by parent, from `/proc/*/stat`.
#[derive(Clone, Debug, Default)]
pub struct ProcessTree {
    children: FxHashMap<u32, Vec<u32>>,
}

impl ProcessTree {
    /// Reads every process that can be read.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn scan() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = openat(CWD, c"/proc", flags, Mode::empty())?;
        let mut tree = Self::default();
        for pid in numbers(std::os::fd::AsFd::as_fd(&proc))? {
            let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
            if let Some(parent) = parent(&stat) {
                tree.children.entry(parent).or_default().push(pid);
            }
        }
        Ok(tree)
    }

    /// The direct children of `pid`.
    #[must_use]
    pub fn children_of(&self, pid: u32) -> &[u32] {
        self.children.get(&pid).map(Vec::as_slice).unwrap_or_default()
    }

    /// Children, their children and so on, without `pid` itself. A process whose parent has ended is no longer among them.
    #[must_use]
    pub fn descendants_of(&self, pid: u32) -> Vec<u32> {
        let mut found = self.children_of(pid).to_vec();
        let mut next = 0;
        while let Some(child) = found.get(next).copied() {
            // Read at different moments, pids can seem to go in a circle.
            found.extend(
                self.children_of(child).iter().copied().filter(|pid| *pid != child).collect::<Vec<_>>(),
            );
            next += 1;
            if next > self.children.values().map(Vec::len).sum() {
                break;
            }
        }
        found
    }
}

/// Field 4 of `stat`: behind the comm in parentheses, which may itself hold blanks and parentheses.
fn parent(stat: &[u8]) -> Option<u32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comm_with_blanks_and_parentheses_hides_no_parent() {
        assert_eq!(parent(b"12 (a) b) (c) S 7 1 1 0"), Some(7));
        assert_eq!(parent(b"12 (a"), None);
        assert_eq!(parent(b""), None);
    }

    #[test]
    fn a_child_is_a_descendant_of_its_parents() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let tree = ProcessTree::scan().unwrap();
        let (me, pid) = (std::process::id(), child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree.children_of(me).contains(&pid));
        assert!(tree.descendants_of(std::os::unix::process::parent_id()).contains(&pid));
    }
}
