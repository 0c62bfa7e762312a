//! A percentile before and now, as a record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::histogram::keys;
use super::word::Word;
use crate::engine::histogram::group::By;
use crate::engine::histogram::shift::{CONFIDENCE, Estimate, Shift, Verdict};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::sink::comparison::Compared;

/// A percentile of one histogram in two recordings (`hist --from NOW --against BEFORE`).
#[derive(Serialize, JsonSchema)]
pub struct ComparisonRecord<'a> {
    /// RFC 3339, UTC, nanoseconds: the end of the later recording.
    time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    mono_ns: u64,
    /// The keys of --by and their values.
    group: BTreeMap<&'static str, Value>,
    /// As in `histogram`.
    measure: &'static str,
    /// As in `histogram`.
    state: Option<Word<TcpState>>,
    /// Of all lengths: `ns`.
    unit: &'static str,
    /// Which percentile.
    percentile: f64,
    /// In the recording of --against.
    before: EstimateRecord,
    /// In the recording of --from.
    now: EstimateRecord,
    /// From the one to the other.
    shift: Option<i64>,
    /// The true shift is at least this …
    shift_low: Option<i64>,
    /// … and at most this, with the probability `confidence`; null where there are too few lengths to say.
    shift_high: Option<i64>,
    /// How sure `shift_low` and `shift_high` are, at least: bounds of exact order statistics, of each record by itself.
    confidence: f64,
    /// `longer`, `shorter`, `none_shown` (chance explains it) or `too_few`.
    verdict: &'static str,
    /// With `too_few`: how many lengths each recording must have.
    needed: Option<u64>,
}

/// A percentile of one recording.
#[derive(Serialize, JsonSchema)]
struct EstimateRecord {
    /// Lengths: exact ones.
    count: u64,
    /// The percentile, right to a thousandth; null when there are none.
    value: Option<u64>,
    /// The true one is at least this …
    low: Option<u64>,
    /// … and at most this.
    high: Option<u64>,
}

impl EstimateRecord {
    fn of(estimate: &Estimate) -> Self {
        let Estimate { count, value, bounds } = *estimate;
        Self { count, value, low: bounds.map(|(low, _)| low), high: bounds.map(|(_, high)| high) }
    }
}

impl<'a> ComparisonRecord<'a> {
    pub(super) fn of(at: Mono, time: &'a str, by: &[By], compared: &Compared, shift: &Shift) -> Self {
        let small = |ns: i128| i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX });
        Self {
            time,
            mono_ns: at.0,
            group: keys(by, &compared.group, None),
            measure: compared.measure.kind(),
            state: compared.measure.state().map(Word),
            unit: "ns",
            percentile: shift.percent,
            before: EstimateRecord::of(&shift.before),
            now: EstimateRecord::of(&shift.now),
            shift: shift.by().map(small),
            shift_low: shift.bounds.map(|(low, _)| small(low)),
            shift_high: shift.bounds.map(|(_, high)| small(high)),
            confidence: CONFIDENCE,
            verdict: shift.verdict.name(),
            needed: match shift.verdict {
                Verdict::TooFew(needed) => Some(needed),
                Verdict::Longer | Verdict::Shorter | Verdict::NoneShown => None,
            },
        }
    }
}
