//! The tracer that is soaked: started, read, hindered, measured and ended.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use super::descriptors::Descriptors;
use super::truth::Table;

/// A small ring, so that a pause of ten seconds loses events.
const RING: &str = "2M";
/// How long to wait for its rest, seconds: TIME_WAITs last 60.
const IDLE_S: u32 = 5;
/// How long it may take for what nothing takes long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was read so far.
#[derive(Default)]
struct Taken {
    paused: AtomicBool,
    records: AtomicU64,
    /// How a record of the namespaces that are compared says so.
    spaces: Mutex<Vec<String>>,
    /// Lives there that were not over at the end.
    unfinished: Mutex<Table>,
    summary: Mutex<Option<Value>>,
    /// Moment of the last loss, ns.
    lost: AtomicU64,
    malformed: AtomicU64,
}

/// A running `tcptrace lives` of the whole host.
pub(super) struct Subject {
    child: Child,
    read: Arc<Taken>,
    reader: Option<JoinHandle<()>>,
    said: Option<JoinHandle<Vec<String>>>,
    memory: Arc<Mutex<Vec<(Instant, u64)>>>,
    sampling: Arc<AtomicBool>,
    limit: Option<Rlimit>,
}

/// What it said in the end.
pub(super) struct End {
    /// Its exit code.
    pub(super) code: Option<i32>,
    /// Lines of JSON in all, and lines that are none.
    pub(super) records: u64,
    pub(super) malformed: u64,
    /// The last line.
    pub(super) summary: Value,
    /// How long before the end the last loss was, if there was one.
    pub(super) since_loss: Option<Duration>,
    /// What it said on stderr.
    pub(super) said: Vec<String>,
    /// Lives that were not over, in the namespaces asked for.
    pub(super) table: Table,
}

impl Subject {
    pub(super) fn start(tcptrace: &Path) -> Result<Self> {
        let mut child = Command::new(tcptrace)
            .args(["lives", "-o", "json", "--unfinished", "--through-time-wait", "--ring-size", RING])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", tcptrace.display()))?;
        let out = child.stdout.take().context("no pipe")?;
        let err = child.stderr.take().context("no pipe")?;
        let read = Arc::new(Taken::default());
        let reader = {
            let read = Arc::clone(&read);
            thread::spawn(move || take(out, &read))
        };
        let ready = Arc::new(AtomicBool::new(false));
        let said = {
            let ready = Arc::clone(&ready);
            thread::spawn(move || {
                let mut said = Vec::new();
                for line in BufReader::new(err).lines().map_while(Result::ok) {
                    ready.fetch_or(line.contains("tracing"), Ordering::Release);
                    said.push(line);
                }
                said
            })
        };
        let (memory, sampling) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(true)));
        let (samples, go_on, pid) = (Arc::clone(&memory), Arc::clone(&sampling), child.id());
        thread::spawn(move || {
            while go_on.load(Ordering::Acquire) {
                if let Some(kib) = rss_kib(pid) {
                    locked(&samples).push((Instant::now(), kib));
                }
                thread::sleep(Duration::from_millis(250));
            }
        });
        let subject =
            Self { child, read, reader: Some(reader), said: Some(said), memory, sampling, limit: None };
        wait_until("the tracer's start", || Ok(ready.load(Ordering::Acquire)))?;
        Ok(subject)
    }

    /// Its reader stops reading.
    pub(super) fn pause(&self) {
        self.read.paused.store(true, Ordering::Release);
    }

    /// Its reader reads on.
    pub(super) fn resume(&self) {
        self.read.paused.store(false, Ordering::Release);
    }

    pub(super) fn stop(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    pub(super) fn go_on(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// No descriptor more than it has.
    pub(super) fn starve(&mut self) -> Result<()> {
        let open = u64::try_from(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())?;
        let pid = Some(Pid::from_child(&self.child));
        let limit =
            Rlimit { current: Some(open), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
        self.limit = Some(prlimit(pid, Resource::Nofile, limit)?);
        Ok(())
    }

    /// As many as before.
    pub(super) fn feed(&mut self) -> Result<()> {
        if let Some(limit) = self.limit.take() {
            prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit)?;
        }
        Ok(())
    }

    /// The least of its memory from `since` for so long, KiB: what it keeps when nothing waits for its reader.
    pub(super) fn memory(&self, since: Instant, time: Duration) -> u64 {
        let samples = locked(&self.memory);
        let within = |at: &Instant| (since..since + time).contains(at);
        samples.iter().filter(|(at, _)| within(at)).map(|(_, kib)| *kib).min().unwrap_or_default()
    }

    /// The most memory so far, KiB.
    pub(super) fn peak(&self) -> u64 {
        let samples = locked(&self.memory);
        samples.iter().map(|(_, kib)| *kib).max().unwrap_or_default()
    }

    /// Waits until it has next to nothing to do: the repair after the last loss is done. Its patience ends on a busy host.
    pub(super) fn wait_until_idle(&self) -> Result<()> {
        let mut cpu = 0;
        for _ in 0..IDLE_S {
            thread::sleep(Duration::from_secs(1));
            let now = cpu_ticks(self.child.id())?;
            if now - cpu < 20 {
                break;
            }
            cpu = now;
        }
        Ok(())
    }

    /// What is open, without what it opens for a moment.
    pub(super) fn descriptors(&self) -> Result<Descriptors> {
        Descriptors::of(self.child.id())
    }

    /// Ends it by SIGINT and takes what it says of `spaces`.
    pub(super) fn end(mut self, spaces: &[u64]) -> Result<End> {
        self.sampling.store(false, Ordering::Release);
        *locked(&self.read.spaces) = spaces.iter().map(|inode| format!("\"netns\":{inode},")).collect();
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let mut status = None;
        wait_until("the tracer's end", || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })?;
        let (Some(reader), Some(said)) = (self.reader.take(), self.said.take()) else { bail!("ended twice") };
        let (Ok(()), Ok(said)) = (reader.join(), said.join()) else { bail!("a reading thread panicked") };
        let table = std::mem::take(&mut *locked(&self.read.unfinished));
        let summary = locked(&self.read.summary).take().context("the tracer printed no summary")?;
        let lost = self.read.lost.load(Ordering::Acquire);
        let ended = summary["mono_ns"].as_u64().unwrap_or_default();
        Ok(End {
            code: status.and_then(|status| status.code()),
            records: self.read.records.load(Ordering::Acquire),
            malformed: self.read.malformed.load(Ordering::Acquire),
            summary,
            since_loss: (lost > 0).then(|| Duration::from_nanos(ended.saturating_sub(lost))),
            said,
            table,
        })
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Only after an error is it still there.
        self.sampling.store(false, Ordering::Release);
        self.resume();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads its records, unless told to pause.
fn take(out: impl Read, read: &Taken) {
    for line in BufReader::new(out).lines() {
        while read.paused.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(50));
        }
        let Ok(line) = line else {
            read.malformed.fetch_add(1, Ordering::AcqRel);
            return;
        };
        read.records.fetch_add(1, Ordering::AcqRel);
        if !(line.starts_with('{') && line.ends_with('}')) {
            read.malformed.fetch_add(1, Ordering::AcqRel);
        } else if line.contains("\"type\":\"summary\"") {
            *locked(&read.summary) = serde_json::from_str(&line).ok();
        } else if line.contains("\"type\":\"lost\"") {
            let lost: Option<Value> = serde_json::from_str(&line).ok();
            // At the end the totals come once more, with a count of 0.
            if let Some(lost) = lost.filter(|lost| lost["count"] != 0) {
                read.lost.store(lost["mono_ns"].as_u64().unwrap_or_default(), Ordering::Release);
            }
        } else if line.contains("\"end\":null")
            && locked(&read.spaces).iter().any(|space| line.contains(space))
        {
            let whole = locked(&read.unfinished).add_life(&line);
            read.malformed.fetch_add(u64::from(!whole), Ordering::AcqRel);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rss_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, clock ticks.
fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("a stat file without a name")?.1;
    Ok(fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// Waits, for as long as the slowest host may need.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            bail!("{what} did not come within {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
