//! `cargo xtask kernels`: boots Debian's own kernels in QEMU and runs the live tests as root in them. A failure does not stop it: the
//! end says all that is wrong on all kernels.

mod guest;
mod initramfs;
mod mirror;
mod verdict;

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use guest::Guest;
use mirror::{LINES, Line};
use verdict::{DONE, judge, part_of};

use crate::tally::Tally;
use crate::test_binary::TestBinary;
use crate::workspace::{cache, cargo, must, root, target};

/// Seconds that one binary may run on one kernel.
const LIMIT: u64 = 900;
/// How much slower than this host a guest may be.
const SLOWNESS: u32 = 4;

/// Options of `cargo xtask kernels`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which kernels [default: all: 5.10 6.1 6.12 newest].
    #[arg(value_name = "VERSION")]
    versions: Vec<String>,
    /// Only tests whose name contains one of these.
    #[arg(long, value_name = "FILTER", value_delimiter = ',')]
    only: Vec<String>,
    /// No tests, but a command for the guest's shell, e.g. 'tcptrace preflight'.
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// Which binaries of live tests.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "live,live_lives,live_hist")]
    tests: Vec<String>,
    /// How long one binary may run on one kernel.
    #[arg(long, value_name = "SECONDS", default_value_t = LIMIT)]
    limit: u64,
    /// How much more time everything may take than on this host: nothing here is emulated in hardware.
    #[arg(long, value_name = "FACTOR", default_value_t = SLOWNESS)]
    slowness: u32,
}

/// What became of one kernel.
struct Row {
    name: &'static str,
    release: String,
    time: Duration,
    tally: Tally,
    failures: Vec<String>,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let rows = rows(args)?;
    Ok(if report(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What `cargo xtask test` runs of the live tests: the least that shows the probe, its owners and its filters at work, and that its largest
/// program is not too much for a verifier. All of them take five minutes and more a kernel, emulated.
const PART: [&str; 2] = ["ownership", "both_ways"];

/// The part that `cargo xtask test` has of it, on `versions`.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn step(versions: &[&str], ci: bool, tally: &mut Tally) -> Result<()> {
    let versions = versions.iter().map(|version| (*version).to_owned()).collect();
    let args = Args {
        versions,
        only: PART.map(str::to_owned).to_vec(),
        run: None,
        tests: ["live", "live_hist"].map(str::to_owned).to_vec(),
        limit: LIMIT,
        slowness: SLOWNESS,
    };
    if let Err(missing) = initramfs::tools()
        && !ci
    {
        for binary in TestBinary::live(&root()?, &args.tests)? {
            tally.skipped += (binary.tests(&args.only)?.len() * args.versions.len()) as u64;
        }
        println!("skipped: {missing}");
        return Ok(());
    }
    let rows = rows(&args)?;
    for row in &rows {
        *tally += row.tally;
    }
    if !report(&rows) {
        bail!("{tally}");
    }
    Ok(())
}

fn rows(args: &Args) -> Result<Vec<Row>> {
    let lines = chosen(&args.versions)?;
    initramfs::tools()?;
    let root = root()?;
    must(cargo(&root).args(["build", "--release", "--locked", "--package", "tcptrace"]))?;
    let binaries = match &args.run {
        Some(_) => Vec::new(),
        None => TestBinary::live(&root, &args.tests)?,
    };
    let guest = Guest {
        root: &root,
        binaries: &binaries,
        only: &args.only,
        slowness: args.slowness,
        command: args.run.as_deref(),
        limit: Duration::from_secs(args.limit),
    };
    matrix(&lines, &guest, !args.versions.is_empty())
}

/// The lines that were asked for, else all.
fn chosen(versions: &[String]) -> Result<Vec<Line>> {
    if versions.is_empty() {
        return Ok(LINES.to_vec());
    }
    let find = |version: &String| LINES.into_iter().find(|line| line.name == version);
    versions
        .iter()
        .map(|version| {
            let names = LINES.map(|line| line.name).join(", ");
            find(version).with_context(|| format!("{version}: no such kernel here; there are {names}"))
        })
        .collect()
}

/// Boots them one after the other: two guests on two processors would be slow at everything.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
fn matrix(lines: &[Line], guest: &Guest<'_>, all_asked_for: bool) -> Result<Vec<Row>> {
    let cache = cache()?.join("kernels");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let logs = target(guest.root).join("kernels");
    let mut rows = Vec::new();
    for line in lines {
        let start = Instant::now();
        let mut row = Row {
            name: line.name,
            release: "-".to_owned(),
            time: Duration::ZERO,
            tally: Tally::default(),
            failures: Vec::new(),
        };
        match line.fetch(&cache) {
            Err(error) => {
                println!("{}: not to be had: {error:#}", line.name);
                // A suite leaves the mirror some day; who names it wants to know.
                if all_asked_for {
                    row.tally.failed += 1;
                    row.failures.push("not to be had".to_owned());
                }
            }
            Ok(image) => {
                println!("{}: Linux {}", line.name, image.release);
                row.release.clone_from(&image.release);
                let log = guest.boot(&image, &logs, line.name)?;
                let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
                if guest.command.is_some() {
                    println!("{text}");
                }
                for binary in guest.binaries {
                    let (printed, status) = part_of(&text, &binary.name);
                    let verdict = judge(&printed, &binary.tests(guest.only)?, status);
                    println!("{}: {}: {}", line.name, binary.name, verdict.tally);
                    row.tally += verdict.tally;
                    row.failures
                        .extend(verdict.failures.iter().map(|failure| format!("{}: {failure}", binary.name)));
                }
                if !text.lines().any(|line| line.trim_end() == DONE) {
                    row.failures.push("the guest did not get to its end".to_owned());
                    row.tally.failed = row.tally.failed.max(1);
                }
                if !row.failures.is_empty() {
                    println!("{}: see {} and .console beside it", line.name, log.display());
                }
            }
        }
        row.time = start.elapsed();
        rows.push(row);
    }
    Ok(rows)
}

/// Prints the table and all that failed; whether nothing did.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
fn report(rows: &[Row]) -> bool {
    println!(
        "\n{:<8} {:<32} {:>7} {:>7} {:>8} {:>8}",
        "kernel", "release", "passed", "failed", "skipped", "time"
    );
    for Row { name, release, time, tally: Tally { passed, failed, skipped }, .. } in rows {
        println!("{name:<8} {release:<32} {passed:>7} {failed:>7} {skipped:>8} {:>7.1}s", time.as_secs_f64());
    }
    for Row { name, failures, .. } in rows {
        for failure in failures {
            println!("FAILED {name}: {failure}");
        }
    }
    rows.iter().all(|row| row.failures.is_empty())
}
