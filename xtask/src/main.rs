//! The tasks of the tcptrace workspace: `cargo xtask <TASK>`, one file a task.
#![expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]

mod ebpf;
mod run;
mod tally;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of the tcptrace workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the kernel object and put it, with its checksums, under tcptrace-ebpf/prebuilt.
    Ebpf(ebpf::Args),
    /// Build the release binary and run it as root, through sudo when not root.
    Run(run::Args),
    /// Check and test everything that can run here, cheap first; with CI=true nothing may be skipped.
    Test(test::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Ebpf(args) => ebpf::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Run(args) => run::run(&args).map(|never| match never {}),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
