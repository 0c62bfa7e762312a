//! What changed between two surveys: sockets that got stuck, are stuck still, or no longer are.

use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use super::group::{self, Key};
use super::trend::Trend;
use super::{Crowd, Stuck, StuckEvent};
use crate::model::cookie::Cookie;
use crate::model::evidence::Span;
use crate::model::life::ConnectionId;
use crate::model::time::Mono;

/// Sockets told of, by cookie. Without a cookie a socket cannot be followed, and is told once a survey.
#[derive(Debug)]
pub struct Follower {
    /// A stuck socket is told of again after this time, which doubles each time.
    again: Duration,
    told: FxHashMap<Cookie, Told>,
    trend: Trend,
}

#[derive(Debug)]
struct Told {
    last: Stuck,
    next: Mono,
    pause: Duration,
}

impl Follower {
    /// Tells of what stays stuck after `again`, then after twice that, and so on.
    #[must_use]
    pub fn new(again: Duration) -> Self {
        Self { again, told: FxHashMap::default(), trend: Trend::default() }
    }

    /// Takes the stuck sockets of one survey and hands on what is news; `number` gives those without one a number.
    pub fn compare(
        &mut self,
        now: Mono,
        mut stuck: Vec<Stuck>,
        number: &mut dyn FnMut() -> ConnectionId,
        out: &mut dyn FnMut(&Stuck),
    ) {
        self.trend.look(now, &stuck);
        group::crowd(&mut stuck, &|key| self.trend.per_minute(key));
        let crowds: FxHashMap<_, _> =
            stuck.iter().filter_map(|one| one.crowd.map(|crowd| (crowd.key, crowd))).collect();
        let of = stuck.len() as u64;
        let mut here = FxHashSet::default();
        for mut one in stuck {
            let Some(cookie) = one.subject.socket.socket.cookie else {
                if one.subject.id.0 == 0 {
                    one.subject.id = number();
                }
                out(&one);
                continue;
            };
            here.insert(cookie);
            match self.told.get_mut(&cookie) {
                Some(told) if told.last.state == one.state => {
                    // Its number is that of its first mention.
                    one.subject.id = told.last.subject.id;
                    let changed = told.last.verdict != one.verdict;
                    if changed || now >= told.next {
                        one.event = StuckEvent::Still;
                        told.pause = told.pause.saturating_mul(2);
                        told.next = now + told.pause;
                        out(&one);
                    }
                    told.last = one;
                }
                Some(told) => {
                    // Before it counts among the others of its new state.
                    end(now, &told.last, of, &crowds, out);
                    one.subject.id = told.last.subject.id;
                    out(&one);
                    *told = Told { last: one, next: now + self.again, pause: self.again };
                }
                None => {
                    if one.subject.id.0 == 0 {
                        one.subject.id = number();
                    }
                    out(&one);
                    self.told.insert(cookie, Told { last: one, next: now + self.again, pause: self.again });
                }
            }
        }
        self.told.retain(|cookie, told| {
            let stays = here.contains(cookie);
            if !stays {
                end(now, &told.last, of, &crowds, out);
            }
            stays
        });
    }

    /// How many are stuck.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.told.len()
    }
}

/// The last word on `stuck`, with the age that it has reached, and what is left of its group.
fn end(now: Mono, stuck: &Stuck, of: u64, crowds: &FxHashMap<Key, Crowd>, out: &mut dyn FnMut(&Stuck)) {
    let mut ended = stuck.clone();
    ended.event = StuckEvent::Ended;
    if let Some(crowd) = &mut ended.crowd {
        let gone = Crowd {
            count: 0,
            of,
            oldest: Span::UNKNOWN,
            median_ns: None,
            growth_per_minute: None,
            key: crowd.key,
        };
        *crowd = crowds.get(&crowd.key).copied().unwrap_or(gone);
    }
    if let Some(ns) = &mut ended.age.ns {
        let passed = now.since(stuck.at);
        *ns = ns.saturating_add(passed);
        ended.age.at_most_ns = ended.age.at_most_ns.map(|most| most.saturating_add(passed));
    }
    ended.at = now;
    out(&ended);
}
