//! Which connections and transitions the user wants to see.
//!
//! Values of one flag are alternatives, different flags must all hold. What is not known is never a match; it may become
//! one, which is why the answer has three values.

mod comm;
mod life;

use std::ops::RangeInclusive;

use ipnet::IpNet;
use rustc_hash::FxHashSet;

pub use comm::CommPattern;
pub use life::LifeFilter;

use crate::model::endpoints::Endpoint;
use crate::model::life::{OpenedBy, Subject};
use crate::model::owner::{Owner, OwnerHow};
use crate::model::state::TcpState;

/// A filter's answer about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Show it.
    Yes,
    /// Do not show it.
    No,
    /// What the filter asks for is not known yet: keep its transitions until it is.
    NotYet,
}

impl Admission {
    /// Both must hold.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::NotYet, _) | (_, Self::NotYet) => Self::NotYet,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// One is enough.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::NotYet, _) | (_, Self::NotYet) => Self::NotYet,
            (Self::No, Self::No) => Self::No,
        }
    }

    /// The answer where the fact is known, `NotYet` where it is not.
    fn of(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::NotYet,
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, v4-mapped addresses included.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// 4 or 6.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// What the user asked for; an empty list asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Owning processes.
    pub pids: FxHashSet<u32>,
    /// Names of owning processes.
    pub comms: Vec<CommPattern>,
    /// Creators' uids.
    pub uids: Vec<u32>,
    /// Ports of either end.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Ports of our end.
    pub lports: Vec<RangeInclusive<u16>>,
    /// Ports of the peer's end.
    pub rports: Vec<RangeInclusive<u16>>,
    /// Networks of either end.
    pub addrs: Vec<IpNet>,
    /// Networks of our end.
    pub laddrs: Vec<IpNet>,
    /// Networks of the peer's end.
    pub raddrs: Vec<IpNet>,
    /// One family only.
    pub family: Option<Family>,
    /// States left or entered. A rule for transitions, not for connections.
    pub states: Vec<TcpState>,
    /// Inode numbers of network namespaces.
    pub netns: Vec<u32>,
    /// Ids of the cgroups named and of all below them; `None` when none was named.
    pub cgroups: Option<FxHashSet<u64>>,
}

impl Filter {
    /// Does it let everything through?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// May this connection be shown?
    #[must_use]
    pub fn admits(&self, subject: &Subject) -> Admission {
        let Self {
            pids,
            comms,
            uids,
            ports,
            lports,
            rports,
            addrs,
            laddrs,
            raddrs,
            family,
            states: _,
            netns,
            cgroups,
        } = self;
        let Subject { id: _, socket, owner, opened_by } = subject;
        let (local, remote) = (&socket.endpoints.local, &socket.endpoints.remote);
        let known_in = |list: &[u32], fact: Option<u32>| Admission::of(fact.map(|fact| list.contains(&fact)));

        let mut answer = Admission::Yes;
        let mut must = |asked: bool, holds: &dyn Fn() -> Admission| {
            if asked && answer != Admission::No {
                answer = answer.and(holds());
            }
        };
        must(family.is_some(), &|| {
            // Before Linux 6.18 a connection is born with its listener's addresses.
            let named = *opened_by != OpenedBy::Accept || remote.port.is_some();
            let family = family.map(|family| family.number() == socket.endpoints.family());
            Admission::of(family.filter(|_| named))
        });
        must(!netns.is_empty(), &|| known_in(netns, socket.netns));
        must(!rports.is_empty(), &|| port_in(rports, remote));
        must(!lports.is_empty(), &|| port_in(lports, local));
        must(!ports.is_empty(), &|| port_in(ports, local).or(port_in(ports, remote)));
        must(!raddrs.is_empty(), &|| addr_in(raddrs, remote));
        must(!laddrs.is_empty(), &|| addr_in(laddrs, local));
        must(!addrs.is_empty(), &|| addr_in(addrs, local).or(addr_in(addrs, remote)));
        must(!uids.is_empty(), &|| known_in(uids, socket.uid));
        must(cgroups.is_some(), &|| {
            Admission::of(cgroups.as_ref().zip(socket.cgroup).map(|(ids, id)| ids.contains(&id)))
        });
        must(!pids.is_empty(), &|| owned(*owner, |owner| pids.contains(&owner.task.pid)));
        must(!comms.is_empty(), &|| {
            owned(*owner, |owner| comms.iter().any(|pattern| pattern.matches(&owner.task.comm)))
        });
        answer
    }

    /// May this transition be shown, as far as `--state` decides?
    #[must_use]
    pub fn admits_states(&self, from: TcpState, to: TcpState) -> bool {
        self.states.is_empty() || self.names_state(from) || self.names_state(to)
    }

    /// Is `state` one of `states`?
    pub(super) fn names_state(&self, state: TcpState) -> bool {
        // A request socket is printed as SYN_RECV, so it is found as SYN_RECV.
        self.states.iter().any(|asked| asked.name() == state.name())
    }

    /// The first flag that only the BTF attach path can serve: the classic tracepoint does not carry what it asks for.
    #[must_use]
    pub fn needs_btf(&self) -> Option<&'static str> {
        [
            (!self.netns.is_empty(), "--netns"),
            (!self.uids.is_empty(), "--uid"),
            (self.cgroups.is_some(), "--cgroup"),
        ]
        .into_iter()
        .find_map(|(asked, flag)| asked.then_some(flag))
    }
}

/// A port rule on one end. A local port is chosen after the first event of a connect (kernel-facts §0.5).
fn port_in(list: &[RangeInclusive<u16>], end: &Endpoint) -> Admission {
    Admission::of(end.port.map(|port| list.iter().any(|range| range.contains(&port))))
}

/// An address rule on one end. An unspecified address matches only a network that contains it.
fn addr_in(list: &[IpNet], end: &Endpoint) -> Admission {
    if list.iter().any(|net| net.contains(&end.addr)) {
        Admission::Yes
    } else if end.addr.is_unspecified() {
        Admission::NotYet
    } else {
        Admission::No
    }
}

/// A rule on the owner. A listener's claim that does not match is no answer: the one who accepts may match.
fn owned(owner: Option<Owner>, matches: impl Fn(&Owner) -> bool) -> Admission {
    match owner {
        Some(owner) if matches(&owner) => Admission::Yes,
        Some(Owner { how: OwnerHow::Listener, .. }) | None => Admission::NotYet,
        Some(_) => Admission::No,
    }
}

#[cfg(test)]
// Its makers of subjects serve the gate's tests too.
pub(super) mod tests;
