//! One `lifecycle` record, and what tests ask of it.

use std::ops::Range;

use serde_json::Value;

use super::patience::slowness;

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Life(pub(crate) Value);

/// Nothing is shorter on a slow machine, and much is longer.
fn within(ns: u64, ms: &Range<u64>) -> bool {
    (ms.start..ms.end * u64::from(slowness())).contains(&(ns / 1_000_000))
}

impl Life {
    /// `end` or `end detail`; `-` while it lives.
    pub(crate) fn end(&self) -> String {
        let word = |key: &str| self.0[key].as_str();
        match (word("end"), word("detail")) {
            (None, _) => "-".into(),
            (Some(end), None) => end.into(),
            (Some(end), Some(detail)) => format!("{end} {detail}"),
        }
    }

    fn stays(&self) -> &Vec<Value> {
        self.0["states"].as_array().unwrap()
    }

    /// The states in order.
    pub(crate) fn path(&self) -> String {
        let names: Vec<&str> = self.stays().iter().map(|stay| stay["state"].as_str().unwrap()).collect();
        names.join(" ")
    }

    /// The only stay in `state`.
    pub(crate) fn stay(&self, state: &str) -> &Value {
        let mut found = self.stays().iter().filter(|stay| stay["state"] == state);
        let stay = found.next().unwrap_or_else(|| panic!("no {state} in {self:#?}"));
        assert!(found.next().is_none(), "two {state} in {self:#?}");
        stay
    }

    /// Checks how it went and ended.
    pub(crate) fn was(&self, path: &str, end: &str) -> &Self {
        assert_eq!((self.path().as_str(), self.end().as_str()), (path, end), "{:#}", self.0);
        self
    }

    /// Checks how long the only stay in `state` lasted, milliseconds on a machine that is not slow, and how that is known.
    pub(crate) fn lasted(&self, state: &str, ms: Range<u64>, evidence: &str) -> &Self {
        self.nth_lasted(0, state, ms, evidence);
        self.stay(state);
        self
    }

    /// The same of the `nth` stay in that state.
    pub(crate) fn nth_lasted(&self, nth: usize, state: &str, ms: Range<u64>, evidence: &str) {
        let stay = self.stays().iter().filter(|stay| stay["state"] == state).nth(nth);
        let stay = stay.unwrap_or_else(|| panic!("no {state} in {:#}", self.0));
        let good = stay["ns"].as_u64().is_some_and(|ns| within(ns, &ms));
        assert!(good && stay["evidence"] == evidence, "{state}, {evidence}: {stay} in {:#}", self.0);
    }

    /// Checks one field.
    pub(crate) fn has(&self, key: &str, value: impl Into<Value>) -> &Self {
        assert_eq!(self.0[key], value.into(), "{key} in {:#}", self.0);
        self
    }

    /// Checks that a field in nanoseconds is so many milliseconds.
    pub(crate) fn took(&self, key: &str, ms: Range<u64>) -> &Self {
        let good = self.0[key].as_u64().is_some_and(|ns| within(ns, &ms));
        assert!(good, "{key} in {:#}", self.0);
        self
    }

    /// Checks who owns it and how that is known.
    pub(crate) fn owned_by(&self, pid: u32, how: &str) -> &Self {
        let owner = &self.0["owner"];
        assert!(owner["pid"] == pid && owner["how"] == how, "{pid} {how}: {:#}", self.0);
        self
    }

    /// Opened and owned by this process.
    pub(crate) fn ours(&self, how: &str) -> &Self {
        self.has("opened_by", how).owned_by(std::process::id(), how)
    }
}
