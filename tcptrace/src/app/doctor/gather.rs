//! A picture of the host: sockets, namespaces, holders and their fds.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;

use crate::engine::doctor::facts::{COUNTERS, Picture, Process, Sock, Space};
use crate::engine::doctor::folklore;
use crate::model::snapshot::SocketSnapshot;
use crate::source::clock::now;
use crate::source::fd_table::FdTable;
use crate::source::netns::{self, Netns, in_netns};
use crate::source::netstat::Netstat;
use crate::source::sock_diag::{ALL_STATES, set::DiagSet};
use crate::source::{limits, port_range, sockstat, sysctl};

/// Looks at the namespaces `wanted`, or at all; every socket found also goes to `each`. What cannot be read is left out and
/// counted.
pub(super) fn picture(
    set: &mut DiagSet,
    wanted: &BTreeSet<u32>,
    each: &mut dyn FnMut(&SocketSnapshot),
) -> Picture {
    let mut picture = Picture::default();
    // Namespaces come and go; a failure leaves those that are known.
    if let Ok(refreshed) = set.refresh() {
        picture.unreadable += refreshed.unreadable;
    }
    set.fin_timeouts();
    let known: Vec<Netns> = set
        .namespaces()
        .filter(|netns| wanted.is_empty() || wanted.contains(&netns.inode))
        .cloned()
        .collect();
    picture.at = now();
    for netns in &known {
        let Some(diag) = set.diag(netns.inode) else { continue };
        let dumped = diag.dump(netns.inode, ALL_STATES, &mut |seen| {
            each(&seen);
            picture.sockets.push(Sock::from(&seen));
        });
        picture.unreadable += u64::from(dumped.is_err());
        // To enter even one's own namespace needs rights; we are there.
        let told = if netns::own().is_ok_and(|own| own == netns.inode) {
            Ok(space(netns))
        } else {
            in_netns(netns, || space(netns))
        };
        match told {
            Ok(space) => picture.spaces.push(space),
            Err(_) => picture.unreadable += 1,
        }
    }
    // After the sockets: one that was accepted meanwhile has its holder.
    hold(&mut picture);
    picture
}

/// What the calling thread's namespace tells of itself.
fn space(netns: &Netns) -> Space {
    let netstat = Netstat::here().unwrap_or_default();
    Space {
        netns: netns.inode,
        name: netns.name.clone(),
        sysctls: folklore::readable().filter_map(|name| Some((name, sysctl::here(name).ok()?))).collect(),
        counters: COUNTERS.into_iter().filter_map(|name| Some((name, netstat.counter(name)?))).collect(),
        ports: port_range::here(),
        sockstat: sockstat::here(),
    }
}

fn hold(picture: &mut Picture) {
    let Ok(table) = FdTable::scan(None) else { return };
    picture.unreadable += table.unreadable;
    let inodes: FxHashSet<u64> = picture.sockets.iter().filter_map(|sock| sock.inode).collect();
    let mut pids = BTreeSet::new();
    for inode in inodes {
        let mut holders: Vec<u32> = table.holders(inode).iter().map(|holder| holder.pid).collect();
        holders.dedup();
        pids.extend(holders.iter().copied());
        if !holders.is_empty() {
            picture.holders.insert(inode, holders);
        }
    }
    picture.processes = pids.into_iter().map(|pid| (pid, process(pid))).collect::<BTreeMap<_, _>>();
}

fn process(pid: u32) -> Process {
    let limits::FdUse { comm, open, limit } = limits::of(pid);
    Process { comm, fds: open, limit, at: now() }
}
