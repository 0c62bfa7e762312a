//! `cargo xtask soak`: one tcptrace lives through everything that a bad day has, and at the end its table is what `ss` says, it is no
//! larger than before, every loss is counted and nothing is left open.

mod abuse;
mod check;
mod churn;
mod crowd;
mod descriptors;
mod subject;
mod truth;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::check::Report;
use self::churn::Churn;
use self::crowd::Crowd;
use self::subject::Subject;
use crate::workspace::{binary, cargo, must, root};

/// Below this the phases would run into one another.
const SHORTEST: Duration = Duration::from_secs(90);
/// How long the reader pauses, the tracer is stopped, and its descriptors are used up.
const SPELL: Duration = Duration::from_secs(10);
/// TIME_WAITs of namespaces that are gone stay in the table for 60 s: only then it is as full as it gets.
const FILLED: Duration = Duration::from_secs(62);
/// How long memory is looked at, at most: one turn of all that hinders the tracer.
const WINDOW: Duration = Duration::from_secs(40);
/// A TIME_WAIT lasts 60 s: all must be there at once, and be compared before the last ends.
const BURST: Duration = Duration::from_secs(35);
/// What only sock_diag can tell, the truth after a loss among it, may take some 20 s: its dumps pause.
const LOOK: Duration = Duration::from_secs(4);
const LOOKS: u32 = 6;

/// Options of `cargo xtask soak`.
#[derive(clap::Args)]
#[group(id = "soak")]
pub(crate) struct Args {
    /// How long, with units s, m or h; 90s at least.
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = duration)]
    time: Duration,
    /// TIME_WAITs to have at once at the end.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    time_wait: u32,
    /// Another tcptrace than this workspace's.
    #[arg(long, value_name = "FILE")]
    tcptrace: Option<PathBuf>,
    /// Write the report to this file too, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn duration(word: &str) -> Result<Duration, String> {
    let wrong = || format!("`{word}` is no duration: write 90s, 10m or 1h");
    let unit = match word.chars().last().ok_or_else(wrong)? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = word[..word.len() - 1].parse().map_err(|_| wrong())?;
    let time = Duration::from_secs(number.checked_mul(unit).ok_or_else(wrong)?);
    if time < SHORTEST { Err(format!("{word} is too short: all that is done takes 90s")) } else { Ok(time) }
}

/// The hidden task behind the churn.
pub(crate) fn churn() -> Result<ExitCode> {
    churn::run()
}

/// The hidden task behind a crowd.
pub(crate) fn crowd() -> Result<ExitCode> {
    crowd::run()
}

/// Runs the task; the code says whether every check held.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let report = soak(args)?;
    println!("{report}");
    if let Some(path) = &args.json {
        fs::write(path, format!("{:#}\n", report.json()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Soaks, and says how it went.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
fn soak(args: &Args) -> Result<Report> {
    if !rustix::process::geteuid().is_root() {
        bail!("needs root: run `sudo env PATH=\"$PATH\" cargo xtask soak`");
    }
    let root = root()?;
    let tcptrace = match &args.tcptrace {
        Some(path) => path.clone(),
        None => {
            must(cargo(&root).args(["build", "--quiet", "--release", "--locked", "--package", "tcptrace"]))?;
            binary(&root, "release")
        }
    };
    let mut report = Report::new(args.time);
    let mut subject = Subject::start(&tcptrace)?;
    let first = subject.descriptors()?;
    let churn = Churn::start()?;
    // Beside the others: tracers of their own, under loads of their own.
    let abuses = thread::spawn(move || abuse::all(&tcptrace));
    let mut crowds = Crowds { old: Crowd::start()?, new: Crowd::start()? };
    let (start, settled, window) = (Instant::now(), FILLED.max(args.time / 5), WINDOW.min(args.time / 6));
    abuse(args, &mut subject, &mut crowds)?;
    let early = subject.memory(start + settled, window);
    let late = subject.memory(Instant::now() - window, window);
    report.memory(early, late, subject.peak());

    let churned = churn.end()?;
    let Ok(abused) = abuses.join() else { bail!("the thread of abuses panicked") };
    for outcome in abused? {
        report.add(outcome);
    }
    println!("{:>6} TIME_WAITs", args.time_wait);
    let began = Instant::now();
    let there = crowds.old.burst(args.time_wait, BURST)?;
    let took = began.elapsed();
    subject.wait_until_idle()?;
    report.descriptors(&first, &subject.descriptors()?);
    let crowds = [&crowds.old, &crowds.new];
    let mut looks = vec![truth::look(&crowds)?];
    for _ in 0..LOOKS {
        thread::sleep(LOOK);
        looks.push(truth::look(&crowds)?);
    }
    let end = subject.end(&crowds.map(Crowd::netns))?;
    looks.push(truth::look(&crowds)?);
    report.time_wait(args.time_wait, there, took);
    report.agreement(&looks, &end.table);
    report.end(&end, &churned);
    Ok(report)
}

/// What is there at the end: of the start, and of the last time that the tracer had no descriptors.
struct Crowds {
    old: Crowd,
    new: Crowd,
}

/// Hinders the tracer in one way after the other until the time is over.
fn abuse(args: &Args, subject: &mut Subject, crowds: &mut Crowds) -> Result<()> {
    let start = Instant::now();
    for turn in 0.. {
        if start.elapsed() + 3 * SPELL > args.time {
            break;
        }
        match turn % 3 {
            0 => {
                say(start, "a reader that does not read");
                subject.pause();
                thread::sleep(SPELL);
                subject.resume();
            }
            1 => {
                say(start, "SIGSTOP");
                subject.stop()?;
                crowds.old.grow()?;
                thread::sleep(SPELL);
                subject.go_on()?;
            }
            _ => {
                say(start, "no descriptors left, and new namespaces");
                subject.starve()?;
                crowds.new = Crowd::start()?;
                crowds.new.grow()?;
                thread::sleep(SPELL);
                subject.feed()?;
            }
        }
        crowds.old.grow()?;
        thread::sleep(SPELL / 3);
    }
    thread::sleep(args.time.saturating_sub(start.elapsed()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
fn say(start: Instant, what: &str) {
    println!("{:>6.0} s  {what}", start.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_a_least() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("90s"), Ok(SHORTEST));
        for wrong in ["", "10", "m", "5s", "-3m", "99999999999999999999h", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
