//! The records: each type is what is printed and what the schema is made from.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::super::row::Row;
use super::Names;
use super::comparison::ComparisonRecord;
use super::finding::Finding;
use super::histogram::HistogramRecord;
use super::owner::{Claim, DetailRecord, TaskRecord};
use super::socket::SocketRecord;
use super::stuck::StuckRecord;
use super::word::{AnyState, KernelState, Word};
use crate::model::event::LossPlace;
use crate::model::evidence::Evidence;
use crate::model::life::{self, ClosedBy, End, FirstSeen, OpenedBy, Residency};
use crate::model::state::TcpState;
use crate::model::summary;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

/// One line of `-o json`.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(title = "A record of tcptrace -o json")]
pub enum Record<'a> {
    /// A state change.
    Transition(Transition<'a>),
    /// A connection from first seen to its end.
    Lifecycle(Lifecycle<'a>),
    /// How long stays lasted.
    Histogram(Box<HistogramRecord<'a>>),
    /// What two recordings differ in.
    Comparison(Box<ComparisonRecord<'a>>),
    /// A socket that is stuck.
    Stuck(Box<StuckRecord<'a>>),
    /// What a check of this host found.
    Finding(Finding<'a>),
    /// Events that were lost.
    Lost(Lost<'a>),
    /// The last line.
    Summary(Summary<'a>),
}

/// A state change of a connection.
#[derive(Serialize, JsonSchema)]
pub struct Transition<'a> {
    /// RFC 3339, UTC, nanoseconds.
    pub(super) time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    pub(super) mono_ns: u64,
    /// The state left.
    pub(super) from: AnyState,
    /// The state entered.
    pub(super) to: AnyState,
    /// Time spent in `from`.
    pub(super) in_from_ns: Option<u64>,
    /// How `in_from_ns` is known.
    pub(super) evidence: Word<Evidence>,
    /// For `at_least`: an upper bound.
    pub(super) at_most_ns: Option<u64>,
    /// For `estimated`: the largest error.
    pub(super) error_ns: Option<u64>,
    /// What told us of it.
    pub(super) seen_by: Word<SeenBy>,
    /// The kernel's own event behind it: the old state.
    pub(super) kernel_from: Option<Word<KernelState>>,
    /// The kernel's own event behind it: the new state.
    pub(super) kernel_to: Option<Word<KernelState>>,
    #[serde(flatten)]
    pub(super) socket: SocketRecord,
    /// Who it belongs to.
    pub(super) owner: Option<Claim<'a>>,
    /// How the connection ended, when this ends it.
    pub(super) end: Option<Word<End>>,
    /// More precisely.
    pub(super) detail: Option<DetailRecord<'a>>,
}

impl<'a> Transition<'a> {
    pub(super) fn of(row: &Row<'a>, time: &'a str, names: Option<&'a dyn Names>) -> Self {
        let state = if row.raw { AnyState::Kernel } else { AnyState::True };
        let socket = &row.subject.socket;
        Self {
            time,
            mono_ns: row.at.0,
            from: state(row.from),
            to: state(row.to),
            in_from_ns: row.in_from.ns,
            evidence: Word(row.in_from.evidence),
            at_most_ns: row.in_from.at_most_ns,
            error_ns: row.in_from.error_ns,
            seen_by: Word(row.seen_by),
            kernel_from: row.kernel.map(|(from, _)| Word(KernelState(from))),
            kernel_to: row.kernel.map(|(_, to)| Word(KernelState(to))),
            socket: SocketRecord::of(row.subject.id, socket),
            owner: Claim::of(row.subject.owner.as_ref(), socket, names),
            end: row.ending.map(|ending| Word(ending.end)),
            detail: row.ending.and_then(|ending| ending.detail.as_ref()).map(DetailRecord::of),
        }
    }
}

/// A connection from first seen to its end.
#[derive(Serialize, JsonSchema)]
pub struct Lifecycle<'a> {
    /// RFC 3339, UTC, nanoseconds: of the end, or of printing.
    pub(super) time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    pub(super) mono_ns: u64,
    #[serde(flatten)]
    pub(super) socket: SocketRecord,
    /// The best claim of ownership.
    pub(super) owner: Option<Claim<'a>>,
    /// The last process seen acting on it, where it is another one than the owner.
    pub(super) last_seen: Option<TaskRecord<'a>>,
    /// How it began.
    pub(super) opened_by: Word<OpenedBy>,
    /// Who closed first.
    pub(super) closed_by: Option<Word<ClosedBy>>,
    /// How we came to know it.
    pub(super) first_seen: Word<FirstSeen>,
    /// Its stays, in order.
    pub(super) states: States<'a>,
    /// From first seen to the end.
    pub(super) duration_ns: Option<u64>,
    /// How `duration_ns` is known.
    pub(super) duration_evidence: Word<Evidence>,
    /// Round-trip time of the handshake, where trustworthy.
    pub(super) handshake_rtt_us: Option<u32>,
    /// How it ended; null while it lives.
    pub(super) end: Option<Word<End>>,
    /// More precisely.
    pub(super) detail: Option<DetailRecord<'a>>,
    /// Application bytes sent.
    pub(super) bytes_sent: Option<u64>,
    /// Application bytes received.
    pub(super) bytes_received: Option<u64>,
    /// Segments sent.
    pub(super) segments_out: Option<u32>,
    /// Segments received.
    pub(super) segments_in: Option<u32>,
    /// Segments sent again.
    pub(super) retransmits: Option<u32>,
    /// Smoothed round-trip time at the end.
    pub(super) srtt_us: Option<u32>,
    /// Its process closed it before it ended.
    pub(super) orphaned: bool,
    /// Time between CLOSED and the last close of its fd, when over 1 ms.
    pub(super) fd_held_ns: Option<u64>,
}

impl<'a> Lifecycle<'a> {
    pub(super) fn of(life: &'a life::Lifecycle, time: &'a str, names: Option<&'a dyn Names>) -> Self {
        let counters = life.counters.as_ref();
        Self {
            time,
            mono_ns: life.at.0,
            socket: SocketRecord::of(life.id, &life.socket),
            owner: Claim::of(life.owner.as_ref(), &life.socket, names),
            last_seen: life.last_seen.as_ref().map(TaskRecord::of),
            opened_by: Word(life.opened_by),
            closed_by: life.closed_by.map(Word),
            first_seen: Word(life.first_seen),
            states: States(&life.states),
            duration_ns: life.duration.ns,
            duration_evidence: Word(life.duration.evidence),
            handshake_rtt_us: life.handshake_rtt_us,
            end: life.ending.map(|ending| Word(ending.end)),
            detail: life.ending.as_ref().and_then(|ending| ending.detail.as_ref()).map(DetailRecord::of),
            bytes_sent: counters.map(|counters| counters.bytes_sent),
            bytes_received: counters.map(|counters| counters.bytes_received),
            segments_out: counters.map(|counters| counters.segments_out),
            segments_in: counters.map(|counters| counters.segments_in),
            retransmits: counters.map(|counters| counters.retransmits),
            srtt_us: counters.map(|counters| counters.srtt_us).filter(|srtt_us| *srtt_us > 0),
            orphaned: life.orphaned,
            fd_held_ns: life.fd_held_ns,
        }
    }
}

/// The stays of a life, made into [`Stay`]s one by one.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub(super) struct States<'a>(#[schemars(with = "Vec<Stay>")] pub(super) &'a [Residency]);

impl Serialize for States<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Stay::of))
    }
}

/// One stay in one state.
#[derive(Serialize, JsonSchema)]
pub(super) struct Stay {
    /// The state.
    pub(super) state: Word<TcpState>,
    /// When it was entered, CLOCK_MONOTONIC.
    pub(super) entered_mono_ns: Option<u64>,
    /// How long it lasted; null while it lasts.
    pub(super) ns: Option<u64>,
    /// How `ns` is known.
    pub(super) evidence: Word<Evidence>,
    /// For `at_least`: an upper bound.
    pub(super) at_most_ns: Option<u64>,
    /// For `estimated`: the largest error.
    pub(super) error_ns: Option<u64>,
    /// TIME_WAIT and orphan FIN_WAIT_2: when the kernel's rule ends it.
    pub(super) expires_mono_ns: Option<u64>,
}

impl Stay {
    pub(super) fn of(residency: &Residency) -> Self {
        let Residency { state, entered, stay, expires } = residency;
        Self {
            state: Word(*state),
            entered_mono_ns: entered.map(|at| at.0),
            ns: stay.ns,
            evidence: Word(stay.evidence),
            at_most_ns: stay.at_most_ns,
            error_ns: stay.error_ns,
            expires_mono_ns: expires.map(|at| at.0),
        }
    }
}

/// Events that were lost: the counts of all such records add up to the last one's total.
#[derive(Serialize, JsonSchema)]
pub struct Lost<'a> {
    /// RFC 3339, UTC, nanoseconds.
    time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    mono_ns: u64,
    /// How many that no record told of before; the closing record of a run mostly has 0.
    count: u64,
    /// Where; null in a closing record for several places.
    #[serde(rename = "where")]
    place: Option<Word<LossPlace>>,
    /// How many in this run.
    total: u64,
}

impl<'a> Lost<'a> {
    pub(super) fn of(at: Mono, time: &'a str, count: u64, place: Option<LossPlace>, total: u64) -> Self {
        Self { time, mono_ns: at.0, count, place: place.map(Word), total }
    }
}

/// The last line of a run.
#[derive(Serialize, JsonSchema)]
pub struct Summary<'a> {
    /// RFC 3339, UTC, nanoseconds.
    time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    mono_ns: u64,
    /// State changes that reached us.
    events: u64,
    /// State changes lost on the way.
    lost: u64,
    /// Records beside them that were lost (who accepted, resets): owners and causes may be missing.
    lost_hints: u64,
    /// Connections that we knew.
    connections: u64,
    /// Connections that left the table because it was full.
    evictions: u64,
    /// How long we traced.
    duration_ns: u64,
    /// Mean time of one run of a kernel program, where the kernel keeps count.
    kernel_ns_per_event: Option<f64>,
    /// Time of all of them.
    kernel_ns_total: Option<u64>,
    /// How often they ran.
    kernel_runs: Option<u64>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(at: Mono, time: &'a str, summary: &summary::Summary, lost: u64) -> Self {
        let summary::Summary { events, lost: _, lost_hints, connections, evictions, duration_ns, kernel } =
            *summary;
        // Tenths of a nanosecond are more than the clock is worth.
        let mean = |cost: summary::KernelCost| {
            let tenths = (u128::from(cost.ns) * 10).checked_div(u128::from(cost.runs))?;
            Some(f64::from(u32::try_from(tenths).ok()?) / 10.0)
        };
        Self {
            time,
            mono_ns: at.0,
            events,
            lost,
            lost_hints,
            connections,
            evictions,
            duration_ns,
            kernel_ns_per_event: kernel.and_then(mean),
            kernel_ns_total: kernel.map(|cost| cost.ns),
            kernel_runs: kernel.map(|cost| cost.runs),
        }
    }
}
