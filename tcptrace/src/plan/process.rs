//! Processes and users.

use rustc_hash::FxHashSet;

use crate::engine::filter::CommPattern;
use crate::failure::{ExitCode, Failure};
use crate::source::host::{Host, Process, words};

/// Pids of this pid namespace. A thread stands for its process; a pid of an inner namespace for its pid here.
pub(super) fn pids(
    list: &[String],
    host: &dyn Host,
    notes: &mut Vec<String>,
) -> Result<FxHashSet<u32>, Failure> {
    list.iter().map(|word| pid(word.trim(), host, notes)).collect()
}

fn pid(word: &str, host: &dyn Host, notes: &mut Vec<String>) -> Result<u32, Failure> {
    let Some(pid) = word.parse::<u32>().ok().filter(|pid| *pid > 0) else {
        return Err(Failure::usage(format!(
            "--pid `{word}` is not a pid: write numbers like 1234,5678, or use --comm for names"
        )));
    };
    let found = host.process(pid).map_err(|error| {
        Failure::new(ExitCode::Runtime, format!("--pid {pid}: cannot look it up in /proc: {}", words(&error)))
    })?;
    match found {
        Process::Here => Ok(pid),
        Process::ThreadOf(process) => {
            notes.push(format!("{pid} is a thread of process {process}: tracing the process"));
            Ok(process)
        }
        Process::Nobody => Err(Failure::usage(format!(
            "--pid {pid}: there is no such process; list them with `pgrep -a NAME`, or use --comm"
        ))),
        Process::Inner(inner) => match inner.as_slice() {
            [one] => {
                let namespace = one
                    .namespace
                    .map_or_else(|| "an inner pid namespace".to_owned(), |ns| format!("pid namespace {ns}"));
                notes.push(format!("pid {pid} is {} here (`{}`, seen in {namespace})", one.pid, one.comm));
                Ok(one.pid)
            }
            several => {
                let list: Vec<String> =
                    several.iter().take(8).map(|one| format!("{} (`{}`)", one.pid, one.comm)).collect();
                let more = if several.len() > 8 { ", …" } else { "" };
                Err(Failure::usage(format!(
                    "--pid {pid}: no process here has it, but several in other pid namespaces do: choose one by its pid here: {}{more}",
                    list.join(", ")
                )))
            }
        },
    }
}

/// Names of processes.
pub(super) fn comms(list: &[String]) -> Result<Vec<CommPattern>, Failure> {
    list.iter()
        .map(|word| {
            let pattern = CommPattern::new(word);
            if word.is_empty() {
                Err(Failure::usage("--comm: the name is empty; write one like nginx or python*"))
            } else if pattern.is_too_long() {
                Err(Failure::usage(format!(
                    "--comm `{word}` can match nothing: the kernel keeps 15 bytes of a name, shorten the pattern"
                )))
            } else {
                Ok(pattern)
            }
        })
        .collect()
}

/// Uids, by number or name.
pub(super) fn uids(list: &[String], host: &dyn Host) -> Result<Vec<u32>, Failure> {
    list.iter()
        .map(|word| {
            let word = word.trim();
            word.parse().ok().or_else(|| host.uid(word)).ok_or_else(|| {
                Failure::usage(format!(
                    "--uid `{word}`: no user of that name in /etc/passwd, and not a number"
                ))
            })
        })
        .collect()
}
