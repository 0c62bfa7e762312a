//! Each error of the user, and what good words become.

mod doctor;
mod filters;
mod hist;
mod output;
mod recordings;
mod stuck;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::*;
use crate::cli::{Parsed, parse};
use crate::engine::filter::LifeFilter;
use crate::engine::histogram::asked::Asked;
use crate::failure::ExitCode;
use crate::model::life::End;
use crate::model::measure::Measure;
use crate::sink::column::Column;
use crate::sink::time::TimeStyle;
use crate::source::host::{InnerProcess, Process, Unwritable};

/// A host of our making.
struct FakeHost;

impl Host for FakeHost {
    fn process(&self, pid: u32) -> io::Result<Process> {
        let inner = |pid| InnerProcess { pid, comm: "sleep".to_owned(), namespace: Some(4_026_532_456) };
        Ok(match pid {
            1000..=1999 => Process::Here,
            2000 => Process::ThreadOf(1234),
            7 => Process::Inner(vec![inner(12345)]),
            8 => Process::Inner(vec![inner(12345), inner(12399)]),
            _ => Process::Nobody,
        })
    }

    fn uid(&self, user: &str) -> Option<u32> {
        (user == "www-data").then_some(33)
    }

    fn netns(&self, path: &Path) -> io::Result<u32> {
        let known = HashMap::from([("/proc/self/ns/net", 1), ("/run/netns/blue", 2), ("/proc/9/ns/net", 3)]);
        match path.to_str() {
            Some("/proc/1/ns/net") => Err(io::ErrorKind::PermissionDenied.into()),
            Some("/etc/passwd") => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a network namespace"))
            }
            path => path.and_then(|path| known.get(path)).copied().ok_or(io::ErrorKind::NotFound.into()),
        }
    }

    fn has_netns(&self, inode: u32) -> bool {
        inode == 4_026_531_840
    }

    fn cgroup(&self, path: &Path) -> io::Result<Vec<u64>> {
        match path.to_str() {
            Some("/sys/fs/cgroup/web") => Ok(vec![10]),
            Some("/system.slice") => Ok(vec![20, 21, 22]),
            Some("/secret") => Err(io::Error::from_raw_os_error(13)),
            _ => Err(io::Error::from_raw_os_error(2)),
        }
    }

    fn can_write(&self, path: &Path) -> Result<(), Unwritable> {
        match path.to_str() {
            Some("/tmp") => Err(Unwritable::IsAFolder),
            Some("/none/out.json") => Err(Unwritable::NoFolder),
            Some("/etc/passwd/out") => Err(Unwritable::NotAFolder),
            Some("/closed/out") => Err(Unwritable::Refused("permission denied".to_owned())),
            _ => Ok(()),
        }
    }

    fn exists(&self, path: &Path) -> bool {
        matches!(path.to_str(), Some("there.jsonl.zst" | "broken.jsonl.zst.part"))
    }

    fn page_bytes(&self) -> u64 {
        4096
    }
}

fn plan(line: &str) -> Result<Plan, Failure> {
    let words = ["tcptrace"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
    match parse(words)? {
        Parsed::Args(args) => Plan::new(&args, &FakeHost),
        Parsed::Help(_) => panic!("{line} printed help"),
    }
}

fn trace(line: &str) -> Trace {
    match plan(line) {
        Ok(Plan::Trace(trace)) => *trace,
        other => panic!("{line}: {other:?}"),
    }
}

fn lives(line: &str) -> Lives {
    match trace(line).kind {
        Kind::Lives(lives) => lives,
        other => panic!("{line} is {other:?}"),
    }
}

/// Every line fails with usage, in one sentence that names the flag and holds the needle.
fn refused(cases: &[(&str, &str)]) {
    for (line, needle) in cases {
        let failure = plan(line).expect_err(line);
        assert_eq!(failure.code, ExitCode::Usage, "{line}: {failure}");
        let said = failure.message;
        assert!(said.contains(needle), "{line}: {said}");
        assert!(!said.contains('\n') && !said.ends_with('.'), "{line}: {said}");
        let mut flags = line.split([' ', '=']).filter(|word| word.starts_with('-'));
        assert!(flags.any(|flag| said.contains(flag)), "{line} does not name its flag: {said}");
    }
}

#[test]
fn without_flags_everything_streams_by_default() {
    let trace = trace("");
    assert!(trace.filter.is_empty());
    assert_eq!((trace.kind.clone(), trace.attach, trace.ring_bytes), (Kind::Stream, Attach::Auto, 16 << 20));
    assert_eq!((trace.duration, trace.count, trace.max_connections), (None, None, 1_000_000));
    assert_eq!(trace.show(), Show::Transitions);
    assert!(trace.notes.is_empty() && trace.output.header && !trace.output.wide);
    assert_eq!((trace.output.format, trace.output.time, trace.output.columns), (Format::Text, None, None));
}

#[test]
fn commands_without_tracing_take_no_tracing_flags() {
    assert_eq!(plan("schema"), Ok(Plan::Schema));
    assert_eq!(plan("preflight -v"), Ok(Plan::Preflight { json: false }));
    for line in ["preflight -o json", "preflight --json", "-o json preflight --color never"] {
        assert_eq!(plan(line), Ok(Plan::Preflight { json: true }), "{line}");
    }
    assert!(plan("preflight -o text --json").unwrap_err().message.contains("contradict"));
    assert_eq!(plan("--version --verbose"), Ok(Plan::Version { verbose: true }));
    assert_eq!(plan("-V --pid nonsense"), Ok(Plan::Version { verbose: false }));
    for line in [
        "schema --pid 1234",
        "preflight -o csv",
        "preflight -w",
        "preflight --json --no-header",
        "preflight --json --pid 1",
        "schema --exact",
    ] {
        assert!(plan(line).unwrap_err().message.contains("takes no"), "{line}");
    }
}
