//! What stays are grouped by.

use std::net::IpAddr;

use crate::model::comm::Comm;
use crate::model::life::{End, OpenedBy, Subject};

/// A key of `--by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The state: always.
    State,
    /// Owning process.
    Pid,
    /// Its name.
    Comm,
    /// Port of our end.
    Lport,
    /// Port of the peer's end.
    Rport,
    /// Address of the peer.
    Raddr,
    /// Cgroup of the creator.
    Cgroup,
    /// Network namespace.
    Netns,
    /// How the connection ended.
    End,
    /// How it began.
    Role,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::State,
        Self::Pid,
        Self::Comm,
        Self::Lport,
        Self::Rport,
        Self::Raddr,
        Self::Cgroup,
        Self::Netns,
        Self::End,
        Self::Role,
    ];

    /// The word on the command line and in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Pid => "pid",
            Self::Comm => "comm",
            Self::Lport => "lport",
            Self::Rport => "rport",
            Self::Raddr => "raddr",
            Self::Cgroup => "cgroup",
            Self::Netns => "netns",
            Self::End => "end",
            Self::Role => "role",
        }
    }

    /// The kernel half knows it, cheaply.
    #[must_use]
    pub const fn in_kernel(self) -> bool {
        !matches!(self, Self::Comm | Self::Raddr | Self::End)
    }
}

/// One group: values of the keys asked for, the others are `None`, as is what is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// Owning process.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<Comm>,
    /// Port of our end.
    pub lport: Option<u16>,
    /// Port of the peer's end.
    pub rport: Option<u16>,
    /// Address of the peer.
    pub raddr: Option<IpAddr>,
    /// Id of the creator's cgroup.
    pub cgroup: Option<u64>,
    /// Inode of the network namespace.
    pub netns: Option<u32>,
    /// How the connection ended; `None` also while it has not.
    pub end: Option<End>,
    /// How it began.
    pub role: Option<OpenedBy>,
    /// There were too many groups: all the rest.
    pub other: bool,
}

impl Group {
    /// Those beyond the number of groups.
    pub const OTHER: Self = Self {
        pid: None,
        comm: None,
        lport: None,
        rport: None,
        raddr: None,
        cgroup: None,
        netns: None,
        end: None,
        role: None,
        other: true,
    };

    /// The group of a connection.
    #[must_use]
    pub fn of(by: &[By], subject: &Subject, end: Option<End>) -> Self {
        let Subject { id: _, socket, owner, opened_by } = subject;
        let ends = &socket.endpoints;
        let mut group = Self::default();
        for key in by {
            match key {
                By::State => {}
                By::Pid => group.pid = owner.map(|owner| owner.task.pid),
                By::Comm => group.comm = owner.map(|owner| owner.task.comm),
                By::Lport => group.lport = ends.local.port,
                By::Rport => group.rport = ends.remote.port,
                By::Raddr => {
                    group.raddr = Some(ends.remote.addr).filter(|addr| !addr.is_unspecified());
                }
                By::Cgroup => group.cgroup = socket.cgroup,
                By::Netns => group.netns = socket.netns,
                By::End => group.end = end,
                By::Role => {
                    group.role = Some(*opened_by).filter(|role| *role != OpenedBy::Unknown);
                }
            }
        }
        group
    }

    /// For sorting: groups that belong together stand together.
    pub(super) fn order(&self) -> impl Ord + use<> {
        let Self { pid, comm, lport, rport, raddr, cgroup, netns, end, role, other } = *self;
        let comm = comm.map(|comm| comm.0);
        let (end, role) = (end.map(End::name), role.map(OpenedBy::name));
        (other, comm, pid, lport, rport, raddr, cgroup, netns, end, role)
    }
}
