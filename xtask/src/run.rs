//! `cargo xtask run`: the release binary, as root, in the place of this process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace::{binary, cargo, must, root};

/// Options of `cargo xtask run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What tcptrace is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds and becomes tcptrace: signals, standard streams and the exit code are its own.
/// Returns only when that fails.
pub(crate) fn run(args: &Args) -> Result<std::convert::Infallible> {
    let root = root()?;
    must(cargo(&root).args(["build", "--quiet", "--release", "--locked", "--package", "tcptrace"]))?;
    let program = binary(&root, "release");
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(&program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("--").arg(&program);
        sudo
    };
    let error = command.args(&args.arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))
}
