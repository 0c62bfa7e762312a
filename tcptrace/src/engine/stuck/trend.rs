//! How fast groups of stuck sockets grow, from the looks of the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::Stuck;
use super::group::{Key, groups};
use crate::model::time::Mono;

/// Growth is told over this time, or since the first look.
const WINDOW: Duration = Duration::from_secs(60);
/// What has been watched for less promises nothing.
const ENOUGH: Duration = Duration::from_secs(10);

/// How many sockets each group had when.
#[derive(Debug, Default)]
pub struct Trend {
    began: Option<Mono>,
    counts: FxHashMap<Key, VecDeque<(Mono, u64)>>,
}

impl Trend {
    /// Takes one look. A group that was not there had no sockets.
    pub fn look(&mut self, now: Mono, stuck: &[Stuck]) {
        let began = *self.began.get_or_insert(now);
        let groups = groups(stuck);
        for group in &groups {
            let counts = self.counts.entry(group.key).or_insert_with(|| {
                // Not before the first look: of what was there nothing is known.
                if began == now { VecDeque::new() } else { VecDeque::from([(began, 0)]) }
            });
            counts.push_back((now, group.sockets.len() as u64));
        }
        for counts in self.counts.values_mut() {
            if counts.back().is_none_or(|(at, _)| *at != now) {
                counts.push_back((now, 0));
            }
            // The last one that is older than the window stands at its beginning.
            while counts.get(1).is_some_and(|(at, _)| *at + WINDOW <= now) {
                counts.pop_front();
            }
        }
        self.counts.retain(|_, counts| counts.iter().any(|(_, count)| *count > 0));
    }

    /// New sockets a minute less those that ended; `None` before it has been watched for ten seconds.
    #[must_use]
    pub fn per_minute(&self, key: &Key) -> Option<i64> {
        let counts = self.counts.get(key)?;
        let ((then, before), (now, after)) = (*counts.front()?, *counts.back()?);
        // A group that came late had nothing at the beginning of the window.
        let then = then.max(Mono(now.0.saturating_sub(u64::try_from(WINDOW.as_nanos()).ok()?)));
        let passed = i64::try_from(now.since(then)).ok()?;
        if passed < i64::try_from(ENOUGH.as_nanos()).ok()? {
            return None;
        }
        let grown = i64::try_from(after).ok()? - i64::try_from(before).ok()?;
        i64::try_from(i128::from(grown) * 60_000_000_000 / i128::from(passed)).ok()
    }
}
