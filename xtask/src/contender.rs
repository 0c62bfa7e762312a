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

/// A tracer that can be started.
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    reading: Reading,
}

/// How its output tells the number of state changes that it saw.
#[derive(Clone, Copy)]
enum Reading {
    /// NDJSON of tcptrace: its own count of losses, and one line a change.
    Json,
    /// One line a change, with the addresses in it.
    Lines,
    /// A printed map, `@[state]: count`, of the whole host: at least what the load made.
    Counts,
}

/// A tracer that runs.
pub(crate) struct Running<'a> {
    contender: &'a Contender,
    child: Child,
    output: PathBuf,
}

/// What one run cost and what it brought.
pub(crate) struct Cost {
    /// Nanoseconds in all its eBPF programs, and how often they ran.
    pub(crate) kernel_ns: u64,
    pub(crate) runs: u64,
    /// Processor time of the process.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_kib: u64,
    /// State changes of the load in its output.
    pub(crate) seen: u64,
    /// Losses that it reported itself; `None` if it never does.
    pub(crate) reported_lost: Option<u64>,
}

impl Contender {
    /// tcptrace, then what else is installed here.
    pub(crate) fn all(tcptrace: PathBuf, folder: &Path) -> Vec<Self> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let mut arguments = words(&["-o", "json", "--output"]);
        arguments.push(folder.join("tcptrace.out").into());
        let mut all = vec![Self { name: "tcptrace", program: tcptrace, arguments, reading: Reading::Json }];
        let count = "tracepoint:sock:inet_sock_set_state { @[args->newstate] = count(); }";
        let peers: [(&str, &[&str], Reading); 3] = [
            ("tcpstates", &[], Reading::Lines),
            ("tcpstates-bpfcc", &[], Reading::Lines),
            ("bpftrace", &["-e", count], Reading::Counts),
        ];
        for (name, arguments, reading) in peers {
            if let Some(program) = installed(name) {
                all.push(Self { name, program, arguments: words(arguments), reading });
            }
        }
        all
    }

    /// Starts it and returns when it demonstrably sees events.
    pub(crate) fn start(&self, folder: &Path) -> Result<Running<'_>> {
        let output = folder.join(format!("{}.out", self.name));
        // A file that it opens itself and its standard output must not be one: both would write at 0.
        let printed = match self.reading {
            Reading::Json => folder.join("tcptrace.stdout"),
            Reading::Lines | Reading::Counts => output.clone(),
        };
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&printed)?)
            .stderr(File::create(folder.join(format!("{}.err", self.name)))?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut running = Running { contender: self, child, output };
        running.wait_until_it_sees()?;
        Ok(running)
    }
}

impl Running<'_> {
    fn wait_until_it_sees(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.programs()?.1 == 0 {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it saw an event: {status}", self.contender.name);
            }
            if Instant::now() > deadline {
                bail!("{} saw no event within 20 seconds", self.contender.name);
            }
            // Refused, which is two state changes.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, 1));
            thread::sleep(Duration::from_millis(50));
        }
        // The first program counts before the last is attached.
        thread::sleep(Duration::from_millis(500));
        Ok(())
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
    /// State changes of the load in the output, and the losses that it reports.
    fn read(self, path: &Path) -> Result<(u64, Option<u64>)> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let (mut seen, mut lost) = (0, None);
        for line in BufReader::new(file).lines() {
            let line = line?;
            let ours = line.contains(load::PREFIX);
            match self {
                Self::Lines => seen += u64::from(ours),
                Self::Counts => {
                    let count = line.strip_prefix("@[").and_then(|rest| rest.split_once("]: "));
                    seen += count.and_then(|(_, count)| count.trim().parse::<u64>().ok()).unwrap_or_default();
                }
                Self::Json => {
                    // The end of a TIME_WAIT is printed too, but no tracepoint fired for it.
                    let fired = line.contains("\"type\":\"transition\"")
                        && line.contains("\"seen_by\":\"tracepoint\"");
                    seen += u64::from(ours && fired);
                    if !ours && line.contains("\"type\":\"summary\"") {
                        let summary: Value =
                            serde_json::from_str(&line).context("the summary is not JSON")?;
                        lost = summary["lost"].as_u64();
                    }
                }
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

/// A program on PATH, or where Debian keeps those of root.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
