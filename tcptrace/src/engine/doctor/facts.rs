//! What was measured: two pictures of the host and what moved between them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rustc_hash::FxHashMap;

use super::traffic::Traffic;
use crate::model::comm::Comm;
use crate::model::endpoints::Endpoints;
use crate::model::snapshot::{Age, SocketSnapshot, Timer};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// Everything that the checks look at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The picture when watching began; `None` with `--instant`.
    pub before: Option<Picture>,
    /// The picture now.
    pub now: Picture,
    /// What tracing saw in between; `None` where nothing was traced.
    pub traffic: Option<Traffic>,
    /// Our own network namespace; of a recording the recorder's.
    pub own_netns: u32,
    /// They come from a recording: queues, timers, fd tables and most counters are not known.
    pub recorded: bool,
}

/// The host at a moment.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// When.
    pub at: Mono,
    /// Every TCP socket of every namespace that could be entered.
    pub sockets: Vec<Sock>,
    /// Those namespaces.
    pub spaces: Vec<Space>,
    /// Pids that hold the socket with an inode.
    pub holders: FxHashMap<u64, Vec<u32>>,
    /// Processes that hold TCP sockets.
    pub processes: BTreeMap<u32, Process>,
    /// Processes and namespaces that could not be looked into.
    pub unreadable: u64,
}

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sock {
    /// Its namespace.
    pub netns: u32,
    /// Its true state.
    pub state: TcpState,
    /// A timewait socket.
    pub mini: bool,
    /// Its ends.
    pub ends: Endpoints,
    /// Its inode; `None` while orphaned or not yet accepted.
    pub inode: Option<u64>,
    /// How long in its state.
    pub age: Age,
    /// Its running timer.
    pub timer: Option<Timer>,
    /// Bytes to read; of a listener, connections waiting for accept().
    pub receive_queue: u32,
    /// Bytes to send; of a listener, the limit of that queue.
    pub send_queue: u32,
}

impl From<&SocketSnapshot> for Sock {
    fn from(seen: &SocketSnapshot) -> Self {
        Self {
            netns: seen.id.netns.unwrap_or_default(),
            state: seen.state,
            mini: seen.mini,
            ends: seen.id.endpoints,
            inode: seen.id.inode,
            age: seen.age,
            timer: seen.timer,
            receive_queue: seen.receive_queue,
            send_queue: seen.send_queue,
        }
    }
}

/// A process that holds TCP sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its name.
    pub comm: Comm,
    /// Its open fds of any kind.
    pub fds: Option<u64>,
    /// Its soft RLIMIT_NOFILE; `None` where unreadable or unlimited.
    pub limit: Option<u64>,
    /// When the fds were counted.
    pub at: Mono,
}

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Its inode.
    pub netns: u32,
    /// Its name in `ip netns`.
    pub name: Option<String>,
    /// Its sysctls, those that [`super::folklore`] knows and this kernel has.
    pub sysctls: BTreeMap<&'static str, String>,
    /// Its counters, as `TcpExt.ListenOverflows`.
    pub counters: BTreeMap<&'static str, u64>,
    /// Ports that connect() chooses from.
    pub ports: Option<PortRange>,
    /// Its `/proc/net/sockstat`.
    pub sockstat: Option<Sockstat>,
}

/// `net.ipv4.ip_local_port_range` and what is taken out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// First to last.
    pub range: RangeInclusive<u16>,
    /// `net.ipv4.ip_local_reserved_ports`.
    pub reserved: Vec<RangeInclusive<u16>>,
}

impl PortRange {
    /// connect() may choose it.
    #[must_use]
    pub fn offers(&self, port: u16) -> bool {
        self.range.contains(&port) && !self.reserved.iter().any(|range| range.contains(&port))
    }

    /// How many ports connect() may choose from.
    #[must_use]
    pub fn size(&self) -> u64 {
        let offered = self.range.clone().filter(|port| self.offers(*port)).count();
        u64::try_from(offered).unwrap_or_default()
    }
}

/// The TCP line of `/proc/net/sockstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockstat {
    /// Orphans of the whole host.
    pub orphans: u64,
    /// Timewait sockets of this namespace.
    pub time_wait: u64,
}

/// The counters that the checks ask for.
pub const COUNTERS: [&str; 15] = [
    "TcpExt.ListenOverflows",
    "TcpExt.ListenDrops",
    "TcpExt.SyncookiesSent",
    "TcpExt.SyncookiesRecv",
    "TcpExt.SyncookiesFailed",
    "TcpExt.TCPReqQFullDoCookies",
    "TcpExt.TCPReqQFullDrop",
    "TcpExt.TCPTimeWaitOverflow",
    "TcpExt.TCPAbortOnMemory",
    "TcpExt.TCPTimeouts",
    "TcpExt.TCPSynRetrans",
    "Tcp.RetransSegs",
    "Tcp.OutSegs",
    "Tcp.ActiveOpens",
    "Tcp.OutRsts",
];

impl Space {
    /// A sysctl as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.sysctls.get(name)?.parse().ok()
    }

    /// A counter since the namespace was made.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.counters.get(name).copied()
    }
}

impl Picture {
    /// One namespace.
    #[must_use]
    pub fn space(&self, netns: u32) -> Option<&Space> {
        self.spaces.iter().find(|space| space.netns == netns)
    }

    /// The processes that hold `sock`.
    #[must_use]
    pub fn holders_of(&self, sock: &Sock) -> &[u32] {
        sock.inode.and_then(|inode| self.holders.get(&inode)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Sockets in a state.
    pub fn in_state(&self, state: TcpState) -> impl Iterator<Item = &Sock> {
        self.sockets.iter().filter(move |sock| sock.state == state)
    }
}

impl Facts {
    /// Milliseconds between the pictures; `None` with one picture.
    #[must_use]
    pub fn watched_ms(&self) -> Option<u64> {
        let before = self.before.as_ref()?;
        Some((self.now.at.since(before.at) / 1_000_000).max(1))
    }

    /// By how much a counter grew while watching.
    #[must_use]
    pub fn grown(&self, space: &Space, counter: &str) -> Option<u64> {
        let then = self.before.as_ref()?.space(space.netns)?.counter(counter)?;
        Some(space.counter(counter)?.saturating_sub(then))
    }

    /// The name of a namespace for people; empty for our own, which needs none.
    #[must_use]
    pub fn in_space(&self, netns: u32) -> String {
        if netns == self.own_netns {
            return String::new();
        }
        match self.now.space(netns).and_then(|space| space.name.as_deref()) {
            Some(name) => format!(" in namespace {name}"),
            None => format!(" in namespace {netns}"),
        }
    }

    /// A process as `nginx (1234)`.
    #[must_use]
    pub fn process(&self, pid: u32) -> String {
        match self.now.processes.get(&pid) {
            Some(process) => format!("{} ({pid})", process.comm.as_str()),
            None => format!("process {pid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_not_offered() {
        let ports = PortRange { range: 100..=109, reserved: vec![105..=106, 109..=200] };
        assert_eq!((ports.size(), ports.offers(105), ports.offers(104)), (7, false, true));
    }
}
