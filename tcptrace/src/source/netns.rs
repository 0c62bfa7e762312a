//! The network namespaces of the host: found, and entered on a thread of their own.
//!
//! A namespace is found by its mounts (`ip netns`, container runtimes) and by the processes in it. One that is held only by an
//! open file or socket of a process elsewhere is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// `NSFS_MAGIC` (Linux `include/uapi/linux/magic.h`).
const NSFS: u64 = 0x6e73_6673;
/// The calling thread's namespace.
const OWN: &str = "/proc/thread-self/ns/net";
/// Where `ip netns` mounts the namespaces that have a name.
const NAMED: &str = "/run/netns";

/// A network namespace. Holds no file of it, so it does not keep the namespace alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netns {
    /// Inode number: what `readlink /proc/PID/ns/net` shows, `struct ns_common.inum`.
    pub inode: u32,
    /// A file that opens it.
    pub path: PathBuf,
    /// Its name in `ip netns`.
    pub name: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Each distinct namespace once, by inode; our own first of all.
    pub namespaces: Vec<Netns>,
    /// Processes that may be in yet another one, which they do not show (no `CAP_SYS_PTRACE`, hidepid).
    pub unreadable: u64,
}

impl Netns {
    /// The calling thread's own.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn own() -> io::Result<Self> {
        Self::at(Path::new(OWN)).map_err(|error| {
            io::Error::new(error.kind(), format!("{OWN} cannot be read ({error}): is /proc mounted?"))
        })
    }

    /// The one that `path` opens: a file of /run/netns, or /proc/PID/ns/net.
    ///
    /// # Errors
    /// When it cannot be read, or is no namespace.
    pub fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let inode = u32::try_from(metadata.ino()).ok().filter(|_| is_namespace(path));
        let inode = inode.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no network namespace", path.display()))
        })?;
        let named = path.strip_prefix(NAMED).ok().and_then(Path::to_str).map(str::to_owned);
        Ok(Self { inode, path: path.to_owned(), name: named })
    }

    /// Opens it, unless its path now leads to another.
    ///
    /// # Errors
    /// When it is gone or may not be opened.
    pub fn open(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        if file.metadata()?.ino() == u64::from(self.inode) {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("network namespace {} is gone", self.inode)))
    }
}

/// Our own namespace's inode.
///
/// # Errors
/// When /proc is not there.
pub fn own() -> io::Result<u32> {
    Netns::own().map(|netns| netns.inode)
}

/// Every distinct network namespace of the host.
///
/// # Errors
/// When /proc is not there.
pub fn find_all() -> io::Result<Found> {
    let own = Netns::own()?;
    let mut found = BTreeMap::new();
    let mut add = |netns: Netns| {
        if netns.inode != own.inode {
            found.entry(netns.inode).or_insert(netns);
        }
    };
    // Mounts come first: their paths outlive processes.
    let named = fs::read_dir(NAMED);
    let mounted = fs::read_to_string("/proc/thread-self/mountinfo");
    // Without descriptors, say: what is not seen is not gone. (Where nothing was ever named, there is no folder.)
    let unseen =
        named.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::NotFound) || mounted.is_err();
    let (named, mounted) = (named.into_iter().flatten().flatten(), mounted.unwrap_or_default());
    let named = named.map(|entry| entry.path());
    for path in named.chain(mounts(&mounted)) {
        // What is no mounted namespace (an empty file left over by `ip netns`) is nothing to report.
        if let Ok(netns) = Netns::at(&path) {
            add(netns);
        }
    }
    let mut closed = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let path = entry.path().join("ns/net");
        // `stat` follows the link to the namespace itself; a kernel thread has one too.
        match fs::metadata(&path) {
            Ok(metadata) => {
                if let Ok(inode) = u32::try_from(metadata.ino()) {
                    add(Netns { inode, path, name: None });
                }
            }
            // The process has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_no_process(&error) => {}
            Err(_) => closed.push(entry.path()),
        }
    }
    let namespaces: Vec<Netns> = std::iter::once(own).chain(found.into_values()).collect();
    let unreadable = u64::from(unseen) + elsewhere(&closed, &namespaces);
    Ok(Found { namespaces, unreadable })
}

/// How many of these processes, which do not show their namespace, are in none of `namespaces` as far as one can see.
fn elsewhere(closed: &[PathBuf], namespaces: &[Netns]) -> u64 {
    if closed.is_empty() {
        return 0;
    }
    let processes = namespaces.iter().filter_map(|netns| netns.path.parent()?.parent());
    let known: BTreeSet<u64> = processes.filter_map(|process| mark(process).ok()).collect();
    let is_elsewhere = |process: &&PathBuf| match mark(process) {
        Ok(mark) => !known.contains(&mark),
        Err(error) => error.kind() != io::ErrorKind::NotFound && !is_no_process(&error),
    };
    closed.iter().filter(is_elsewhere).map(|_| 1).sum()
}

/// What tells a process's network namespace from others without a look at it: everybody may look at its files in /proc, and each namespace
/// has files of its own (Linux `fs/proc/proc_net.c:get_proc_task_net`).
fn mark(process: &Path) -> io::Result<u64> {
    fs::metadata(process.join("net/dev")).map(|metadata| metadata.ino())
}

/// Does `work` inside `netns` on a thread of its own, so that the caller's thread stays where it is.
///
/// # Errors
/// When the namespace is gone or may not be entered (`CAP_SYS_ADMIN`), or `work` panicked.
pub fn in_netns<T: Send>(netns: &Netns, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let file = netns.open()?;
    thread::scope(|scope| {
        let inside = thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })?;
        inside
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the work inside the network namespace panicked")))
    })
}

/// ESRCH: the process ended between readdir and stat.
fn is_no_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn is_namespace(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| u64::try_from(fs.f_type).is_ok_and(|magic| magic == NSFS))
}

/// Mount points of network namespaces in `mountinfo` (Linux `fs/proc_namespace.c:show_mountinfo`): root `net:[…]`, type nsfs.
fn mounts(mountinfo: &str) -> impl Iterator<Item = PathBuf> {
    mountinfo.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let root = fields.nth(3)?;
        let point = fields.next()?;
        root.starts_with("net:[").then(|| PathBuf::from(unescape(point)))
    })
}

/// Undoes the octal escapes of mountinfo (`\040` for a blank).
pub(super) fn unescape(field: &str) -> String {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [byte, tail @ ..] = rest {
        let escaped = tail
            .first_chunk::<3>()
            .filter(|_| *byte == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_found_first_and_once() {
        let own = own().unwrap();
        let found = find_all().unwrap().namespaces;
        assert_eq!(found[0].inode, own);
        assert_eq!(found.iter().filter(|netns| netns.inode == own).count(), 1);
    }

    #[test]
    fn a_process_that_shows_no_namespace_is_found_in_one_that_is_known() {
        let own = Netns::own().unwrap();
        let parent = PathBuf::from(format!("/proc/{}", std::os::unix::process::parent_id()));
        let ended = PathBuf::from("/proc/4194305");
        assert_eq!(elsewhere(&[parent.clone(), ended], std::slice::from_ref(&own)), 0);
        // A name leads to no process whose files could be compared.
        let named = Netns { path: PathBuf::from("/run/netns/a"), ..own };
        assert_eq!(elsewhere(&[parent], &[named]), 1);
    }

    #[test]
    fn a_file_that_is_no_namespace_is_refused() {
        let error = Netns::at(Path::new("/proc/self/stat")).unwrap_err();
        assert!(error.to_string().contains("no network namespace"), "{error}");
    }

    #[test]
    fn mounts_of_other_namespaces_and_file_systems_are_passed_over() {
        let mountinfo = "83 30 0:4 net:[4026532281] /run/netns/a\\040b rw shared:1 - nsfs nsfs rw\n\
                         84 30 0:4 mnt:[4026532282] /run/m rw - nsfs nsfs rw\n30 1 8:1 / / rw - ext4 /dev/sda rw\nshort\n";
        assert_eq!(mounts(mountinfo).collect::<Vec<_>>(), [PathBuf::from("/run/netns/a b")]);
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescape(r"a\b\134\9"), r"a\b\\9");
    }
}
