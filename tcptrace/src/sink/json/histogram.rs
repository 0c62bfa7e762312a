//! How long stays lasted, as a record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Names;
use super::word::Word;
use crate::engine::histogram::book::Row;
use crate::engine::histogram::bucket;
use crate::engine::histogram::group::{By, Group};
use crate::model::evidence::Evidence;
use crate::model::life::{End, OpenedBy};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// How long the stays of one group in one state lasted, or something else of its connections: those that ended between `from_mono_ns` and `mono_ns`.
#[derive(Serialize, JsonSchema)]
pub struct HistogramRecord<'a> {
    /// RFC 3339, UTC, nanoseconds.
    time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    mono_ns: u64,
    /// CLOCK_MONOTONIC of the beginning.
    from_mono_ns: u64,
    /// The keys of --by and their values; `{"other": true}` for all groups beyond --max-groups.
    group: BTreeMap<&'static str, Value>,
    /// What is counted: `state` for stays in `state`, `handshake`, `accept_wait`, `reaction` (from the peer's FIN to ours),
    /// `fin_to_fin` (from our FIN to the peer's) or `lifetime`.
    measure: &'static str,
    /// The state; null where it is no stay.
    state: Option<Word<TcpState>>,
    /// Stays in the buckets: those whose length is exact.
    count: u64,
    /// Of all lengths: `ns`.
    unit: &'static str,
    /// The shortest; of an --interval to the bucket only, unless it is the shortest ever.
    min: Option<u64>,
    /// The longest, likewise.
    max: Option<u64>,
    /// The mean, exact.
    mean: Option<u64>,
    /// Standard deviation, from the buckets.
    stdev: Option<f64>,
    /// Median. This and the other percentiles are right to 2.2 %.
    p50: Option<u64>,
    /// 90 % are not longer.
    p90: Option<u64>,
    /// 99 % are not longer.
    p99: Option<u64>,
    /// 99.9 % are not longer.
    p99_9: Option<u64>,
    /// How many stays are known how: `exact` ones are in the buckets, the others are not.
    evidence_counts: EvidenceCounts,
    /// Stays longer than any bucket: none so far, the last one ends at 2^64 ns.
    beyond_range: u64,
    /// Upper bounds (inclusive) and counts of those that are not empty: the buckets of an OpenTelemetry exponential histogram of
    /// scale 4, bounds in whole nanoseconds.
    buckets: Vec<(u64, u64)>,
    /// With --hdr: base64 of the HdrHistogram V2 compressed encoding.
    hdr: Option<String>,
}

/// Counts by evidence.
#[derive(Serialize, JsonSchema)]
struct EvidenceCounts {
    /// Kernel events mark both ends.
    exact: u64,
    /// They began before tracing did.
    at_least: u64,
    /// From a rule or a poll.
    estimated: u64,
    /// Not known.
    unknown: u64,
}

impl<'a> HistogramRecord<'a> {
    pub(super) fn of(
        (from, to): (Mono, Mono),
        time: &'a str,
        by: &[By],
        (group, measure, histogram): &Row,
        hdr: Option<String>,
        names: Option<&dyn Names>,
    ) -> Self {
        let beside = |asked: Evidence| {
            histogram.beside().iter().find(|(evidence, _)| *evidence == asked).map_or(0, |(_, count)| *count)
        };
        Self {
            time,
            mono_ns: to.0,
            from_mono_ns: from.0,
            group: keys(by, group, names),
            measure: measure.kind(),
            state: measure.state().map(Word),
            count: histogram.total(),
            unit: "ns",
            min: histogram.min(),
            max: histogram.max(),
            mean: histogram.mean(),
            stdev: histogram.stdev(),
            p50: histogram.percentile(50.0),
            p90: histogram.percentile(90.0),
            p99: histogram.percentile(99.0),
            p99_9: histogram.percentile(99.9),
            evidence_counts: EvidenceCounts {
                exact: histogram.total(),
                at_least: beside(Evidence::AtLeast),
                estimated: beside(Evidence::Estimated),
                unknown: beside(Evidence::Unknown),
            },
            beyond_range: 0,
            buckets: histogram.buckets().map(|(at, count)| (bucket::longest(at), count)).collect(),
            hdr,
        }
    }
}

pub(super) fn keys(by: &[By], group: &Group, names: Option<&dyn Names>) -> BTreeMap<&'static str, Value> {
    if group.other {
        return BTreeMap::from([("other", Value::Bool(true))]);
    }
    let value = |key: &By| match key {
        By::State => Value::Null,
        By::Pid => group.pid.into(),
        By::Comm => group.comm.map(|comm| comm.as_str().into_owned()).into(),
        By::Lport => group.lport.into(),
        By::Rport => group.rport.into(),
        By::Raddr => group.raddr.map(|addr| addr.to_string()).into(),
        By::Cgroup => group.cgroup.and_then(|id| names?.cgroup(id)).map(|cgroup| cgroup.path).into(),
        By::Netns => group.netns.into(),
        By::End => group.end.map(End::name).into(),
        By::Role => group.role.map(OpenedBy::name).into(),
    };
    let mut keys: BTreeMap<_, _> = by.iter().map(|key| (key.name(), value(key))).collect();
    if by.contains(&By::Cgroup) {
        // Known even where its path is not.
        keys.insert("cgroup_id", group.cgroup.into());
    }
    keys
}
