//! One sock_diag socket for each network namespace of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{Diag, DumpStats};
use crate::model::snapshot::SocketSnapshot;
use crate::source::netns::{self, Netns, in_netns};
use crate::source::sysctl;

/// Sockets into every namespace that could be entered. Each keeps its namespace alive until the next [`refresh`], which drops
/// those that nobody else uses any more.
///
/// [`refresh`]: DiagSet::refresh
#[derive(Debug, Default)]
pub struct DiagSet {
    /// Our own namespace alone, whatever else there is.
    own_only: bool,
    open: BTreeMap<u32, (Netns, Diag)>,
    failed: BTreeMap<u32, Unreachable>,
}

/// A namespace that could not be looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Which.
    pub netns: Netns,
    /// Why.
    pub kind: io::ErrorKind,
    /// Why, in the system's words.
    pub why: String,
}

/// What a refresh changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Namespaces that are new since the last one.
    pub opened: Vec<u32>,
    /// Namespaces that are gone.
    pub dropped: Vec<u32>,
    /// Namespaces that cannot be entered and were not known before: to be said once.
    pub unreachable: Vec<Unreachable>,
    /// Processes whose namespace cannot be read: to be counted.
    pub unreadable: u64,
}

/// What a dump of every namespace came to.
#[derive(Debug, Default)]
pub struct DumpAll {
    /// By namespace inode.
    pub namespaces: Vec<(u32, DumpStats)>,
    /// Namespaces whose dump failed; their sockets are opened anew at the next refresh.
    pub failed: Vec<(u32, io::Error)>,
}

impl DumpAll {
    /// Sockets handed out, over all namespaces.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        self.namespaces.iter().map(|(_, stats)| stats.sockets).sum()
    }
}

impl DiagSet {
    /// Opens a socket into every namespace of the host.
    ///
    /// # Errors
    /// When /proc is not there, or not even our own namespace can be looked into.
    pub fn open() -> io::Result<(Self, Refreshed)> {
        let mut set = Self::default();
        let refreshed = set.refresh()?;
        Ok((set, refreshed))
    }

    /// Opens a socket into our own namespace alone.
    ///
    /// # Errors
    /// As [`DiagSet::open`].
    pub fn own() -> io::Result<Self> {
        let mut set = Self { own_only: true, ..Self::default() };
        set.refresh()?;
        Ok(set)
    }

    /// Finds the namespaces again: opens what is new, drops what is gone, and reads `tcp_fin_timeout` where it is new.
    ///
    /// # Errors
    /// As [`DiagSet::open`].
    pub fn refresh(&mut self) -> io::Result<Refreshed> {
        let own = netns::own()?;
        let found = if self.own_only {
            netns::Found { namespaces: vec![Netns::own()?], unreadable: 0 }
        } else {
            netns::find_all()?
        };
        let here: BTreeSet<u32> = found.namespaces.iter().map(|netns| netns.inode).collect();
        let mut refreshed = Refreshed { unreadable: found.unreadable, ..Refreshed::default() };
        refreshed.dropped = self.open.keys().copied().filter(|inode| !here.contains(inode)).collect();
        self.open.retain(|inode, _| here.contains(inode));
        self.failed.retain(|inode, _| here.contains(inode));
        for netns in found.namespaces {
            if let Some((known, _)) = self.open.get_mut(&netns.inode) {
                // The process through which it was found may have ended.
                *known = netns;
                continue;
            }
            let opened = if netns.inode == own {
                open_here()
            } else {
                in_netns(&netns, open_here).and_then(|diag| diag)
            };
            match opened {
                Ok(diag) => {
                    self.failed.remove(&netns.inode);
                    refreshed.opened.push(netns.inode);
                    self.open.insert(netns.inode, (netns, diag));
                }
                Err(error) if netns.inode == own => return Err(error),
                // It went away between finding and entering.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let failure = Unreachable { netns, kind: error.kind(), why: error.to_string() };
                    if self.failed.insert(failure.netns.inode, failure.clone()).is_none() {
                        refreshed.unreachable.push(failure);
                    }
                }
            }
        }
        Ok(refreshed)
    }

    /// Dumps every namespace: see [`Diag::dump`]. A namespace that fails does not stop the others.
    pub fn dump_all(&mut self, states: u32, each: &mut dyn FnMut(SocketSnapshot)) -> DumpAll {
        let mut all = DumpAll::default();
        for (inode, (_, diag)) in &mut self.open {
            match diag.dump(*inode, states, each) {
                Ok(stats) => all.namespaces.push((*inode, stats)),
                Err(error) => all.failed.push((*inode, error)),
            }
        }
        for (inode, _) in &all.failed {
            self.open.remove(inode);
        }
        all
    }

    /// The socket into one namespace.
    pub fn diag(&mut self, netns: u32) -> Option<&mut Diag> {
        self.open.get_mut(&netns).map(|(_, diag)| diag)
    }

    /// The namespaces that are open.
    pub fn namespaces(&self) -> impl Iterator<Item = &Netns> {
        self.open.values().map(|(netns, _)| netns)
    }

    /// The namespaces that cannot be entered.
    pub fn unreachable(&self) -> impl Iterator<Item = &Unreachable> {
        self.failed.values()
    }

    /// `net.ipv4.tcp_fin_timeout` of each open namespace in seconds, read again.
    pub fn fin_timeouts(&mut self) -> Vec<(u32, u32)> {
        let mut timeouts = Vec::new();
        for (inode, (netns, diag)) in &mut self.open {
            if let Ok(Some(seconds)) = in_netns(netns, sysctl::fin_timeout_here) {
                diag.learn_fin_timeout(Some(seconds));
            }
            timeouts.extend(diag.fin_timeout().map(|seconds| (*inode, seconds)));
        }
        timeouts
    }
}

fn open_here() -> io::Result<Diag> {
    Diag::open(sysctl::fin_timeout_here())
}
