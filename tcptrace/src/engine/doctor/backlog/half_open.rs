//! Half-open connections, and which listener they wait at.

use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::facts::{Facts, Sock};
use crate::model::endpoints::Endpoint;
use crate::model::state::TcpState;

/// Half-open connections of a listener.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    /// How many there can be: SO_REUSEPORT listeners on one address share them.
    pub(super) limit: u64,
    /// How many.
    pub(super) count: u64,
    /// With at least one SYN-ACK retransmitted.
    pub(super) retried: u64,
    /// From which addresses.
    pub(super) peers: FxHashSet<IpAddr>,
    /// The least age of the oldest.
    pub(super) oldest_ns: u64,
}

/// Half-open connections to each listener: the one bound to the address goes before the one bound to all.
pub(super) fn assign(facts: &Facts, listeners: &[&Sock]) -> Vec<HalfOpen> {
    let mut by_end: FxHashMap<(u32, Endpoint), usize> = FxHashMap::default();
    let mut by_port: FxHashMap<(u32, Option<u16>), usize> = FxHashMap::default();
    let mut all: Vec<HalfOpen> = listeners.iter().map(|_| HalfOpen::default()).collect();
    for (at, listener) in listeners.iter().enumerate() {
        let local = listener.ends.local;
        let first = *by_end.entry((listener.netns, local)).or_insert(at);
        if let Some(group) = all.get_mut(first) {
            group.limit += u64::from(listener.send_queue);
        }
        if local.addr.is_unspecified() {
            by_port.entry((listener.netns, local.port)).or_insert(at);
        }
    }
    for sock in facts.now.in_state(TcpState::NewSynRecv) {
        let local = sock.ends.local;
        let at = by_end.get(&(sock.netns, local)).or_else(|| by_port.get(&(sock.netns, local.port)));
        if let Some(half_open) = at.and_then(|at| all.get_mut(*at)) {
            half_open.count += 1;
            half_open.retried += u64::from(sock.timer.is_some_and(|timer| timer.retransmits > 0));
            half_open.peers.insert(sock.ends.remote.addr);
            half_open.oldest_ns = half_open.oldest_ns.max(sock.age.at_least_ns);
        }
    }
    all
}
