//! Which finished connections `tcptrace lives` prints, beyond what the general filter says.

use std::time::Duration;

use crate::model::evidence::Span;
use crate::model::life::{End, Lifecycle, Residency};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// Rules for whole lives. A duration counts as far as it is known: `≥1.2s` satisfies a minimum of 1 s, not one of 2 s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifeFilter {
    /// Only lives that ended so; unfinished ones have not ended.
    pub ends: Vec<End>,
    /// Only lives at least this long.
    pub min_duration: Option<Duration>,
    /// Only lives with a stay in one of these states at least that long.
    pub min_in_state: Vec<(TcpState, Duration)>,
}

impl LifeFilter {
    /// May this life be shown?
    #[must_use]
    pub fn admits(&self, life: &Lifecycle) -> bool {
        let Self { ends, min_duration, min_in_state } = self;
        let ended_so = ends.is_empty() || life.ending.is_some_and(|ending| ends.contains(&ending.end));
        let long_enough = min_duration.is_none_or(|min| reaches(&life.duration, None, life.at, min));
        let stayed = min_in_state.is_empty()
            || min_in_state.iter().any(|(state, min)| {
                life.states
                    .iter()
                    .any(|stay| stay.state.name() == state.name() && lasted(stay, life.at, *min))
            });
        ended_so && long_enough && stayed
    }
}

/// Did a stay last `min`? One that is still open lasts until `now`.
fn lasted(stay: &Residency, now: Mono, min: Duration) -> bool {
    reaches(&stay.stay, stay.entered, now, min)
}

/// Is `span`, or what has passed since `entered` where it is open, at least `min`?
fn reaches(span: &Span, entered: Option<Mono>, now: Mono, min: Duration) -> bool {
    let known = span.ns.or_else(|| entered.map(|entered| now.since(entered)));
    known.is_some_and(|ns| Duration::from_nanos(ns) >= min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::filter::tests::{life, subject};
    use crate::model::evidence::Evidence;

    const SECOND: u64 = 1_000_000_000;

    fn with_stay(state: TcpState, entered: Option<u64>, span: Span) -> Lifecycle {
        let mut one = life(&subject(1), End::Fin);
        one.at = Mono(20 * SECOND);
        one.states = vec![Residency {
            state,
            entered: entered.map(|seconds| Mono(seconds * SECOND)),
            stay: span,
            expires: None,
        }];
        one
    }

    #[test]
    fn only_lives_that_ended_as_asked_pass() {
        let filter = LifeFilter { ends: vec![End::RstSent, End::Timeout], ..LifeFilter::default() };
        assert!(filter.admits(&life(&subject(1), End::Timeout)));
        assert!(!filter.admits(&life(&subject(1), End::Fin)));
        let mut unfinished = life(&subject(1), End::Timeout);
        unfinished.ending = None;
        assert!(!filter.admits(&unfinished));
    }

    #[test]
    fn a_duration_counts_as_far_as_it_is_known() {
        let filter = LifeFilter { min_duration: Some(Duration::from_secs(2)), ..LifeFilter::default() };
        let mut one = life(&subject(1), End::Fin);
        for (span, expected) in [
            (Span::exact(2 * SECOND), true),
            (Span::exact(2 * SECOND - 1), false),
            (Span::at_least(SECOND, None), false),
            (Span::at_least(3 * SECOND, None), true),
            (Span::UNKNOWN, false),
        ] {
            one.duration = span;
            assert_eq!(filter.admits(&one), expected, "{span:?}");
        }
    }

    #[test]
    fn a_stay_in_the_named_state_must_be_long_enough() {
        let filter = LifeFilter {
            min_in_state: vec![(TcpState::CloseWait, Duration::from_secs(5))],
            ..LifeFilter::default()
        };
        assert!(filter.admits(&with_stay(TcpState::CloseWait, None, Span::exact(5 * SECOND))));
        assert!(!filter.admits(&with_stay(TcpState::CloseWait, None, Span::exact(4 * SECOND))));
        assert!(!filter.admits(&with_stay(TcpState::Established, None, Span::exact(9 * SECOND))));
    }

    #[test]
    fn an_open_stay_lasts_until_now() {
        let open = Span { ns: None, evidence: Evidence::Exact, at_most_ns: None, error_ns: None };
        let filter = LifeFilter {
            min_in_state: vec![(TcpState::CloseWait, Duration::from_secs(5))],
            ..LifeFilter::default()
        };
        assert!(filter.admits(&with_stay(TcpState::CloseWait, Some(10), open)));
        assert!(!filter.admits(&with_stay(TcpState::CloseWait, Some(16), open)));
    }
}
