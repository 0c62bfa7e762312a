//! Finds the sockets that explain others: peers on this host, and listeners.

use rustc_hash::FxHashMap;

use crate::model::endpoints::Endpoints;
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;

/// Where the sockets are that explain others.
pub(super) struct Places {
    listeners: FxHashMap<u16, Vec<usize>>,
    by_ends: FxHashMap<Endpoints, Vec<usize>>,
}

impl Places {
    pub(super) fn of(sockets: &[SocketSnapshot]) -> Self {
        let mut places = Self { listeners: FxHashMap::default(), by_ends: FxHashMap::default() };
        for (index, socket) in sockets.iter().enumerate() {
            match socket.state {
                TcpState::Listen => {
                    if let Some(port) = socket.id.endpoints.local.port {
                        places.listeners.entry(port).or_default().push(index);
                    }
                }
                TcpState::TimeWait | TcpState::Closed => {}
                _ => places.by_ends.entry(socket.id.endpoints).or_default().push(index),
            }
        }
        places
    }

    /// The listener that serves the local end of `ends`, one bound to its very address before one bound to any.
    pub(super) fn listener(
        &self,
        sockets: &[SocketSnapshot],
        ends: &Endpoints,
        netns: Option<u32>,
    ) -> Option<usize> {
        let fits = |index: &&usize, any: bool| {
            let id = &sockets[**index].id;
            let local = id.endpoints.local.addr;
            (netns.is_none() || id.netns == netns)
                && if any { local.is_unspecified() } else { local == ends.local.addr }
        };
        let here = self.listeners.get(&ends.local.port?)?;
        here.iter()
            .find(|index| fits(index, false))
            // Without a namespace `any` could be anybody's.
            .or_else(|| here.iter().find(|index| netns.is_some() && fits(index, true)))
            .copied()
    }

    /// The other end, if it is on this host and there is only one candidate; in the same namespace first.
    pub(super) fn peer(&self, sockets: &[SocketSnapshot], index: usize) -> Option<usize> {
        let me = &sockets[index].id;
        let all = self.by_ends.get(&me.endpoints.mirrored())?;
        let others: Vec<usize> = all.iter().copied().filter(|other| *other != index).collect();
        let near: Vec<usize> =
            others.iter().copied().filter(|other| sockets[*other].id.netns == me.netns).collect();
        match (near.as_slice(), others.as_slice()) {
            ([one], _) | ([], [one]) => Some(*one),
            _ => None,
        }
    }
}
