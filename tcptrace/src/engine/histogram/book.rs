//! All histograms of a run: since it began, and since they were last shown.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Histogram;
use super::asked::Asked;
use super::counted::{Counted, Stays};
use super::group::{By, Group};
use super::sample::Sample;
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{Lifecycle, Subject};
use crate::model::measure::{Measure, Measured};
use crate::model::state::TcpState;
use crate::model::transition::Transition;

/// A histogram with what it is of.
pub type Row = (Group, Measure, Histogram);

/// Histograms by group and measure.
type Histograms = FxHashMap<(Group, Measure), Histogram>;

/// Histograms by group and measure, bounded.
#[derive(Debug)]
pub struct Book {
    by: Vec<By>,
    asked: Asked,
    max_groups: usize,
    groups: FxHashSet<Group>,
    whole: Histograms,
    recent: Histograms,
    /// Stays that found no group of their own.
    other: u64,
    /// Each exact length more finely, for comparing.
    samples: Option<FxHashMap<(Group, Measure), Sample>>,
}

impl Book {
    /// An empty book of at most `max_groups` groups, for what is asked.
    #[must_use]
    pub fn new(by: Vec<By>, asked: Asked, max_groups: usize) -> Self {
        Self {
            by,
            asked,
            max_groups,
            groups: FxHashSet::default(),
            whole: FxHashMap::default(),
            recent: FxHashMap::default(),
            other: 0,
            samples: None,
        }
    }

    /// Keeps each exact length more finely too; what the kernel half counts is not among them.
    #[must_use]
    pub fn with_samples(self) -> Self {
        Self { samples: Some(FxHashMap::default()), ..self }
    }

    /// The lengths of a histogram.
    #[must_use]
    pub fn sample(&self, group: Group, measure: Measure) -> Option<&Sample> {
        self.samples.as_ref()?.get(&(group, measure))
    }

    /// Counts the stay that a transition ends.
    pub fn moved(&mut self, moved: &Transition, subject: &Subject) {
        let Transition { from, to, in_from, .. } = moved;
        // A birth ends no stay of this connection.
        if *from == TcpState::Listen && *to != TcpState::Closed {
            return;
        }
        let group = Group::of(&self.by, subject, None);
        self.stay(group, *from, in_from);
    }

    /// Counts a length beside stays.
    pub fn measured(&mut self, measured: &Measured, subject: &Subject) {
        let group = Group::of(&self.by, subject, None);
        self.length(group, measured.measure, &measured.span);
    }

    /// Counts the lengths of a connection that is over.
    pub fn life(&mut self, life: &Lifecycle) {
        let Lifecycle { id, socket, owner, opened_by, .. } = *life;
        let subject = Subject { id, socket, owner, opened_by };
        let group = Group::of(&self.by, &subject, life.ending.map(|ending| ending.end));
        for residency in &life.states {
            // The last one goes on, or is no state of a connection.
            if residency.stay.ns.is_some() || residency.stay.evidence == Evidence::Unknown {
                self.stay(group, residency.state, &residency.stay);
            }
        }
        for (measure, span) in &life.measured {
            self.length(group, *measure, span);
        }
    }

    fn stay(&mut self, group: Group, state: TcpState, span: &Span) {
        // An accepted connection's SYN_RECV is as old as its last event: no stay, unless it is known how long.
        let fiction = state == TcpState::SynRecv && span.evidence == Evidence::Unknown;
        if state == TcpState::Closed || fiction {
            return;
        }
        let state = if state == TcpState::NewSynRecv { TcpState::SynRecv } else { state };
        self.length(group, Measure::State(state), span);
    }

    fn length(&mut self, group: Group, measure: Measure, span: &Span) {
        let group = self.with(group, measure, 1, &|histogram, _| histogram.count(span.ns, span.evidence));
        if let (Some(samples), Some(group), Some(ns), Evidence::Exact) =
            (&mut self.samples, group, span.ns, span.evidence)
        {
            samples.entry((group, measure)).or_default().add(ns);
        }
    }

    /// Takes in what the kernel half has counted.
    pub fn count(&mut self, counted: &Counted) {
        let Counted { group, measure, stays } = counted;
        match stays {
            Stays::AtLeast(count) => self.beside(*group, *measure, Evidence::AtLeast, *count),
            Stays::Estimated(count) => self.beside(*group, *measure, Evidence::Estimated, *count),
            Stays::Unknown(count) => self.beside(*group, *measure, Evidence::Unknown, *count),
            // Not over yet.
            Stays::Ruled(_) => {}
            Stays::Measured { first, counts, sum, shortest, longest } => {
                let used = || (*first..).zip(counts).filter(|(_, count)| **count > 0);
                let (Some((low, _)), Some((high, _))) = (used().next(), used().last()) else { return };
                let count = counts.iter().sum();
                self.with(*group, *measure, count, &|histogram, recent| {
                    used().for_each(|(bucket, count)| histogram.fill(bucket, *count));
                    // The extremes are those of the whole run: of late they are known to the bucket only, unless new.
                    let least = super::bucket::shortest(low).max(shortest.0);
                    let most = super::bucket::longest(high).min(longest.0);
                    let least = if recent && !shortest.1 { least } else { shortest.0 };
                    let most = if recent && !longest.1 { most } else { longest.0 };
                    histogram.add(count, u128::from(*sum), least, most);
                });
            }
        }
    }

    fn beside(&mut self, group: Group, measure: Measure, evidence: Evidence, count: u64) {
        self.with(group, measure, count, &|histogram, _| histogram.add_beside(evidence, count));
    }

    /// Does it to both histograms of a group; the second argument tells the recent one. Whose group it was counted for, if any.
    fn with(
        &mut self,
        group: Group,
        measure: Measure,
        count: u64,
        act: &dyn Fn(&mut Histogram, bool),
    ) -> Option<Group> {
        if !self.asked.admits(measure) {
            return None;
        }
        let group = if group.other || self.admits(group) { group } else { Group::OTHER };
        if group.other {
            self.other += count;
        }
        act(self.whole.entry((group, measure)).or_default(), false);
        act(self.recent.entry((group, measure)).or_default(), true);
        Some(group)
    }

    fn admits(&mut self, group: Group) -> bool {
        if self.groups.contains(&group) {
            return true;
        }
        let room = self.groups.len() < self.max_groups;
        if room {
            self.groups.insert(group);
        }
        room
    }

    /// What they are grouped by.
    #[must_use]
    pub fn by(&self) -> &[By] {
        &self.by
    }

    /// Stays that found no group of their own.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other
    }

    /// The histograms since the beginning, in order.
    #[must_use]
    pub fn whole(&self) -> Vec<Row> {
        in_order(self.whole.iter().map(|((group, measure), histogram)| (*group, *measure, histogram.clone())))
    }

    /// The histograms since the last call, in order.
    pub fn take_recent(&mut self) -> Vec<Row> {
        in_order(self.recent.drain().map(|((group, measure), histogram)| (group, measure, histogram)))
    }
}

/// By group, and in a group in the order of a life.
fn in_order(rows: impl Iterator<Item = Row>) -> Vec<Row> {
    let mut rows: Vec<_> = rows.filter(|(_, _, histogram)| !histogram.is_empty()).collect();
    rows.sort_by_cached_key(|(group, measure, _)| {
        (group.order(), Measure::all().position(|other| other == *measure))
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::filter::tests::subject;
    use crate::model::time::Mono;
    use crate::model::transition::SeenBy;

    fn moved(from: TcpState, to: TcpState, in_from: Span) -> Transition {
        let seen_by = SeenBy::Tracepoint;
        Transition { at: Mono(9), from, to, in_from, seen_by, kernel: None, ending: None }
    }

    #[test]
    fn births_and_the_syn_recv_of_the_accepted_are_no_stays() {
        use TcpState::{CloseWait, Closed, Established, LastAck, Listen, SynRecv, SynSent};
        let mut book = Book::new(vec![By::State], Asked::stays(), 10);
        for (from, to, span) in [
            (Closed, SynSent, Span::UNKNOWN),
            (Listen, SynRecv, Span::UNKNOWN),
            (SynRecv, Established, Span::UNKNOWN),
            (Established, CloseWait, Span::exact(5)),
            (CloseWait, LastAck, Span::at_least(5, None)),
        ] {
            book.moved(&moved(from, to, span), &subject(1));
        }
        let states: Vec<_> =
            book.whole().iter().map(|(_, state, histogram)| (*state, histogram.total())).collect();
        assert_eq!(states, [(Measure::State(Established), 1), (Measure::State(CloseWait), 0)]);
    }

    #[test]
    fn groups_beyond_the_number_are_counted_together() {
        let mut book = Book::new(vec![By::Lport], Asked::stays(), 2);
        let step = moved(TcpState::Established, TcpState::CloseWait, Span::exact(5));
        for port in 1..=5 {
            let mut subject = subject(1);
            subject.socket.endpoints.local.port = Some(port);
            book.moved(&step, &subject);
        }
        let rows = book.take_recent();
        assert_eq!(rows.len(), 3);
        assert!(rows[2].0.other && rows[2].2.total() == 3 && book.other() == 3);
        assert!(book.take_recent().is_empty() && book.whole().len() == 3);
    }

    #[test]
    fn extremes_of_late_are_known_to_the_bucket_when_they_are_not_new() {
        let mut book = Book::new(vec![], Asked::stays(), 2);
        let bucket = crate::engine::histogram::bucket::of(1_100);
        let first = bucket / 16 * 16;
        let counts = std::array::from_fn(|at| u64::from(first + u16::try_from(at).unwrap() == bucket));
        let stays = |new| Stays::Measured {
            first,
            counts,
            sum: 1_100,
            shortest: (1_030, new),
            longest: (1_100, new),
        };
        let counted = |new| Counted {
            group: Group::default(),
            measure: Measure::State(TcpState::LastAck),
            stays: stays(new),
        };
        book.count(&counted(true));
        assert_eq!(book.take_recent()[0].2.min(), Some(1_030));
        book.count(&counted(false));
        let (recent, whole) = (book.take_recent(), book.whole());
        assert!(recent[0].2.min() > Some(1_030) && recent[0].2.max() == Some(1_100));
        assert_eq!((whole[0].2.min(), whole[0].2.total(), whole[0].2.mean()), (Some(1_030), 2, Some(1_100)));
    }
}
