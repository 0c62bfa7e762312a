//! Timewait sockets: how a life becomes one and how it ends, which no event of the state tracepoint tells.

use std::time::Duration;

use super::ending::{Endpoint, Step};
use super::life::{Mini, Phase};
use super::mini::{self, Orphan};
use super::stays::Known;
use super::table::Slot;
use super::update::Update;
use super::{Engine, FD_WAIT, cause};
use crate::model::event::StateChange;
use crate::model::life::{End, Ending, OpenedBy};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

/// A dump that showed a socket this recently will show its end as well.
const POLLED: Duration = Duration::from_secs(3);

impl Mini {
    /// One that the rule ends at `expires`.
    pub(super) fn until(expires: Mono, slack_ns: u64) -> Self {
        Self {
            expires: Some(expires),
            by_sysctl: None,
            slack_ns,
            confirmed: None,
            overflowed: false,
            either: false,
            peer_reset: None,
        }
    }
}

impl Engine {
    /// The rule for an orphan of this life's namespace.
    pub(super) fn orphan_rule(&self, slot: Slot, linger2: i32) -> Orphan {
        let netns = self.table.life(slot).netns;
        let fin_timeout = self.netns.get(&netns).and_then(|netns| netns.fin_timeout_s);
        mini::orphan(linger2, self.config.hz, fin_timeout.unwrap_or(self.config.fin_timeout_s))
    }

    /// The tcp_fin_timeout of a namespace is known, or another one: orphans that began since it was last told have their deadline now.
    pub(super) fn fin_timeout(&mut self, netns: u32, seconds: u32) {
        let known = self.netns.entry(netns).or_default();
        let before = known.fin_timeout_s.replace(seconds);
        let told = std::mem::replace(&mut known.fin_timeout_at, self.now);
        if before == Some(seconds) || known.minis == 0 {
            return;
        }
        let slots: Vec<Slot> = self.table.indexed_by_ends().collect();
        for slot in slots {
            let rule = self.orphan_rule(slot, 0);
            let life = self.table.life_mut(slot);
            let (id, here) = (life.id, life.netns == netns && life.state() == TcpState::FinWait2);
            let Some(mini) = life.mini_mut().filter(|mini| here && mini.confirmed.is_none()) else {
                continue;
            };
            let Some(began) = mini.by_sysctl.filter(|began| before.is_none() || *began > told) else {
                continue;
            };
            let expires = began + rule.mini;
            mini.expires = Some(expires);
            self.agenda.add(self.now, expires, id, slot);
        }
    }

    /// The longest that a timewait socket of this life's namespace can live.
    pub(super) fn longest_mini(&self, slot: Slot) -> Duration {
        mini::TIME_WAIT.max(self.orphan_rule(slot, 0).mini)
    }

    /// The life goes on as a timewait socket; a duplicate of its 4-tuple in the namespace cannot exist any more.
    pub(super) fn become_mini(&mut self, slot: Slot, mini: Mini) {
        if self.table.life(slot).mini().is_none() {
            self.minis += 1;
            let netns = self.netns.entry(self.table.life(slot).netns).or_default();
            netns.minis += 1;
            self.table.index_ends(slot);
        }
        let life = self.table.life_mut(slot);
        life.enter(Phase::Mini(mini));
        self.fresh.push((life.id, slot));
        self.table.touch(slot);
    }

    /// The life is no timewait socket any more.
    pub(super) fn drop_mini(&mut self, slot: Slot) {
        if self.table.life(slot).mini().is_none() {
            return;
        }
        self.minis = self.minis.saturating_sub(1);
        let netns = self.netns.entry(self.table.life(slot).netns).or_default();
        netns.minis = netns.minis.saturating_sub(1);
        if self.config.cookies {
            self.table.forget_ends(slot);
        }
        self.table.life_mut(slot).enter(Phase::Over);
    }

    /// Enters TIME_WAIT, which is the end of the connection unless the user wants to see it through. `fold`: the
    /// FIN_WAIT_2 before it was none.
    pub(super) fn time_wait(
        &mut self,
        slot: Slot,
        step: Step,
        attached: bool,
        fold: bool,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let confirmed = self.table.life(slot).mini().and_then(|mini| mini.confirmed);
        self.moved(slot, step, out);
        let slack_ns = self.minute_slack_ns();
        self.become_mini(slot, Mini { confirmed, ..Mini::until(step.at + mini::TIME_WAIT, slack_ns) });
        let wait = attached && self.config.destroys;
        let through = self.config.through_time_wait;
        let life = self.table.life_mut(slot);
        if fold {
            let last = life.stays.last();
            life.stays.drop_last();
            life.stays.set_last(last);
        }
        if through {
            return;
        }
        let rare = life.rare();
        rare.ending = Some(cause::ending(End::TimeWait));
        if wait {
            rare.fd_wait = Some(step.at + FD_WAIT);
            let id = life.id;
            self.agenda.add(self.now, step.at + FD_WAIT, id, slot);
        } else {
            self.tell(slot, out);
        }
    }

    /// The time has come at which a timewait socket may end by rule.
    pub(super) fn mini_due(&mut self, due: Mono, slot: Slot, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life(slot);
        let (Some(mini), id, stay) = (life.mini().copied(), life.id, life.stays.last()) else { return };
        let Some(expires) = mini.expires else {
            if due >= stay.entered + self.longest_mini(slot) {
                self.gone(slot, due, Known::Unknown, End::Unknown, SeenBy::Rule, out);
            }
            return;
        };
        if let Some(later) = self.patience(due, expires, mini.confirmed, mini.slack_ns) {
            self.agenda.add(self.now, later, id, slot);
            return;
        }
        let at = mini.confirmed.map_or(expires, |confirmed| expires.max(confirmed));
        let known = if mini.overflowed {
            Known::Unknown
        } else {
            Known::About { error_ns: (stay.state == TcpState::TimeWait).then_some(mini.slack_ns) }
        };
        if stay.state == TcpState::TimeWait {
            self.gone(slot, at, known, End::TimeWait, SeenBy::Rule, out);
        } else if mini.confirmed.is_some_and(|confirmed| confirmed + POLLED >= expires) {
            self.gone(slot, at, known, End::FinWait2Timeout, SeenBy::Rule, out);
        } else if due < expires + POLLED {
            self.agenda.add(self.now, expires + POLLED, id, slot);
        } else {
            // Nobody has looked: the peer's FIN may have made it TIME_WAIT long ago.
            self.gone(slot, at, Known::Unknown, End::Unknown, SeenBy::Rule, out);
        }
    }

    /// When to look again at a timewait socket that is due; `None` if the rule must end it.
    pub(super) fn patience(
        &self,
        due: Mono,
        expires: Mono,
        confirmed: Option<Mono>,
        slack_ns: u64,
    ) -> Option<Mono> {
        if due < expires {
            return Some(expires);
        }
        // An exact end is on its way; only a lost one is replaced by the rule.
        let latest = expires + Duration::from_nanos(slack_ns.saturating_mul(2)) + POLLED;
        if self.config.timers && due < latest {
            return Some(latest);
        }
        // While dumps go on they know better than the rule.
        let polled = confirmed.is_some_and(|confirmed| due < confirmed + POLLED);
        let polled = polled && due < expires + Duration::from_nanos(slack_ns.saturating_mul(4));
        polled.then(|| due + Duration::from_secs(1))
    }

    /// A timewait socket is gone.
    pub(super) fn gone(
        &mut self,
        slot: Slot,
        at: Mono,
        known: Known,
        end: End,
        seen_by: SeenBy,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        self.gone_because(slot, at, known, cause::ending(end), seen_by, out);
    }

    /// A timewait socket is gone, and more is known of why.
    pub(super) fn gone_because(
        &mut self,
        slot: Slot,
        at: Mono,
        known: Known,
        ending: Ending,
        seen_by: SeenBy,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        // A report that waits for the fd to be closed waits no longer.
        let id = self.table.life(slot).id;
        self.fd_closed(slot, None, out);
        if !self.table.still(slot, id) {
            return;
        }
        let at = at.max(self.table.life(slot).stays.last().entered);
        let how = Endpoint { at, known, in_from: None, ending, attached: false, kernel: None, seen_by };
        self.end_seen(slot, how, out);
    }

    /// A life whose 4-tuple has just become known: a timewait socket that had it is gone.
    pub(super) fn recycle(&mut self, slot: Slot, event: &StateChange, out: &mut dyn FnMut(Update<'_>)) {
        let life = self.table.life(slot);
        let (ends, netns, birth, opened_by) =
            (life.ends, life.netns, life.stays.first().entered, life.opened_by);
        if !ends.complete() || netns == 0 || event.to == TcpState::Closed {
            return;
        }
        let earlier = self.table.with_ends(&ends).find(|other| {
            let other_life = self.table.life(*other);
            *other != slot && other_life.netns == netns && other_life.mini().is_some()
        });
        let Some(earlier) = earlier.or_else(|| self.wake_ends(&ends, netns)) else { return };
        // connect() takes the port between its first event and the one that tells the port; a SYN came before the child.
        let (at, error_ns) =
            if event.at > birth { (birth, Some(event.at.since(birth))) } else { (birth, None) };
        let known = Known::About { error_ns };
        if self.table.life(earlier).state() == TcpState::TimeWait {
            let word = if opened_by == OpenedBy::Accept { "new_syn" } else { "reuse" };
            let ending = cause::because(End::Recycled, word);
            self.gone_because(earlier, at, known, ending, SeenBy::Tracepoint, out);
        } else {
            self.gone(earlier, at, Known::Unknown, End::Unknown, SeenBy::Tracepoint, out);
        }
    }

    /// The kernel has not made some timewait sockets of a namespace: those that no dump has shown may be among them.
    pub(super) fn overflowed(&mut self, netns: u32) {
        self.rests.doubt(netns);
        let slots: Vec<Slot> = self.table.indexed_by_ends().collect();
        for slot in slots {
            let life = self.table.life_mut(slot);
            if life.netns == netns
                && let Some(mini) = life.mini_mut()
                && mini.confirmed.is_none()
            {
                mini.overflowed = true;
            }
        }
    }
}
