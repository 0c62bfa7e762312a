//! How a run ends badly: one sentence for a person, one number for a script.

use std::fmt;

/// What the process tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or stopped by the user.
    Ok = 0,
    /// Something failed while running.
    Runtime = 1,
    /// The command line asks for what cannot be.
    Usage = 2,
    /// A command that looks for trouble has found some.
    Findings = 3,
    /// Events were lost under `--strict`.
    Lost = 4,
    /// Not permitted (BSD `EX_NOPERM`).
    NoPermission = 77,
    /// This kernel cannot do it (BSD `EX_CONFIG`).
    Unsuitable = 78,
}

impl ExitCode {
    /// All of them, in the order of `--help`.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Runtime,
        Self::Usage,
        Self::Findings,
        Self::Lost,
        Self::NoPermission,
        Self::Unsuitable,
    ];

    /// What `--help` says of it.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Ok => "done: by --duration, --count, Ctrl-C, SIGTERM or a closed pipe",
            Self::Runtime => "something failed while running",
            Self::Usage => "the command line asks for what cannot be; nothing was started",
            Self::Findings => "a command that looks for trouble found some",
            Self::Lost => "events were lost, under --strict",
            Self::NoPermission => "not permitted: run as root; `tcptrace preflight` names what is missing",
            Self::Unsuitable => "this kernel cannot do it: `tcptrace preflight` says what is missing",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Why a run ended, in one sentence: what was wrong, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the process exits with.
    pub code: ExitCode,
    /// Lower-case, without a full stop; printed on stderr after `tcptrace: `.
    pub message: String,
}

impl Failure {
    /// A failure with its code.
    #[must_use]
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The command line asks for what cannot be.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        assert_eq!(ExitCode::ALL.map(|code| code as u8), [0, 1, 2, 3, 4, 77, 78]);
    }
}
