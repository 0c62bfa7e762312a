//! What the soak asks in the end, and the answers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::churn::Churned;
use super::descriptors::Descriptors;
use super::subject::End;
use super::truth::Table;

/// Examples shown of what does not agree.
const SHOWN: usize = 5;
/// Memory may differ by a tenth and this, KiB: the table breathes with the load.
const SLACK_KIB: u64 = 4096;

/// One question, and whether the answer is yes.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) holds: bool,
    /// The figures behind it.
    pub(super) figures: String,
}

impl Check {
    pub(super) fn new(name: &'static str, holds: bool, figures: impl Into<String>) -> Self {
        Self { name, holds, figures: figures.into() }
    }
}

/// All of them.
pub(crate) struct Report {
    time: Duration,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(time: Duration) -> Self {
        Self { time, checks: Vec::new() }
    }

    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// What it kept of resident memory early and late, and the most of it, KiB.
    pub(super) fn memory(&mut self, early: u64, late: u64, peak: u64) {
        let flat = early > 0 && late <= early + early / 10 + SLACK_KIB;
        let figures = format!("{early} KiB early, {late} KiB late, {peak} KiB at most");
        self.add(Check::new("memory is flat", flat, figures));
    }

    /// What was open at the start and is at the end.
    pub(super) fn descriptors(&mut self, first: &Descriptors, last: &Descriptors) {
        let same =
            last.kinds.iter().all(|(kind, count)| first.kinds.get(kind).is_some_and(|first| count <= first));
        let figures = if same {
            let all: usize = last.kinds.values().sum();
            format!("{all} besides sockets, no more than at the start")
        } else {
            format!("{:?} at the start, {:?} at the end", first.kinds, last.kinds)
        };
        self.add(Check::new("no descriptor is leaked", same, figures));
        // One for each namespace, and those of the runtime.
        let runtime = first.sockets.saturating_sub(first.namespaces).max(4);
        let Descriptors { sockets, namespaces, .. } = last;
        let figures = format!("{sockets} sockets for {namespaces} namespaces");
        self.add(Check::new("no namespace is kept alive", *sockets <= namespaces + runtime, figures));
    }

    /// How many there were of those asked for, and how long they took.
    pub(super) fn time_wait(&mut self, asked: u32, there: u32, took: Duration) {
        let figures = format!("{there} of {asked} at once, after {:.1} s", took.as_secs_f64());
        self.add(Check::new("so many TIME_WAITs", there >= asked, figures));
    }

    /// The table against what `ss` said in several looks, the last of them after the end: what was there all the time must be in the
    /// table, and what is in the table must have been there.
    pub(super) fn agreement(&mut self, looks: &[Table], table: &Table) {
        let Some((now, others)) = looks.split_last() else { return };
        let mut wrong = Vec::new();
        for (cookie, state) in &now.0 {
            let stayed = others.iter().all(|look| look.state(cookie) == Some(state));
            if stayed && table.state(cookie) != Some(state) {
                wrong.push(format!(
                    "sk:{cookie} is {state}, told as {}",
                    table.state(cookie).unwrap_or("nothing")
                ));
            }
        }
        for (cookie, state) in &table.0 {
            if !looks.iter().any(|look| look.state(cookie) == Some(state)) {
                let truth = now.state(cookie).unwrap_or("nothing");
                wrong.push(format!("sk:{cookie} is {truth}, told as {state}"));
            }
        }
        let figures = if wrong.is_empty() {
            format!("{} sockets: {}", now.0.len(), words(&now.counts()))
        } else {
            let examples = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
            let (ss, told) = (words(&now.counts()), words(&table.counts()));
            format!("{} differ: {examples}; ss: {ss}; tcptrace: {told}", wrong.len())
        };
        self.add(Check::new("the table is what ss says", wrong.is_empty() && !now.0.is_empty(), figures));
    }

    /// How the tracer ended.
    pub(super) fn end(&mut self, end: &End, churned: &Churned) {
        let End { code, records, malformed, summary, since_loss, said, table: _ } = end;
        let panicked = said.iter().filter(|line| line.contains("panicked")).count();
        let fine = *code == Some(0) && *malformed == 0 && panicked == 0;
        let loss = since_loss
            .map_or(String::new(), |time| format!(" (the last {:.1} s before the end)", time.as_secs_f64()));
        let code = code.map_or("a signal".to_owned(), |code| code.to_string());
        let figures = format!(
            "exit code {code}, {records} records of which {malformed} are no JSON, {} events, {} lost{}, {} hints lost, {} connections",
            summary["events"], summary["lost"], loss, summary["lost_hints"], summary["connections"]
        );
        self.add(Check::new("it lived through it", fine, figures));
        let Churned { namespaces, killed, connections } = churned;
        let enough = *namespaces > 0 && *killed > 0 && *connections > 0;
        let figures =
            format!("{connections} connections in {namespaces} namespaces, {killed} of them killed");
        self.add(Check::new("there was a churn", enough, figures));
    }

    /// The checks that do not hold.
    pub(crate) fn failures(&self) -> Vec<&'static str> {
        self.checks.iter().filter(|check| !check.holds).map(|check| check.name).collect()
    }

    pub(crate) fn json(&self) -> Value {
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(
                |Check { name, holds, figures }| json!({ "check": name, "holds": holds, "figures": figures }),
            )
            .collect();
        json!({ "seconds": self.time.as_secs(), "holds": self.failures().is_empty(), "checks": checks })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, holds, figures } in &self.checks {
            let holds = if *holds { "ok" } else { "FAILED" };
            writeln!(f, "{holds:<6}  {name:<32}  {figures}")?;
        }
        let failed = self.failures().len();
        write!(
            f,
            "soaked for {} s: {} checks held, {failed} failed",
            self.time.as_secs(),
            self.checks.len() - failed
        )
    }
}

fn words(counts: &BTreeMap<&str, usize>) -> String {
    let words: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &str)]) -> Table {
        Table(rows.iter().map(|(cookie, state)| ((*cookie).to_owned(), (*state).to_owned())).collect())
    }

    fn agree(looks: [&Table; 3], told: &Table) -> bool {
        let mut report = Report::new(Duration::ZERO);
        report.agreement(&looks.map(Clone::clone), told);
        report.failures().is_empty()
    }

    #[test]
    fn what_moves_while_we_look_may_be_told_either_way_and_nothing_else() {
        let open = table(&[("1", "ESTABLISHED"), ("2", "TIME_WAIT")]);
        let ended = table(&[("1", "ESTABLISHED")]);
        assert!(agree([&open, &open, &open], &open));
        assert!(agree([&open, &ended, &ended], &open));
        assert!(agree([&open, &open, &ended], &ended));
        assert!(!agree([&open, &open, &open], &ended));
        assert!(!agree([&ended, &ended, &ended], &open));
        let other = table(&[("1", "CLOSE_WAIT"), ("2", "TIME_WAIT")]);
        assert!(!agree([&open, &open, &open], &other));
        let none = Table::default();
        assert!(!agree([&none, &none, &none], &none), "agreement about nothing proves nothing");
    }

    #[test]
    fn memory_may_breathe_and_not_grow() {
        let failed = |early, late| {
            let mut report = Report::new(Duration::ZERO);
            report.memory(early, late, late);
            report.failures().len()
        };
        assert_eq!((failed(100_000, 110_000), failed(100_000, 120_000), failed(0, 0)), (0, 1, 1));
    }
}
