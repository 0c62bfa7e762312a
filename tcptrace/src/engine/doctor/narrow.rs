//! `--pid`: what belongs to some processes and their peers.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::facts::Picture;
use crate::model::endpoints::{Endpoint, Endpoints};
use crate::model::state::TcpState;

/// Leaves in `picture` what `pids` hold, what waits at their listeners, what is left of their connections, and the other
/// ends of these on this host; of the namespaces those that they are in. Sockets without a holder are taken by their ports and peers.
pub fn narrow(picture: &mut Picture, pids: &BTreeSet<u32>) {
    let mut ports: FxHashSet<(u32, Option<u16>)> = FxHashSet::default();
    let mut services: FxHashSet<(u32, Endpoint)> = FxHashSet::default();
    let mut mirrors: FxHashSet<Endpoints> = FxHashSet::default();
    for sock in &picture.sockets {
        if !picture.holders_of(sock).iter().any(|pid| pids.contains(pid)) {
            continue;
        }
        if sock.state == TcpState::Listen {
            ports.insert((sock.netns, sock.ends.local.port));
        } else {
            services.insert((sock.netns, sock.ends.remote));
            mirrors.insert(sock.ends.mirrored());
        }
    }
    let holders = std::mem::take(&mut picture.holders);
    let ours = |inode: Option<u64>| {
        let held = inode.and_then(|inode| holders.get(&inode));
        held.is_some_and(|held| held.iter().any(|pid| pids.contains(pid)))
    };
    picture.sockets.retain(|sock| {
        let left = sock.inode.is_none()
            && (ports.contains(&(sock.netns, sock.ends.local.port))
                || services.contains(&(sock.netns, sock.ends.remote)));
        ours(sock.inode) || left || mirrors.contains(&sock.ends)
    });
    picture.holders = holders;
    let spaces: FxHashSet<u32> = picture.sockets.iter().map(|sock| sock.netns).collect();
    picture.spaces.retain(|space| spaces.contains(&space.netns));
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_process_keeps_its_listeners_children_and_loses_strangers() {
        let mut facts = sample::host(vec![sample::sock(TcpState::Listen, 80, 0)]);
        sample::hold(&mut facts, 5, "mine", 4, 9);
        facts.now.sockets.push(sample::sock(TcpState::NewSynRecv, 80, 1_000));
        facts.now.sockets.push(sample::sock(TcpState::TimeWait, 90, 1_001));
        facts.now.spaces.push(super::super::facts::Space { netns: 99, ..Default::default() });
        narrow(&mut facts.now, &BTreeSet::from([5]));
        assert_eq!(facts.now.spaces.len(), 1);
        let states: Vec<TcpState> = facts.now.sockets.iter().map(|sock| sock.state).collect();
        assert_eq!(states, [TcpState::Listen, TcpState::NewSynRecv]);
    }
}
