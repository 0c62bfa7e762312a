//! `cargo xtask test`: everything that can run on this machine, cheap first. A failure does not stop it: the
//! end says all that is wrong, and the last line counts the tests.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::ebpf;
use crate::kernels;
use crate::tally::Tally;
use crate::test_binary::TestBinary;
use crate::workspace::{binary, cargo, must, root, shown};

/// How long the soak of CI takes, without its TIME_WAITs at the end, and how many those are: a debug build is slow.
const SOAK: &str = "90s";
const SOAK_TIME_WAIT: &str = "20000";

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many live tests run at a time. Each has its own network namespace, but a process that one test forks holds for a moment
    /// what the others have open, which is what some of them are about.
    #[arg(long, value_name = "N", default_value_t = 1)]
    live_threads: u16,
    /// How long one binary of live tests may take before it is killed and counted as failed.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    live_timeout: u32,
}

/// How this process becomes root for the live tests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Already,
    Sudo,
    Never,
}

/// What has happened so far.
#[derive(Default)]
struct Report {
    steps: Vec<String>,
    failures: Vec<String>,
    tally: Tally,
}

#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
impl Report {
    /// Runs one step, whatever became of the ones before.
    fn step<T>(&mut self, name: &str, work: impl FnOnce(&mut Tally) -> Result<T>) -> Option<T> {
        println!("\n=== {name}");
        let (start, mut tally) = (Instant::now(), Tally::default());
        let done = work(&mut tally);
        let time = seconds(start.elapsed());
        let outcome = match &done {
            Ok(_) => "ok".to_owned(),
            Err(error) => {
                println!("{error:#}");
                // A step that breaks without a failed test (clippy, a crash) must not look like a pass.
                tally.failed = tally.failed.max(1);
                self.failures.push(format!("{name}: {error:#}"));
                "FAILED".to_owned()
            }
        };
        println!("=== {name}: {outcome} in {time}");
        let counts = if tally == Tally::default() { String::new() } else { format!("  {tally}") };
        self.steps.push(format!("{time:>8}  {outcome:<6}  {name}{counts}"));
        self.tally += tally;
        done.ok()
    }

    fn end(self) -> ExitCode {
        let Self { steps, failures, tally } = self;
        println!("\n=== summary");
        for step in steps {
            println!("{step}");
        }
        for failure in &failures {
            println!("FAILED {failure}");
        }
        println!("{tally}");
        if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs the task.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let root = root()?;
    let ci = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let mut report = Report::default();

    report.step("fmt", |_| must(cargo(&root).args(["fmt", "--all", "--check"])));
    report.step("clippy", |_| {
        let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
        must(cargo(&root).args(arguments))
    });
    let binaries = report.step("build tests", |_| TestBinary::build(&root)).unwrap_or_default();
    let (live, ordinary): (Vec<_>, Vec<_>) = binaries.into_iter().partition(TestBinary::is_live);
    if !ordinary.is_empty() {
        report.step("tests", |tally| counted(&mut runner(&root, &ordinary), tally));
        report.step("doc tests", |tally| {
            counted(cargo(&root).args(["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]), tally)
        });
    }
    report.step("docs", |_| {
        let mut doc = cargo(&root);
        must(doc.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "--deny warnings"))
    });
    if ci {
        let ready = report.step("ebpf toolchain", |_| ebpf::run(&ebpf::Args::setup()));
        if ready.is_some() {
            report.step("ebpf object", |_| ebpf::run(&ebpf::Args::check()));
        }
    }
    let way = Root::find();
    for binary in live {
        report.step(&format!("live tests: {}", binary.name), |tally| {
            if way == Root::Never {
                let tests = binary.tests(&[])?.len() as u64;
                if ci {
                    tally.failed += tests;
                    bail!("{tests} tests skipped: needs root");
                }
                tally.skipped += tests;
                println!("{tests} tests skipped: needs root");
                return Ok(());
            }
            counted(&mut as_root(way, &binary, args), tally)
        });
    }
    if ci && way != Root::Never {
        report.step("soak", |_| must(&mut soak(way, &root)?));
    }
    // The oldest is the one that differs most from this host's.
    let versions: &[&str] = if ci { &["5.10", "6.12"] } else { &["5.10"] };
    report.step("kernels", |tally| kernels::step(versions, ci, tally));
    Ok(report.end())
}

/// The command that runs the ordinary tests: cargo-nextest where it is installed.
fn runner(root: &Path, ordinary: &[TestBinary]) -> Command {
    let mut probe = cargo(root);
    probe.args(["nextest", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut command = cargo(root);
    if probe.status().is_ok_and(|status| status.success()) {
        command.args(["nextest", "run", "--no-tests", "pass", "--cargo-quiet"]);
    } else {
        command.arg("test");
    }
    command.args(["--workspace", "--locked", "--no-fail-fast", "--lib", "--bins"]);
    for binary in ordinary.iter().filter(|binary| binary.kind == "test") {
        command.arg("--test").arg(&binary.name);
    }
    command
}

/// Runs tests, shows what they print and counts them.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
fn counted(command: &mut Command, tally: &mut Tally) -> Result<()> {
    let name = shown(command);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).env("CARGO_TERM_COLOR", "never");
    let mut child = command.spawn().with_context(|| format!("cannot start `{name}`"))?;
    // The command keeps the pipe's writing ends: without this the reading end never sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("cannot read what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(run) = Tally::of_line(&line) {
            *tally += run;
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{name}`"))?;
    if !status.success() {
        bail!("{tally}: {status}: `{name}`");
    }
    Ok(())
}

impl Root {
    fn find() -> Self {
        if rustix::process::geteuid().is_root() {
            return Self::Already;
        }
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if sudo.status().is_ok_and(|status| status.success()) { Self::Sudo } else { Self::Never }
    }
}

/// The command that runs one binary of live tests, with what cargo would tell it.
fn as_root(way: Root, binary: &TestBinary, args: &Args) -> Command {
    let TestBinary { folder, executable, .. } = binary;
    let mut command = Command::new(if way == Root::Sudo { "sudo" } else { "env" });
    if way == Root::Sudo {
        command.args(["-n", "env"]);
    }
    let mut setting = |name: &str, value: OsString| {
        let mut text = OsString::from(name);
        text.push("=");
        text.push(value);
        command.arg(text);
    };
    setting("TCPTRACE_LIVE", "1".into());
    setting("CARGO_MANIFEST_DIR", folder.clone().into_os_string());
    // sudo forgets these.
    for name in ["CI", "RUST_BACKTRACE", "PATH", "TCPTRACE_TEST_PYTHON"] {
        if let Some(value) = env::var_os(name) {
            setting(name, value);
        }
    }
    command
        .current_dir(folder)
        .args(["timeout", "--kill-after=10"])
        .arg(args.live_timeout.to_string())
        .arg(executable)
        .args(["--test-threads", &args.live_threads.to_string()]);
    command
}

/// The short soak, of the tracer that the live tests have run.
fn soak(way: Root, root: &Path) -> Result<Command> {
    let own = env::current_exe().context("cannot find xtask's own file")?;
    let mut command = Command::new(if way == Root::Sudo { "sudo" } else { "env" });
    if way == Root::Sudo {
        command.args(["-n", "env"]);
    }
    let mut path = OsString::from("PATH=");
    path.push(env::var_os("PATH").unwrap_or_default());
    command.arg(path).arg(own).args(["soak", "--for", SOAK, "--time-wait", SOAK_TIME_WAIT, "--tcptrace"]);
    command.arg(binary(root, "debug"));
    Ok(command)
}

fn seconds(time: Duration) -> String {
    format!("{:.1}s", time.as_secs_f64())
}
