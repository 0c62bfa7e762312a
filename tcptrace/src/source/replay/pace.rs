//! Plays a recording in its own time.

use std::time::{Duration, Instant};

use crate::model::time::Mono;

/// Ties the time of a recording to ours.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    began: Instant,
    first: Option<Mono>,
}

impl Pace {
    /// The first event will be due at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, first: None }
    }

    /// How long to wait at `now` until an event of the moment `at` is due; `None` when it is.
    pub fn wait(&mut self, at: Mono, now: Instant) -> Option<Duration> {
        let first = *self.first.get_or_insert(at);
        let due = Duration::from_nanos(at.since(first));
        due.checked_sub(now.saturating_duration_since(self.began)).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_as_far_apart_as_they_were() {
        let began = Instant::now();
        let mut pace = Pace::new(began);
        let after = |ms| began + Duration::from_millis(ms);
        assert_eq!(pace.wait(Mono(5_000_000_000), began), None);
        assert_eq!(pace.wait(Mono(5_250_000_000), after(50)), Some(Duration::from_millis(200)));
        assert_eq!(pace.wait(Mono(5_250_000_000), after(250)), None);
        assert_eq!(pace.wait(Mono(4_000_000_000), after(260)), None, "out of order: at once");
    }
}
