//! What a plan must ask of this host before anything starts. A trait, so that plans are tested without a host.

mod this;

use std::io;
use std::path::Path;

pub use this::ThisHost;
pub(crate) use this::words;

/// The questions.
pub trait Host {
    /// Who has the pid `pid`?
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    fn process(&self, pid: u32) -> io::Result<Process>;

    /// The uid of a user name.
    fn uid(&self, user: &str) -> Option<u32>;

    /// Inode number of the network namespace at `path`.
    ///
    /// # Errors
    /// What stat says, or `InvalidInput` when `path` is no network namespace.
    fn netns(&self, path: &Path) -> io::Result<u32>;

    /// Whether a process or a name in `/run/netns` holds the network namespace `inode`.
    fn has_netns(&self, inode: u32) -> bool;

    /// Ids of the cgroup (v2) at `path` and of all below it. `path` is a directory or counts from the cgroup root.
    ///
    /// # Errors
    /// What the file system says, or `InvalidInput` when `path` is no cgroup v2.
    fn cgroup(&self, path: &Path) -> io::Result<Vec<u64>>;

    /// Could a file be written at `path`?
    ///
    /// # Errors
    /// Why not.
    fn can_write(&self, path: &Path) -> Result<(), Unwritable>;

    /// Is there something at `path`?
    fn exists(&self, path: &Path) -> bool;

    /// Bytes of a memory page.
    fn page_bytes(&self) -> u64;
}

/// Who has a pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// A process of our own pid namespace.
    Here,
    /// A thread of the process with this pid.
    ThreadOf(u32),
    /// Not ours, but processes of inner pid namespaces call themselves so.
    Inner(Vec<InnerProcess>),
    /// Nobody.
    Nobody,
}

/// A process of an inner pid namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerProcess {
    /// Its pid in our own namespace.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Inode number of its pid namespace; `None` when we may not look.
    pub namespace: Option<u64>,
}

/// Why a file cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// Its folder does not exist.
    NoFolder,
    /// What should be its folder is none.
    NotAFolder,
    /// It is a folder itself.
    IsAFolder,
    /// Not permitted, read-only, …: the system's words.
    Refused(String),
}
