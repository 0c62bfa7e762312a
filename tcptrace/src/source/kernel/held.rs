//! One pass over all open files: who holds which TCP socket, in all network namespaces.

use aya::programs::Iter;
use aya::{Ebpf, EbpfLoader};
use tcptrace_ebpf::wire::Held;

use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::endpoints::{Endpoints, from_bytes};
use crate::model::owner::{Owner, OwnerHow, Task};
use crate::model::socket::{Protocol, SocketId, SocketRef};
use crate::model::state::TcpState;

use super::attach::LEAST_RING;
use super::btf::Btf;
use super::convert::MPTCP;
use super::error::{AttachError, short};
use super::object::program_of;
use super::walk::Records;
use super::{Kernel, offsets, pids};

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
    /// Which socket, with its addresses: a socket whose connection is over keeps them, and is in no dump.
    pub id: SocketId,
    /// Its state.
    pub state: TcpState,
    /// It has sent or received a segment: without, it never had a connection.
    pub connected: bool,
    /// `sk_err`, not yet fetched by the process.
    pub error: u16,
    /// SO_KEEPALIVE is on.
    pub keepalive: bool,
    /// Who owns it by an event that the kernel half saw; never from an fd table.
    pub owner: Option<Owner>,
}

/// One record as a holding; `None` when it names a state that TCP does not have.
fn holding(held: &Held) -> Option<Holding> {
    let owner = OwnerHow::from_wire(held.owner_how).filter(|how| *how != OwnerHow::FdTable);
    let cookie = Cookie::new(held.cookie);
    Some(Holding {
        cookie,
        inode: held.inode,
        task: Task { pid: held.pid, comm: Comm(held.comm) },
        fd: held.fd,
        id: SocketId {
            socket: SocketRef { address: 0, cookie },
            protocol: if held.protocol == MPTCP { Protocol::Mptcp } else { Protocol::Tcp },
            endpoints: Endpoints::new(
                (from_bytes(held.laddr), held.lport),
                (from_bytes(held.raddr), held.rport),
            ),
            netns: (held.netns != 0).then_some(held.netns),
            uid: Some(held.uid),
            cgroup: (held.cgroup != 0).then_some(held.cgroup),
            inode: (held.inode != 0).then_some(held.inode),
        },
        state: TcpState::from_kernel(held.state)?,
        connected: held.segments != 0,
        error: held.error,
        keepalive: held.keepalive != 0,
        // The memory has one name for all claims: it is the holder's only where the holder is the owner.
        owner: owner
            .filter(|_| held.owner_pid == held.pid)
            .map(|how| Owner { task: Task { pid: held.pid, comm: Comm(held.comm) }, how }),
    })
}

/// Only the iterator over open files, for those who look once and trace nothing.
pub struct OpenFiles(Ebpf);

impl OpenFiles {
    /// Loads it.
    ///
    /// # Errors
    /// Rights are missing, or the kernel has no BTF or no such iterator.
    pub fn load() -> Result<Self, AttachError> {
        let btf = Btf::of_this_kernel()
            .map_err(|error| AttachError::Unsuitable(format!("this kernel shows no BTF: {error}")))?;
        let resolved = offsets::resolve(&btf);
        if let Some(name) = resolved.fatal() {
            return Err(AttachError::Unsuitable(format!("this kernel's BTF has no `{name}`")));
        }
        let offsets = resolved.offsets.encode();
        // Nothing is sent through the rings.
        let mut ebpf = EbpfLoader::new()
            .override_global("OFFSETS", offsets.as_slice(), true)
            .map_max_entries("EVENTS", LEAST_RING)
            .map_max_entries("AYA_LOGS", LEAST_RING)
            .load(tcptrace_ebpf::OBJECT)
            .map_err(|error| AttachError::of("loading the eBPF object", &error))?;
        let types = aya::Btf::from_sys_fs().map_err(|error| {
            AttachError::Unsuitable(format!("cannot read the kernel's BTF: {}", short(&error)))
        })?;
        program_of::<Iter>(&mut ebpf, "held")
            .and_then(|program| program.load("task_file", &types))
            .map_err(|error| AttachError::of("the iterator over open files", &error))?;
        Ok(Self(ebpf))
    }

    /// Walks all open files now.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn holdings(&mut self) -> Result<Vec<Holding>, String> {
        holdings(&mut self.0)
    }
}

fn holdings(ebpf: &mut Ebpf) -> Result<Vec<Holding>, String> {
    let mut records = Records::open(ebpf)?;
    let mut holdings = Vec::new();
    while let Some(held) = records.next().transpose()? {
        holdings.extend(held.as_ref().and_then(holding));
    }
    Ok(holdings)
}

impl Kernel {
    /// Whether the iterator over open files shows every process of the host, whoever asks: not from inside a container's pid namespace.
    #[must_use]
    pub fn sees_all_processes() -> bool {
        pids::namespace().1 == 0
    }

    /// Walks all open files now.
    ///
    /// # Errors
    /// Why not, in words: the kernel lacks the iterator (before 5.11), or it could not be read.
    pub fn holdings(&mut self) -> Result<Vec<Holding>, String> {
        holdings(&mut self.ebpf)
    }
}
