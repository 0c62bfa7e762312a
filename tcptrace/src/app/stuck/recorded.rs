//! Stuck sockets of a recording: once at its end, or again and again in its own time.

use std::path::Path;
use std::time::Duration;

use super::AGAIN;
use crate::app::replay;
use crate::engine::filter::Filter;
use crate::engine::stuck::follow::Follower;
use crate::engine::stuck::survey::Findings;
use crate::engine::stuck::{Stuck, StuckRule, recorded};
use crate::engine::{Config, Engine};
use crate::failure::Failure;
use crate::model::time::{ClockAnchor, Mono};
use crate::plan;
use crate::recording::{Header, moment};
use crate::source::replay::Replay;

/// Recorded time between two looks, as on a living host.
const LOOK: Duration = Duration::from_secs(1);

/// What the end of a recording tells.
pub(super) struct Recorded {
    pub(super) found: Findings,
    pub(super) anchor: ClockAnchor,
    /// How much time it holds.
    pub(super) duration_ns: u64,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

/// Plays `path` to its end and looks there.
///
/// # Errors
/// It cannot be read, or is corrupt.
pub(super) fn run(plan: &plan::Stuck, path: &Path) -> Result<Recorded, Failure> {
    let (header, mut replay) = Replay::open(path)?;
    let mut engine = Engine::new(replay::config(&header, Config::default().max_connections));
    let (mut events, mut first, mut last) = (Vec::new(), None, header.anchor.mono);
    loop {
        let more = replay.next_batch(&mut events);
        for event in events.drain(..) {
            if let Some(at) = moment(&event) {
                first.get_or_insert(at);
                last = last.max(at);
            }
            engine.observe(&event, &mut |_| {});
        }
        if !more? {
            break;
        }
    }
    engine.finish(last, false, &mut |_| {});
    let mut found = recorded::findings(&engine, last, &plan.rules, &plan.filter);
    found.settle();
    let notes = notes(&header).chain(replay.warning()).collect();
    Ok(Recorded { found, anchor: header.anchor, duration_ns: last.since(first.unwrap_or(last)), notes })
}

/// What the user should know of a look at this recording.
pub(in crate::app) fn notes(header: &Header) -> impl Iterator<Item = String> {
    let filtered = (!header.filters.is_empty())
        .then(|| format!("it was recorded with {}: nothing else was followed", header.filters));
    std::iter::once(recorded::NOTE.to_owned()).chain(filtered)
}

/// Looks while a recording is played.
pub(in crate::app) struct RecordedWatch {
    rules: Vec<StuckRule>,
    follower: Follower,
    next: Option<Mono>,
}

impl RecordedWatch {
    /// Before the first event.
    pub(in crate::app) fn new(rules: &[StuckRule]) -> Self {
        Self { rules: rules.to_vec(), follower: Follower::new(AGAIN), next: None }
    }

    /// Whether an event at `at` comes after a look is due.
    pub(in crate::app) fn is_due(&mut self, at: Mono) -> bool {
        let next = *self.next.get_or_insert(at + LOOK);
        if at < next {
            return false;
        }
        self.next = Some(at + LOOK);
        true
    }

    /// Looks, and hands on what changed.
    pub(in crate::app) fn look(
        &mut self,
        now: Mono,
        engine: &mut Engine,
        filter: &Filter,
        out: &mut dyn FnMut(&Stuck),
    ) {
        let found = recorded::findings(engine, now, &self.rules, filter);
        self.follower.compare(now, found.stuck, &mut || engine.number(), out);
    }
}
