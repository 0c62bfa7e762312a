//! `tcptrace doctor`: look, watch, look again, and say what is wrong.

mod gather;
mod recorded;
mod watch;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::say;
use crate::engine::doctor::facts::Facts;
use crate::engine::doctor::folklore::Scene;
use crate::engine::doctor::{self as engine, Finding, Severity, sysctl_file};
use crate::failure::{ExitCode, Failure};
use crate::model::time::{ClockAnchor, Mono};
use crate::plan::Doctor;
use crate::sink::doctor as sink;
use crate::source::sock_diag::set::DiagSet;
use crate::source::{clock, netns, sysctl};

/// A sysctl.conf is shorter than this.
const LONGEST_FILE: u64 = 1 << 20;

/// Examines the host, or judges a file.
///
/// # Errors
/// The file cannot be read, the kernel cannot be asked, or writing failed; a closed pipe is no failure.
pub(super) fn run(plan: &Doctor) -> Result<ExitCode, Failure> {
    for note in &plan.notes {
        say(&format!("note: {note}"));
    }
    // A file that cannot be read is told before anything is looked at.
    let file = plan.sysctl.as_deref().map(|path| read(path).map(|bytes| (path, bytes))).transpose()?;
    if let Some(recording) = &plan.from {
        let (mut facts, anchor) = recorded::run(plan, recording)?;
        narrow(plan, &mut facts);
        return conclude(plan, &facts, &engine::examine(&facts), anchor);
    }
    let (mut set, opened) = DiagSet::open().map_err(|error| {
        Failure::new(
            ExitCode::Unsuitable,
            format!("sock_diag does not answer ({error}): is it in this kernel?"),
        )
    })?;
    if let Some(first) = opened.unreachable.first() {
        say(&format!(
            "note: {} network namespaces cannot be entered (first: {}: {}): nothing is known of them",
            opened.unreachable.len(),
            first.netns.inode,
            first.why
        ));
    }
    let mut facts = Facts { own_netns: netns::own().unwrap_or_default(), ..Facts::default() };
    if let Some(watch) = plan.watch {
        let (before, traffic) = watch::run(plan, &mut set, watch)?;
        facts.before = Some(before);
        facts.traffic = traffic;
    }
    facts.now = gather::picture(&mut set, &plan.netns, &mut |_| {});
    narrow(plan, &mut facts);
    let findings = match &file {
        Some((path, bytes)) => {
            let exists = |name: &str| sysctl::here(name).is_ok() || known_directory(name);
            let lines = sysctl_file::parse(bytes);
            // It is applied in one namespace: the one asked for, else our own.
            facts.own_netns = plan.netns.first().copied().unwrap_or(facts.own_netns);
            sysctl_file::audit(&path.display().to_string(), &lines, &Scene::of(&facts, None), &exists)
        }
        None => engine::examine(&facts),
    };
    conclude(plan, &facts, &findings, anchor(clock::now()))
}

/// Leaves what `--pid` asks for.
fn narrow(plan: &Doctor, facts: &mut Facts) {
    if !plan.pids.is_empty() {
        for picture in facts.before.iter_mut().chain([&mut facts.now]) {
            engine::narrow(picture, &plan.pids);
        }
    }
}

/// Prints the findings, and says by the exit code whether one needs doing.
fn conclude(
    plan: &Doctor,
    facts: &Facts,
    findings: &[Finding],
    anchor: ClockAnchor,
) -> Result<ExitCode, Failure> {
    print(plan, facts, findings, anchor)?;
    let trouble = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    Ok(if trouble { ExitCode::Findings } else { ExitCode::Ok })
}

/// The name may be there and unreadable, or write-only.
fn known_directory(name: &str) -> bool {
    fs::symlink_metadata(format!("/proc/sys/{}", name.replace('.', "/"))).is_ok()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused =
        |what: &dyn std::fmt::Display| Failure::usage(format!("--sysctl {}: {what}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| refused(&error))?;
    if metadata.is_dir() {
        return Err(refused(&"it is a directory; name one file"));
    }
    // A device or a pipe has no length, and may never end.
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| refused(&error))?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(refused(&"it is larger than 1 MiB: that is no sysctl.conf"));
    }
    Ok(bytes)
}

fn print(plan: &Doctor, facts: &Facts, findings: &[Finding], anchor: ClockAnchor) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if plan.json {
        let last = plan.sysctl.is_none().then(|| engine::conclusion(findings));
        let all: Vec<Finding> = findings.iter().cloned().chain(last).collect();
        sink::records(&all, anchor, facts.now.at, &mut out)
    } else if plan.sysctl.is_some() {
        sink::audit(findings, &mut out)
    } else {
        let watched = facts.watched_ms().map(Duration::from_millis);
        sink::report(&engine::table(facts), findings, &engine::first_things(findings), watched, &mut out)
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(ExitCode::Runtime, format!("writing to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

fn anchor(mono: Mono) -> ClockAnchor {
    let real = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    ClockAnchor { mono, real_ns: i128::from(real.tv_sec) * 1_000_000_000 + i128::from(real.tv_nsec) }
}
