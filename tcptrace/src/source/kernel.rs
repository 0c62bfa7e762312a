//! The kernel half: loads the object, attaches what a mode needs, and hands over what it tells. The only place that knows aya.

mod attach;
pub mod btf;
pub mod convert;
mod cost;
mod drain;
mod error;
mod held;
mod histogram;
pub mod layout;
mod log;
mod lookup;
mod object;
mod offsets;
mod options;
mod pids;
pub mod probe;
mod programs;
mod rearm;
mod reasons;
mod scope;
mod selftest;
mod stacks;
mod symbols;
mod walk;

pub(in crate::source) use attach::NO_STORAGE;
pub use error::AttachError;
pub use held::{Holding, OpenFiles};
pub use histogram::Counting;
pub use offsets::{Resolved, resolve};
pub use options::{Attach, Hears, Options, Want};
pub use reasons::Reasons;
pub use scope::Scope;
pub use stacks::{Opening, ROOM as STACK_ROOM};
pub use walk::{Holders, Walk};

use std::os::fd::OwnedFd;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray};

use super::clock;
use crate::model::time::Mono;

use drain::Ring;

/// Which attach path runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// BTF tracepoint: everything is known.
    Btf,
    /// Classic tracepoint: what the event itself says.
    Classic,
}

impl Path {
    /// The word in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Btf => "btf",
            Self::Classic => "classic",
        }
    }
}

/// The attached programs. Dropping it detaches them.
pub struct Kernel {
    ebpf: Ebpf,
    path: Path,
    remembers: attach::Remembers,
    ring: Ring,
    reasons: Reasons,
    lost: PerCpuArray<MapData, u64>,
    lost_seen: [u64; tcptrace_ebpf::wire::lost::COUNT as usize],
    undecodable: u64,
    /// The main program, for what the kernel counts with it.
    main: Option<OwnedFd>,
    missed: u64,
    kills: rearm::Kills,
    watched_ports: HashMap<MapData, u16, u8>,
    names_newborns: Option<bool>,
    notes: Vec<String>,
    attached: Vec<&'static str>,
    cost: cost::Meter,
    log: Option<log::Log>,
    counters: Option<histogram::Counters>,
    stacks: Option<stacks::Stacks>,
    walk: Option<Walk>,
}

impl Kernel {
    /// Which path is in use.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// Whether every event carries its socket's cookie; else the socket's address tells, and the order of events.
    #[must_use]
    pub fn cookies(&self) -> bool {
        self.remembers == attach::Remembers::InSocket
    }

    /// Whether the first event of an accepted connection names its peer, as the self-test saw it; `None` before.
    #[must_use]
    pub fn names_newborns(&self) -> Option<bool> {
        self.names_newborns
    }

    /// The programs that are attached, by name.
    #[must_use]
    pub fn attached(&self) -> &[&'static str] {
        &self.attached
    }

    /// What does not work here and why, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A process of `--pid` was already listening on `port`: without socket storage its children are told by that.
    pub fn watch_port(&mut self, port: u16) {
        if !self.cookies() && self.watched_ports.insert(port, 1, 0).is_err() {
            self.notes.push(format!("connections to port {port} appear only once they are accepted"));
        }
    }

    /// Now, on the clock of the events.
    #[must_use]
    pub fn now() -> Mono {
        clock::now()
    }
}
