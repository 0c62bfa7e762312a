//! What changed between two surveys: sockets that got stuck, are stuck still, or no longer are.

use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Stuck, StuckEvent};
use crate::model::cookie::Cookie;
use crate::model::time::Mono;

/// Sockets told of, by cookie. Without a cookie a socket cannot be followed, and is told once a survey.
#[derive(Debug)]
pub struct Follower {
    /// A stuck socket is told of again after this time, which doubles each time.
    again: Duration,
    told: FxHashMap<Cookie, Told>,
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
        Self { again, told: FxHashMap::default() }
    }

    /// Takes the stuck sockets of one survey and hands on what is news.
    pub fn compare(&mut self, now: Mono, stuck: Vec<Stuck>, out: &mut dyn FnMut(&Stuck)) {
        let mut here = FxHashSet::default();
        for mut one in stuck {
            let Some(cookie) = one.subject.socket.socket.cookie else {
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
                    end(now, &told.last, out);
                    out(&one);
                    *told = Told { last: one, next: now + self.again, pause: self.again };
                }
                None => {
                    out(&one);
                    self.told.insert(cookie, Told { last: one, next: now + self.again, pause: self.again });
                }
            }
        }
        self.told.retain(|cookie, told| {
            let stays = here.contains(cookie);
            if !stays {
                end(now, &told.last, out);
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

/// The last word on `stuck`, with the age that it has reached.
fn end(now: Mono, stuck: &Stuck, out: &mut dyn FnMut(&Stuck)) {
    let mut ended = stuck.clone();
    ended.event = StuckEvent::Ended;
    if let Some(ns) = &mut ended.age.ns {
        let passed = now.since(stuck.at);
        *ns = ns.saturating_add(passed);
        ended.age.at_most_ns = ended.age.at_most_ns.map(|most| most.saturating_add(passed));
    }
    ended.at = now;
    out(&ended);
}
