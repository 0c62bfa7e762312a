//! Which local ports are taken toward which destination, and how many there are.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::facts::{Picture, Sock, Space};
use super::super::traffic::Route;
use crate::model::state::TcpState;

/// The local ports toward one destination.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    /// Taken, whatever for.
    pub(super) in_use: u64,
    /// Of those, in TIME_WAIT.
    pub(super) time_wait: u64,
    /// Orphans in FIN_WAIT_2: the peer does not close.
    pub(super) orphaned: u64,
    /// TIME_WAITs that a connect() may take over now.
    pub(super) reusable: u64,
}

/// Every pool in use; connections of our own listeners are none.
pub(super) fn pools(picture: &Picture) -> FxHashMap<Route, Pool> {
    let mut pools: FxHashMap<Route, Pool> = FxHashMap::default();
    let services = listening(picture);
    let spaces: FxHashMap<u32, &Space> = picture.spaces.iter().map(|space| (space.netns, space)).collect();
    for sock in &picture.sockets {
        let (Some(local), Some(port)) = (sock.ends.local.port, sock.ends.remote.port) else { continue };
        let Some(space) = spaces.get(&sock.netns) else { continue };
        let offered = space.ports.as_ref().is_some_and(|ports| ports.offers(local));
        // Not ours: a connection that one of our listeners got.
        if !offered || sock.state == TcpState::NewSynRecv || services.contains(&(sock.netns, local)) {
            continue;
        }
        let route =
            Route { netns: sock.netns, source: sock.ends.local.addr, peer: sock.ends.remote.addr, port };
        let pool = pools.entry(route).or_default();
        pool.in_use += 1;
        pool.orphaned += u64::from(sock.mini && sock.state == TcpState::FinWait2);
        if sock.state == TcpState::TimeWait {
            pool.time_wait += 1;
            pool.reusable += u64::from(reusable(sock, space));
        }
    }
    pools
}

/// `tcp_twsk_unique`: needs `tcp_tw_reuse` (2: loopback only), timestamps, and an age above `tcp_tw_reuse_delay`.
fn reusable(sock: &Sock, space: &Space) -> bool {
    let allowed = match space.number("net.ipv4.tcp_tw_reuse") {
        Some(1) => true,
        Some(2) => sock.ends.remote.addr.is_loopback() || sock.ends.local.addr.is_loopback(),
        _ => false,
    };
    let delay_ms =
        space.number("net.ipv4.tcp_tw_reuse_delay").and_then(|ms| u64::try_from(ms).ok()).unwrap_or(1_000);
    let stamped = space.number("net.ipv4.tcp_timestamps").is_none_or(|on| on != 0);
    allowed && stamped && sock.age.at_least_ns / 1_000_000 >= delay_ms
}

fn listening(picture: &Picture) -> FxHashSet<(u32, u16)> {
    picture.in_state(TcpState::Listen).filter_map(|sock| Some((sock.netns, sock.ends.local.port?))).collect()
}

/// Ports that connect() can take toward one destination: the range less what is reserved and what listeners have bound.
pub(super) fn capacity(picture: &Picture, netns: u32) -> u64 {
    let Some(ports) = picture.space(netns).and_then(|space| space.ports.as_ref()) else { return 0 };
    let bound =
        listening(picture).iter().filter(|(space, port)| *space == netns && ports.offers(*port)).count();
    ports.size().saturating_sub(u64::try_from(bound).unwrap_or_default())
}
