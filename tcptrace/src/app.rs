//! Floor 4: parse, plan, run. `main` prints what it returns.

mod aside;
mod compare;
mod desk;
mod direct;
mod doctor;
mod dumps;
mod hist;
mod kill;
mod names;
mod outlet;
mod output;
mod owners;
mod preflight;
mod replay;
mod spool;
mod stuck;
mod trace;

use std::ffi::OsString;
use std::io::{self, Write as _};

use crate::cli::{self, Command, Parsed};
use crate::failure::{ExitCode, Failure};
use crate::plan::{Hist, Kind, Plan};
use crate::sink::record::{self, Repaired};
use crate::sink::{json, notice};
use crate::source::host::ThisHost;
use crate::source::{allocator, limits};

/// Does what the command line says.
///
/// # Errors
/// Why not, in one sentence, with the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let args = match cli::parse(words)? {
        Parsed::Args(args) => args,
        Parsed::Help(text) => return print(|out| write!(out, "{}", text.ansi()), true),
    };
    let plan = match Plan::new(&args, &ThisHost) {
        // A monitoring system takes our code for a wrong command line, 2, for CRITICAL.
        Err(failure) if matches!(&args.command, Some(Command::Stuck(stuck)) if stuck.check) => {
            print(|out| writeln!(out, "{}", stuck::unknown(&failure)), false)?;
            return Ok(ExitCode::Findings);
        }
        other => other?,
    };
    limits::raise();
    allocator::give_back();
    match plan {
        Plan::Trace(plan) => match &plan.from {
            Some(recording) => match &plan.kind {
                Kind::Hist(Hist { against: Some(before), .. }) => compare::run(&plan, before, recording),
                _ => replay::run(&plan, recording),
            },
            None => trace::run(&plan, None),
        },
        Plan::Record(plan) => trace::run(&plan.trace, Some(&plan)),
        Plan::Repair(path) => repaired(&record::repair(&path)?),
        Plan::Stuck(plan) => stuck::run(&plan),
        Plan::Kill(plan) => kill::run(&plan),
        Plan::Doctor(plan) => doctor::run(&plan),
        Plan::Schema => print(|out| writeln!(out, "{:#}", json::schema()), false),
        Plan::Preflight { json } => preflight::preflight(json, &mut io::stdout().lock()),
        Plan::Version { verbose } => {
            preflight::version(verbose, &mut io::stdout().lock())?;
            Ok(ExitCode::Ok)
        }
    }
}

/// Says what was repaired.
fn repaired(repaired: &Repaired) -> Result<ExitCode, Failure> {
    let Repaired { path, was_whole, cut, saved, footer } = repaired;
    let path = path.display();
    print(
        |out| {
            if *was_whole {
                writeln!(out, "{path} is whole: {} events, {} lost", footer.events, footer.lost)?;
            } else {
                writeln!(
                    out,
                    "{path}: {cut} bytes cut off, {} events kept, {} lost",
                    footer.events, footer.lost
                )?;
            }
            saved.as_ref().map_or(Ok(()), |saved| writeln!(out, "what was cut off is in {}", saved.display()))
        },
        false,
    )
}

/// A line for the person at the terminal.
fn say(line: &str) {
    // Nobody may read stderr.
    let _ = notice::write_note(&mut io::stderr(), line);
}

/// Prints to stdout; a closed pipe is success.
fn print(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    styled: bool,
) -> Result<ExitCode, Failure> {
    let written = if styled {
        let mut out = anstream::stdout().lock();
        write(&mut out).and_then(|()| out.flush())
    } else {
        let mut out = io::stdout().lock();
        write(&mut out).and_then(|()| out.flush())
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(ExitCode::Runtime, format!("writing to stdout: {error}")))
        }
        _ => Ok(ExitCode::Ok),
    }
}
