//! Parse, run, exit.

use std::process::ExitCode;

use tcptrace::sink::notice;

fn main() -> ExitCode {
    match tcptrace::app::run(std::env::args_os()) {
        Ok(code) => code.into(),
        Err(failure) => {
            // Nobody is left to tell when stderr is closed too.
            let _ = notice::write_note(&mut std::io::stderr(), &failure.message);
            failure.code.into()
        }
    }
}
