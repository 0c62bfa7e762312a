//! Parse, run, exit.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match tcptrace::app::run(std::env::args_os()) {
        Ok(code) => code.into(),
        Err(failure) => {
            // Nobody is left to tell when stderr is closed too.
            let _ = writeln!(std::io::stderr(), "tcptrace: {failure}");
            failure.code.into()
        }
    }
}
