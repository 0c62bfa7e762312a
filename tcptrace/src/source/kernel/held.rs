//! One pass over all open files: who holds which TCP socket, in all network namespaces, and the kernel half's memory of it.

use std::io::Read as _;

use aya::programs::Iter;
use tcptrace_ebpf::wire::Held;

use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::owner::Task;

use super::Kernel;
use super::attach::program_of;
use super::error::short;

/// A process holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Which socket.
    pub cookie: Option<Cookie>,
    /// Its inode; 0 where the kernel does not keep it beside the socket.
    pub inode: u64,
    /// Who.
    pub task: Task,
    /// By which fd.
    pub fd: u32,
}

impl Kernel {
    /// Loads the iterator and lets it give the sockets that existed before us their owners.
    pub(super) fn adopt(&mut self, types: &aya::Btf) {
        let loaded =
            program_of::<Iter>(&mut self.ebpf, "held").and_then(|program| program.load("task_file", types));
        match loaded {
            Ok(()) => {
                if let Err(why) = self.holdings() {
                    self.notes.push(format!("owners of older sockets come from /proc only: {why}"));
                }
            }
            Err(error) => self.notes.push(format!(
                "the iterator over open files is not available ({}): owners of older sockets come from /proc only",
                short(&error)
            )),
        }
    }

    /// Walks all open files now.
    ///
    /// # Errors
    /// Why not, in words: the kernel lacks the iterator (before 5.11), or it could not be read.
    pub fn holdings(&mut self) -> Result<Vec<Holding>, String> {
        let program = program_of::<Iter>(&mut self.ebpf, "held").map_err(|error| short(&error))?;
        let link = program.attach().map_err(|error| short(&error))?;
        let link = program.take_link(link).map_err(|error| short(&error))?;
        let mut bytes = Vec::new();
        link.into_file()
            .map_err(|error| short(&error))?
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes
            .chunks_exact(size_of::<Held>())
            .filter_map(Held::decode)
            .map(|held| Holding {
                cookie: Cookie::new(held.cookie),
                inode: held.inode,
                task: Task { pid: held.pid, comm: Comm(held.comm) },
                fd: held.fd,
            })
            .collect())
    }
}
