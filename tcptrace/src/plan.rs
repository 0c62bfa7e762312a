//! The command line, judged: [`Args`] to a [`Plan`]. Every error of the user is found here, before anything starts.
//!
//! Pure but for the questions that [`Host`] answers.

mod address;
mod conflict;
mod doctor;
mod elsewhere;
mod hist;
mod lives;
mod output;
mod place;
mod port;
mod process;
mod quantity;
mod record;
mod stuck;

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{Args, AttachWord, Command, FilterArgs};
use crate::engine::filter::{Family, Filter, LifeFilter};
use crate::engine::gate::Show;
use crate::engine::histogram::group::By;
use crate::failure::Failure;
use crate::model::state::TcpState;
use crate::source::host::Host;
use crate::source::kernel::Attach;

pub use doctor::Doctor;
pub use hist::Hist;
pub use lives::Lives;
pub use output::{Color, Format, Output};
pub use quantity::RING_BYTES;
pub use record::Record;
pub use stuck::{Check, Kill, Stuck, Watch};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Trace and print.
    Trace(Box<Trace>),
    /// Look for stuck sockets once.
    Stuck(Box<Stuck>),
    /// Close stuck sockets.
    Kill(Box<Kill>),
    /// Examine the host.
    Doctor(Box<Doctor>),
    /// Trace and record.
    Record(Box<Record>),
    /// Cut back a recording that broke off.
    Repair(PathBuf),
    /// Print the JSON Schema.
    Schema,
    /// Say what this host allows.
    Preflight {
        /// One `finding` record a check, instead of text.
        json: bool,
    },
    /// Print the version.
    Version {
        /// And what this kernel offers.
        verbose: bool,
    },
}

/// A tracing run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Which connections and transitions.
    pub filter: Filter,
    /// Read this recording instead of tracing.
    pub from: Option<PathBuf>,
    /// Read it as slowly as it happened. Durations and counts are those of the recording in either case.
    pub pace: bool,
    /// How to attach.
    pub attach: Attach,
    /// Print the kernel's events instead of true transitions.
    pub raw: bool,
    /// Follow protocol 262 too.
    pub mptcp: bool,
    /// Use the timer tracepoints.
    pub exact: bool,
    /// Bytes of the ring buffer: a power of two, whole pages.
    pub ring_bytes: u32,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Stop after so many transitions or lives.
    pub count: Option<u64>,
    /// Lost events make the run fail.
    pub strict: bool,
    /// Children of the filtered pids count as they do.
    pub follow_forks: bool,
    /// Rights that are no longer needed are dropped after the start.
    pub sandbox: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Connections to remember.
    pub max_connections: usize,
    /// What is printed where.
    pub output: Output,
    /// Transitions or lives.
    pub kind: Kind,
    /// Tell of sockets that get stuck, too.
    pub flag_stuck: Option<Watch>,
    /// What the user should know before it starts, one sentence each, for stderr.
    pub notes: Vec<String>,
}

impl Trace {
    /// Lives that have not ended are told at the end of the run.
    #[must_use]
    pub fn wants_unfinished(&self) -> bool {
        match &self.kind {
            Kind::Lives(lives) => lives.unfinished,
            // What they have left behind counts.
            Kind::Hist(hist) => hist.by.contains(&By::End),
            Kind::Stream | Kind::Stuck(_) => false,
        }
    }

    /// Lengths beside stays are wanted.
    #[must_use]
    pub fn measures(&self) -> bool {
        matches!(&self.kind, Kind::Hist(hist) if !hist.asked.derived.is_empty())
    }

    /// Whole lives are wanted: to be shown, or by the gate, which at last learns from them whose it was that it holds.
    #[must_use]
    pub fn needs_lives(&self) -> bool {
        !self.filter.is_empty() || matches!(self.show(), Show::Lives(_))
    }

    /// Whether it takes the stack of who opens a socket.
    #[must_use]
    pub fn takes_stacks(&self) -> bool {
        matches!(&self.kind, Kind::Stuck(watch) if watch.stacks)
    }

    /// What the gate lets through for this run.
    #[must_use]
    pub fn show(&self) -> Show {
        match &self.kind {
            Kind::Lives(lives) => Show::Lives(lives.filter.clone()),
            // How a connection ends is known at its end only.
            Kind::Hist(hist) if hist.by.contains(&By::End) => Show::Lives(LifeFilter::default()),
            Kind::Stuck(_) => Show::Stuck,
            Kind::Stream if self.raw => Show::KernelEvents,
            Kind::Stream | Kind::Hist(_) => Show::Transitions,
        }
    }
}

/// What a tracing run prints.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Each transition as it happens.
    Stream,
    /// Each connection when it ends.
    Lives(Lives),
    /// How long stays last.
    Hist(Hist),
    /// Stuck sockets, as they come and go.
    Stuck(Watch),
}

impl Plan {
    /// Judges `args` on `host`.
    ///
    /// # Errors
    /// The first thing that is wrong, in one sentence.
    pub fn new(args: &Args, host: &dyn Host) -> Result<Self, Failure> {
        let Args { command, filter, output, tracing, version } = args;
        if *version {
            return Ok(Self::Version { verbose: tracing.verbose > 0 });
        }
        let kind = match command {
            None | Some(Command::Record(_)) => Kind::Stream,
            Some(Command::Repair(repair)) => {
                conflict::refuse_flags(args, "repair")?;
                return Ok(Self::Repair(repair.file.clone()));
            }
            Some(Command::Lives(lives)) => Kind::Lives(Lives::new(lives)?),
            Some(Command::Hist(hist)) => Kind::Hist(Hist::new(hist, host)?),
            Some(Command::Stuck(stuck)) if stuck.watch || stuck.stacks => {
                Kind::Stuck(Watch::new(args, stuck)?)
            }
            Some(Command::Stuck(stuck)) => {
                conflict::check(args)?;
                conflict::refuse_tracing(args, "stuck")?;
                let elsewhere = elsewhere::Elsewhere(host);
                let host: &dyn Host = if tracing.from.is_some() { &elsewhere } else { host };
                return Stuck::new(args, stuck, host).map(|stuck| Self::Stuck(Box::new(stuck)));
            }
            Some(Command::Kill(kill)) => {
                conflict::check(args)?;
                conflict::refuse_tracing(args, "kill")?;
                return Kill::new(args, kill, host).map(|kill| Self::Kill(Box::new(kill)));
            }
            Some(Command::Doctor(flags)) => {
                return Doctor::new(args, flags, host).map(|doctor| Self::Doctor(Box::new(doctor)));
            }
            Some(Command::Schema) => {
                conflict::refuse_flags(args, "schema")?;
                return Ok(Self::Schema);
            }
            Some(Command::Preflight) => {
                return Ok(Self::Preflight { json: conflict::refuse_all_but_json(args, "preflight")? });
            }
        };
        conflict::check(args)?;
        let mut notes = Vec::new();
        let elsewhere = elsewhere::Elsewhere(host);
        let recorded: &dyn Host = if tracing.from.is_some() { &elsewhere } else { host };
        let mut trace = Trace {
            filter: filter_of(filter, recorded, &mut notes)?,
            from: tracing.from.clone(),
            pace: tracing.pace,
            attach: match tracing.attach {
                None | Some(AttachWord::Auto) => Attach::Auto,
                Some(AttachWord::Btf) => Attach::Btf,
                Some(AttachWord::Classic) => Attach::Classic,
            },
            raw: tracing.raw,
            mptcp: tracing.mptcp,
            exact: tracing.exact,
            ring_bytes: quantity::ring(tracing.ring_size.as_deref(), host.page_bytes(), &mut notes)?,
            duration: tracing
                .duration
                .as_deref()
                .map(|word| quantity::run_time("--duration", word))
                .transpose()?,
            count: tracing.count.as_deref().map(|word| quantity::positive("--count", word)).transpose()?,
            strict: tracing.strict,
            follow_forks: filter.follow_forks,
            sandbox: !tracing.no_sandbox,
            verbose: tracing.verbose,
            max_connections: quantity::connections(tracing.max_connections.as_deref())?,
            output: Output::new(output, host)?,
            kind,
            flag_stuck: tracing.flag_stuck.as_deref().map(Watch::flagged).transpose()?,
            notes,
        };
        conflict::check_trace(&trace)?;
        if let (Kind::Hist(hist), Some(Command::Hist(args))) = (&trace.kind, command) {
            let (mut hist, mut notes) = (hist.clone(), std::mem::take(&mut trace.notes));
            // A stay is in one state: which ones to count is no matter of transitions.
            hist.narrow(std::mem::take(&mut trace.filter.states))?;
            hist.settle(args.aggregate, &trace, &mut notes);
            trace = Trace { kind: Kind::Hist(hist), notes, ..trace };
        }
        if let Some(Command::Record(record)) = command {
            return Record::new(record, filter, trace, host).map(|record| Self::Record(Box::new(record)));
        }
        Ok(Self::Trace(Box::new(trace)))
    }
}

fn filter_of(args: &FilterArgs, host: &dyn Host, notes: &mut Vec<String>) -> Result<Filter, Failure> {
    let FilterArgs {
        pids,
        follow_forks: _,
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
    Ok(Filter {
        pids: process::pids(pids, host, notes)?,
        comms: process::comms(comms)?,
        uids: process::uids(uids, host)?,
        ports: port::ranges("--port", ports)?,
        lports: port::ranges("--lport", lports)?,
        rports: port::ranges("--rport", rports)?,
        addrs: address::networks("--addr", addrs)?,
        laddrs: address::networks("--laddr", laddrs)?,
        raddrs: address::networks("--raddr", raddrs)?,
        family: v4.then_some(Family::V4).or(v6.then_some(Family::V6)),
        states: states.iter().map(|word| state("--state", word)).collect::<Result<_, _>>()?,
        netns: place::namespaces(netns, host, notes)?,
        cgroups: place::cgroups(cgroups, host, notes)?,
    })
}

/// A state in any spelling.
fn state(flag: &str, word: &str) -> Result<TcpState, Failure> {
    word.parse().map_err(|unknown| Failure::usage(format!("{flag}: {unknown}")))
}

#[cfg(test)]
mod tests;
