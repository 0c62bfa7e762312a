//! What the doctor found: text for people, at 100 columns, and `finding` records.

use std::io::{self, Write};
use std::time::Duration;

use super::duration::push_ns;
use super::escape::escaped;
use super::json::finding as record;
use super::time::Rfc3339;
use crate::engine::doctor::{Finding, Row, Severity};
use crate::model::time::{ClockAnchor, Mono};

/// Cells of a line.
const WIDTH: usize = 100;
/// Cells of the columns before the words.
const INDENT: usize = 10;
/// Cells of the figures in the table of states.
const FIGURES: usize = 52;

/// Writes each finding as one line of JSON.
///
/// # Errors
/// What the writer says.
pub fn records(findings: &[Finding], anchor: ClockAnchor, now: Mono, out: &mut dyn Write) -> io::Result<()> {
    let mut clock = Rfc3339::new(anchor);
    let time = clock.format(now);
    for finding in findings {
        let record = record::Finding {
            time,
            mono_ns: now.0,
            check: finding.check,
            severity: match finding.severity {
                Severity::Ok => record::Severity::Ok,
                Severity::Info => record::Severity::Info,
                Severity::Warning => record::Severity::Warning,
                Severity::Critical => record::Severity::Critical,
            },
            subject: &finding.subject,
            observed: &finding.observed,
            explanation: &finding.explanation,
            advice: finding.advice.as_deref(),
            source: finding.source,
        };
        record.write(out)?;
    }
    Ok(())
}

/// Writes the table of states, the findings, and what to do first.
///
/// # Errors
/// What the writer says.
pub fn report(
    rows: &[Row],
    findings: &[Finding],
    first: &[&Finding],
    watched: Option<Duration>,
    out: &mut dyn Write,
) -> io::Result<()> {
    table(rows, watched, out)?;
    for finding in findings.iter().filter(|finding| finding.severity > Severity::Ok) {
        writeln!(out)?;
        full(finding, out)?;
    }
    let fine: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == Severity::Ok).collect();
    if !fine.is_empty() {
        writeln!(out)?;
    }
    for finding in fine {
        if finding.check == "folklore" {
            paragraph("tale", &plain(&format!("{} {}", finding.subject, finding.explanation)), out)?;
            continue;
        }
        let said = format!("{}: {}", finding.check, plain(&finding.explanation));
        paragraph("ok", &said, out)?;
    }
    writeln!(out)?;
    if first.is_empty() {
        return writeln!(out, "Nothing needs doing.");
    }
    writeln!(out, "Do first:")?;
    for (number, finding) in (1..).zip(first) {
        let said = finding.advice.as_deref().unwrap_or(&finding.explanation);
        // What names its subject itself need not be introduced.
        let said = if said.contains(&finding.subject) {
            plain(said)
        } else {
            format!("{} — {}", plain(&finding.subject), plain(said))
        };
        paragraph(&format!("  {number}."), &said, out)?;
    }
    Ok(())
}

/// Writes the judgement of each line of a file.
///
/// # Errors
/// What the writer says.
pub fn audit(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        full(finding, out)?;
    }
    let refused = findings.iter().filter(|finding| finding.severity >= Severity::Warning).count();
    writeln!(out)?;
    match (findings.len(), refused) {
        (0, _) => writeln!(out, "The file sets nothing."),
        (lines, 0) => writeln!(out, "None of {lines} lines does harm."),
        (lines, refused) => writeln!(out, "{refused} of {lines} lines should not be applied as they are."),
    }
}

fn table(rows: &[Row], watched: Option<Duration>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "STATE          COUNT  PER MIN    P50    P99     MAX  WAITS FOR")?;
    for row in rows {
        let change = row.per_minute.map_or("-".to_owned(), |change| format!("{change:+}"));
        let [p50, p99, max] = row.ages.map_or([const { String::new() }; 3], |ages| {
            ages.map(|ns| {
                let mut text = if row.is_exact() { Vec::new() } else { "≥".as_bytes().to_vec() };
                push_ns(&mut text, ns, true);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let mut figures =
            format!("{:<12}{:>8}{change:>9}{p50:>7}{p99:>7}{max:>8} ", row.state.name(), row.count);
        for line in wrap(row.meaning, WIDTH - FIGURES - 1) {
            writeln!(out, "{figures:<FIGURES$} {line}")?;
            figures.clear();
        }
    }
    match watched {
        Some(watched) => {
            writeln!(out, "Ages are time in the state. Growth is over {:.1} s.", watched.as_secs_f64())
        }
        None => writeln!(out, "Ages are time in the state. Looked once: growth and rates are not known."),
    }
}

fn full(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let head = match finding.severity {
        Severity::Ok => "ok",
        Severity::Info => "info",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    };
    paragraph(head, &format!("{}: {}", finding.check, plain(&finding.subject)), out)?;
    paragraph("", &sentence(&plain(&finding.explanation)), out)?;
    if let Some(advice) = &finding.advice {
        paragraph("", &format!("→ {}", sentence(&plain(advice))), out)?;
    }
    if finding.severity > Severity::Ok {
        paragraph("", &format!("[{}]", finding.source), out)?;
    }
    Ok(())
}

/// Upper case in front, a full stop behind. A name or figure in front stays as it is.
fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// Without anything that could command a terminal.
fn plain(text: &str) -> String {
    escaped(text.as_bytes())
}

fn paragraph(head: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut head = head;
    for line in wrap(text, WIDTH - INDENT) {
        writeln!(out, "{head:<INDENT$}{line}")?;
        head = "";
    }
    Ok(())
}

/// Breaks at blanks; a word that is too long stays whole, to be copied whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut cells = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if cells + 1 + length <= width => {
                line.push(' ');
                line.push_str(word);
                cells += 1 + length;
            }
            _ => {
                lines.push(word.to_owned());
                cells = length;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::TcpState;
    use serde_json::{Map, Value};

    fn finding(severity: Severity) -> Finding {
        Finding {
            check: "close_wait",
            severity,
            subject: "evil\u{1b}[2J (42)".to_owned(),
            observed: Map::from_iter([("sockets".to_owned(), Value::from(3))]),
            explanation: "word ".repeat(40).trim_end().to_owned(),
            advice: Some("restart it".to_owned()),
            source: "RFC 9293",
        }
    }

    #[test]
    fn a_report_fits_100_columns_and_ends_with_what_to_do_first() {
        let row = Row {
            state: TcpState::TimeWait,
            count: 18_122,
            per_minute: Some(-12),
            ages: Some([30_000_000_000, 59_000_000_000, 60_000_000_000]),
            meaning: "sixty seconds, fixed in the kernel, whatever the articles say about the sysctl",
        };
        let findings = [finding(Severity::Critical), finding(Severity::Ok)];
        let mut out = Vec::new();
        report(&[row], &findings, &[&findings[0]], Some(Duration::from_secs(10)), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains("TIME_WAIT      18122      -12    30s    59s     60s"), "{text}");
        assert!(text.contains(r"evil\x1b[2J") && !text.contains('\u{1b}'), "{text}");
        let last = text.rsplit("Do first:").next().unwrap();
        assert!(last.contains("1.") && last.contains("restart it"), "{text}");
    }

    #[test]
    fn records_fit_the_schema() {
        let now = Mono(5);
        let mut out = Vec::new();
        records(&[finding(Severity::Info)], ClockAnchor { mono: now, real_ns: 0 }, now, &mut out).unwrap();
        let value: Value = serde_json::from_slice(&out).unwrap();
        jsonschema::validate(&super::super::json::schema(), &value).unwrap();
        assert_eq!((&value["check"], &value["severity"]), (&"close_wait".into(), &"info".into()));
    }

    #[test]
    fn an_audit_counts_what_should_not_be_applied() {
        let told = |findings: &[Finding]| {
            let mut out = Vec::new();
            audit(findings, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(told(&[finding(Severity::Warning), finding(Severity::Ok)]).contains("1 of 2 lines"));
        assert!(told(&[]).contains("sets nothing"));
    }
}
