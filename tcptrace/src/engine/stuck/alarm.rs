//! Thresholds of a monitoring plugin: how bad is a survey?

use std::time::Duration;

use super::Stuck;

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// More stuck sockets than this.
    Count(u64),
    /// A stuck socket older than this.
    Age(Duration),
    /// More new ones a minute than this.
    Growth(u64),
}

/// The figures of a survey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Stuck sockets.
    pub count: u64,
    /// Age of the oldest, nanoseconds.
    pub oldest_ns: u64,
    /// Growth a minute; `None` when looked at only once.
    pub growth_per_minute: Option<i64>,
}

impl Figures {
    /// Of one survey, or of two that are `apart`.
    #[must_use]
    pub fn of(stuck: &[Stuck], before: Option<(usize, Duration)>) -> Self {
        let growth = before.and_then(|(before, apart)| {
            let grown = i64::try_from(stuck.len()).ok()? - i64::try_from(before).ok()?;
            let ms = i64::try_from(apart.as_millis()).ok().filter(|ms| *ms > 0)?;
            Some(grown * 60_000 / ms)
        });
        Self {
            count: stuck.len() as u64,
            oldest_ns: stuck.iter().filter_map(|one| one.age.ns).max().unwrap_or(0),
            growth_per_minute: growth,
        }
    }

    /// Is one of `thresholds` crossed?
    #[must_use]
    pub fn cross(&self, thresholds: &[Threshold]) -> bool {
        thresholds.iter().any(|threshold| match *threshold {
            Threshold::Count(most) => self.count > most,
            Threshold::Age(most) => u128::from(self.oldest_ns) > most.as_nanos(),
            Threshold::Growth(most) => {
                self.growth_per_minute.is_some_and(|growth| growth > 0 && growth.unsigned_abs() > most)
            }
        })
    }
}
