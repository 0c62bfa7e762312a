//! The stays of one life in its states, kept small: three fit without a heap allocation.

use crate::model::evidence::Span;
use crate::model::state::TcpState;
use crate::model::time::Mono;

mod few;

pub(crate) use few::Mark;
use few::{FEW, Few};

/// How the moment of entry into a state is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A kernel event marks it.
    Event,
    /// A kernel event marks it, but the way to the next event is not the state's length: a passive SYN_RECV
    /// (kernel-facts §8), or a state after which events were lost.
    EntryOnly,
    /// It was in the state at this moment and perhaps earlier, at the earliest at `earliest`.
    Seen {
        /// Nothing bounds it when `None`.
        earliest: Option<Mono>,
    },
    /// About then.
    About {
        /// The largest error, nanoseconds.
        error_ns: Option<u64>,
    },
    /// Not known; the moment is only when we learnt of the state.
    Unknown,
}

/// One stay in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stay {
    pub(crate) state: TcpState,
    pub(crate) known: Known,
    pub(crate) entered: Mono,
}

impl Stay {
    /// Time from entry to `left`, when `left` is known as `how`.
    pub(crate) fn until(&self, left: Mono, how: Known) -> Span {
        let ns = left.since(self.entered);
        match (self.known, how) {
            (Known::Unknown | Known::EntryOnly, _) | (_, Known::Unknown) => Span::UNKNOWN,
            (Known::Event, Known::Event | Known::EntryOnly) => Span::exact(ns),
            (Known::Event, Known::About { error_ns })
            | (Known::About { error_ns }, Known::Event | Known::EntryOnly) => Span::estimated(ns, error_ns),
            // The next state was first seen at `left`; it began after `earliest`, and after this one.
            (Known::Event, Known::Seen { earliest }) => {
                Span::estimated(ns, Some(left.since(earliest.unwrap_or(self.entered).max(self.entered))))
            }
            (Known::Seen { earliest }, Known::Event | Known::EntryOnly) => {
                Span::at_least(ns, earliest.map(|earliest| left.since(earliest)))
            }
            (Known::Seen { earliest }, Known::About { error_ns }) => match error_ns {
                None => Span::UNKNOWN,
                Some(error) => Span::at_least(
                    ns.saturating_sub(error),
                    earliest.map(|earliest| left.since(earliest).saturating_add(error)),
                ),
            },
            (Known::Seen { earliest }, Known::Seen { earliest: next }) => Span::at_least(
                next.map_or(0, |next| next.since(self.entered)),
                earliest.map(|earliest| left.since(earliest)),
            ),
            (Known::About { error_ns: a }, Known::About { error_ns: b }) => {
                Span::estimated(ns, a.zip(b).map(|(a, b)| a.saturating_add(b)))
            }
            (Known::About { .. }, Known::Seen { .. }) => Span::estimated(ns, None),
        }
    }
}

/// All stays of a life in order, never empty.
#[derive(Clone, Debug)]
pub(crate) struct Stays(Form);

#[derive(Clone, Debug)]
enum Form {
    Few(Few),
    Many(Vec<Stay>),
}

impl Stays {
    pub(crate) fn new(first: Stay) -> Self {
        Self(Form::Few(Few::new(first)))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Few(few) => usize::from(few.len),
            Form::Many(stays) => stays.len(),
        }
    }

    pub(crate) fn at(&self, index: usize) -> Stay {
        match &self.0 {
            Form::Few(few) => few.at(index),
            Form::Many(stays) => stays[index],
        }
    }

    pub(crate) fn first(&self) -> Stay {
        self.at(0)
    }

    pub(crate) fn last(&self) -> Stay {
        self.at(self.len() - 1)
    }

    /// The last stay as one with those before it in the same state: an orphan FIN_WAIT_2 may have two parts.
    pub(crate) fn current(&self) -> Stay {
        let last = self.last();
        let first = (0..self.len()).rev().map(|at| self.at(at)).take_while(|stay| stay.state == last.state);
        first.last().unwrap_or(last)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Stay> + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    /// When `state` was last entered by a kernel event.
    pub(crate) fn entered(&self, state: TcpState) -> Option<Mono> {
        self.iter()
            .filter(|stay| stay.state == state && stay.known == Known::Event)
            .last()
            .map(|stay| stay.entered)
    }

    pub(crate) fn push(&mut self, stay: Stay) {
        self.put(self.len(), stay);
    }

    pub(crate) fn set_last(&mut self, stay: Stay) {
        self.put(self.len() - 1, stay);
    }

    /// Takes the last stay away; the one before it then lasts until the next push.
    pub(crate) fn drop_last(&mut self) {
        match &mut self.0 {
            Form::Few(few) => few.len = (few.len - 1).max(1),
            Form::Many(stays) if stays.len() > 1 => drop(stays.pop()),
            Form::Many(_) => {}
        }
    }

    /// Forgets all but the last: what a reported TIME_WAIT needs.
    pub(crate) fn trim(&mut self) {
        *self = Self::new(self.last());
    }

    fn put(&mut self, index: usize, stay: Stay) {
        if let Form::Few(few) = &mut self.0 {
            if few.put(index, stay) {
                return;
            }
            let few = few.clone();
            let mut stays = Vec::with_capacity(FEW + 2);
            stays.extend((0..usize::from(few.len)).map(|index| few.at(index)));
            self.0 = Form::Many(stays);
        }
        if let Form::Many(stays) = &mut self.0 {
            stays.truncate(index);
            stays.push(stay);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::evidence::Evidence;

    fn stay(at: u64, known: Known) -> Stay {
        Stay { state: TcpState::Established, known, entered: Mono(at) }
    }

    #[test]
    fn three_stays_fit_in_place_and_more_are_kept_too() {
        let mut stays = Stays::new(stay(0, Known::Event));
        for at in 1..6 {
            stays.push(stay(at, Known::Event));
        }
        assert_eq!(stays.iter().map(|s| s.entered.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        stays.trim();
        assert_eq!((stays.len(), stays.last().entered), (1, Mono(5)));
        assert_eq!(size_of::<Stays>(), 32);
    }

    proptest! {
        #[test]
        fn the_small_form_is_what_a_vector_is(steps in prop::collection::vec((0_u8..3, 0_usize..7, 1_u64..9), 1..12)) {
            let known = |kind: usize, figure: u64| [
                Known::Event,
                Known::EntryOnly,
                Known::Seen { earliest: None },
                Known::Seen { earliest: Some(Mono(figure)) },
                Known::About { error_ns: None },
                Known::About { error_ns: Some(figure) },
                Known::Unknown,
            ][kind];
            let mut plain = vec![stay(0, Known::Event)];
            let mut stays = Stays::new(plain[0]);
            for (what, kind, figure) in steps {
                let stay = stay(10 * figure, known(kind, figure));
                match what {
                    0 => {
                        stays.push(stay);
                        plain.push(stay);
                    }
                    1 => {
                        stays.set_last(stay);
                        *plain.last_mut().unwrap() = stay;
                    }
                    _ => {
                        stays.drop_last();
                        plain.truncate((plain.len() - 1).max(1));
                    }
                }
                prop_assert_eq!(stays.iter().collect::<Vec<_>>(), plain.clone());
            }
        }
    }

    #[test]
    fn a_stay_is_exact_only_between_two_kernel_events() {
        let left = Mono(100);
        assert_eq!(stay(40, Known::Event).until(left, Known::Event), Span::exact(60));
        let seen = stay(40, Known::Seen { earliest: Some(Mono(10)) });
        assert_eq!(seen.until(left, Known::Event), Span::at_least(60, Some(90)));
        let about = Known::About { error_ns: Some(5) };
        assert_eq!(stay(40, Known::Event).until(left, about), Span::estimated(60, Some(5)));
        assert_eq!(stay(40, about).until(left, about), Span::estimated(60, Some(10)));
        assert_eq!(seen.until(left, about), Span::at_least(55, Some(95)));
        for unknown in [Known::Unknown, Known::EntryOnly] {
            assert_eq!(stay(40, unknown).until(left, Known::Event), Span::UNKNOWN);
        }
    }

    #[test]
    fn a_next_state_first_seen_later_bounds_the_error() {
        let span = stay(40, Known::Event).until(Mono(100), Known::Seen { earliest: Some(Mono(90)) });
        assert_eq!((span.evidence, span.error_ns), (Evidence::Estimated, Some(10)));
    }
}
