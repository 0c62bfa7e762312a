//! Tracers that are hindered each in one way, beside the one that is soaked: what they lose they must count.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::check::Check;
use super::subject::wait_until;
use crate::load::{self, PREFIX};
use crate::workspace::output_of;

/// All connections of the load.
const LOAD: &str = "127.77.0.0/16";
/// One event in so many may go by without a program: there are kernels that run none while a thread of process 1 is on the CPU, in whose
/// time softirqs of others may fall, and count that nowhere.
const UNRUN: u64 = 20_000;
/// What a disk has room for, KiB.
const DISK: &str = "256k";
/// Ten days.
const OFFSET_S: &str = "864000";

/// All of them, one after the other.
pub(super) fn all(tcptrace: &Path) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    checks.push(counted(tcptrace, "stopped, it counts what it lost", true)?);
    checks.push(counted(tcptrace, "unread, it counts what it lost", false)?);
    checks.extend(disk_full(tcptrace)?);
    checks.push(other_clock(tcptrace)?);
    Ok(checks)
}

/// A tracer of the kernel's events of the load, with a small ring.
struct Tracer {
    child: Child,
    out: Option<std::process::ChildStdout>,
}

impl Tracer {
    fn start(tcptrace: &Path) -> Result<Self> {
        let mut child = Command::new(tcptrace)
            .args(["--raw", "-o", "json", "--addr", LOAD, "--ring-size", "64K"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", tcptrace.display()))?;
        let (out, err) = (child.stdout.take(), child.stderr.take().context("no pipe")?);
        let said = lines(err);
        let tracer = Self { child, out };
        wait_until("a tracer's start", || Ok(said.try_iter().any(|line| line.contains("tracing"))))?;
        Ok(tracer)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Events of any socket for which the kernel did not run a program of ours, because one was running.
    fn misses(&self) -> Result<u64> {
        let mut all = 0;
        for entry in fs::read_dir(format!("/proc/{}/fdinfo", self.child.id()))? {
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            let misses = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"));
            all += misses.and_then(|misses| misses.trim().parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(all)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hinders it during a load: stopped, or its output not read. Fired is printed plus lost.
fn counted(tcptrace: &Path, name: &'static str, stopped: bool) -> Result<Check> {
    let mut tracer = Tracer::start(tcptrace)?;
    if stopped {
        tracer.signal(Signal::STOP)?;
    }
    let load = load::Args::of(2, if stopped { 5_000 } else { 20_000 });
    let done = load.start()?;
    if stopped {
        tracer.signal(Signal::CONT)?;
    }
    let out = lines(tracer.out.take().context("no pipe")?);
    // Only a tracer that runs says what it missed.
    thread::sleep(Duration::from_secs(1));
    let misses = tracer.misses()?;
    tracer.signal(Signal::INT)?;
    let (mut printed, mut summary) = (0, None);
    for line in out {
        if line.contains("\"type\":\"summary\"") {
            summary = serde_json::from_str::<Value>(&line).ok();
        } else {
            printed += u64::from(line.contains(PREFIX));
        }
    }
    let lost = summary.context("a tracer printed no summary")?["lost"].as_u64().context("no losses")?;
    let fired = done.moves;
    let (excess, short) = ((printed + lost).saturating_sub(fired), fired.saturating_sub(printed + lost));
    let figures = format!(
        "{fired} fired = {printed} printed + {lost} lost + {short} that nobody counted - {excess} of others, {misses} skipped by the kernel on this host"
    );
    // What the kernel skips is counted without a look at whose it was.
    Ok(Check::new(name, lost > 0 && excess <= misses && short <= fired / UNRUN, figures))
}

/// A small disk of its own fills while it writes: it ends and says so, and what is there can be read.
fn disk_full(tcptrace: &Path) -> Result<[Check; 2]> {
    let folder = tempfile::tempdir()?;
    let [recorded, printed] = [
        (
            "record \"$1/full.jsonl.zst\" -d 60s",
            "\"$0\" --from \"$1/full.jsonl.zst.part\" -o json | tail -n 1",
        ),
        ("--addr 127.77.0.0/16 -o json --output \"$1/full\" -d 60s", "head -n 1 \"$1/full\""),
    ]
    .map(|(write, read)| {
        let script = format!(
            "mount -t tmpfs -o size={DISK} tmpfs \"$1\" || exit 99; echo ready; \"$0\" {write} 2>&1; \
             echo code $?; {read}"
        );
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-c", &script]).arg(tcptrace).arg(folder.path());
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = lines(child.stdout.take().context("no pipe")?);
        let mut said = Vec::new();
        wait_until("a tracer's start", || {
            said.extend(out.try_iter());
            Ok(said.iter().any(|line| line.contains("tracing") || line.contains("recording")))
        })?;
        load::Args::of(2, 8_000).start()?;
        said.extend(out);
        child.wait()?;
        anyhow::Ok(said)
    });
    let judge = |name, said: Vec<String>| {
        let code = said.iter().find_map(|line| line.strip_prefix("code "));
        let why = said.iter().find(|line| line.to_lowercase().contains("no space left"));
        let read = said.last().is_some_and(|line| line.starts_with('{') && line.ends_with('}'));
        let figures = format!(
            "exit code {}, {}, {}",
            code.unwrap_or("none"),
            why.map_or("says nothing of it".to_owned(), |why| format!("says `{why}`")),
            if read { "what is there can be read" } else { "what is there cannot be read" }
        );
        Check::new(name, code == Some("1") && why.is_some() && read, figures)
    };
    Ok([judge("a full disk ends a recording", recorded?), judge("a full disk ends an output", printed?)])
}

/// In a time namespace its clocks stand ten days ahead of the kernel's: as after a restore, and the only step of a clock that a host
/// does not notice.
fn other_clock(tcptrace: &Path) -> Result<Check> {
    let date = || output_of(Command::new("date").args(["-u", "+%FT%T"])).map(|text| text.trim().to_owned());
    let began = date()?;
    let mut child = Command::new("unshare")
        .args(["--time", "--monotonic", OFFSET_S, "--boottime", OFFSET_S, "--fork"])
        .arg(tcptrace)
        .args(["lives", "-o", "json", "--addr", LOAD, "-d", "15s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start unshare")?;
    let (out, err) =
        (lines(child.stdout.take().context("no pipe")?), lines(child.stderr.take().context("no pipe")?));
    wait_until("a tracer's start", || Ok(err.try_iter().any(|line| line.contains("tracing"))))?;
    let done = load::Args::of(1, 300).start()?;
    let out: Vec<String> = out.iter().collect();
    child.wait()?;
    thread::sleep(Duration::from_secs(1));
    let ended = date()?;
    let (mut lives, mut before, mut odd) = (0_u64, 0_u64, Vec::new());
    for line in out.iter().filter(|line| line.contains("\"type\":\"lifecycle\"")) {
        let life: Value = serde_json::from_str(line).context("a lifecycle is not JSON")?;
        // What the loads before have left ends now, too: as an orphan whose FIN is sent once more, for example.
        let ours = |end: &str| {
            life[end].as_u64().is_some_and(|port| done.ports.iter().any(|our| port == u64::from(*our)))
        };
        if !ours("lport") && !ours("rport") {
            before += 1;
            continue;
        }
        lives += 1;
        let time = life["time"].as_str().unwrap_or_default();
        let short = life["duration_ns"].as_u64().is_some_and(|ns| ns < 15_000_000_000);
        let waits = life["states"].as_array().is_none_or(|states| {
            states.iter().filter(|state| state["state"] == "TIME_WAIT").all(|state| {
                let left = state["expires_mono_ns"].as_u64().zip(state["entered_mono_ns"].as_u64());
                left.is_some_and(|(end, begin)| {
                    (1..=61).contains(&(end.saturating_sub(begin) / 1_000_000_000))
                })
            })
        });
        if !(*began <= *time && *time <= *ended && short && waits) {
            odd.push(line.clone());
        }
    }
    let example = odd
        .first()
        .map_or(String::new(), |line| format!(", e.g. {}", line.chars().take(300).collect::<String>()));
    let figures = format!(
        "{lives} lives of {} connections, {} at odd times{example}, {before} from before",
        done.connections,
        odd.len()
    );
    if lives == 0 {
        bail!("no lives under another clock: {}", err.iter().collect::<Vec<_>>().join(" / "));
    }
    Ok(Check::new("another clock changes nothing", lives == 2 * done.connections && odd.is_empty(), figures))
}

/// The lines of a stream, as they come.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
