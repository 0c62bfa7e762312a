//! Which processes hold which socket: the links `socket:[inode]` in `/proc/*/fd`.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustc_hash::FxHashMap;
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

use crate::model::comm::Comm;

/// One fd of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Thread-group id in our own pid namespace.
    pub pid: u32,
    /// The process's name when the table was read.
    pub comm: Comm,
    /// The fd.
    pub fd: u32,
}

/// The sockets of a set of processes. A picture of a moment: what was passed on while it was taken may be missing.
#[derive(Clone, Debug, Default)]
pub struct FdTable {
    holders: Vec<Holder>,
    by_inode: FxHashMap<u64, Range<u32>>,
    /// Processes read.
    pub processes: u64,
    /// Processes whose fds could not be read (another user's, hidepid); those that ended meanwhile do not count.
    pub unreadable: u64,
}

impl FdTable {
    /// Reads the fd tables of `pids`, or of every process.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn scan(pids: Option<&[u32]>) -> io::Result<Self> {
        let proc = openat(CWD, c"/proc", DIRECTORY, Mode::empty())?;
        let pids = match pids {
            Some(pids) => pids.to_vec(),
            None => numbers(proc.as_fd())?,
        };
        let mut table = Self::default();
        let mut found = Vec::new();
        for pid in pids {
            match sockets_of(proc.as_fd(), pid, &mut found) {
                Ok(()) => table.processes += 1,
                Err(Errno::NOENT | Errno::SRCH) => {}
                Err(_) => table.unreadable += 1,
            }
        }
        found.sort_unstable_by_key(|(inode, holder)| (*inode, holder.pid, holder.fd));
        table.index(&found);
        Ok(table)
    }

    /// Every fd of the socket with this inode, by pid and fd; empty where nobody who could be read has one.
    #[must_use]
    pub fn holders(&self, inode: u64) -> &[Holder] {
        self.by_inode
            .get(&inode)
            .and_then(|range| self.holders.get(index(range.start)..index(range.end)))
            .unwrap_or_default()
    }

    /// Every socket inode that somebody holds.
    pub fn inodes(&self) -> impl Iterator<Item = u64> {
        self.by_inode.keys().copied()
    }

    /// How many sockets somebody holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_inode.len()
    }

    /// Nobody holds a socket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_inode.is_empty()
    }

    fn index(&mut self, found: &[(u64, Holder)]) {
        for group in found.chunk_by(|a, b| a.0 == b.0) {
            let start = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
            self.holders.extend(group.iter().map(|(_, holder)| *holder));
            let end = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
            if let Some((inode, _)) = group.first() {
                self.by_inode.insert(*inode, start..end);
            }
        }
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn sockets_of(proc: BorrowedFd<'_>, pid: u32, found: &mut Vec<(u64, Holder)>) -> Result<(), Errno> {
    let fds: OwnedFd = openat(proc, format!("{pid}/fd"), DIRECTORY, Mode::empty())?;
    let mut comm = None;
    let mut entries = [MaybeUninit::uninit(); 16 * 1024];
    let mut entries = RawDir::new(&fds, &mut entries);
    let mut link = [MaybeUninit::uninit(); 32];
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let Some(fd) = number(entry.file_name()) else { continue };
        // Closed since, or not ours to read: the directory's own rights decide the latter, so it is the former.
        let Ok((target, _)) = readlinkat_raw(&fds, entry.file_name(), &mut link) else { continue };
        let Some(inode) = socket_inode(target) else { continue };
        let comm = *comm.get_or_insert_with(|| comm_of(pid));
        found.push((inode, Holder { pid, comm, fd }));
    }
    Ok(())
}

/// `socket:[12345]` (Linux `net/socket.c:sockfs_dname`).
fn socket_inode(target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether this fd is a TCP socket, which its link in /proc does not say (Linux `net/socket.c:sockfs_xattr_get`).
#[must_use]
pub fn is_tcp(holder: &Holder) -> bool {
    let mut name = [0; 16];
    let path = format!("/proc/{}/fd/{}", holder.pid, holder.fd);
    // Not `MPTCP`: its connection lives in other sockets.
    rustix::fs::getxattr(path, c"system.sockprotoname", &mut name)
        .is_ok_and(|length| matches!(name.get(..length), Some(b"TCP\0" | b"TCPv6\0" | b"TCP" | b"TCPv6")))
}

/// The name of a process now; empty if it has ended.
#[must_use]
pub fn comm_of(pid: u32) -> Comm {
    let mut comm = Comm::default();
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = name.strip_suffix(b"\n").unwrap_or(&name);
    for (to, from) in comm.0.iter_mut().zip(name.iter().take(15)) {
        *to = *from;
    }
    comm
}

/// The entries of a directory that are numbers: processes in /proc.
pub(super) fn numbers(directory: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut numbers = Vec::new();
    while let Some(entry) = entries.next() {
        numbers.extend(number(entry?.file_name()));
    }
    Ok(numbers)
}

fn number(name: &CStr) -> Option<u32> {
    name.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_socket_held_twice_has_two_holders() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = listener.try_clone().unwrap();
        let inode = fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap().ino();
        let me = std::process::id();
        let table = FdTable::scan(Some(&[me])).unwrap();
        let mut fds: Vec<u32> =
            [&listener, &copy].map(|socket| u32::try_from(socket.as_raw_fd()).unwrap()).into();
        fds.sort_unstable();
        assert_eq!(table.holders(inode).iter().map(|holder| holder.fd).collect::<Vec<_>>(), fds);
        assert!(table.holders(inode).iter().all(|holder| holder.pid == me && holder.comm == comm_of(me)));
        assert_eq!(FdTable::scan(None).unwrap().holders(inode).len(), 2);
    }

    #[test]
    fn a_tcp_socket_is_told_from_others() {
        let (tcp, udp) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let holder = |fd: i32| Holder {
            pid: std::process::id(),
            comm: Comm::default(),
            fd: u32::try_from(fd).unwrap(),
        };
        assert!(is_tcp(&holder(tcp.as_raw_fd())) && !is_tcp(&holder(udp.as_raw_fd())));
    }

    #[test]
    fn a_process_that_is_gone_is_no_error_and_not_unreadable() {
        let table = FdTable::scan(Some(&[u32::MAX])).unwrap();
        assert_eq!((table.processes, table.unreadable, table.len()), (0, 0, 0));
        assert!(table.holders(1).is_empty());
    }

    #[test]
    fn only_links_to_sockets_count() {
        assert_eq!(socket_inode(b"socket:[42]"), Some(42));
        for other in [&b"pipe:[42]"[..], b"socket:[]", b"socket:[4", b"/socket:[1]", b"socket:[x]"] {
            assert_eq!(socket_inode(other), None);
        }
    }
}
