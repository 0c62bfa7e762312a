//! Stays in timewait sockets that were only counted, because they were too many to be told one by one: by the kernel's rule they are over
//! after a minute, and are counted then.

use std::collections::VecDeque;

use super::book::Book;
use super::counted::{Counted, Stays};
use super::group::Group;
use crate::engine::mini::TIME_WAIT;
use crate::model::measure::Measure;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// Those that are not over yet, the oldest first.
#[derive(Debug, Default)]
pub struct Ruled {
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When they are over at the latest.
    over: Mono,
    group: Group,
    measure: Measure,
    count: u64,
    /// Some of them may never have been made.
    doubtful: bool,
}

impl Ruled {
    /// Keeps what began by `now` and is told to be ended by the rule.
    pub fn keep(&mut self, now: Mono, counted: &Counted) {
        if let Counted { group, measure, stays: Stays::Ruled(count) } = *counted {
            let over = now + TIME_WAIT;
            self.waiting.push_back(Waiting { over, group, measure, count, doubtful: false });
        }
    }

    /// The kernel has not made some timewait sockets of a namespace: which, nobody knows.
    pub fn overflowed(&mut self, netns: u32) {
        for waiting in &mut self.waiting {
            waiting.doubtful |= waiting.group.netns.is_none_or(|known| known == netns);
        }
    }

    /// Counts those that are over by `now`. How long a TIME_WAIT was is estimated; when the peer's FIN came to a FIN_WAIT_2, and ended that,
    /// is not known.
    pub fn settle(&mut self, now: Mono, book: &mut Book) {
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.over <= now) {
            let Waiting { over: _, group, measure, count, doubtful } = waiting;
            let by_rule = measure == Measure::State(TcpState::TimeWait) && !doubtful;
            let stays = if by_rule { Stays::Estimated(count) } else { Stays::Unknown(count) };
            book.count(&Counted { group, measure, stays });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::histogram::asked::Asked;

    fn counted(netns: Option<u32>, state: TcpState, count: u64) -> Counted {
        let group = Group { netns, ..Group::default() };
        Counted { group, measure: Measure::State(state), stays: Stays::Ruled(count) }
    }

    /// Estimated and unknown ones of a state.
    fn beside(book: &Book, state: TcpState) -> (u64, u64) {
        let whole = book.whole();
        let of_state = whole.iter().filter(|(_, measure, _)| *measure == Measure::State(state));
        of_state.fold((0, 0), |sum, (_, _, histogram)| {
            assert_eq!(histogram.total(), 0);
            let [_, (_, estimated), (_, unknown)] = histogram.beside();
            (sum.0 + estimated, sum.1 + unknown)
        })
    }

    #[test]
    fn they_are_counted_when_the_rule_has_ended_them() {
        let (mut ruled, mut book) = (Ruled::default(), Book::new(Vec::new(), Asked::stays(), 9));
        let began = Mono(5_000_000_000);
        for state in [TcpState::TimeWait, TcpState::FinWait2] {
            ruled.keep(began, &counted(None, state, 7));
            book.count(&counted(None, state, 7));
        }
        ruled.keep(began + Duration::from_secs(1), &counted(None, TcpState::TimeWait, 4));
        ruled.settle(began + TIME_WAIT - Duration::from_nanos(1), &mut book);
        assert!(book.whole().is_empty());
        ruled.settle(began + TIME_WAIT, &mut book);
        assert_eq!(beside(&book, TcpState::TimeWait), (7, 0));
        assert_eq!(beside(&book, TcpState::FinWait2), (0, 7));
        ruled.settle(began + TIME_WAIT * 2, &mut book);
        assert_eq!(beside(&book, TcpState::TimeWait), (11, 0));
    }

    #[test]
    fn those_that_may_never_have_been_made_are_not_known() {
        let (mut ruled, mut book) = (Ruled::default(), Book::new(Vec::new(), Asked::stays(), 9));
        ruled.keep(Mono(1), &counted(Some(1), TcpState::TimeWait, 3));
        ruled.keep(Mono(1), &counted(Some(2), TcpState::TimeWait, 4));
        ruled.overflowed(2);
        ruled.keep(Mono(2), &counted(Some(2), TcpState::TimeWait, 5));
        ruled.settle(Mono(2) + TIME_WAIT, &mut book);
        assert_eq!(beside(&book, TcpState::TimeWait), (8, 4));
    }
}
