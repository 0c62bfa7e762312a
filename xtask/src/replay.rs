//! How fast a recording of the bench's own load plays into a view.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::load;

/// How long the tracer may take to start.
const START: Duration = Duration::from_millis(1_500);

/// Records one run of the load, plays it `rounds` times into `lives -o json`, and returns the transitions and the least seconds.
pub(crate) fn measure(tcptrace: &Path, folder: &Path, load: &load::Args, rounds: u32) -> Result<(u64, f64)> {
    let recording = folder.join("bench.jsonl.zst");
    let mut recorder = Command::new(tcptrace)
        .arg("record")
        .arg(&recording)
        .args(["--ring-size", "64M"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start tcptrace record")?;
    sleep(START);
    let done = load.start()?;
    let pid = i32::try_from(recorder.id()).ok().and_then(Pid::from_raw).context("tcptrace has no pid")?;
    kill_process(pid, Signal::INT).context("cannot end tcptrace record")?;
    if !recorder.wait()?.success() {
        bail!("tcptrace record failed");
    }
    let mut least = f64::INFINITY;
    for _ in 0..rounds {
        let began = Instant::now();
        let status = Command::new(tcptrace)
            .arg("--from")
            .arg(&recording)
            .args(["lives", "-o", "json", "--output", "/dev/null"])
            .stderr(Stdio::null())
            .status()
            .context("cannot start tcptrace --from")?;
        if !status.success() {
            bail!("tcptrace --from {} failed", recording.display());
        }
        least = least.min(began.elapsed().as_secs_f64());
    }
    Ok((done.changes, least))
}
