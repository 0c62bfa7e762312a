//! The command line, as clap types. Values stay words here: `plan` judges them and says what is wrong in one sentence.

mod doctor;
mod filter;
pub mod help;
mod hist;
mod lives;
pub mod manual;
mod output;
mod parse;
mod record;
mod stuck;
mod tracing;

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand};

pub use doctor::DoctorArgs;
pub use filter::FilterArgs;
pub use hist::{AggregateWord, HistArgs};
pub use lives::LivesArgs;
pub use output::{ColorWord, FormatWord, OutputArgs, TimeWord};
pub use parse::{Parsed, parse};
pub use record::{RecordArgs, RepairArgs};
pub use stuck::{KillArgs, StuckArgs};
pub use tracing::{AttachWord, TracingArgs};

/// Stream TCP state transitions of this host as they happen.
///
/// Without a command every true state transition is printed the moment it happens, with its owner and the time spent in the
/// state left; each figure says how it is known. Sees all network namespaces. Needs root or capabilities: ask `tcptrace
/// preflight`.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "tcptrace",
    bin_name = "tcptrace",
    disable_version_flag = true,
    subcommand_negates_reqs = true,
    infer_long_args = false,
    after_help = help::SHORT,
    after_long_help = help::after(""),
    max_term_width = 110,
)]
pub struct Args {
    /// What to do instead of streaming transitions.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to show it.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How to trace, and how long.
    #[command(flatten)]
    pub tracing: TracingArgs,
    /// Print the version; with --verbose also what this kernel offers
    #[arg(short = 'V', long, action = ArgAction::SetTrue, help_heading = None::<&'static str>)]
    pub version: bool,
}

/// The whole command line as clap knows it, for the manual and the completions of shells.
#[must_use]
pub fn command() -> clap::Command {
    let mut command = Args::command();
    command.build();
    command
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print one line for each finished connection: who, how long, how it ended, the time in each state
    #[command(after_long_help = help::after("lives"))]
    Lives(LivesArgs),
    /// Count how long connections stay in each state: percentiles and histograms, in the kernel, at any rate
    ///
    /// A stay is counted when it ends. Only what kernel events mark at both ends is in the histograms; what began before, is
    /// estimated (the ends of TIME_WAIT without --exact) or not known is counted beside.
    #[command(after_long_help = help::after("hist"))]
    Hist(HistArgs),
    /// Say which sockets are stuck, who holds them, why, and what to do
    ///
    /// One look at every network namespace, without waiting; works without eBPF and says what it then cannot know. Ends with 3 when a
    /// socket is stuck. With --watch it traces, and tells of sockets as they cross the thresholds.
    #[command(after_long_help = help::after("stuck"))]
    Stuck(StuckArgs),
    /// Close stuck sockets that match filters and a verdict: says what would be done, and does it with --yes
    ///
    /// Works through SOCK_DESTROY, as `ss -K`. Holders see ECONNABORTED, peers what is printed. Never touches LISTEN and TIME_WAIT
    /// unless --state names them.
    #[command(after_long_help = help::after("kill"))]
    Kill(KillArgs),
    /// Examine this host: what is stuck or runs out, whose fault it is, and the three things to do first
    ///
    /// Looks at every TCP socket of every network namespace, watches for 10 s (-d), looks again, and says what it found with figures,
    /// reasons and sources. Ends with 3 when something needs doing.
    #[command(after_long_help = help::after("doctor"))]
    Doctor(DoctorArgs),
    /// Write all that happens into FILE, for any view later: --from FILE
    ///
    /// A recording holds the kernel's events, dumps and losses as JSON lines in zstd, at most a second of them is lost in a crash.
    /// Read it with `tcptrace --from FILE`, `tcptrace lives --from FILE`, or with DuckDB, ClickHouse, zstdcat and jq as it is.
    #[command(after_long_help = help::after("record"))]
    Record(RecordArgs),
    /// Cut a recording that broke off back to its last whole second, and close it
    #[command(help_template = help::WITH_FILE, override_usage = "tcptrace repair FILE", after_long_help = help::after("repair"))]
    Repair(RepairArgs),
    /// Print the JSON Schema (2020-12) of every record that `-o json` prints
    #[command(help_template = help::BARE, override_usage = "tcptrace schema", after_long_help = help::after("schema"))]
    Schema,
    /// Say what this host allows: permissions, kernel, BTF, tracepoints, and what to do about it
    ///
    /// Ends with 0 when tcptrace works here, 77 when rights are missing, 78 when the kernel cannot do it. With -o json each check
    /// is a record of type `finding`.
    #[command(help_template = help::BARE, override_usage = "tcptrace preflight [-o json]", after_long_help = help::after("preflight"))]
    Preflight,
}
