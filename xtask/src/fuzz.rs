//! `cargo xtask fuzz`: libFuzzer throws bytes at everything that reads what others wrote (`fuzz/`).

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::workspace::{root, target};

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
#[group(id = "fuzz")]
pub(crate) struct Args {
    /// Which targets; all of them without a name.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
}

/// What the limits are: an input of some kB has no right to more.
const LIMITS: [&str; 4] = ["-max_len=8192", "-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=256"];

/// Runs the task. New inputs stay outside of the corpus that is checked in.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let root = root()?;
    let known = names(&root)?;
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target `{unknown}`; there are {}", known.join(", "));
    }
    let probe = fuzzer(&root).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        bail!(
            "cargo-fuzz or its compiler is missing: `rustup toolchain install nightly`, `cargo install cargo-fuzz`"
        );
    }
    let mut report = Vec::new();
    let mut found = 0;
    for name in if args.targets.is_empty() { &known } else { &args.targets } {
        let new = target(&root).join("fuzz").join(name);
        fs::create_dir_all(&new).with_context(|| format!("cannot make {}", new.display()))?;
        let mut command = fuzzer(&root);
        command.arg("run").arg(name).arg(&new).arg(Path::new("corpus").join(name)).arg("--").args(LIMITS);
        command.args([&format!("-max_total_time={}", args.seconds), "-print_final_stats=1"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut executed = None;
        for line in BufReader::new(child.stderr.take().context("no pipe")?).lines() {
            let line = line?;
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                executed = number.trim().parse::<u64>().ok();
            } else if !line.starts_with('#') {
                println!("{line}");
            }
        }
        let fine = child.wait()?.success();
        found += u32::from(!fine);
        let executed = executed.map_or("?".to_owned(), |number| number.to_string());
        report.push(format!("{name:<14} {executed:>12} executions  {}", if fine { "ok" } else { "FAILED" }));
    }
    println!("\n{}", report.join("\n"));
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo fuzz` of the nightly compiler, whatever compiler runs this.
fn fuzzer(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz"]).current_dir(root.join("fuzz"));
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    command
}

/// The targets, by their programs.
fn names(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = files
        .map(|file| Ok(file?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
