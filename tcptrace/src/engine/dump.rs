//! What a dump (sock_diag) tells: sockets that existed before us, timewait sockets, and the truth after a loss.

use std::time::Duration;

use super::agenda::is_sooner;
use super::ending::Step;
use super::ends::Ends;
use super::life::{Mini, Phase};
use super::mini;
use super::stays::{Known, Stay};
use super::table::Slot;
use super::update::Update;
use super::{Engine, owner, unseen};
use crate::model::life::{FirstSeen, OpenedBy};
use crate::model::owner::Owner;
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

/// States whose end no event tells: TIME_WAIT and FIN_WAIT_2.
pub(crate) const MINI_STATES: u32 = 1 << TcpState::TimeWait as u8 | 1 << TcpState::FinWait2 as u8;

/// All that a dump can show: everything but CLOSED.
pub const ALL_STATES: u32 = 0x1ffe & !(1 << TcpState::Closed as u8);

/// When the state that a dump shows was entered: the latest moment, and the earliest where that is bounded.
fn entry(snapshot: &SocketSnapshot) -> (Mono, Option<Mono>) {
    let before = |ns| snapshot.at - Duration::from_nanos(ns);
    (before(snapshot.age.at_least_ns), snapshot.age.at_most_ns.map(before))
}

impl Engine {
    pub(super) fn snapshot(&mut self, snapshot: &SocketSnapshot, out: &mut dyn FnMut(Update<'_>)) {
        if self.shown_at_rest(snapshot) {
            return;
        }
        let Some(slot) = self.shown(snapshot).or_else(|| self.find(&snapshot.id.socket)) else {
            self.begin_by_snapshot(snapshot, out);
            return;
        };
        let life = self.table.life(slot);
        let last = life.stays.last();
        if snapshot.at < last.entered || matches!(life.phase(), Phase::Held(_) | Phase::Over) {
            // The dump is older than what the events told.
            return;
        }
        self.learn_netns(slot, snapshot.id.netns);
        // Listeners may share their ends, and a dump knows no address.
        if !self.config.cookies && snapshot.state != TcpState::Listen {
            self.learn_keys(slot, &snapshot.id.socket);
        }
        let life = self.table.life_mut(slot);
        life.learn(&snapshot.id);
        if let Some(owner) = snapshot.owner {
            owner::claim(&mut life.owner, owner);
        }
        life.shown = unseen::coarse(snapshot.at);
        let doubtful = life.generation != self.loss.generation;
        life.generation = self.loss.confirmed_at(snapshot.at).unwrap_or(life.generation);
        if life.mini().is_some() {
            if snapshot.mini {
                self.confirm(slot, snapshot, out);
            }
            return;
        }
        let same = last.state.name() == snapshot.state.name();
        if same && !snapshot.mini {
            if !matches!(last.known, Known::Event | Known::EntryOnly) {
                self.refine(slot, snapshot);
            }
        } else if doubtful {
            self.unseen(slot, snapshot, out);
        } else if self.has_stood_still(self.table.life(slot), snapshot.at) {
            self.loss.unseen += 1;
            self.unseen(slot, snapshot, out);
        }
    }

    /// Who owns the socket that a dump shows, as far as known.
    #[must_use]
    pub fn owner(&self, snapshot: &SocketSnapshot) -> Option<Owner> {
        match self.shown(snapshot) {
            Some(slot) => self.table.life(slot).owner,
            None => self.subject(&snapshot.id.socket)?.owner,
        }
    }

    /// The life that a dump shows.
    pub(super) fn shown(&self, snapshot: &SocketSnapshot) -> Option<Slot> {
        let found = self.table.find(&snapshot.id.socket);
        let fits = |slot: &Slot| self.table.life(*slot).mini().is_some() == snapshot.mini;
        if let Some(slot) = found
            && (fits(&slot) || !snapshot.mini)
        {
            return Some(slot);
        }
        // A timewait socket whose cookie a later life has; or no cookies at all.
        let netns = snapshot.id.netns.unwrap_or(0);
        let cookie = snapshot.id.socket.cookie.map_or(0, |cookie| cookie.0.get());
        self.table
            .with_ends(&Ends::pack(&snapshot.id.endpoints))
            .find(|slot| {
                let life = self.table.life(*slot);
                fits(slot)
                    && (life.netns == netns || life.netns == 0 || netns == 0)
                    && (life.cookie == cookie || life.cookie == 0 || cookie == 0)
            })
            .or(found)
    }

    fn begin_by_snapshot(&mut self, snapshot: &SocketSnapshot, out: &mut dyn FnMut(Update<'_>)) {
        let cookie = snapshot.id.socket.cookie.map_or(0, |cookie| cookie.0.get());
        let expired = snapshot.timer.is_some_and(|timer| timer.expires_ns == 0);
        if snapshot.state == TcpState::Closed
            || snapshot.mini && expired
            || self.graves.ended(cookie).is_some_and(|ended| ended >= snapshot.at || snapshot.mini)
        {
            return;
        }
        let slot = self.begin(&snapshot.id, snapshot.at, snapshot.state, FirstSeen::Snapshot, out);
        self.refine(slot, snapshot);
        let (through, own_pid) = (self.config.through_time_wait, self.config.own_pid);
        let life = self.table.life_mut(slot);
        if life.owner.is_none() {
            life.owner = snapshot.owner;
        }
        life.hidden = own_pid != 0 && life.owner.is_some_and(|owner| owner.task.pid == own_pid);
        life.opened_by = match snapshot.state {
            TcpState::Listen => OpenedBy::Listen,
            TcpState::NewSynRecv => OpenedBy::Accept,
            TcpState::SynSent => OpenedBy::Connect,
            _ => OpenedBy::Unknown,
        };
        if !snapshot.mini {
            return;
        }
        life.orphaned = true;
        // It was over before we looked; only its TIME_WAIT is left to see through.
        life.reported = snapshot.state == TcpState::TimeWait && !through;
        let (entered, _) = entry(snapshot);
        let rule = if snapshot.state == TcpState::TimeWait {
            mini::TIME_WAIT
        } else {
            self.orphan_rule(slot, 0).mini
        };
        let expires = match snapshot.timer {
            Some(timer) => snapshot.at + Duration::from_nanos(timer.expires_ns),
            None => entered + rule,
        };
        let slack_ns = mini::wheel_slack_ns(rule, self.config.hz);
        self.become_mini(slot, Mini { confirmed: Some(snapshot.at), ..Mini::until(expires, slack_ns) });
    }

    /// Takes the bounds of the entry from a dump.
    fn refine(&mut self, slot: Slot, snapshot: &SocketSnapshot) {
        let life = self.table.life_mut(slot);
        let last = life.stays.last();
        let (latest, earliest) = entry(snapshot);
        if last.known == Known::Unknown || latest <= last.entered {
            let floor =
                if life.stays.len() > 1 { life.stays.at(life.stays.len() - 2).entered } else { Mono(0) };
            let known = Known::Seen { earliest: earliest.map(|earliest| earliest.max(floor)) };
            life.stays.set_last(Stay { state: last.state, known, entered: latest.max(floor) });
        }
        if snapshot.counters.is_some() && life.state() != TcpState::Established && !snapshot.mini {
            life.rare().counters = snapshot.counters;
        }
    }

    /// A dump shows a timewait socket that we know.
    fn confirm(&mut self, slot: Slot, snapshot: &SocketSnapshot, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life_mut(slot);
        let (id, last) = (life.id, life.stays.last());
        let Some(mini) = life.mini_mut() else { return };
        let before = mini.confirmed.unwrap_or(last.entered).max(last.entered);
        mini.confirmed = Some(snapshot.at.max(before));
        mini.overflowed = false;
        mini.peer_reset = None;
        let expires = snapshot.timer.map(|timer| snapshot.at + Duration::from_nanos(timer.expires_ns));
        if last.state == TcpState::FinWait2 && snapshot.state == TcpState::TimeWait {
            // Its timer was set for a minute when it got the FIN.
            let (at, error_ns) = match (snapshot.timer, expires) {
                (Some(timer), Some(expires)) => {
                    let ticks_ns = 2_000_000_000 / u64::from(self.config.hz.max(1));
                    (expires - mini::TIME_WAIT, ticks_ns.saturating_add(timer.late_ns))
                }
                _ => (snapshot.at, snapshot.at.since(before)),
            };
            let (to, seen_by) = (TcpState::TimeWait, SeenBy::SockDiag);
            let known = Known::About { error_ns: Some(error_ns) };
            let at = at.max(last.entered).min(snapshot.at);
            self.time_wait(
                slot,
                Step { at, to, known, in_from: None, seen_by, kernel: None },
                false,
                false,
                out,
            );
            return;
        }
        if last.state == snapshot.state {
            mini.either = false;
            if let Some(expires) = expires {
                let before = mini.expires.replace(expires);
                if before.is_none_or(|before| is_sooner(expires, before)) {
                    self.agenda.add(self.now, expires, id, slot);
                }
            }
        }
    }

    /// After a loss a dump shows another state than ours.
    fn unseen(&mut self, slot: Slot, snapshot: &SocketSnapshot, out: &mut dyn FnMut(Update<'_>)) {
        let last = self.table.life(slot).stays.last();
        let (latest, earliest) = entry(snapshot);
        let at = latest.max(last.entered);
        let known = Known::Seen { earliest: earliest.map(|earliest| earliest.max(last.entered)) };
        let (seen_by, in_from) = (SeenBy::SockDiag, None);
        if snapshot.state == TcpState::TimeWait {
            let known = Known::About { error_ns: Some(at.since(earliest.unwrap_or(last.entered))) };
            let step = Step { at, to: TcpState::TimeWait, known, in_from, seen_by, kernel: None };
            self.time_wait(slot, step, false, false, out);
        } else {
            if snapshot.state != last.state {
                let step = Step { at, to: snapshot.state, known, in_from, seen_by, kernel: None };
                self.moved(slot, step, out);
                let life = self.table.life_mut(slot);
                life.closed_by = life.closed_by.or(super::life::closed_by(snapshot.state));
            }
            if !snapshot.mini {
                return;
            }
            let rule = self.orphan_rule(slot, 0).mini;
            let expires = snapshot
                .timer
                .map_or(at + rule, |timer| snapshot.at + Duration::from_nanos(timer.expires_ns));
            let slack_ns = mini::wheel_slack_ns(rule, self.config.hz);
            self.become_mini(slot, Mini::until(expires, slack_ns));
        }
        if let Some(mini) = self.table.life_mut(slot).mini_mut() {
            mini.confirmed = Some(snapshot.at);
        }
    }
}
