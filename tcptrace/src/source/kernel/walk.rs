//! The walk through all open files when tracing begins: it tells who holds what, and teaches the kernel half.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::programs::Iter;
use rustc_hash::FxHashMap;
use tcptrace_ebpf::wire::Held;

use super::Kernel;
use super::error::short;
use super::object::program_of;
use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::owner::Task;

/// Files between two looks at the clock.
const MANY: usize = 1024;

/// The records of the iterator, as it makes them.
pub(super) struct Records(BufReader<File>);

impl Records {
    /// Begins a walk with the loaded iterator.
    pub(super) fn open(ebpf: &mut Ebpf) -> Result<Self, String> {
        let program = program_of::<Iter>(ebpf, "held").map_err(|error| short(&error))?;
        let link = program.attach().map_err(|error| short(&error))?;
        let link = program.take_link(link).map_err(|error| short(&error))?;
        let file = link.into_file().map_err(|error| short(&error))?;
        Ok(Self(BufReader::with_capacity(64 << 10, file)))
    }

    /// The next; `None` after the last, and for what cannot be decoded.
    pub(super) fn next(&mut self) -> Option<Result<Option<Held>, String>> {
        let mut bytes = [0; size_of::<Held>()];
        match self.0.read_exact(&mut bytes) {
            Ok(()) => Some(Ok(Held::decode(&bytes))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error.to_string())),
        }
    }
}

/// A walk that may not be over. Reading on needs no rights.
pub struct Walk {
    records: Records,
    holders: Holders,
    over: bool,
}

impl Walk {
    /// Walks until `until`, or to the end.
    fn go_on(&mut self, until: Option<Instant>) -> Result<(), String> {
        while !self.over && until.is_none_or(|until| Instant::now() < until) {
            for _ in 0..MANY {
                match self.records.next().transpose()? {
                    Some(held) => self.holders.extend(
                        held.map(|held| (held.cookie, Task { pid: held.pid, comm: Comm(held.comm) })),
                    ),
                    None => {
                        self.over = true;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// All files have been seen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Walks to the end.
    ///
    /// # Errors
    /// Why the kernel does not go on, in words.
    pub fn finish(mut self) -> Result<Holders, String> {
        self.go_on(None)?;
        Ok(self.holders)
    }
}

/// One process that holds one socket. In twelve bytes, not sixteen.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Hold {
    cookie: u64,
    pid: u32,
}

const _: () = assert!(size_of::<Hold>() == 12);

/// The holders of all sockets, as small as it can be: a host may have a million of them.
#[derive(Debug, Default)]
pub struct Holders {
    holds: Vec<Hold>,
    names: FxHashMap<u32, Comm>,
}

impl Extend<(u64, Task)> for Holders {
    fn extend<T: IntoIterator<Item = (u64, Task)>>(&mut self, holders: T) {
        for (cookie, task) in holders.into_iter().filter(|(cookie, _)| *cookie != 0) {
            self.holds.push(Hold { cookie, pid: task.pid });
            self.names.insert(task.pid, task.comm);
        }
    }
}

impl FromIterator<(u64, Task)> for Holders {
    fn from_iter<T: IntoIterator<Item = (u64, Task)>>(holders: T) -> Self {
        let mut these = Self::default();
        these.extend(holders);
        these
    }
}

impl Holders {
    /// Of several holders of a socket keeps one that is `preferred`, else that with the lowest pid.
    pub fn settle(&mut self, preferred: &dyn Fn(u32) -> bool) {
        self.holds.sort_unstable_by_key(|hold| (hold.cookie, !preferred(hold.pid), hold.pid));
        self.holds.dedup_by_key(|hold| hold.cookie);
        self.holds.shrink_to_fit();
    }

    /// Who holds it; call after [`Self::settle`].
    #[must_use]
    pub fn holder(&self, cookie: Cookie) -> Option<Task> {
        let at = self.holds.binary_search_by_key(&cookie.0.get(), |hold| hold.cookie).ok()?;
        let Hold { pid, .. } = *self.holds.get(at)?;
        Some(Task { pid, comm: *self.names.get(&pid)? })
    }
}

impl Kernel {
    /// Loads the iterator and begins the walk that gives the sockets that existed before us their owners.
    pub(super) fn adopt(&mut self, types: &aya::Btf, patience: Option<Duration>) {
        let until = patience.map(|patience| Instant::now() + patience);
        let walked = program_of::<Iter>(&mut self.ebpf, "held")
            .and_then(|program| program.load("task_file", types))
            .map_err(|error| format!("the iterator over open files is not available ({})", short(&error)))
            .and_then(|()| {
                let records = Records::open(&mut self.ebpf)?;
                let mut walk = Walk { records, holders: Holders::default(), over: false };
                walk.go_on(until)?;
                Ok(walk)
            });
        match walked {
            Ok(walk) => self.walk = Some(walk),
            Err(why) => {
                self.notes.push(format!("{why}: owners of older sockets come from /proc only"));
            }
        }
    }

    /// The walk through what was open when tracing began; `None` where /proc must be asked, and the second time.
    pub fn take_walk(&mut self) -> Option<Walk> {
        self.walk.take()
    }
}
