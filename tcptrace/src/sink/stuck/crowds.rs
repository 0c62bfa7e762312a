//! Groups of stuck sockets in the live output: told when one appears, as it grows or shrinks, and when it is gone.

use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{push_ends, push_head, push_padded, push_story};
use crate::engine::stuck::group::{EACH_UP_TO, Key};
use crate::engine::stuck::{Crowd, Stuck, StuckEvent};
use crate::model::time::Mono;
use crate::sink::time::Clock;
use crate::sink::{digits, duration};

/// A group is told of again after this time at the soonest, which doubles each time.
const AGAIN: Duration = Duration::from_secs(10);

/// The groups told of.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    told: FxHashMap<Key, Told>,
}

#[derive(Debug)]
struct Told {
    next: Mono,
    pause: Duration,
}

impl Crowds {
    /// Whether its sockets are told of as a group: they are many, or have been.
    pub(super) fn takes(&self, crowd: &Crowd) -> bool {
        crowd.of > EACH_UP_TO as u64 || self.told.contains_key(&crowd.key)
    }

    /// What to say of the group now; `None` where it was told of shortly before.
    pub(super) fn news(&mut self, now: Mono, crowd: &Crowd) -> Option<StuckEvent> {
        if crowd.count == 0 {
            return self.told.remove(&crowd.key).map(|_| StuckEvent::Ended);
        }
        match self.told.get_mut(&crowd.key) {
            Some(told) if now < told.next => None,
            Some(told) => {
                told.pause = told.pause.saturating_mul(2);
                told.next = now + told.pause;
                Some(StuckEvent::Still)
            }
            None => {
                self.told.insert(crowd.key, Told { next: now + AGAIN, pause: AGAIN });
                Some(StuckEvent::Began)
            }
        }
    }
}

/// Appends the lines about a group; `stuck` is one of it.
pub(super) fn push_crowd(
    line: &mut Vec<u8>,
    clock: &mut Clock,
    stuck: &Stuck,
    crowd: &Crowd,
    event: StuckEvent,
) {
    clock.push(line, stuck.at);
    if clock.width() > 0 {
        line.push(b' ');
    }
    line.extend_from_slice(b"stuck ");
    push_padded(line, event.name().as_bytes(), 5);
    // Of a group that is gone the last socket speaks.
    let age = if crowd.count == 0 { &stuck.age } else { &crowd.oldest };
    push_head(line, stuck, age, 2);
    match (crowd.key.lport, crowd.count) {
        (_, 1) => push_ends(line, stuck),
        (Some(port), _) => {
            line.extend_from_slice(b"local port ");
            digits::push(line, port.into());
        }
        (None, _) => line.extend_from_slice(b"various local ports"),
    }
    if crowd.count != 1 {
        line.extend_from_slice(b", ");
        digits::push(line, crowd.count);
        line.extend_from_slice(b" sockets");
    }
    if let Some(ns) = crowd.median_ns.filter(|_| crowd.count > 1) {
        line.extend_from_slice(b", median age ");
        duration::push_ns(line, ns, true);
    }
    if let Some(growth) = crowd.growth_per_minute {
        line.extend_from_slice(if growth < 0 { b", -" } else { b", +" });
        digits::push(line, growth.unsigned_abs());
        line.extend_from_slice(b" a minute");
    }
    line.push(b'\n');
    if event == StuckEvent::Began {
        push_story(line, stuck);
    }
}
