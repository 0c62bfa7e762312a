//! When a process began and who its ancestors are: what it can have opened itself.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// `USER_HZ`: the unit of /proc/PID/stat, the same on every Linux that tcptrace runs on.
const USER_HZ: u64 = 100;
/// More generations than this are no chain.
const GENERATIONS: usize = 64;

/// A process's age and ancestry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Birth {
    /// How long ago it began, nanoseconds, at most; exec does not change it.
    pub age_ns: u64,
    /// Its parent, grandparent and so on, those that still live.
    pub ancestors: Vec<u32>,
}

/// Those of `pid`; `None` if it has ended.
#[must_use]
pub fn of(pid: u32) -> Option<Birth> {
    let (mut parent, start) = stat(pid)?;
    let mut ancestors = Vec::new();
    while parent != 0 && ancestors.len() < GENERATIONS && !ancestors.contains(&parent) {
        ancestors.push(parent);
        parent = stat(parent).map_or(0, |(grandparent, _)| grandparent);
    }
    let now = clock_gettime(ClockId::Boottime);
    let now = u64::try_from(now.tv_sec).ok()? * 1_000_000_000 + u64::try_from(now.tv_nsec).ok()?;
    // `start` is cut to a tick: it began then or up to a tick later.
    Some(Birth { age_ns: now.saturating_sub(start * (1_000_000_000 / USER_HZ)), ancestors })
}

/// Parent and start of a process: fields 4 and 22 of `stat`.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    Some((fields.nth(1)?.parse().ok()?, fields.nth(17)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_younger_than_its_parent_and_knows_it() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (me, born) = (of(std::process::id()).unwrap(), of(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(born.ancestors.first(), Some(&std::process::id()));
        assert!(born.age_ns < 5_000_000_000 && born.age_ns <= me.age_ns + 10_000_000, "{born:?} {me:?}");
        assert_eq!(of(u32::MAX), None);
    }
}
