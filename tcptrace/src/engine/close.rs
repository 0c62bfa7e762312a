//! What the kernel's `X > CLOSE` does to a life: its end, or a timewait socket.

use std::time::Duration;

use super::cause::{self, Held, Verdict};
use super::ending::Step;
use super::life::{Life, Mini, Phase};
use super::stays::{Known, Stay};
use super::table::Slot;
use super::update::Update;
use super::{Engine, HOLD, mini};
use crate::model::event::StateChange;
use crate::model::life::End;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

/// An orphan that becomes a timewait socket at once does so in the same softirq or close(); one that waits as a full socket
/// first does so for a second at least. Nanoseconds.
const NOT_AT_ONCE_NS: u64 = 500_000_000;

impl Engine {
    /// `X > CLOSE`.
    pub(super) fn closed(
        &mut self,
        slot: Slot,
        at: Mono,
        event: &StateChange,
        out: &mut dyn FnMut(Update<'_>),
    ) {
        let verdict = cause::judge(self.table.life(slot), event, self.traced);
        let attached = event.facts.is_some_and(|facts| facts.attached && !facts.dead);
        let one_segment = self.one_segment(self.table.life(slot), event);
        if event.counters.is_some() {
            self.table.life_mut(slot).rare().counters = event.counters;
        }
        if event.from != TcpState::FinWait2
            && let Some(rare) = self.table.life_mut(slot).rare.as_deref_mut()
        {
            rare.expires = None;
        }
        match verdict {
            Verdict::Over(ending) => {
                self.end(slot, at, Known::Event, ending, attached, Some(event.from), out);
            }
            Verdict::Wait(fallback) => {
                let until = at + HOLD;
                let held = Held {
                    at,
                    until,
                    from: event.from,
                    fallback,
                    closing: event.facts.is_some_and(|facts| facts.shutdown == 3),
                    attached,
                    data_after_close: fallback.end == End::RstReceived,
                };
                let life = self.table.life_mut(slot);
                life.enter(Phase::Held(held));
                let id = life.id;
                self.agenda.add(self.now, until, id, slot);
                self.said_before(slot, out);
            }
            Verdict::TimeWait => {
                // FIN and the ACK of ours in one segment is FIN_WAIT_1 > TIME_WAIT to TCP. Linux passes through FIN_WAIT_2
                // within the same softirq (kernel-facts §3): the stream shows it, the life does not.
                let kernel = Some((event.from, event.to));
                let (to, seen_by) = (TcpState::TimeWait, SeenBy::Tracepoint);
                let step = Step { at, to, known: Known::Event, in_from: None, seen_by, kernel };
                self.time_wait(slot, step, attached, one_segment, out);
            }
            Verdict::Orphan(linger2) => {
                let rule = self.orphan_rule(slot, linger2);
                let mut wait = rule.mini;
                let life = self.table.life_mut(slot);
                let since = life.rare.as_deref().and_then(|rare| rare.orphan_since);
                if let Some(full) = since.map(|since| at.since(since)).filter(|ns| *ns > NOT_AT_ONCE_NS) {
                    // It has waited as a full socket; what follows is another wait of that length, with its own timer.
                    life.stays.push(Stay { state: TcpState::FinWait2, known: Known::Event, entered: at });
                    if rule.full.is_zero() {
                        wait = Duration::from_nanos(full);
                    }
                }
                let expires = at + wait;
                let slack_ns = mini::wheel_slack_ns(wait, self.config.hz);
                let by_sysctl = (linger2 == 0 && wait == rule.mini).then_some(at);
                self.become_mini(slot, Mini { by_sysctl, ..Mini::until(expires, slack_ns) });
            }
            Verdict::Either => {
                let mini = Mini { expires: None, either: true, ..Mini::until(at, 0) };
                self.become_mini(slot, mini);
                // Whichever it is, it is gone after the longer of the two.
                let longest = self.longest_mini(slot);
                let id = self.table.life(slot).id;
                self.agenda.add(self.now, at + longest, id, slot);
            }
        }
    }

    /// Whether the peer's FIN came in the segment that had acknowledged ours.
    fn one_segment(&self, life: &Life, event: &StateChange) -> bool {
        if event.from != TcpState::FinWait2 || life.stays.len() < 2 {
            return false;
        }
        let before = life.stays.at(life.stays.len() - 2).state;
        let rare = life.rare.as_deref();
        let segments = rare.and_then(|rare| rare.counters).zip(event.counters);
        before == TcpState::FinWait1
            && (rare.is_some_and(|rare| rare.short_orphan)
                || segments
                    .is_some_and(|(then, now)| then.segments_in != 0 && then.segments_in == now.segments_in))
    }

    /// An orphan in FIN_WAIT_2 becomes a timewait socket at once, or, with a timeout above a minute, after a while.
    pub(super) fn expect_orphan(&mut self, slot: Slot, event: &StateChange) {
        let Some(facts) = event.facts.filter(|facts| facts.dead && facts.linger2 >= 0) else { return };
        let rule = self.orphan_rule(slot, facts.linger2);
        let rare = self.table.life_mut(slot).rare();
        rare.orphan_since = rare.orphan_since.or(Some(event.at));
        if rule.full.is_zero() {
            rare.short_orphan |= event.from != event.to;
        } else {
            rare.expires = Some(event.at + rule.full + rule.mini);
        }
    }
}
