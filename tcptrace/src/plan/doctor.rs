//! What `tcptrace doctor` looks at, and for how long.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::{conflict, elsewhere, place, process, quantity};
use crate::cli::{Args, DoctorArgs, FilterArgs, TracingArgs};
use crate::failure::Failure;
use crate::source::host::Host;

/// Long enough for a rate, short enough for an incident.
const WATCH: Duration = Duration::from_secs(10);

/// A run of `tcptrace doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// How long to watch; `None` to look once.
    pub watch: Option<Duration>,
    /// Examine this recording instead of this host; `watch` is then how much of it, `None` for all.
    pub from: Option<PathBuf>,
    /// The file to judge instead.
    pub sysctl: Option<PathBuf>,
    /// These processes and their peers; empty for all.
    pub pids: BTreeSet<u32>,
    /// These namespaces; empty for all.
    pub netns: BTreeSet<u32>,
    /// `finding` records instead of text.
    pub json: bool,
    /// What the user should know before it starts.
    pub notes: Vec<String>,
}

impl Doctor {
    /// Judges the flags of `doctor`.
    pub(super) fn new(args: &Args, flags: &DoctorArgs, host: &dyn Host) -> Result<Self, Failure> {
        let DoctorArgs { instant, sysctl, .. } = flags;
        let FilterArgs { pids, netns, .. } = &args.filter;
        let duration = args.tracing.duration.as_deref();
        if *instant && duration.is_some() {
            return Err(Failure::usage("--instant and --duration contradict each other: leave one out"));
        }
        if let (Some(file), true) = (sysctl, duration.is_some() || !pids.is_empty()) {
            return Err(Failure::usage(format!(
                "--sysctl {} is judged at once, for the whole host: leave out --duration and --pid",
                file.display()
            )));
        }
        let from = args.tracing.from.clone();
        if from.is_some() && (*instant || sysctl.is_some()) {
            return Err(Failure::usage(
                "--from goes with neither --instant nor --sysctl: a recording holds a time, and not the host that a file is for",
            ));
        }
        if from.is_some() {
            elsewhere::check(&args.filter)?;
        }
        // What remains must be what every command that prints text or JSON refuses.
        let rest = Args {
            filter: FilterArgs { pids: Vec::new(), netns: Vec::new(), ..args.filter.clone() },
            tracing: TracingArgs { duration: None, from: None, ..args.tracing.clone() },
            ..args.clone()
        };
        let json = conflict::refuse_all_but_json(&rest, "doctor").map_err(|_| {
            Failure::usage(
                "`tcptrace doctor` takes --pid, --netns, -d, --from and -o json or text, no other filters and output flags: leave them out",
            )
        })?;
        let mut notes = Vec::new();
        let watch = match duration {
            Some(word) => Some(quantity::run_time("--duration", word)?),
            None => (!*instant && sysctl.is_none() && from.is_none()).then_some(WATCH),
        };
        let elsewhere = elsewhere::Elsewhere(host);
        let host: &dyn Host = if from.is_some() { &elsewhere } else { host };
        Ok(Self {
            watch,
            from,
            sysctl: sysctl.clone(),
            pids: process::pids(pids, host, &mut notes)?.into_iter().collect(),
            netns: place::namespaces(netns, host, &mut notes)?.into_iter().collect(),
            json,
            notes,
        })
    }
}
