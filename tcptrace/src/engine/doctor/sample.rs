//! Made-up facts for the tests of the checks.

use std::time::Duration;

use super::facts::{Facts, Picture, PortRange, Process, Sock, Space};
use crate::model::comm::Comm;
use crate::model::endpoints::Endpoints;
use crate::model::snapshot::Age;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// The only namespace.
pub(super) const NETNS: u32 = 7;

/// A socket between 10.0.0.1 and 10.0.0.2.
pub(super) fn sock(state: TcpState, local: u16, remote: u16) -> Sock {
    Sock {
        netns: NETNS,
        state,
        mini: state == TcpState::TimeWait,
        ends: Endpoints::new(([10, 0, 0, 1].into(), local), ([10, 0, 0, 2].into(), remote)),
        inode: None,
        age: Age::default(),
        timer: None,
        receive_queue: 0,
        send_queue: 0,
    }
}

/// A host with these sockets, one picture.
pub(super) fn host(sockets: Vec<Sock>) -> Facts {
    let space = Space {
        netns: NETNS,
        ports: Some(PortRange { range: 32_768..=60_999, reserved: Vec::new() }),
        ..Space::default()
    };
    let now = Picture { sockets, spaces: vec![space], ..Picture::default() };
    Facts { now, own_netns: NETNS, ..Facts::default() }
}

/// A host with so many sockets in each state.
pub(super) fn counts(states: &[(TcpState, usize)]) -> Facts {
    host(states.iter().flat_map(|(state, count)| std::iter::repeat_n(sock(*state, 80, 9), *count)).collect())
}

/// Adds an earlier picture without sockets, and with the same counters.
pub(super) fn watched(facts: &mut Facts, seconds: u64) {
    facts.now.at = Mono(0) + Duration::from_secs(seconds);
    let spaces = facts.now.spaces.clone();
    let mut processes = facts.now.processes.clone();
    for process in processes.values_mut() {
        process.at = Mono(0);
    }
    for process in facts.now.processes.values_mut() {
        process.at = facts.now.at;
    }
    facts.before = Some(Picture { spaces, processes, ..Picture::default() });
}

/// Gives `sock` an inode that `pid` holds.
pub(super) fn hold(facts: &mut Facts, pid: u32, comm: &str, fds: u64, limit: u64) {
    let process = Process { comm: Comm::from(comm), fds: Some(fds), limit: Some(limit), at: facts.now.at };
    facts.now.processes.insert(pid, process);
    for (inode, sock) in (u64::from(pid) * 1_000..).zip(&mut facts.now.sockets) {
        if sock.inode.is_none() {
            sock.inode = Some(inode);
            facts.now.holders.insert(inode, vec![pid]);
        }
    }
}

/// Sets a sysctl.
pub(super) fn sysctl(facts: &mut Facts, name: &'static str, value: &str) {
    facts.now.spaces[0].sysctls.insert(name, value.to_owned());
}

/// A counter now, and what it was before.
pub(super) fn counter(facts: &mut Facts, name: &'static str, before: u64, now: u64) {
    facts.now.spaces[0].counters.insert(name, now);
    if let Some(picture) = &mut facts.before {
        picture.spaces[0].counters.insert(name, before);
    }
}
