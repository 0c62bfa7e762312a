//! One tracer under measurement: how it is started, and what the kernel says about it while it runs.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;

use crate::load;

/// How long a tracer may take to start.
const START: Duration = Duration::from_secs(20);

/// A tracer that can be started.
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    reading: Reading,
    unit: Unit,
}

/// What it tells of, and thereby how often it should have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Each state change.
    Changes,
    /// Each state change of a connection: those of listeners are not told from others by their addresses.
    Moves,
    /// Each end of a connection, once.
    Ends,
}

/// How its output tells how much it saw.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// NDJSON of tcptrace: its own count of losses, and one line a change.
    Transitions,
    /// The same, one line an end of a connection.
    Lives,
    /// The same, with the number of stays in ESTABLISHED, of the whole host: at least what the load made.
    Histograms,
    /// One line each, with the addresses in it.
    Lines,
    /// A printed map, `@[state]: count`, of the whole host: at least what the load made.
    Counts,
}

/// A tracer that runs.
pub(crate) struct Running<'a> {
    contender: &'a Contender,
    child: Child,
    output: PathBuf,
    tracing_after: Option<Duration>,
}

/// What one run cost and what it brought.
pub(crate) struct Cost {
    /// Nanoseconds in all its eBPF programs, and how often they ran.
    pub(crate) kernel_ns: u64,
    pub(crate) runs: u64,
    /// Processor time of the process.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_kib: u64,
    /// How often it told of what the load did, and of what it tells.
    pub(crate) seen: u64,
    pub(crate) unit: Unit,
    /// Losses that it reported itself; `None` if it never does.
    pub(crate) reported_lost: Option<u64>,
}

/// The contender that the others are compared with.
pub(crate) const STREAM: &str = "tcptrace";
/// The one that counts in the kernel.
pub(crate) const HIST: &str = "tcptrace hist";

impl Contender {
    /// What tcptrace can do, then what else is installed here.
    pub(crate) fn all(tcptrace: Option<&Path>, folder: &Path) -> Vec<Self> {
        let count = "tracepoint:sock:inet_sock_set_state { @[args->newstate] = count(); }";
        let print = "tracepoint:sock:inet_sock_set_state { printf(\"%d %s %s:%d %s:%d %d %d\\n\", pid, comm, \
                     ntop(args->saddr), args->sport, ntop(args->daddr), args->dport, args->oldstate, args->newstate); }";
        let own: [(&str, &[&str], Reading, Unit); 4] = [
            (STREAM, &[], Reading::Transitions, Unit::Moves),
            ("tcptrace lives", &["lives"], Reading::Lives, Unit::Ends),
            (HIST, &["hist"], Reading::Histograms, Unit::Ends),
            ("hist in user space", &["hist", "--aggregate", "user"], Reading::Histograms, Unit::Ends),
        ];
        let own = own.into_iter().filter_map(|(name, words, reading, unit)| {
            let mut arguments = owned(words);
            arguments.extend(owned(&["-o", "json", "--output"]));
            arguments.push(output(folder, name).into());
            Some(Self { name, program: tcptrace?.to_owned(), arguments, reading, unit })
        });
        let peers: [(&str, &str, &[&str], Reading, Unit); 6] = [
            ("tcpstates", "tcpstates", &[], Reading::Lines, Unit::Moves),
            ("tcpstates-bpfcc", "tcpstates-bpfcc", &[], Reading::Lines, Unit::Moves),
            ("tcplife", "tcplife", &[], Reading::Lines, Unit::Ends),
            ("tcplife-bpfcc", "tcplife-bpfcc", &[], Reading::Lines, Unit::Ends),
            ("bpftrace count", "bpftrace", &["-e", count], Reading::Counts, Unit::Changes),
            ("bpftrace print", "bpftrace", &["-e", print], Reading::Lines, Unit::Moves),
        ];
        let peers = peers.into_iter().filter_map(|(name, program, arguments, reading, unit)| {
            Some(Self { name, program: installed(program)?, arguments: owned(arguments), reading, unit })
        });
        own.chain(peers).collect()
    }

    /// Starts it and returns when it demonstrably sees events.
    pub(crate) fn start(&self, folder: &Path) -> Result<Running<'_>> {
        let output = output(folder, self.name);
        // A file that it opens itself and its standard output must not be one: both would write at 0.
        let printed = match self.reading {
            Reading::Transitions | Reading::Lives | Reading::Histograms => folder.join("tcptrace.stdout"),
            Reading::Lines | Reading::Counts => output.clone(),
        };
        let notices = folder.join("stderr");
        let began = Instant::now();
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&printed)?)
            .stderr(File::create(&notices)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut running = Running { contender: self, child, output, tracing_after: None };
        if matches!(self.reading, Reading::Transitions | Reading::Lives | Reading::Histograms) {
            while !fs::read_to_string(&notices)?.contains("tracing") {
                if running.child.try_wait()?.is_some() || began.elapsed() > START {
                    bail!("{} does not trace: {}", self.name, fs::read_to_string(&notices)?);
                }
                thread::sleep(Duration::from_millis(1));
            }
            running.tracing_after = Some(began.elapsed());
        }
        running.wait_until_it_sees()?;
        Ok(running)
    }
}

impl Running<'_> {
    fn wait_until_it_sees(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        while self.programs()?.1 == 0 {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it saw an event: {status}", self.contender.name);
            }
            if Instant::now() > deadline {
                bail!("{} saw no event within {START:?}", self.contender.name);
            }
            // Refused, which is two state changes.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, 1));
            thread::sleep(Duration::from_millis(50));
        }
        // The first program counts before the last is attached.
        thread::sleep(Duration::from_millis(500));
        Ok(())
    }

    /// From its start until it said that it was tracing; `None` for those that do not say.
    pub(crate) fn tracing_after(&self) -> Option<Duration> {
        self.tracing_after
    }

    /// Processor time so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Nanoseconds and runs of all eBPF programs that the process holds.
    pub(crate) fn programs(&self) -> Result<(u64, u64)> {
        let folder = format!("/proc/{}/fdinfo", self.child.id());
        let mut programs = std::collections::BTreeMap::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {folder}"))? {
            // A descriptor may be closed meanwhile.
            let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
            let field = |name: &str| number(&text, name);
            // Links name their program too, but have no times.
            if let (Some(id), Some(ns), Some(runs)) =
                (field("prog_id:"), field("run_time_ns:"), field("run_cnt:"))
            {
                programs.insert(id, (ns, runs));
            }
        }
        Ok(programs.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
    }

    /// Ends it as a user would and adds up what it cost since `before`.
    pub(crate) fn end(mut self, before: (u64, u64)) -> Result<Cost> {
        // What is still in its buffers shall get out.
        thread::sleep(Duration::from_secs(1));
        let after = self.programs()?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let pid = Pid::from_child(&self.child);
        // Ended, but not yet reaped: /proc still has its times.
        let left = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let mut waited = 0;
        while waitid(WaitId::Pid(pid), left)?.is_none() {
            // bpftrace has been seen to miss the first signal on a busy machine.
            if waited % 500 == 0 {
                kill_process(pid, Signal::INT)?;
            }
            if waited == 3000 {
                bail!("{} did not end on SIGINT within a minute", self.contender.name);
            }
            waited += 1;
            thread::sleep(Duration::from_millis(20));
        }
        let cpu_seconds = cpu_seconds(self.child.id())?;
        self.child.wait()?;
        let (seen, reported_lost) = self.contender.reading.read(&self.output)?;
        Ok(Cost {
            kernel_ns: after.0.saturating_sub(before.0),
            runs: after.1.saturating_sub(before.1),
            cpu_seconds,
            peak_rss_kib: number(&status, "VmHWM:").unwrap_or_default(),
            seen,
            unit: self.contender.unit,
            reported_lost,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Only after an error is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reading {
    /// What the output tells of the load, and the losses that it reports.
    fn read(self, path: &Path) -> Result<(u64, Option<u64>)> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let (mut seen, mut lost) = (0, None);
        for line in BufReader::new(file).lines() {
            let line = line?;
            let ours = line.contains(load::PREFIX);
            if matches!(self, Self::Transitions | Self::Lives | Self::Histograms)
                && line.contains(r#""type":"summary""#)
            {
                let summary: Value = serde_json::from_str(&line).context("the summary is not JSON")?;
                lost = summary["lost"].as_u64();
            }
            match self {
                Self::Lines => seen += u64::from(ours),
                Self::Counts => {
                    let count = line.strip_prefix("@[").and_then(|rest| rest.split_once("]: "));
                    seen += count.and_then(|(_, count)| count.trim().parse::<u64>().ok()).unwrap_or_default();
                }
                Self::Transitions => {
                    // The end of a TIME_WAIT is printed too, but no tracepoint fired for it.
                    let fired =
                        line.contains(r#""type":"transition""#) && line.contains(r#""seen_by":"tracepoint""#);
                    seen += u64::from(ours && fired);
                }
                Self::Lives => seen += u64::from(ours && line.contains(r#""type":"lifecycle""#)),
                Self::Histograms if line.contains(r#""type":"histogram""#) => {
                    let histogram: Value = serde_json::from_str(&line).context("a histogram is not JSON")?;
                    if histogram["state"] == "ESTABLISHED" {
                        seen += histogram["count"].as_u64().context("a histogram without a count")?;
                    }
                }
                Self::Histograms => {}
            }
        }
        Ok((seen, lost))
    }
}

/// The number after a name in one of /proc's files of lines.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User and system time of a process, in all its threads.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may contain anything.
    let fields = stat.rsplit_once(')').context("a stat file without a name")?.1;
    let ticks: u32 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    let a_second = u32::try_from(rustix::param::clock_ticks_per_second()).context("an odd clock")?;
    Ok(f64::from(ticks) / f64::from(a_second))
}

/// Where the contender of that name writes.
fn output(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{}.out", name.replace(' ', "-")))
}

fn owned(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// A program on PATH, or where Debian keeps those of root.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
