//! Flags of `tcptrace lives`.

use clap::Args;

/// Which lives to print, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Lives")]
pub struct LivesArgs {
    /// Only connections that ended so, e.g. rst_sent,timeout; the words are listed below
    #[arg(long = "end", value_name = "END,…", value_delimiter = ',')]
    pub ends: Vec<String>,
    /// Only connections that lived at least this long, as far as it is known: 10s
    #[arg(long, value_name = "TIME")]
    pub min_duration: Option<String>,
    /// Only connections that stayed in one of these states at least that long: CLOSE_WAIT=1s
    #[arg(long, value_name = "STATE=TIME,…", value_delimiter = ',')]
    pub min_in_state: Vec<String>,
    /// Print those still open when tcptrace stops, too
    #[arg(long)]
    pub unfinished: bool,
    /// Print a connection when its TIME_WAIT ends, not when it begins
    ///
    /// A connection is over for both programs when TIME_WAIT begins; that it lasts (60 s) matters for ports, not for them.
    #[arg(long)]
    pub through_time_wait: bool,
}
