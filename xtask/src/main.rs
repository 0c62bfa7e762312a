//! The tasks of the tcptrace workspace: `cargo xtask <TASK>`, one file a task.
#![expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]

mod bench;
mod contender;
mod crowd;
mod dist;
mod ebpf;
mod fuzz;
mod growth;
mod install;
mod kernels;
mod load;
mod pages;
mod replay;
mod run;
mod soak;
mod tally;
mod test;
mod test_binary;
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
    /// Install tcptrace, its manual and its completions below /usr/local, or remove them.
    Install(install::Args),
    /// Make what is released: static binary, manual, completions, Debian package, checksums.
    Dist(dist::Args),
    /// Throw bytes at everything that reads what others wrote (libFuzzer; needs nightly Rust and cargo-fuzz).
    Fuzz(fuzz::Args),
    /// Boot Debian's kernels in QEMU and run the live tests as root in them.
    Kernels(kernels::Args),
    /// Measure what tcptrace costs and loses beside its peers, under the same load (root).
    Bench(bench::Args),
    /// Let one tcptrace live through everything that a bad day has, and compare its table with `ss` (root).
    Soak(soak::Args),
    /// The load of `bench`, in the network namespace of this process.
    #[command(hide = true)]
    Load(load::Args),
    /// Connections that end in every way, in the network namespace of this process.
    #[command(hide = true)]
    SoakChurn,
    /// Sockets in many states, in the network namespace of this process.
    #[command(hide = true)]
    SoakCrowd,
    /// The standing connections of `bench --growth`, in the network namespace of this process.
    #[command(hide = true)]
    Crowd(crowd::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Ebpf(args) => ebpf::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Install(args) => install::run(&args),
        Task::Dist(args) => dist::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Kernels(args) => kernels::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Load(args) => load::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::SoakChurn => soak::churn(),
        Task::SoakCrowd => soak::crowd(),
        Task::Crowd(args) => crowd::run(&args),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Args;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
