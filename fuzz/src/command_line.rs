//! A command line, one word a line: filters, durations, sizes, networks, rules.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use tcptrace::cli::{Parsed, parse};
use tcptrace::failure::ExitCode;
use tcptrace::plan::Plan;

use super::host::NoHost;

/// Plans it: what is wrong is the user's error, in words.
pub fn target(bytes: &[u8]) {
    let words = bytes.split(|byte| *byte == b'\n').map(|word| OsStr::from_bytes(word).to_owned());
    let parsed = match parse([OsStr::new("tcptrace").to_owned()].into_iter().chain(words)) {
        Ok(Parsed::Args(args)) => args,
        Ok(Parsed::Help(_)) => return,
        Err(failure) => {
            assert_eq!(failure.code, ExitCode::Usage);
            assert!(!failure.message.is_empty());
            return;
        }
    };
    if let Err(failure) = Plan::new(&parsed, &NoHost) {
        assert_eq!(failure.code, ExitCode::Usage, "{}", failure.message);
        assert!(!failure.message.is_empty());
    }
}
