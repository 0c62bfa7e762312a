//! How told TIME_WAITs go to rest, and come back when something happens to them.

use std::time::Duration;

use super::rest::Rest;
use super::standing::{Standing, standing};
use super::table::Slot;
use super::{Engine, mini};
use crate::model::snapshot::SocketSnapshot;
use crate::model::socket::SocketRef;
use crate::model::state::TcpState;
use crate::model::time::Mono;

impl Engine {
    /// The life that is this socket's, awake.
    pub(super) fn find(&mut self, socket: &SocketRef) -> Option<Slot> {
        self.table.find(socket).or_else(|| {
            let rest = self.rests.find(socket.cookie?.0.get())?;
            Some(self.wake(rest, self.rests.at(rest).expires))
        })
    }

    /// The timewait socket with these ends in this namespace that rests, awake.
    pub(super) fn wake_ends(&mut self, ends: &super::Ends, netns: u32) -> Option<Slot> {
        let rest = self.rests.with_ends(ends, netns)?;
        Some(self.wake(rest, self.rests.at(rest).expires))
    }

    /// Makes a whole life of what rests; it is due at `due`.
    pub(super) fn wake(&mut self, rest: Slot, due: Mono) -> Slot {
        let life = self.rests.take(rest).life(self.minute_slack_ns());
        let id = life.id;
        let slot = self.table.insert(life);
        self.table.index_ends(slot);
        self.agenda.add(self.now, due, id, slot);
        self.fresh.push((id, slot));
        slot
    }

    /// The event is over: timewait sockets that it made, told or woke go to rest, or get their deadline.
    pub(super) fn lay_to_rest(&mut self) {
        while let Some((id, slot)) = self.fresh.pop() {
            if !self.table.still(slot, id) {
                continue;
            }
            let life = self.table.life(slot);
            // Where a later life has its cookie it would not be found.
            let rest = Rest::of(life).filter(|_| self.config.cookies && self.table.has_cookie(slot));
            let expires = life.mini().and_then(|mini| mini.expires);
            if let Some(rest) = rest {
                self.table.remove(slot);
                self.rests.add(self.now, rest);
            } else if let Some(expires) = expires {
                self.agenda.add(self.now, expires, id, slot);
            }
        }
    }

    /// One that rests is due: it wakes if its time has come.
    pub(super) fn rest_due(&mut self, now: Mono) {
        let Some((due, Some(slot))) = self.rests.take_due(now) else { return };
        let rest = self.rests.at(slot);
        match self.patience(due, rest.expires, rest.confirmed(), self.minute_slack_ns()) {
            Some(later) => self.rests.postpone(self.now, slot, later),
            None => {
                self.wake(slot, due);
            }
        }
    }

    /// Takes what a dump tells of one that rests; false if it has to be awake for that.
    pub(super) fn shown_at_rest(&mut self, snapshot: &SocketSnapshot) -> bool {
        let SocketSnapshot { at, id, state, mini, owner, timer, .. } = snapshot;
        let Some(slot) = id.socket.cookie.and_then(|cookie| self.rests.find(cookie.0.get())) else {
            return false;
        };
        let rest = self.rests.at(slot);
        let plain = *mini && *state == TcpState::TimeWait && owner.is_none() && rest.knows(id);
        if plain && *at >= rest.entered() {
            let left = timer.map(|timer| Duration::from_nanos(timer.expires_ns));
            self.rests.confirm(self.now, slot, *at, left);
        }
        plain
    }

    /// Those at rest in a namespace that a dump, begun then, should have shown and did not: where, and their numbers.
    pub(super) fn missing_at_rest(&self, netns: u32, began: Mono) -> Vec<(Slot, u64)> {
        let missing = |slot: Slot| {
            let rest = self.rests.at(slot);
            (rest.netns == netns && rest.seen() < began).then_some((slot, rest.id))
        };
        self.rests.slots().filter_map(missing).collect()
    }

    /// Where those at rest stand.
    pub(super) fn standings_at_rest(&self, now: Mono) -> impl Iterator<Item = Standing> + '_ {
        let slack_ns = self.minute_slack_ns();
        let lives = self.rests.slots().map(move |slot| self.rests.at(slot).life(slack_ns));
        lives.filter(|life| !life.hidden).map(move |life| standing(&life, now))
    }

    /// How late the timer of a TIME_WAIT may fire.
    pub(super) fn minute_slack_ns(&self) -> u64 {
        mini::wheel_slack_ns(mini::TIME_WAIT, self.config.hz)
    }
}
