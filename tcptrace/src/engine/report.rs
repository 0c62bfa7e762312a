//! A compact life written out for those who print it.

use super::life::Life;
use super::rtt::Rtts;
use super::stays::{Known, Stay};
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, Lifecycle, OpenedBy, Residency};
use crate::model::state::TcpState;
use crate::model::time::Mono;

impl Life {
    /// Writes the whole life into `report`, whose vector is reused.
    pub(crate) fn report(&self, report: &mut Lifecycle, at: Mono, rtts: &Rtts) {
        let rare = self.rare.as_deref();
        report.id = ConnectionId(self.id);
        report.socket = self.socket();
        report.owner = self.owner;
        report.last_seen = rare.and_then(|rare| rare.last_seen);
        report.opened_by = self.opened_by;
        report.closed_by = self.closed_by;
        report.first_seen = self.first_seen;
        report.handshake_rtt_us = Some(self.handshake_rtt_us).filter(|rtt| {
            let passive = self.opened_by == OpenedBy::Accept;
            *rtt != 0 && !(passive && rtts.is_late(self.netns, self.ends.remote(), *rtt))
        });
        report.ending = rare.and_then(|rare| rare.ending);
        report.counters = rare.and_then(|rare| rare.counters);
        report.orphaned = self.orphaned;
        report.fd_held_ns = rare.and_then(|rare| rare.fd_held_ns);
        let ended = rare.and_then(|rare| rare.ended);
        let over = self.state() == TcpState::TimeWait && report.ending.is_some() && ended.is_none();
        report.at = ended.map_or(if over { self.stays.last().entered } else { at }, |(at, _)| at);
        report.states.clear();
        for index in 0..self.stays.len() {
            let stay = self.stays.at(index);
            let left = if index + 1 < self.stays.len() {
                let next = self.stays.at(index + 1);
                Some((next.entered, next.known))
            } else {
                ended
            };
            let open = left.is_none();
            report.states.push(Residency {
                state: stay.state,
                entered: (stay.known != Known::Unknown).then_some(stay.entered),
                stay: left.map_or_else(|| still(&stay, at), |(left, how)| stay.until(left, how)),
                expires: match stay.state {
                    TcpState::TimeWait | TcpState::FinWait2 => self.expires().filter(|_| open),
                    _ => None,
                },
            });
        }
        report.measured.clear();
        report.measured.extend(rare.iter().flat_map(|rare| &rare.measured));
        let (end, how) = match (ended, over) {
            (Some(ended), _) => ended,
            (None, true) => (report.at, self.stays.last().known),
            (None, false) => (at, Known::Event),
        };
        report.duration = self.lasted(end, how);
        if !over && ended.is_none() {
            // It goes on.
            report.duration = report.duration.ns.map_or(Span::UNKNOWN, |ns| Span::at_least(ns, None));
        }
    }

    /// From when it was first seen to `end`, which is known as `how`.
    pub(crate) fn lasted(&self, end: Mono, how: Known) -> Span {
        let first = self.stays.first();
        let known = match first.known {
            // We saw it at `entered`; it was there before.
            Known::Unknown => Known::Seen { earliest: None },
            Known::EntryOnly => Known::Event,
            known => known,
        };
        Stay { known, ..first }.until(end, how)
    }
}

/// A stay that lasts: no length yet, but how its beginning is known.
fn still(stay: &Stay, now: Mono) -> Span {
    Span { ns: None, at_most_ns: None, error_ns: None, ..stay.until(now, Known::Event) }
}
