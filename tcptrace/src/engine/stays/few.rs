//! A few stays without a heap allocation.

use super::{Known, Stay};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// `Known` without its figure, for the small form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mark {
    Event,
    EntryOnly,
    Seen,
    SeenSince,
    About,
    AboutWithin,
    Unknown,
}

impl Mark {
    /// With the figure, where it has one.
    pub(crate) fn of(known: Known) -> (Self, Option<u64>) {
        match known {
            Known::Event => (Self::Event, None),
            Known::EntryOnly => (Self::EntryOnly, None),
            Known::Seen { earliest: None } => (Self::Seen, None),
            Known::Seen { earliest: Some(Mono(earliest)) } => (Self::SeenSince, Some(earliest)),
            Known::About { error_ns: None } => (Self::About, None),
            Known::About { error_ns } => (Self::AboutWithin, error_ns),
            Known::Unknown => (Self::Unknown, None),
        }
    }

    fn has_figure(self) -> bool {
        matches!(self, Self::SeenSince | Self::AboutWithin)
    }

    pub(crate) fn known(self, figure: u64) -> Known {
        match self {
            Self::Event => Known::Event,
            Self::EntryOnly => Known::EntryOnly,
            Self::Seen => Known::Seen { earliest: None },
            Self::SeenSince => Known::Seen { earliest: Some(Mono(figure)) },
            Self::About => Known::About { error_ns: None },
            Self::AboutWithin => Known::About { error_ns: Some(figure) },
            Self::Unknown => Known::Unknown,
        }
    }
}

pub(super) const FEW: usize = 3;

/// Up to three stays, or two of which one has a figure: what a dump shows has one.
#[derive(Clone, Debug)]
pub(super) struct Few {
    pub(super) len: u8,
    states: [TcpState; FEW],
    marks: [Mark; FEW],
    /// When each was entered; the last is the figure, where there is one.
    words: [u64; FEW],
}

impl Few {
    pub(super) fn new(first: Stay) -> Self {
        let (mark, figure) = Mark::of(first.known);
        let Mono(entered) = first.entered;
        let words = [entered, entered, figure.unwrap_or(entered)];
        Self { len: 1, states: [first.state; FEW], marks: [mark; FEW], words }
    }

    pub(super) fn at(&self, index: usize) -> Stay {
        let known = self.marks[index].known(self.words[FEW - 1]);
        Stay { state: self.states[index], known, entered: Mono(self.words[index]) }
    }

    /// Makes `stay` the one at `index`, which may be the next; false where it has no room.
    pub(super) fn put(&mut self, index: usize, stay: Stay) -> bool {
        let (mark, figure) = Mark::of(stay.known);
        let len = usize::from(self.len);
        let another = (0..len).any(|at| at != index && self.marks[at].has_figure());
        let full = if another || figure.is_some() { FEW - 1 } else { FEW };
        if index >= full || len > full || (another && figure.is_some()) {
            return false;
        }
        (self.states[index], self.marks[index], self.words[index]) = (stay.state, mark, stay.entered.0);
        if let Some(figure) = figure {
            self.words[FEW - 1] = figure;
        }
        if index == len {
            self.len += 1;
        }
        true
    }
}
