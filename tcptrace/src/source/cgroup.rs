//! Names of cgroups: id to path and back, and the container that a path belongs to.

use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use super::netns::unescape;

/// Ids that were looked for in vain; ids are never given twice (Linux `fs/kernfs/dir.c`), so a miss stays one.
const MISSES: usize = 65_536;

/// The cgroup v2 tree. A cgroup's id (`struct kernfs_node.id`, `INET_DIAG_CGROUP_ID`) is the inode of its directory.
#[derive(Clone, Debug, Default)]
pub struct CgroupTree {
    mount: PathBuf,
    paths: FxHashMap<u64, String>,
    missed: FxHashSet<u64>,
}

impl CgroupTree {
    /// Finds the mount and walks it once.
    ///
    /// # Errors
    /// When no cgroup2 file system is mounted.
    pub fn open() -> io::Result<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        let mount = mount(&mountinfo)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no cgroup2 file system is mounted"))?;
        let mut tree = Self { mount, ..Self::default() };
        tree.walk();
        Ok(tree)
    }

    /// The path of a cgroup below the mount, `/` for its root. Walks the tree again for an id that is new; `None` if the cgroup
    /// is gone or outside our cgroup namespace.
    pub fn path(&mut self, id: u64) -> Option<&str> {
        if !self.paths.contains_key(&id) && !self.missed.contains(&id) {
            self.walk();
            if !self.paths.contains_key(&id) {
                if self.missed.len() >= MISSES {
                    self.missed.clear();
                }
                self.missed.insert(id);
            }
        }
        self.paths.get(&id).map(String::as_str)
    }

    /// The id of the cgroup at `path`: below the mount, or with the mount before it.
    ///
    /// # Errors
    /// When there is no such directory, or it is outside the cgroup2 mount.
    pub fn id(&self, path: &str) -> io::Result<u64> {
        let given = Path::new(path);
        let inside = given.strip_prefix(&self.mount).or_else(|_| given.strip_prefix("/")).unwrap_or(given);
        let metadata = fs::metadata(self.mount.join(inside))?;
        if metadata.is_dir() && metadata.dev() == fs::metadata(&self.mount)?.dev() {
            return Ok(metadata.ino());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is no cgroup v2 directory")))
    }

    /// Where the tree is mounted.
    #[must_use]
    pub fn mount(&self) -> &Path {
        &self.mount
    }

    /// Adds what is new. What is gone stays: sockets outlive the cgroup that made them.
    fn walk(&mut self) {
        if let Ok(metadata) = fs::metadata(&self.mount) {
            self.paths.insert(metadata.ino(), "/".to_owned());
        }
        let mut open = vec![String::new()];
        while let Some(parent) = open.pop() {
            let Ok(entries) = fs::read_dir(self.mount.join(parent.trim_start_matches('/'))) else { continue };
            for entry in entries.flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let path = format!("{parent}/{}", entry.file_name().to_string_lossy());
                self.paths.insert(entry.ino(), path.clone());
                open.push(path);
            }
        }
    }
}

/// The mount point of the cgroup2 file system (hybrid hosts have it at /sys/fs/cgroup/unified).
fn mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let point = fields.split(' ').nth(4)?;
        kind.starts_with("cgroup2 ").then(|| PathBuf::from(unescape(point)))
    })
}

/// A container, as its runtime names its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// 64 hex digits, or the name for lxc and nspawn.
    pub id: String,
    /// `docker`, `containerd`, `crio`, `podman`, `lxc`, `nspawn`; `None` where the path does not tell.
    pub runtime: Option<&'static str>,
    /// The uid of its Kubernetes pod.
    pub pod: Option<String>,
}

/// Runtimes by the prefix of their systemd scope.
const SCOPES: [(&str, &str); 5] = [
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("crio-", "crio"),
    ("libpod-", "podman"),
    ("nerdctl-", "containerd"),
];

/// The container of a cgroup path, the innermost where they nest.
#[must_use]
pub fn container(path: &str) -> Option<Container> {
    let parts: Vec<&str> = path.split('/').collect();
    let pod = parts.iter().find_map(|part| pod(part));
    for (at, part) in parts.iter().enumerate().rev() {
        let above = at.checked_sub(1).and_then(|above| parts.get(above)).copied().unwrap_or_default();
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let named = |(prefix, runtime): &(&str, &'static str)| {
            part.strip_prefix(*prefix).filter(|id| is_id(id)).map(|id| (id, Some(*runtime)))
        };
        let found = SCOPES.iter().find_map(named).or_else(|| match part.rsplit_once(':') {
            // containerd without the systemd driver's own slice: `kubepods-…:cri-containerd:ID`.
            Some((slice, id)) if is_id(id) => {
                Some((id, slice.ends_with("cri-containerd").then_some("containerd")))
            }
            _ if is_id(part) => Some((part, (above == "docker").then_some("docker"))),
            _ => None,
        });
        if let Some((id, runtime)) = found {
            return Some(Container { id: id.to_owned(), runtime, pod });
        }
        let named = [("lxc.payload.", "lxc"), ("machine-", "nspawn")];
        for (prefix, runtime) in named {
            if let Some(name) =
                part.strip_prefix(prefix).filter(|name| !name.is_empty() && part.len() > prefix.len())
            {
                // A virtual machine is a machine-*.scope too: `machine-qemu…`.
                if !name.starts_with("qemu") {
                    return Some(Container { id: name.to_owned(), runtime: Some(runtime), pod });
                }
            }
        }
    }
    None
}

/// `pod<uid>` (cgroupfs driver) or `kubepods-besteffort-pod<uid with _>.slice` (systemd driver).
fn pod(part: &str) -> Option<String> {
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match part.rsplit_once("-pod") {
        Some((slice, uid)) if slice.starts_with("kubepods") => uid,
        _ => part.strip_prefix("pod")?,
    };
    let uid = uid.split(':').next()?.strip_suffix(".slice").unwrap_or(uid).replace('_', "-");
    (uid.len() >= 32 && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')).then_some(uid)
}

fn is_id(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_runtimes_name_their_containers_in_the_path() {
        for (path, runtime, pod) in [
            (format!("/system.slice/docker-{ID}.scope"), Some("docker"), None),
            (format!("/docker/{ID}"), Some("docker"), None),
            (format!("/docker/{ID}/init.scope"), Some("docker"), None),
            (format!("/machine.slice/libpod-{ID}.scope/container"), Some("podman"), None),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-{ID}.scope"
                ),
                Some("containerd"),
                Some("12345678-1234-1234-1234-123456789abc"),
            ),
            (
                format!("/kubepods/besteffort/pod12345678-1234-1234-1234-123456789abc/{ID}"),
                None,
                Some("12345678-1234-1234-1234-123456789abc"),
            ),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-pod12345678_1234_1234_1234_123456789abc.slice:cri-containerd:{ID}"
                ),
                Some("containerd"),
                Some("12345678-1234-1234-1234-123456789abc"),
            ),
            (format!("/kubepods.slice/crio-{ID}.scope"), Some("crio"), None),
        ] {
            let found = container(&path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(
                (found.id.as_str(), found.runtime, found.pod.as_deref()),
                (ID, runtime, pod),
                "{path}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_container_is_none() {
        for path in [
            "/".to_owned(),
            "/user.slice/user-1000.slice/session-1.scope".to_owned(),
            format!("/machine.slice/libpod-conmon-{ID}.scope"),
            "/system.slice/docker.service".to_owned(),
            r"/machine.slice/machine-qemu\x2d1\x2dvm.scope".to_owned(),
        ] {
            assert_eq!(container(&path), None, "{path}");
        }
        assert_eq!(container("/lxc.payload.web/system.slice").unwrap().id, "web");
    }

    #[test]
    fn the_hybrid_mount_is_found_too() {
        let mountinfo = "30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                         31 30 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount(mountinfo), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount("x\n"), None);
    }

    #[test]
    fn every_cgroup_of_this_host_finds_its_way_back() {
        let Ok(mut tree) = CgroupTree::open() else { return };
        assert_eq!(tree.path(u64::MAX), None);
        let ids: Vec<u64> = tree.paths.keys().copied().collect();
        for id in ids {
            let path = tree.path(id).unwrap().to_owned();
            if let Ok(found) = tree.id(&path) {
                assert_eq!(found, id, "{path}");
            }
        }
    }
}
