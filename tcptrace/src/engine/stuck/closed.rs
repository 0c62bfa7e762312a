//! Connections that ended while a process kept the fd: when, and whose they were. The kernel remembers neither.

use rustc_hash::FxHashMap;

use super::witness::Known;
use crate::model::cookie::Cookie;
use crate::model::event::{Event, StateChange};
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, OpenedBy, Subject};
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// What is known of dead sockets. Bounded by the connections that end between two looks and the dead fds of the host.
#[derive(Debug, Default)]
pub struct Closed {
    ended: FxHashMap<Cookie, Ended>,
    /// When a look first found it dead, where its end was not seen.
    found: FxHashMap<Cookie, Mono>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Mono,
    subject: Option<Subject>,
}

impl Closed {
    /// Takes an event before the engine does; `subject` asks the engine whose socket it is.
    pub fn observe(&mut self, event: &Event, subject: impl FnOnce() -> Option<Subject>) {
        match event {
            Event::StateChange(StateChange { at, id, from, to, facts, .. }) => {
                let Some(cookie) = id.socket.cookie else { return };
                match (from, to) {
                    (TcpState::Closed, TcpState::Closed) => {}
                    // A socket may connect again.
                    (TcpState::Closed, _) => {
                        self.ended.remove(&cookie);
                        self.found.remove(&cookie);
                    }
                    (_, TcpState::Closed) if facts.is_some_and(|facts| facts.attached) => {
                        self.ended.insert(cookie, Ended { at: *at, subject: subject() });
                    }
                    _ => {}
                }
            }
            // It may have connected and ended once more, unseen.
            Event::Lost { .. } => self.ended.clear(),
            _ => {}
        }
    }

    /// What is known of a dead socket at `now`.
    #[must_use]
    pub fn known(&self, socket: &SocketSnapshot, now: Mono) -> Option<Known> {
        let cookie = socket.id.socket.cookie?;
        let stranger =
            || Subject { id: ConnectionId(0), socket: socket.id, owner: None, opened_by: OpenedBy::Unknown };
        if let Some(Ended { at, subject }) = self.ended.get(&cookie) {
            return Some(Known {
                subject: subject.unwrap_or_else(stranger),
                since: Some(*at),
                state: TcpState::Closed,
                age: Span::exact(now.since(*at)),
            });
        }
        let found = self.found.get(&cookie)?;
        let age = Span::at_least(now.since(*found), None);
        Some(Known { subject: stranger(), since: None, state: TcpState::Closed, age })
    }

    /// Whether enough is known of a socket that a look which began at `began` found: one that died during it may have its end still on
    /// the way.
    #[must_use]
    pub fn is_settled(&self, socket: &SocketSnapshot, began: Mono) -> bool {
        let Some(cookie) = socket.id.socket.cookie else { return true };
        socket.state != TcpState::Closed
            || self.ended.contains_key(&cookie)
            || self.found.get(&cookie).is_some_and(|found| *found < began)
    }

    /// Takes what a look that began at `began` found dead: all else that ended before has been closed by its process.
    pub fn look<'a>(&mut self, began: Mono, sockets: impl Iterator<Item = &'a SocketSnapshot>) {
        let dead: FxHashMap<Cookie, Mono> = sockets
            .filter(|socket| socket.state == TcpState::Closed)
            .filter_map(|socket| Some((socket.id.socket.cookie?, socket.at)))
            .collect();
        self.ended.retain(|cookie, ended| ended.at >= began || dead.contains_key(cookie));
        self.found.retain(|cookie, _| dead.contains_key(cookie));
        for (cookie, at) in dead {
            self.found.entry(cookie).or_insert(at);
        }
    }
}
