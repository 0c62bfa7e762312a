//! What the kernel half says about itself (`-vv`), by aya-log, on stderr.

use std::io::{self, Write as _};

use ::log::{Metadata, Record};
use aya::Ebpf;
use aya_log::EbpfLogger;

use super::Kernel;
use super::error::AttachError;

/// Prints one line a record.
struct Stderr;

impl ::log::Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Nobody may read stderr.
        let _ = writeln!(io::stderr(), "tcptrace: kernel half: {}", record.args());
    }

    fn flush(&self) {}
}

/// The ring of log records.
pub(super) struct Log(EbpfLogger<Stderr>);

impl Log {
    pub(super) fn start(ebpf: &mut Ebpf) -> Result<Self, AttachError> {
        EbpfLogger::init_with_logger(ebpf, Stderr)
            .map(Self)
            .map_err(|error| AttachError::of("opening the log of the kernel half", &error))
    }
}

impl Kernel {
    /// Prints what the kernel half has said since the last call.
    pub fn print_log(&mut self) {
        if let Some(Log(logger)) = &mut self.log {
            logger.flush();
        }
    }
}
