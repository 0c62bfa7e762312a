//! TIME_WAITs at rest that a dump did not show end a few at a time: hundreds of thousands at once would hold up the events behind them.

use super::Engine;
use super::table::Slot;
use super::update::Update;
use crate::model::time::Mono;

/// So many at once: some milliseconds.
pub(super) const SLICE: usize = 2_000;

/// What a dump of these states that began then, and was complete at `at`, should have shown and did not.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) began: Mono,
    pub(super) at: Mono,
    pub(super) netns: u32,
    pub(super) states: u32,
    /// Where they rested, by number; some may be gone by now, or shown by another dump.
    pub(super) missing: Vec<(Slot, u64)>,
}

impl Engine {
    /// Ends at most `many` of those that dumps did not show.
    pub(super) fn sweep(&mut self, mut many: usize, out: &mut dyn FnMut(Update<'_>)) {
        while many > 0
            && let Some(mut sweep) = self.sweeps.pop_front()
        {
            let Sweep { began, at, netns, states, .. } = sweep;
            while many > 0
                && let Some((rest, id)) = sweep.missing.pop()
            {
                many -= 1;
                let resting = self.rests.at(rest);
                if resting.id == id && resting.seen() < began {
                    let slot = self.wake(rest, resting.expires);
                    self.missing_mini(slot, began, at, netns, states, out);
                }
            }
            if !sweep.missing.is_empty() {
                self.sweeps.push_front(sweep);
            }
        }
    }
}
