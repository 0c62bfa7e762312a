//! What a check of this host found, as a record.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::record::Record;
use super::tame;

/// What a check of this host found.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Finding<'a> {
    /// RFC 3339, UTC, nanoseconds.
    pub time: &'a str,
    /// CLOCK_MONOTONIC of the same moment.
    pub mono_ns: u64,
    /// Name of the check.
    pub check: &'a str,
    /// How bad it is.
    pub severity: Severity,
    /// What was looked at.
    pub subject: &'a str,
    /// Figures and words that were seen.
    pub observed: &'a Map<String, Value>,
    /// One sentence about this host.
    pub explanation: &'a str,
    /// What to do; null where nothing needs doing.
    pub advice: Option<&'a str>,
    /// RFC section, kernel file and function, or documentation behind it.
    pub source: &'a str,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Info,
    /// Something is worse than it could be.
    Warning,
    /// Something does not work.
    Critical,
}

impl Finding<'_> {
    /// Writes it as one line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Vec::new();
        tame::push(&mut line, &Record::Finding(*self))?;
        line.push(b'\n');
        out.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_and_fits_the_schema() {
        let observed = Map::from_iter([("uid".to_owned(), Value::from(1000))]);
        let finding = Finding {
            time: "2026-11-21T03:20:32.000000001Z",
            mono_ns: 5,
            check: "privileges",
            severity: Severity::Critical,
            subject: "this process",
            observed: &observed,
            explanation: "uid 1000 has no rights",
            advice: None,
            source: "capabilities(7)",
        };
        let mut out = Vec::new();
        finding.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(text, @r#"{"type":"finding","time":"2026-11-21T03:20:32.000000001Z","mono_ns":5,"check":"privileges","severity":"critical","subject":"this process","observed":{"uid":1000},"explanation":"uid 1000 has no rights","advice":null,"source":"capabilities(7)"}"#);
        let value: Value = serde_json::from_str(&text).unwrap();
        jsonschema::validate(&super::super::schema(), &value).unwrap();
    }
}
