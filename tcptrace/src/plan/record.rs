//! What is recorded into which file.

use std::path::{Path, PathBuf};

use super::{Trace, output, quantity};
use crate::cli::{FilterArgs, RecordArgs};
use crate::failure::Failure;
use crate::recording::SUFFIX;
use crate::sink::record::{Limits, part_name};
use crate::source::host::Host;

/// A run of `tcptrace record`.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// How to trace, and which connections. Prints nothing: its output and kind are the defaults.
    pub trace: Trace,
    /// The recording.
    pub path: PathBuf,
    /// How large it may grow.
    pub limits: Limits,
    /// The filters as the user wrote them, for the header.
    pub filters: String,
}

impl Record {
    /// Judges the flags of `record`.
    pub(super) fn new(
        args: &RecordArgs,
        filter: &FilterArgs,
        mut trace: Trace,
        host: &dyn Host,
    ) -> Result<Self, Failure> {
        let RecordArgs { file, max_size, rotate } = args;
        if file == Path::new("-") {
            return Err(Failure::usage(
                "record - cannot write to stdout: a recording is written to FILE.part and renamed at its end; name a file",
            ));
        }
        output::check_path("record", file, host)?;
        for taken in [file.clone(), part_name(file)] {
            if host.exists(&taken) {
                return Err(Failure::usage(format!(
                    "{0} exists, and recordings are not overwritten: name another file, remove it{1}",
                    taken.display(),
                    if taken == *file { "" } else { ", or `tcptrace repair` it" }
                )));
            }
        }
        if !file.to_string_lossy().ends_with(SUFFIX) {
            trace.notes.push(format!(
                "{} does not end in {SUFFIX}: tcptrace reads it, DuckDB and ClickHouse will not know what it is",
                file.display()
            ));
        }
        let max_bytes =
            max_size.as_deref().map(|word| quantity::file_size("--max-size", word)).transpose()?;
        let rotate = rotate.as_deref().map(|word| quantity::files("--rotate", word)).transpose()?;
        if rotate.is_some() && max_bytes.is_none() {
            return Err(Failure::usage(
                "--rotate needs --max-size: it says when to begin another file, e.g. --max-size 100M",
            ));
        }
        let limits = Limits { max_bytes, rotate };
        Ok(Self { trace, path: file.clone(), limits, filters: words(filter) })
    }
}

/// The filters as flags.
fn words(args: &FilterArgs) -> String {
    let FilterArgs {
        pids,
        follow_forks,
        comms,
        uids,
        ports,
        lports,
        rports,
        addrs,
        laddrs,
        raddrs,
        v4,
        v6,
        states,
        netns,
        cgroups,
    } = args;
    let lists = [
        ("--pid", pids),
        ("--comm", comms),
        ("--uid", uids),
        ("--port", ports),
        ("--lport", lports),
        ("--rport", rports),
        ("--addr", addrs),
        ("--laddr", laddrs),
        ("--raddr", raddrs),
        ("--state", states),
        ("--netns", netns),
        ("--cgroup", cgroups),
    ];
    let lists = lists
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(flag, values)| format!("{flag} {}", values.join(",")));
    let flags = [("--follow-forks", *follow_forks), ("-4", *v4), ("-6", *v6)];
    let flags = flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.to_owned());
    lists.chain(flags).collect::<Vec<_>>().join(" ")
}
