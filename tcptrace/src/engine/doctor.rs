//! What is wrong with this host's TCP, as findings: pure checks over measured facts.
//!
//! A check is a function from [`Facts`] to [`Finding`]s. It says what it measured, what that means here, what to do, and what
//! the claim rests on; where nothing is wrong it says that too.

pub mod facts;
pub mod folklore;
pub mod sysctl_file;
pub mod traffic;

mod backlog;
mod ends;
mod keepalive;
mod leak;
mod narrow;
mod orphans;
mod ports;
mod recorded;
#[cfg(test)]
mod sample;
mod states;
mod sysctls;
mod tales;
mod time_wait;
mod words;

use serde_json::{Map, Value};

use facts::Facts;
pub use narrow::narrow;
pub use states::{Row, table};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Info,
    /// It hurts, or will.
    Warning,
    /// Connections fail now, or within minutes.
    Critical,
}

impl Severity {
    /// The word in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What one check found about one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at.
    pub subject: String,
    /// The figures.
    pub observed: Map<String, Value>,
    /// What they mean, in a sentence or two.
    pub explanation: String,
    /// What to do; `None` where nothing needs doing.
    pub advice: Option<String>,
    /// RFC section, kernel file and function, or documentation behind it.
    pub source: &'static str,
}

impl Finding {
    /// Without figures and advice yet.
    fn new(
        check: &'static str,
        severity: Severity,
        subject: impl Into<String>,
        source: &'static str,
    ) -> Self {
        Self {
            check,
            severity,
            subject: subject.into(),
            observed: Map::new(),
            explanation: String::new(),
            advice: None,
            source,
        }
    }

    fn with(mut self, name: &str, figure: impl Into<Value>) -> Self {
        self.observed.insert(name.to_owned(), figure.into());
        self
    }

    fn saying(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = explanation.into();
        self
    }

    fn advising(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Runs every check; the worst comes first, and of equals what the checks find first.
#[must_use]
pub fn examine(facts: &Facts) -> Vec<Finding> {
    type Check = fn(&Facts) -> Vec<Finding>;
    let checks: [Check; 8] = [
        states::check,
        leak::check,
        ports::check,
        time_wait::check,
        orphans::check,
        ends::check,
        sysctls::check,
        tales::check,
    ];
    let living: [Check; 2] = [backlog::check, keepalive::check];
    let others: &[Check] = if facts.recorded { &[recorded::missing] } else { &living };
    let mut findings: Vec<Finding> = checks.iter().chain(others).flat_map(|check| check(facts)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The last record: how bad it is, and what to do first.
#[must_use]
pub fn conclusion(findings: &[Finding]) -> Finding {
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    let first = first_things(findings);
    let said = match first.len() {
        0 => "nothing needs doing".to_owned(),
        _ => format!("{} to do first", words::count(u64::try_from(first.len()).unwrap_or_default(), "thing")),
    };
    let things: Vec<Value> = first
        .iter()
        .map(|finding| {
            serde_json::json!({"check": finding.check, "subject": finding.subject, "advice": finding.advice})
        })
        .collect();
    Finding::new("conclusion", worst, "this host", "the findings above").with("first", things).saying(said)
}

/// The three things to do first: the advice of the worst findings, one of a check unless there is nothing else.
#[must_use]
pub fn first_things(findings: &[Finding]) -> Vec<&Finding> {
    let urgent: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning && finding.advice.is_some())
        .collect();
    let mut first: Vec<&Finding> = Vec::new();
    let distinct =
        |first: &[&Finding], finding: &Finding| first.iter().all(|done| done.check != finding.check);
    for finding in &urgent {
        if first.len() < 3 && distinct(&first, finding) {
            first.push(finding);
        }
    }
    for finding in &urgent {
        if first.len() < 3
            && first.iter().all(|done| !std::ptr::eq(*done, *finding) && done.advice != finding.advice)
        {
            first.push(finding);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &'static str, severity: Severity, advice: &str) -> Finding {
        Finding::new(check, severity, "s", "t").advising(advice)
    }

    #[test]
    fn the_first_things_come_from_different_checks_where_there_are_three() {
        let findings = [
            finding("leak", Severity::Critical, "a"),
            finding("leak", Severity::Critical, "b"),
            finding("ports", Severity::Warning, "c"),
            finding("sysctl", Severity::Info, "d"),
        ];
        let said: Vec<_> = first_things(&findings).iter().map(|f| f.advice.clone().unwrap()).collect();
        assert_eq!(said, ["a", "c", "b"]);
        assert!(first_things(&findings[3..]).is_empty());
        let last = conclusion(&findings);
        assert_eq!((last.severity, &last.observed["first"][1]["advice"]), (Severity::Critical, &"c".into()));
    }
}
