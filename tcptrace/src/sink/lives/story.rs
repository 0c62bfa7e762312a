//! A life in words, and its states with their times.

use super::super::text::cell;
use super::super::{digits, duration};
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{ClosedBy, Detail, End, FirstSeen, Lifecycle, OpenedBy};
use crate::model::state::TcpState;

const fn opened(life: &Lifecycle) -> &'static str {
    match (life.opened_by, life.first_seen) {
        (OpenedBy::Connect, _) => "connected",
        (OpenedBy::Accept, _) => "accepted",
        (OpenedBy::Listen, _) => "listened",
        (OpenedBy::Simultaneous, _) => "opened by both at once",
        (OpenedBy::Unknown, FirstSeen::Snapshot) => "there before",
        (OpenedBy::Unknown, FirstSeen::Event | FirstSeen::Midway) => "opening not seen",
    }
}

const fn ended(end: End) -> &'static str {
    match end {
        End::TimeWait | End::Fin => "closed",
        End::FinWait2Timeout => "the peer never closed",
        End::RstReceived => "reset by the peer",
        End::RstSent => "reset by us",
        End::Refused => "refused",
        End::Unreachable => "unreachable",
        End::Timeout => "timed out",
        End::GaveUp => "gave up",
        End::NoLocalPort => "no local port free",
        End::Aborted => "killed",
        End::ListenClosed => "listener closed",
        End::Recycled => "TIME_WAIT cut short",
        End::Unknown => "end not seen",
    }
}

/// Appends how `life` was opened, who closed first, and how it ended: `accepted, peer closed first, killed by ss[99]`.
pub(super) fn push(out: &mut Vec<u8>, life: &Lifecycle) {
    out.extend_from_slice(opened(life).as_bytes());
    out.extend_from_slice(match life.closed_by {
        Some(ClosedBy::Local) => b", we closed first",
        Some(ClosedBy::Remote) => b", peer closed first",
        Some(ClosedBy::Both) => b", both closed at once",
        None => b"",
    });
    let Some(ending) = &life.ending else {
        out.extend_from_slice(b", still open");
        return;
    };
    // A clean end has been told with who closed first: the line is better used for the timeline.
    if life.closed_by.is_none() || !matches!(ending.end, End::TimeWait | End::Fin) {
        out.extend_from_slice(b", ");
        out.extend_from_slice(ended(ending.end).as_bytes());
    }
    match &ending.detail {
        Some(Detail::Word(word)) => {
            out.extend_from_slice(b" (");
            out.extend(word.bytes().map(|byte| if byte == b'_' { b' ' } else { byte }));
            out.push(b')');
        }
        Some(killer @ Detail::Killer(_)) => {
            out.extend_from_slice(b" by ");
            cell::push_detail(out, killer);
        }
        None => {}
    }
}

/// One state of a timeline.
pub(super) struct Point {
    pub(super) state: TcpState,
    stay: Span,
}

impl Point {
    /// Appends the time with its mark: `5.2s`, `60s*`, `≥1.2s`, `?`.
    pub(super) fn push_time(&self, out: &mut Vec<u8>) {
        match (self.stay.ns, self.stay.evidence) {
            (Some(ns), Evidence::Estimated) => {
                duration::push_ns(out, ns, true);
                out.push(b'*');
            }
            _ => duration::push_span(out, &self.stay),
        }
    }
}

/// The states of `life`. The last may still last: then its time is what the kernel's rule gives it, or what has passed so far.
pub(super) fn points(life: &Lifecycle) -> impl Iterator<Item = Point> {
    life.states.iter().enumerate().map(|(at, residency)| {
        let last = at + 1 == life.states.len();
        let stay = match (residency.stay.ns, residency.entered, residency.expires) {
            (None, Some(entered), Some(expires)) if last => Span::estimated(expires.since(entered), None),
            (None, Some(entered), None) if last && life.ending.is_none() => {
                Span::at_least(life.at.since(entered), None)
            }
            _ => residency.stay,
        };
        Point { state: residency.state, stay }
    })
}

/// Appends a figure in at most five cells: `999`, `1.2k`, `34.5M`.
pub(super) fn push_amount(out: &mut Vec<u8>, amount: u64) {
    if amount < 1_000 {
        digits::push(out, amount);
        return;
    }
    let mut tenths = amount / 100;
    for unit in b"kMGTP" {
        if tenths < 10_000 || *unit == b'P' {
            digits::push(out, tenths / 10);
            if tenths < 1_000 {
                out.push(b'.');
                digits::push(out, tenths % 10);
            }
            out.push(*unit);
            return;
        }
        tenths /= 1_000;
    }
}
