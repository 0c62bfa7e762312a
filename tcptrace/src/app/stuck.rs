//! `tcptrace stuck`: one look at all sockets of the host.

pub(super) mod eye;
pub(super) mod openings;
pub(super) mod picture;
pub(super) mod recorded;
pub(super) mod watch;

use std::io::{self, Write as _};
use std::time::Duration;

use super::aside::Aside;
use super::names::CgroupNames;
use super::{output, say};
use crate::engine::stuck::Stuck;
use crate::engine::stuck::alarm::{Figures, Threshold};
use crate::engine::stuck::survey::{Findings, Survey};
use crate::engine::update::Update;
use crate::failure::{ExitCode, Failure};
use crate::model::summary::Summary;
use crate::model::time::ClockAnchor;
use crate::plan::{self, Check, Format};
use crate::sink::Sink;
use crate::sink::csv::CsvSink;
use crate::sink::escape::escaped;
use crate::sink::json::{JsonSink, Stream};
use crate::sink::stuck::{StuckSink, Telling};
use crate::sink::time::{Clock, TimeStyle};
use crate::source::clock::now;
use eye::Eye;
use recorded::Recorded;

/// What is stuck still is said after this time, then after twice that, and so on.
const AGAIN: Duration = Duration::from_secs(60);

/// Looks, and says what it found.
///
/// # Errors
/// Sockets cannot be listed, or the output cannot be written.
pub(super) fn run(plan: &plan::Stuck) -> Result<ExitCode, Failure> {
    if let Some(check) = &plan.check {
        return Ok(self::check(plan, check));
    }
    let began = now();
    let file = output::file(&plan.output)?;
    let Look { found, anchor, duration_ns, notes } = match &plan.from {
        Some(recording) => {
            let Recorded { found, anchor, duration_ns, notes } = recorded::run(plan, recording)?;
            Look { found, anchor, duration_ns, notes }
        }
        None => {
            let mut eye = Eye::open()?;
            let found = look(&mut eye, plan)?;
            let duration_ns = now().since(began);
            Look { found, anchor: output::anchor(began), duration_ns, notes: eye.notes().to_vec() }
        }
    };
    for note in plan.notes.iter().chain(&notes) {
        say(&format!("note: {note}"));
    }
    // A redirected stdout keeps what it had; a file of ours is replaced, now that there is something to write.
    if let Some(path) = plan.output.path.as_ref()
        && file.metadata().is_ok_and(|metadata| metadata.is_file())
    {
        file.set_len(0).map_err(|error| {
            Failure::new(ExitCode::Runtime, format!("--output {}: {error}", path.display()))
        })?;
    }
    let mut sink = sink(plan, file, anchor)?;
    let summary = Summary { connections: found.looked_at, duration_ns, ..Summary::default() };
    let written = found
        .stuck
        .iter()
        .try_for_each(|stuck| sink.update(&Update::Stuck(stuck)))
        .and_then(|()| sink.finish(&summary));
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::new(ExitCode::Runtime, format!("writing output: {error}")));
        }
        _ => {}
    }
    say(&closing(&found, &summary, plan.from.is_some()));
    Ok(if found.stuck.is_empty() { ExitCode::Ok } else { ExitCode::Findings })
}

/// What a look came to.
struct Look {
    found: Findings,
    anchor: ClockAnchor,
    duration_ns: u64,
    notes: Vec<String>,
}

/// One look with the plan's rules and filter.
fn look(eye: &mut Eye, plan: &plan::Stuck) -> Result<Findings, Failure> {
    let picture = eye.look(&plan.rules)?;
    let survey = Survey {
        sockets: &picture.sockets,
        holdings: &picture.holdings,
        rules: &plan.rules,
        filter: &plan.filter,
        own_pid: std::process::id(),
    };
    let mut found = survey.findings(&picture);
    found.settle();
    Ok(found)
}

fn sink(plan: &plan::Stuck, file: std::fs::File, anchor: ClockAnchor) -> Result<Box<dyn Sink>, Failure> {
    let output = &plan.output;
    Ok(match output.format {
        Format::Json => {
            let sink = JsonSink::new(file, Stream::Stuck, anchor);
            match CgroupNames::open().filter(|_| plan.from.is_none()) {
                Some(names) => Box::new(sink.with_names(Box::new(names))),
                None => Box::new(sink),
            }
        }
        Format::Csv => Box::new(
            CsvSink::new(file, io::sink(), Stream::Stuck, anchor, output.header)
                .map_err(|error| Failure::new(ExitCode::Runtime, format!("writing the header: {error}")))?,
        ),
        Format::Text => {
            let telling = if plan.each { Telling::Each } else { Telling::Groups };
            let clock = Clock::new(TimeStyle::None, anchor, false);
            Box::new(StuckSink::<_, Aside>::new(file, Aside, telling, clock, output.header))
        }
    })
}

fn closing(found: &Findings, summary: &Summary, recorded: bool) -> String {
    let number = found.stuck.len();
    let mut text = match number {
        0 => "no socket is stuck".to_owned(),
        1 => "1 socket is stuck".to_owned(),
        _ => format!("{number} sockets are stuck"),
    };
    if recorded {
        text.push_str(&format!(
            " at the end of the recording ({} looked at after {} s)",
            found.looked_at,
            summary.duration_ns / 1_000_000_000
        ));
        if found.undecided > 0 {
            text.push_str(&format!("; of {} more it does not tell the age well enough", found.undecided));
        }
        return text;
    }
    text.push_str(&format!(" ({} looked at in {} ms)", found.looked_at, summary.duration_ns / 1_000_000));
    if found.undecided > 0 {
        text.push_str(&format!(
            "; of {} more the kernel does not tell the age well enough: `tcptrace stuck --watch` will",
            found.undecided
        ));
    }
    text
}

/// One line for a monitoring system, whose exit codes are its own: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
fn check(plan: &plan::Stuck, check: &Check) -> ExitCode {
    let (line, code) = match figures(plan, check) {
        Ok((stuck, figures)) => judged(&stuck, &figures, check),
        Err(failure) => (unknown(&failure), ExitCode::Findings),
    };
    // Who cannot read the line has the exit code.
    let _ = writeln!(io::stdout(), "{line}");
    code
}

/// What a plugin prints when it cannot tell.
pub(super) fn unknown(failure: &Failure) -> String {
    format!("TCPTRACE UNKNOWN - {}", escaped(failure.to_string().as_bytes()))
}

fn figures(plan: &plan::Stuck, check: &Check) -> Result<(Vec<Stuck>, Figures), Failure> {
    let mut eye = Eye::open()?;
    let first = look(&mut eye, plan)?.stuck;
    let Some(interval) = check.interval else {
        let figures = Figures::of(&first, None);
        return Ok((first, figures));
    };
    let began = now();
    std::thread::sleep(interval);
    let second = look(&mut eye, plan)?.stuck;
    let apart = Duration::from_nanos(now().since(began));
    let figures = Figures::of(&second, Some((first.len(), apart)));
    Ok((second, figures))
}

fn judged(stuck: &[Stuck], figures: &Figures, check: &Check) -> (String, ExitCode) {
    let (word, code) = if figures.cross(&check.critical) {
        ("CRITICAL", ExitCode::Usage)
    } else if figures.cross(&check.warning) {
        ("WARNING", ExitCode::Runtime)
    } else {
        ("OK", ExitCode::Ok)
    };
    let mut line = format!("TCPTRACE {word} - {} stuck sockets", figures.count);
    let groups = crate::engine::stuck::group::groups(stuck);
    if let Some(worst) = groups.iter().max_by_key(|group| group.sockets.len()) {
        let owner = worst.owner.map_or_else(
            || "nobody".to_owned(),
            |task| format!("{}[{}]", escaped(task.comm.bytes()), task.pid),
        );
        let verdict = worst.key.verdict.map_or("no verdict", |verdict| verdict.name());
        let port = worst.key.lport.map_or_else(String::new, |port| format!(" on port {port}"));
        line.push_str(&format!(
            ", most: {} {} {verdict} of {owner}{port}, oldest {} s",
            worst.sockets.len(),
            worst.key.state.name(),
            figures.oldest_ns / 1_000_000_000
        ));
    }
    // A bar begins the performance data.
    let line = line.replace('|', "/");
    let limit = |limits: &[Threshold], pick: &dyn Fn(&Threshold) -> Option<u64>| {
        limits.iter().find_map(pick).map_or_else(String::new, |limit| limit.to_string())
    };
    let count = |limit: &Threshold| if let Threshold::Count(most) = limit { Some(*most) } else { None };
    let age = |limit: &Threshold| if let Threshold::Age(most) = limit { Some(most.as_secs()) } else { None };
    let growth = |limit: &Threshold| if let Threshold::Growth(most) = limit { Some(*most) } else { None };
    let mut data = format!(
        "stuck={};{};{};0 oldest={}s;{};{};0",
        figures.count,
        limit(&check.warning, &count),
        limit(&check.critical, &count),
        figures.oldest_ns / 1_000_000_000,
        limit(&check.warning, &age),
        limit(&check.critical, &age),
    );
    if let Some(grown) = figures.growth_per_minute {
        data.push_str(&format!(
            " growth_per_minute={grown};{};{}",
            limit(&check.warning, &growth),
            limit(&check.critical, &growth)
        ));
    }
    (format!("{line} | {data}"), code)
}
