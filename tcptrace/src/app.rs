//! Floor 4: parse, plan, run. (A stand-in: the lead's file wins.)

mod preflight;

use std::ffi::OsString;
use std::io::{self, Write as _};

use crate::cli::{self, Parsed};
use crate::failure::{ExitCode, Failure};
use crate::plan::Plan;
use crate::source::host::ThisHost;

/// Does what the command line says.
///
/// # Errors
/// Why not, in one sentence, with the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let args = match cli::parse(words)? {
        Parsed::Args(args) => args,
        Parsed::Help(text) => {
            let _ = write!(io::stdout(), "{text}");
            return Ok(ExitCode::Ok);
        }
    };
    let mut out = io::stdout().lock();
    match Plan::new(&args, &ThisHost)? {
        Plan::Preflight { json } => preflight::preflight(json, &mut out),
        Plan::Version { verbose } => preflight::version(verbose, &mut out).map(|()| ExitCode::Ok),
        _ => Ok(ExitCode::Ok),
    }
}
