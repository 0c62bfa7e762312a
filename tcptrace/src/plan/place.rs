//! Network namespaces and cgroups.

use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use crate::failure::{ExitCode, Failure};
use crate::source::host::{Host, words};

/// Where `ip netns add NAME` puts the name.
const NETNS_NAMES: &str = "/run/netns";

/// Inode numbers of network namespaces: `self`, an inode number, a path, or a name of `ip netns`.
pub(super) fn namespaces(
    list: &[String],
    host: &dyn Host,
    notes: &mut Vec<String>,
) -> Result<Vec<u32>, Failure> {
    list.iter().map(|word| namespace(word, host, notes)).collect()
}

fn namespace(word: &str, host: &dyn Host, notes: &mut Vec<String>) -> Result<u32, Failure> {
    // As `readlink /proc/PID/ns/net` prints it.
    let number = word.strip_prefix("net:[").and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    if let Ok(inode) = number.parse::<u32>() {
        if !host.has_netns(inode) {
            notes.push(format!(
                "no process and no name in {NETNS_NAMES} holds network namespace {inode}: nothing may be seen of it"
            ));
        }
        return Ok(inode);
    }
    let is_name = word != "self" && !word.contains('/');
    let path = match word {
        "" => {
            return Err(Failure::usage(
                "--netns: the name is empty; write a name of `ip netns`, a path, an inode number or self",
            ));
        }
        "self" => PathBuf::from("/proc/self/ns/net"),
        path if path.contains('/') => PathBuf::from(path),
        name => Path::new(NETNS_NAMES).join(name),
    };
    host.netns(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if is_name => Failure::usage(format!(
            "--netns {word}: there is no such name in {NETNS_NAMES}; see `ip netns list`, or write a path or an inode number of `lsns -t net`"
        )),
        io::ErrorKind::PermissionDenied => Failure::new(
            ExitCode::NoPermission,
            format!("--netns {word}: not permitted to look at {}; run as root", path.display()),
        ),
        _ => Failure::usage(format!(
            "--netns {word}: cannot use {}: {}; write a path like /run/netns/blue or /proc/PID/ns/net",
            path.display(),
            words(&error)
        )),
    })
}

/// Ids of the cgroups and of all below them.
pub(super) fn cgroups(
    list: &[String],
    host: &dyn Host,
    notes: &mut Vec<String>,
) -> Result<Option<FxHashSet<u64>>, Failure> {
    if list.is_empty() {
        return Ok(None);
    }
    let mut ids = FxHashSet::default();
    for word in list {
        let below = host.cgroup(Path::new(word)).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Failure::new(
                ExitCode::NoPermission,
                format!("--cgroup {word}: not permitted to read it; run as root"),
            ),
            _ => Failure::usage(format!(
                "--cgroup {word}: {}; write a folder below /sys/fs/cgroup, or a path as in /proc/PID/cgroup",
                words(&error)
            )),
        })?;
        if below.len() > 1 {
            notes.push(format!(
                "--cgroup {word}: with the {} cgroups below it; those made later are not included",
                below.len() - 1
            ));
        }
        ids.extend(below);
    }
    Ok(Some(ids))
}
