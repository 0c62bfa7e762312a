//! What a process has open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// Open descriptors.
pub(super) struct Descriptors {
    /// How many of each kind, sockets aside.
    pub(super) kinds: BTreeMap<String, usize>,
    pub(super) sockets: usize,
    /// Network namespaces of this host that a process or a name holds.
    pub(super) namespaces: usize,
}

impl Descriptors {
    /// What a process has open, without what it opens for a moment.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let mut least = Self::now(pid)?;
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(100));
            let now = Self::now(pid)?;
            least.kinds.retain(|kind, count| {
                *count = now.kinds.get(kind).copied().unwrap_or_default().min(*count);
                *count > 0
            });
            least.sockets = least.sockets.min(now.sockets);
            least.namespaces = least.namespaces.max(now.namespaces);
        }
        Ok(least)
    }

    fn now(pid: u32) -> Result<Self> {
        let folder = format!("/proc/{pid}/fd");
        let mut spaces = BTreeSet::new();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?.path();
            if let Some(inode) = fs::read_link(entry.join("ns/net")).ok().and_then(|link| inode(&link)) {
                spaces.insert(inode);
            }
        }
        for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
            spaces.extend(entry.metadata().ok().map(|about| about.ino()));
        }
        let mut found = Self { kinds: BTreeMap::new(), sockets: 0, namespaces: spaces.len() };
        for entry in fs::read_dir(folder)? {
            let Ok(target) = fs::read_link(entry?.path()) else { continue };
            let text = target.to_string_lossy();
            if text.starts_with("socket:") {
                found.sockets += 1;
                continue;
            }
            let kind = text.split([':', '[']).next().unwrap_or_default();
            let kind = if text.starts_with("anon_inode:") { &*text } else { kind };
            *found.kinds.entry(kind.to_owned()).or_default() += 1;
        }
        Ok(found)
    }
}

/// The number in `net:[4026531840]`.
fn inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}
