//! `tcptrace preflight` and `tcptrace --version`: what this host allows, for people and for programs.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::{ExitCode, Failure};
use crate::model::time::ClockAnchor;
use crate::plan::RING_BYTES;
use crate::sink::json::finding::{Finding, Severity};
use crate::sink::time::Rfc3339;
use crate::source::kernel::{Kernel, Path};
use crate::source::preflight::{self, Build, Check, Outcome, Report, Types, Verdict};

/// Cells of a line; the text is read in tickets and on narrow terminals.
const WIDTH: usize = 80;
/// Cells of the column of verdicts, and of names.
const VERDICT: usize = 10;
const NAME: usize = 21;

/// Looks at this host and prints what it found, with the exit code that a tracing run would probably end with.
///
/// # Errors
/// Writing failed; a closed pipe is no failure.
pub(super) fn preflight(json: bool, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let report = preflight::check(RING_BYTES);
    let written = if json { records(&report, out) } else { text(&report, out) };
    finish(written.and_then(|()| out.flush()))?;
    Ok(code(report.outcome))
}

/// Prints the version; `verbose` adds what this binary is made of and what this kernel offers it.
///
/// # Errors
/// Writing failed; a closed pipe is no failure.
pub(super) fn version(verbose: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mut written = writeln!(out, "tcptrace {}", env!("CARGO_PKG_VERSION"));
    if verbose {
        written = written.and_then(|()| details(&Build::of_this_binary(), &Types::of_this_kernel(), out));
    }
    finish(written.and_then(|()| out.flush()))
}

fn finish(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(ExitCode::Runtime, format!("writing to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

fn code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Works(_) => ExitCode::Ok,
        Outcome::NotPermitted => ExitCode::NoPermission,
        Outcome::Unsuitable => ExitCode::Unsuitable,
        Outcome::Failed => ExitCode::Runtime,
    }
}

fn details(build: &Build, types: &Types, out: &mut dyn Write) -> io::Result<()> {
    let Build { object_sha256, object_bytes, toolchain, aya } = build;
    let short = object_sha256.get(..12).unwrap_or(object_sha256);
    writeln!(out, "eBPF object: {object_bytes} bytes, sha256 {short}")?;
    for line in toolchain.lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "aya: {aya}")?;
    let uname = rustix::system::uname();
    let (release, machine) = (uname.release().to_string_lossy(), uname.machine().to_string_lossy());
    writeln!(out, "kernel: Linux {release} ({machine})")?;
    writeln!(out, "attach: {} (`tcptrace preflight` tries it)", types.path().name())?;
    match &types.missing {
        Ok(missing) if missing.is_empty() => writeln!(out, "struct members missing: none")?,
        Ok(missing) => {
            writeln!(out, "struct members missing, and what is not known without them:")?;
            for (name, loses) in missing {
                writeln!(out, "  {name}: {loses}")?;
            }
        }
        Err(error) => {
            writeln!(out, "BTF: none ({error}): what the classic tracepoint does not say is not known")?;
        }
    }
    Ok(())
}

fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for check in &report.checks {
        let verdict = match check.verdict {
            Verdict::Fine => "ok",
            Verdict::Degraded => "degraded",
            Verdict::Missing(_) => "MISSING",
        };
        let mut head = format!("{verdict:<VERDICT$}{:<NAME$}", check.name);
        for line in wrap(&sentence(check), WIDTH - VERDICT - NAME) {
            writeln!(out, "{head}{line}")?;
            head = " ".repeat(VERDICT + NAME);
        }
    }
    writeln!(out)?;
    for line in wrap(&conclusion(report), WIDTH) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn sentence(check: &Check) -> String {
    match &check.advice {
        Some(advice) => format!("{}; {advice}", check.said),
        None => check.said.clone(),
    }
}

/// The last line: whether it will work, and how.
fn conclusion(report: &Report) -> String {
    let command =
        if report.root { "`sudo tcptrace` works here" } else { "`tcptrace` works here without sudo" };
    match report.outcome {
        Outcome::Works(path) => {
            let path = match path {
                Path::Btf => "BTF tracepoint",
                Path::Classic => "classic tracepoint",
            };
            match report.checks.iter().filter(|check| check.verdict == Verdict::Degraded).count() {
                0 => format!("{command} ({path})."),
                1 => format!("{command} ({path}); one thing is degraded."),
                more => format!("{command} ({path}); {more} things are degraded."),
            }
        }
        Outcome::NotPermitted if report.sudo_helps => {
            "`sudo tcptrace` should work here; without sudo, rights are missing.".to_owned()
        }
        Outcome::NotPermitted => {
            "tcptrace does not work here: it lacks rights that sudo cannot give; see MISSING.".to_owned()
        }
        Outcome::Unsuitable => {
            "tcptrace does not work on this kernel, with sudo or without: see MISSING.".to_owned()
        }
        Outcome::Failed => "tcptrace does not work here: see MISSING for what went wrong.".to_owned(),
    }
}

fn records(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Kernel::now();
    let real_ns = i128::try_from(since_1970.as_nanos()).unwrap_or(i128::MAX);
    let mut clock = Rfc3339::new(ClockAnchor { mono: now, real_ns });
    let time = clock.format(now);
    for check in &report.checks {
        let severity = match check.verdict {
            Verdict::Fine => Severity::Ok,
            Verdict::Degraded => Severity::Warning,
            Verdict::Missing(_) => Severity::Critical,
        };
        let finding = Finding {
            time,
            mono_ns: now.0,
            check: &check.key(),
            severity,
            subject: check.subject,
            observed: &check.observed,
            explanation: &check.said,
            advice: check.advice.as_deref(),
            source: check.source,
        };
        finding.write(out)?;
    }
    let code = code(report.outcome);
    let observed =
        serde_json::Map::from_iter([("exit_code".to_owned(), serde_json::Value::from(code as u8))]);
    let finding = Finding {
        time,
        mono_ns: now.0,
        check: "conclusion",
        severity: if code == ExitCode::Ok { Severity::Ok } else { Severity::Critical },
        subject: "this host",
        observed: &observed,
        explanation: &conclusion(report),
        advice: None,
        source: "the checks above",
    };
    finding.write(out)
}

/// Breaks at blanks; a word that is too long stays whole, to be copied whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Outcome, root: bool, sudo_helps: bool) -> Report {
        Report { checks: Vec::new(), outcome, root, sudo_helps }
    }

    #[test]
    fn the_exit_code_says_what_to_fix() {
        let codes = [Outcome::Works(Path::Btf), Outcome::NotPermitted, Outcome::Unsuitable, Outcome::Failed]
            .map(|outcome| code(outcome) as u8);
        assert_eq!(codes, [0, 77, 78, 1]);
    }

    #[test]
    fn the_conclusion_names_the_command_to_run() {
        let told = |outcome, root, sudo_helps| conclusion(&report(outcome, root, sudo_helps));
        let works = Outcome::Works(Path::Btf);
        assert_eq!(told(works, true, false), "`sudo tcptrace` works here (BTF tracepoint).");
        assert_eq!(told(works, false, true), "`tcptrace` works here without sudo (BTF tracepoint).");
        assert!(told(Outcome::NotPermitted, false, true).contains("`sudo tcptrace` should work"));
        assert!(told(Outcome::NotPermitted, true, false).contains("sudo cannot give"));
    }

    #[test]
    fn text_is_aligned_and_fits_80_cells() {
        let mut out = Vec::new();
        text(&preflight::check(1 << 20), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for line in out.lines().filter(|line| line.chars().count() > WIDTH) {
            // Only what cannot be broken may stand out.
            assert!(!line.trim_start().contains(' '), "{line}");
        }
        let continued = " ".repeat(VERDICT + NAME);
        let (table, conclusion) = out.trim_end().split_once("\n\n").unwrap();
        assert!(conclusion.contains("tcptrace"));
        for line in table.lines() {
            let begins = ["ok ", "degraded ", "MISSING "].iter().any(|word| line.starts_with(word));
            assert!(begins || line.starts_with(&continued), "{line}");
        }
    }

    #[test]
    fn the_version_is_one_line_unless_asked_for_more() {
        let told = |verbose| {
            let mut out = Vec::new();
            version(verbose, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(told(false), format!("tcptrace {}\n", env!("CARGO_PKG_VERSION")));
        let more = told(true);
        for needle in ["eBPF object: ", "rustc: ", "aya: ", "kernel: Linux ", "attach: "] {
            assert!(more.contains(needle), "{needle}: {more}");
        }
    }
}
