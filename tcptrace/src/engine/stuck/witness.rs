//! What a survey asks of others: who holds what, what a process is, what events have told.

use rustc_hash::FxHashMap;

use crate::model::cookie::Cookie;
use crate::model::evidence::Span;
use crate::model::life::Subject;
use crate::model::owner::Task;
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// A process with a socket in its fd table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The process.
    pub task: Task,
    /// By which fd.
    pub fd: u32,
}

/// Who holds what, from one pass over all fd tables.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// By cookie, where the kernel's iterator told.
    pub by_cookie: FxHashMap<Cookie, Vec<Held>>,
    /// By inode, from /proc.
    pub by_inode: FxHashMap<u64, Vec<Held>>,
    /// SO_KEEPALIVE by cookie.
    pub keepalive: FxHashMap<Cookie, bool>,
    /// `sk_err` of sockets whose connection is over.
    pub errors: FxHashMap<Cookie, u16>,
    /// Nobody's fds were hidden from us.
    pub complete: bool,
}

impl Holdings {
    /// Those who hold `socket`.
    pub(super) fn of(&self, socket: &SocketSnapshot) -> &[Held] {
        let id = &socket.id;
        let by_cookie = id.socket.cookie.and_then(|cookie| self.by_cookie.get(&cookie));
        let held = by_cookie.or_else(|| self.by_inode.get(&id.inode?));
        held.map(Vec::as_slice).unwrap_or_default()
    }
}

/// What is known of a process besides its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// How long ago it began, nanoseconds, at most.
    pub age_ns: u64,
    /// Its parent, grandparent and so on.
    pub ancestors: Vec<u32>,
}

/// What events have told of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The connection.
    pub subject: Subject,
    /// When it entered the state that the engine knows it in.
    pub since: Option<Mono>,
    /// That state.
    pub state: TcpState,
    /// Its age now.
    pub age: Span,
}

/// Who else is asked.
pub trait Witness {
    /// About a process.
    fn process(&self, pid: u32) -> Option<Process>;
    /// About a socket whose events were seen.
    fn known(&self, socket: &SocketSnapshot) -> Option<Known>;
    /// `net.ipv4.tcp_fin_timeout` of a namespace, seconds.
    fn fin_timeout(&self, netns: u32) -> Option<u32>;
}
