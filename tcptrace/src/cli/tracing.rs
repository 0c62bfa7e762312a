//! Flags that choose how to trace, and how long.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

/// How to trace, and how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Tracing")]
pub struct TracingArgs {
    /// Stop after this time: 30s, 1h30m, 250ms [default: until Ctrl-C]
    #[arg(short = 'd', long, value_name = "TIME", global = true)]
    pub duration: Option<String>,
    /// Stop after N transitions, with `lives` N connections [default: no limit]
    #[arg(short = 'n', long, value_name = "N", global = true)]
    pub count: Option<String>,
    /// Read a recording of `tcptrace record` instead of tracing: no root needed
    #[arg(long, value_name = "FILE", global = true)]
    pub from: Option<PathBuf>,
    /// With --from: as slowly as it happened, instead of as fast as it can be read
    #[arg(long, global = true)]
    pub pace: bool,
    /// Show the kernel's own events and names instead of the true states
    ///
    /// The kernel never says TIME_WAIT, calls it CLOSE, and shows an orphan's FIN_WAIT2 for some microseconds only.
    #[arg(long, global = true)]
    pub raw: bool,
    /// Know the ends of TIME_WAIT, orphan FIN_WAIT_2 and half-open connections exactly, from the kernel's timers
    ///
    /// Costs 0.3 to 0.5 µs of every TCP timer event of this host, about 17 a short connection: that is why it is off unless
    /// asked for. Without it these ends are estimated, and marked so.
    #[arg(long, global = true)]
    pub exact: bool,
    /// Also tell of sockets that get stuck, by the default rules of `tcptrace stuck` or by --flag-stuck='CLOSE_WAIT>5s'
    ///
    /// Several rules are separated by `;`.
    #[arg(long, value_name = "RULES", num_args = 0..=1, require_equals = true, default_missing_value = "", global = true)]
    pub flag_stuck: Option<String>,
    /// Include MPTCP connections (protocol 262), marked; their TCP subflows are always shown
    #[arg(long, global = true)]
    pub mptcp: bool,
    /// How to attach [default: auto: btf where the kernel has BTF, else classic]
    #[arg(long, value_name = "HOW", value_enum, global = true)]
    pub attach: Option<AttachWord>,
    /// Ring buffer between kernel and tcptrace: 64K, 8M [default: 16M]
    ///
    /// Rounded up to a power of two of pages. Events that find it full are counted and reported. The default holds 80,000 state changes,
    /// enough for the moments in which an overloaded host keeps tcptrace waiting.
    #[arg(long, value_name = "BYTES", global = true)]
    pub ring_size: Option<String>,
    /// Connections to remember [default: 1000000, some 200 bytes each]; above it the longest idle go first, and are counted
    #[arg(long, value_name = "N", global = true)]
    pub max_connections: Option<String>,
    /// Exit with 4 when events were lost
    #[arg(long, global = true)]
    pub strict: bool,
    /// Keep all capabilities and system calls after the start, to find out whether the sandbox is in the way
    ///
    /// Once it is set up, tcptrace drops the capabilities that it no longer needs, forbids itself new privileges and filters its system calls
    /// (seccomp): it can then load no eBPF program, start no process, connect to nothing and write to no other file.
    #[arg(long, global = true)]
    pub no_sandbox: bool,
    /// Say more on stderr: the cost of each program; with -vv also the kernel half's own log
    #[arg(short = 'v', long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// Words of --attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttachWord {
    /// The better one that works
    Auto,
    /// BTF tracepoints: knows everything
    Btf,
    /// The classic tracepoint: no cookie, namespace, cgroup, uid or counters
    Classic,
}
