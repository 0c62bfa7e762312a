//! What tracing saw while watching: connections opened, and how those that ended did.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::super::update::Update;
use crate::model::life::{ClosedBy, Detail, End, Lifecycle, OpenedBy};
use crate::model::state::TcpState;

/// Different peers, services or destinations that are told apart; more are summed up.
const MOST: usize = 65_536;

/// One way to end, seen from one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ended {
    /// How.
    pub end: End,
    /// More precisely.
    pub detail: Option<&'static str>,
    /// The other end.
    pub peer: IpAddr,
    /// Its port, where it is the service; `None` where ours is.
    pub service: Option<u16>,
}

/// Where connections go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Namespace; 0 where the attach path does not tell.
    pub netns: u32,
    /// Our address.
    pub source: IpAddr,
    /// Theirs.
    pub peer: IpAddr,
    /// Their port.
    pub port: u16,
}

/// Who closed first, by service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closers {
    /// We did.
    pub local: u64,
    /// The peer did.
    pub remote: u64,
}

/// A service: the port that was connected to, and on which side of the connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// We listen on it.
    pub ours: bool,
    /// Its port.
    pub port: u16,
}

/// What moved.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Connections that ended, by how and with whom.
    pub ended: FxHashMap<Ended, u64>,
    /// Successful connects by destination.
    pub connects: FxHashMap<Route, u64>,
    /// Who closed first.
    pub closers: FxHashMap<Service, Closers>,
    /// Connections that ended.
    pub lives: u64,
    /// Of those, with at least one retransmission, and retransmitted segments.
    pub retransmitting: (u64, u64),
    /// Connects that found no free local port.
    pub no_local_port: u64,
    /// How long it was watched, milliseconds.
    pub watched_ms: u64,
    /// Events lost: everything above is then a lower bound.
    pub lost: u64,
}

impl Traffic {
    /// Takes the engine's news.
    pub fn observe(&mut self, update: &Update<'_>) {
        match update {
            Update::Moved(moved, subject)
                if (moved.from, moved.to) == (TcpState::SynSent, TcpState::Established) =>
            {
                let ends = subject.socket.endpoints;
                if let Some(port) = ends.remote.port {
                    let netns = subject.socket.netns.unwrap_or_default();
                    let route = Route { netns, source: ends.local.addr, peer: ends.remote.addr, port };
                    add(&mut self.connects, route, 1);
                }
            }
            Update::Closed(life) => self.close(life),
            Update::Lost { count, .. } => self.lost += count,
            Update::Moved(..)
            | Update::Measured(..)
            | Update::Seen(..)
            | Update::Unfinished(_)
            | Update::Stuck(_) => {}
        }
    }

    fn close(&mut self, life: &Lifecycle) {
        if life.opened_by == OpenedBy::Listen {
            return;
        }
        self.lives += 1;
        let retransmits = life.counters.map_or(0, |counters| counters.retransmits);
        if retransmits > 0 {
            self.retransmitting.0 += 1;
            self.retransmitting.1 += u64::from(retransmits);
        }
        let ends = life.socket.endpoints;
        let ours = life.opened_by == OpenedBy::Accept;
        let port = if ours { ends.local.port } else { ends.remote.port };
        if let (Some(port), Some(closed_by)) = (port, life.closed_by)
            && life.opened_by != OpenedBy::Unknown
        {
            let service = Service { ours, port };
            if self.closers.len() < MOST || self.closers.contains_key(&service) {
                let closers = self.closers.entry(service).or_default();
                match closed_by {
                    ClosedBy::Local => closers.local += 1,
                    ClosedBy::Remote => closers.remote += 1,
                    ClosedBy::Both => {}
                }
            }
        }
        let Some(ending) = life.ending else { return };
        self.no_local_port += u64::from(ending.end == End::NoLocalPort);
        let detail = match ending.detail {
            Some(Detail::Word(word)) => Some(word),
            Some(Detail::Killer(_)) | None => None,
        };
        let service = if ours { None } else { ends.remote.port };
        add(&mut self.ended, Ended { end: ending.end, detail, peer: ends.remote.addr, service }, 1);
    }

    /// Connections that ended so.
    #[must_use]
    pub fn ended_by(&self, end: End) -> u64 {
        self.ended.iter().filter(|(ended, _)| ended.end == end).map(|(_, count)| count).sum()
    }
}

fn add<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, u64>, key: K, count: u64) {
    if map.len() < MOST || map.contains_key(&key) {
        *map.entry(key).or_default() += count;
    }
}
