//! `cargo xtask bench`: what tcptrace costs and loses beside its peers, in turns, under the same load.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::contender::{Contender, Cost, STREAM, Unit};
use crate::growth;
use crate::load::{self, Done};
use crate::replay;
use crate::workspace::{binary, cargo, must, root};

/// Before a run the host works less than this part of one processor for so long; it is not waited for longer than that.
const IDLE: f64 = 0.1;
const LULL: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each contender is measured.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Another tcptrace than this workspace's.
    #[arg(long, value_name = "FILE")]
    tcptrace: Option<PathBuf>,
    /// Leave tcptrace out and measure the peers alone.
    #[arg(long)]
    peers_only: bool,
    /// Measure how the cost of tcptrace grows instead, and write the data and the plots into docs/bench (some minutes; 8 GiB).
    #[arg(long, conflicts_with = "peers_only")]
    growth: bool,
    #[command(flatten)]
    load: load::Args,
}

/// The kernel's times for eBPF programs, switched on while this value lives.
struct Stats {
    before: String,
}

impl Stats {
    fn on() -> Result<Self> {
        let before = fs::read_to_string(STATS).with_context(|| format!("cannot read {STATS}"))?;
        fs::write(STATS, "1").with_context(|| format!("cannot write {STATS}"))?;
        Ok(Self { before })
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        let _ = fs::write(STATS, &self.before);
    }
}

/// The runs of one contender; without a tracer there is no cost.
struct Series {
    name: &'static str,
    runs: Vec<(Done, Option<Cost>)>,
}

/// One column: its name in JSON, its title, and the figure of a run.
type Column = (&'static str, &'static str, fn(&Done, Option<&Cost>) -> Option<f64>);

const COLUMNS: [Column; 7] = [
    ("kernel_ns_per_change", "kernel ns/change", |done, cost| {
        Some(float(cost?.kernel_ns) / float(done.changes))
    }),
    ("kernel_ns_per_run", "ns/run", |_, cost| Some(float(cost?.kernel_ns) / float(cost?.runs))),
    ("missing_per_cent", "missing of what it should have told, %", |done, cost| {
        let cost = cost?;
        let due = match cost.unit {
            Unit::Changes => done.changes,
            Unit::Moves => done.moves,
            Unit::Ends => 2 * done.connections,
        };
        Some(float(due.saturating_sub(cost.seen)) / float(due) * 100.0)
    }),
    ("reported_lost", "reported lost", |_, cost| Some(float(cost?.reported_lost?))),
    ("cpu_seconds", "CPU s", |_, cost| Some(cost?.cpu_seconds)),
    ("peak_rss_mib", "peak RSS MiB", |_, cost| Some(float(cost?.peak_rss_kib) / 1024.0)),
    SPEED,
];

const SPEED: Column =
    ("connections_per_second", "connections/s", |done, _| Some(float(done.connections) / done.seconds));

/// Runs the task.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("needs root: run `sudo env PATH=\"$PATH\" cargo xtask bench`");
    }
    let root = root()?;
    let tcptrace = match &args.tcptrace {
        _ if args.peers_only => None,
        Some(given) => {
            Some(given.canonicalize().with_context(|| format!("cannot find {}", given.display()))?)
        }
        None => {
            must(cargo(&root).args(["build", "--quiet", "--release", "--locked", "--package", "tcptrace"]))?;
            Some(binary(&root, "release"))
        }
    };
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let contenders = Contender::all(tcptrace.as_deref(), folder.path());
    if args.growth {
        let _stats = Stats::on()?;
        growth::run(&contenders, folder.path(), &root.join("docs/bench"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = std::iter::once("no tracer").chain(contenders.iter().map(|one| one.name));
    let mut all: Vec<_> = names.map(|name| Series { name, runs: Vec::new() }).collect();
    for round in 0..args.rounds as usize {
        for turn in 0..all.len() {
            // Each round begins with another contender, so that none profits from its place.
            let index = (turn + round) % all.len();
            let run = match index.checked_sub(1).and_then(|index| contenders.get(index)) {
                None => {
                    quiet()?;
                    (args.load.start()?, None)
                }
                Some(contender) => timed(contender, folder.path(), &args.load)?,
            };
            println!("round {} {}: {:.1} s", round + 1, all[index].name, run.0.seconds);
            all[index].runs.push(run);
        }
    }
    let changes = all[0].runs[0].0.changes;
    println!(
        "\n{changes} state changes a run; median (min–max) of {} rounds; ×: relative to tcptrace",
        args.rounds
    );
    println!("{}", table(&all));
    println!("{}", report(&all, changes));
    if let Some(tcptrace) = tcptrace {
        let (changes, seconds) = replay::measure(&tcptrace, folder.path(), &args.load, args.rounds)?;
        println!(
            "replay into `lives -o json`: {changes} state changes in {seconds:.2} s, {:.2} million a second",
            float(changes) / seconds / 1e6
        );
        must(cargo(&root).args(["bench", "--quiet", "--locked", "--package", "tcptrace", "--bench", "hot"]))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until what the last run has left is done: pages to be written, sockets and namespaces to be freed.
fn quiet() -> Result<()> {
    rustix::fs::sync();
    let deadline = Instant::now() + PATIENCE;
    let mut before = busy()?;
    while Instant::now() < deadline {
        sleep(LULL);
        let now = busy()?;
        if now - before <= LULL.as_secs_f64() * IDLE {
            return Ok(());
        }
        before = now;
    }
    // A host that is never quiet: its rounds still compare.
    Ok(())
}

/// Seconds that all processors have worked, by the first line of /proc/stat.
fn busy() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks = fields.map(|field| field.parse::<u64>().unwrap_or_default()).enumerate();
    // The fourth and fifth are idle and iowait; guests' time, from the ninth on, is in the first two.
    let worked: u64 = ticks.filter(|(at, _)| !matches!(at, 3 | 4 | 8..)).map(|(_, ticks)| ticks).sum();
    Ok(float(worked) / float(rustix::param::clock_ticks_per_second()))
}

/// Two runs of the load under a tracer. The kernel's own timing of programs costs two readings of a clock a run, so that it is off
/// for all that is not the programs' time.
fn timed(contender: &Contender, folder: &Path, load: &load::Args) -> Result<(Done, Option<Cost>)> {
    let run = |timing: bool| {
        quiet()?;
        // Whether it sees anything is known by the kernel's count of its runs.
        let stats = Stats::on()?;
        let running = contender.start(folder)?;
        let stats = timing.then_some(stats);
        let before = running.programs()?;
        let done = load.start()?;
        let cost = running.end(before)?;
        drop(stats);
        Ok::<_, anyhow::Error>((done, cost))
    };
    let Cost { kernel_ns, runs, .. } = run(true)?.1;
    let (done, cost) = run(false)?;
    Ok((done, Some(Cost { kernel_ns, runs, ..cost })))
}

impl Series {
    /// Least, median and greatest of a figure over the runs; `None` where the contender has no such figure.
    fn spread(&self, figure: fn(&Done, Option<&Cost>) -> Option<f64>) -> Option<[f64; 3]> {
        let mut figures =
            self.runs.iter().map(|(done, cost)| figure(done, cost.as_ref())).collect::<Option<Vec<_>>>()?;
        figures.sort_by(f64::total_cmp);
        let median =
            (figures.get((figures.len().checked_sub(1)?) / 2)? + figures.get(figures.len() / 2)?) / 2.0;
        Some([*figures.first()?, median, *figures.last()?])
    }
}

/// One line a contender, under each figure: seven figures side by side are too wide to read.
fn table(all: &[Series]) -> String {
    let reference = all.iter().find(|series| series.name == STREAM);
    let mut table = String::new();
    for (_, title, figure) in COLUMNS {
        table.push_str(&format!("\n{title}\n"));
        for series in all {
            let Some([least, median, greatest]) = series.spread(figure) else { continue };
            let ratio =
                reference.and_then(|reference| reference.spread(figure)).map(|[_, of, _]| median / of);
            let ratio = ratio.filter(|ratio| ratio.is_finite()).map(|ratio| format!("  ×{ratio:.2}"));
            let name = series.name;
            let ratio = ratio.unwrap_or_default();
            table.push_str(&format!("  {name:<18} {median:>12.2}  ({least:.2}–{greatest:.2}){ratio}\n"));
        }
    }
    table
}

/// The same for programs, with the throughput relative to none.
fn report(all: &[Series], changes: u64) -> Value {
    let free = all.first().and_then(|series| series.spread(SPEED.2)).map(|[_, median, _]| median);
    let contenders: Map<_, _> = all
        .iter()
        .map(|series| {
            let mut figures = Map::new();
            for (key, _, figure) in COLUMNS {
                let spread = series.spread(figure);
                let spread =
                    spread.map(|[min, median, max]| json!({"min": min, "median": median, "max": max}));
                figures.insert(key.to_owned(), spread.unwrap_or_default());
            }
            let speed = series.spread(SPEED.2).and_then(|[_, median, _]| Some(median / free?));
            figures.insert("throughput_relative_to_none".to_owned(), json!(speed));
            (series.name.to_owned(), Value::Object(figures))
        })
        .collect();
    json!({"changes_a_run": changes, "contenders": contenders})
}

#[expect(clippy::cast_precision_loss, reason = "figures of a bench are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
