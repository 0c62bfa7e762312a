//! The real host: procfs, cgroupfs, `/run/netns`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{Host, InnerProcess, Process, Unwritable};

/// Linux `include/uapi/linux/magic.h`.
const NSFS_MAGIC: u64 = 0x6e73_6673;
/// Linux `include/uapi/linux/magic.h`.
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
/// Where `ip netns` keeps names.
const NETNS_NAMES: &str = "/run/netns";

/// The host we run on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisHost;

impl Host for ThisHost {
    fn process(&self, pid: u32) -> io::Result<Process> {
        match fs::read_to_string(format!("/proc/{pid}/status")) {
            Ok(status) => Ok(match numbers(&status, "Tgid:").first() {
                Some(&leader) if leader != pid => Process::ThreadOf(leader),
                _ => Process::Here,
            }),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {
                let inner = inner_processes(pid)?;
                Ok(if inner.is_empty() { Process::Nobody } else { Process::Inner(inner) })
            }
            // ESRCH: it ended between open and read.
            Err(gone) if gone.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Ok(Process::Nobody)
            }
            Err(error) => Err(error),
        }
    }

    fn uid(&self, user: &str) -> Option<u32> {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok())?
        })
    }

    fn netns(&self, path: &Path) -> io::Result<u32> {
        let other = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a network namespace");
        if file_system(path)? != NSFS_MAGIC {
            return Err(other());
        }
        // A link of procfs tells its kind; a name in /run/netns is a bind mount and does not.
        if let Ok(target) = fs::read_link(path)
            && target.to_str().is_some_and(|target| target.contains(":[") && !target.starts_with("net:["))
        {
            return Err(other());
        }
        u32::try_from(fs::metadata(path)?.ino()).map_err(|_| other())
    }

    fn has_netns(&self, inode: u32) -> bool {
        let named = fs::read_dir(NETNS_NAMES).into_iter().flatten().flatten().map(|name| name.path());
        let held = processes().into_iter().flatten().map(|pid| PathBuf::from(format!("/proc/{pid}/ns/net")));
        named.chain(held).any(|path| fs::metadata(path).is_ok_and(|ns| ns.ino() == u64::from(inode)))
    }

    fn cgroup(&self, path: &Path) -> io::Result<Vec<u64>> {
        let is_cgroup = |path: &Path| file_system(path).is_ok_and(|magic| magic == CGROUP2_SUPER_MAGIC);
        let found = if is_cgroup(path) {
            path.to_owned()
        } else {
            // As /proc/PID/cgroup prints it: from the root of the hierarchy.
            let from_root = cgroup_root().map(|root| root.join(path.strip_prefix("/").unwrap_or(path)));
            match from_root {
                Some(joined) if is_cgroup(&joined) => joined,
                _ => {
                    fs::metadata(path)?;
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "it is not in a cgroup v2 hierarchy",
                    ));
                }
            }
        };
        let top = fs::metadata(&found)?;
        if !top.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a file inside a cgroup, name its folder",
            ));
        }
        // The id of a cgroup is the inode number of its folder (Linux `kernfs_node.id`, 64 bit).
        let mut ids = vec![top.ino()];
        let mut open = vec![found];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    ids.push(entry.metadata()?.ino());
                    open.push(entry.path());
                }
            }
        }
        Ok(ids)
    }

    fn can_write(&self, path: &Path) -> Result<(), Unwritable> {
        let refused = |errno: rustix::io::Errno| Unwritable::Refused(words(&errno.into()));
        match fs::metadata(path) {
            Ok(file) if file.is_dir() => return Err(Unwritable::IsAFolder),
            // Devices and pipes too: what counts is that it can be opened for writing.
            Ok(_) => return rustix::fs::access(path, Access::WRITE_OK).map_err(refused),
            Err(_) => {}
        }
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => return Err(Unwritable::IsAFolder),
        };
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => {
                rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(refused)
            }
            Ok(_) => Err(Unwritable::NotAFolder),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound => Unwritable::NoFolder,
                io::ErrorKind::NotADirectory => Unwritable::NotAFolder,
                _ => Unwritable::Refused(words(&error)),
            }),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        // A link that leads nowhere is something too.
        fs::symlink_metadata(path).is_ok()
    }

    fn page_bytes(&self) -> u64 {
        u64::try_from(rustix::param::page_size()).unwrap_or(4096)
    }
}

/// An error in the system's words, without Rust's `(os error 13)`.
pub(crate) fn words(error: &io::Error) -> String {
    let said = error.to_string();
    let plain = said.split(" (os error").next().unwrap_or(&said);
    let mut letters = plain.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Magic number of the file system that `path` is on.
fn file_system(path: &Path) -> io::Result<u64> {
    // Its type differs between architectures; the magic numbers fit 32 bits on all of them.
    Ok(u64::try_from(rustix::fs::statfs(path)?.f_type).unwrap_or_default())
}

/// Where the cgroup v2 hierarchy is mounted.
fn cgroup_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        // proc_pid_mountinfo(5): optional fields end with a lone dash, then the type.
        let (mount, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// The pids of our own namespace.
fn processes() -> io::Result<Vec<u32>> {
    Ok(fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// Processes that an inner pid namespace calls `pid`.
fn inner_processes(pid: u32) -> io::Result<Vec<InnerProcess>> {
    let mut found = Vec::new();
    for here in processes()? {
        // A process that ended since is none.
        let Ok(status) = fs::read_to_string(format!("/proc/{here}/status")) else { continue };
        if !numbers(&status, "NSpid:").iter().skip(1).any(|inner| *inner == pid) {
            continue;
        }
        let comm = status.lines().find_map(|line| line.strip_prefix("Name:")).unwrap_or_default().trim();
        let namespace = fs::metadata(format!("/proc/{here}/ns/pid")).ok().map(|ns| ns.ino());
        found.push(InnerProcess { pid: here, comm: comm.to_owned(), namespace });
    }
    Ok(found)
}

/// The numbers on the line of `status` that begins with `key`.
fn numbers(status: &str, key: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_here_and_pid_zero_is_nobody() {
        assert_eq!(ThisHost.process(std::process::id()).unwrap(), Process::Here);
        assert_eq!(ThisHost.process(0).unwrap(), Process::Nobody);
    }

    #[test]
    fn a_thread_is_recognised_as_part_of_its_process() {
        let tid = std::thread::spawn(|| {
            let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            ThisHost.process(tid).unwrap()
        });
        assert_eq!(tid.join().unwrap(), Process::ThreadOf(std::process::id()));
    }

    #[test]
    fn our_own_namespace_has_an_inode_and_a_holder() {
        let inode = ThisHost.netns(Path::new("/proc/self/ns/net")).unwrap();
        assert!(ThisHost.has_netns(inode));
        assert!(!ThisHost.has_netns(1));
    }

    #[test]
    fn other_namespaces_and_plain_files_are_no_network_namespaces() {
        for path in ["/proc/self/ns/pid", "/etc/passwd"] {
            let error = ThisHost.netns(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(
            ThisHost.netns(Path::new("/run/netns/no-such")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_plain_folder_is_no_cgroup_and_a_missing_one_is_missing() {
        let error = ThisHost.cgroup(Path::new("/proc")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = ThisHost.cgroup(Path::new("/no/such/cgroup")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_can_be_written_where_its_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.json");
        assert_eq!(ThisHost.can_write(&file), Ok(()));
        fs::write(&file, "").unwrap();
        assert_eq!(ThisHost.can_write(&file), Ok(()));
        assert_eq!(ThisHost.can_write(folder.path()), Err(Unwritable::IsAFolder));
        assert_eq!(ThisHost.can_write(&folder.path().join("none/out")), Err(Unwritable::NoFolder));
        assert_eq!(ThisHost.can_write(&file.join("out")), Err(Unwritable::NotAFolder));
        assert_eq!(ThisHost.can_write(Path::new("plain-name-in-the-working-folder")), Ok(()));
    }

    #[test]
    fn root_is_uid_zero() {
        assert_eq!(ThisHost.uid("root"), Some(0));
        assert_eq!(ThisHost.uid("nobody-of-that-name"), None);
    }
}
