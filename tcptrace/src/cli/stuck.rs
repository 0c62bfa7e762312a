//! Flags of `tcptrace stuck` and `tcptrace kill`.

use clap::Args;

/// What counts as stuck, and how it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Stuck sockets")]
pub struct StuckArgs {
    /// Instead of the default rules: 'CLOSE_WAIT>30s', 'ESTABLISHED>1h count>100 per-port'; repeats
    ///
    /// A state, then `>` and a time. Optional behind it: `count>N` (only when more than N are so), `per-owner` or `per-port` (counted
    /// among those), `held` or `orphan` (a process has an fd of it, or none). The default rules are listed below.
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// List every socket, however many there are; else more than 20 are told in groups, with --watch also how fast each grows
    #[arg(long)]
    pub each: bool,
    /// Keep tracing: tell when a socket gets stuck, is so still, and no longer is
    #[arg(long)]
    pub watch: bool,
    /// Also where in its program each stuck socket was opened: the user stack at connect() or accept(); implies --watch
    ///
    /// For native binaries. Names come from their symbols, lines from their debug information; what has neither is told as file and
    /// offset, with the reason. Callers are found by frame pointers, the innermost by the unwind tables too: a binary without frame
    /// pointers has short stacks. Knows sockets that are opened from now on, the newest 16,384 that are still there; more are counted.
    /// Kernel time: some 2 µs a connect() and an accept() (3 µs for a stack 40 deep), 0.2 µs a socket that ends; 17 MB of kernel memory.
    #[arg(long)]
    pub stacks: bool,
    /// One line for Nagios and its kin, with performance data; exits with 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    ///
    /// Looks once; with a growth limit it looks twice, --interval apart, since one look knows no growth.
    #[arg(long)]
    pub check: bool,
    /// With --check: WARNING when count>N, age>TIME or growth>N (a minute) (default: count>0)
    #[arg(long, value_name = "LIMIT,…", value_delimiter = ',')]
    pub warning: Vec<String>,
    /// With --check: CRITICAL, as --warning [default: never]
    #[arg(long, value_name = "LIMIT,…", value_delimiter = ',')]
    pub critical: Vec<String>,
    /// With --check and a growth limit: time between the two looks, which it waits [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub interval: Option<String>,
}

/// What to close.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Kill")]
pub struct KillArgs {
    /// Only sockets with one of these verdicts of `tcptrace stuck`, listed below; required, and so is a filter, e.g. --pid
    #[arg(long = "verdict", value_name = "VERDICT,…", value_delimiter = ',')]
    pub verdicts: Vec<String>,
    /// Instead of the default rules, as with `stuck`
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// Do it; without, only say what would be done
    #[arg(long)]
    pub yes: bool,
}
