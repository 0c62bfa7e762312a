//! Flags of `tcptrace hist`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What to count, and when to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Histograms")]
pub struct HistArgs {
    /// Group by: state (always), pid, comm, lport, rport, raddr, cgroup, netns, end, role
    ///
    /// The kernel itself groups by pid, lport, rport, netns, cgroup and role; for comm, raddr and end every event comes to
    /// tcptrace. With `end` a connection is counted when it is over.
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    pub by: Vec<String>,
    /// What to count [default: states]: states, handshake, accept_wait, reaction, fin_to_fin, lifetime, or all
    ///
    /// handshake: of connect() the time in SYN_SENT, of accepted connections the round trip as the kernel measured it. accept_wait:
    /// from ESTABLISHED to accept(). reaction: from the peer's FIN to ours. fin_to_fin: from our FIN to the peer's. lifetime: from
    /// its birth until a connection is over. Each costs a little in the kernel, and nothing where it is not asked for.
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
    pub of: Vec<String>,
    /// Who counts [default: kernel, where it can]
    #[arg(long, value_name = "WHERE", value_enum)]
    pub aggregate: Option<AggregateWord>,
    /// Groups to keep apart [default: 100]; the rest is counted together, as `other`
    #[arg(long, value_name = "N")]
    pub max_groups: Option<String>,
    /// Percentiles of text and csv [default: 50,90,99,99.9]
    #[arg(long, value_name = "P,…", value_delimiter = ',')]
    pub percentiles: Vec<String>,
    /// Show what ended in each such time: 5s [default: everything, once, at the end]
    #[arg(long, value_name = "TIME")]
    pub interval: Option<String>,
    /// With --interval: show each time everything since the start
    #[arg(long)]
    pub cumulative: bool,
    /// Write an HdrHistogram interval log into FILE, one tag for each histogram
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// With --from FILE: what has changed since this recording, by percentile, as far as chance does not explain it
    #[arg(long, value_name = "BEFORE")]
    pub against: Option<PathBuf>,
    /// Draw the histograms of the whole run into FILE
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Words of --aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AggregateWord {
    /// In the kernel: no event crosses, whatever the rate
    Kernel,
    /// Here, from the stream of events
    User,
}
