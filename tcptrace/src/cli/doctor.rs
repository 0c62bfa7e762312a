//! Flags of `tcptrace doctor`.

use std::path::PathBuf;

use clap::Args;

/// What to examine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Doctor")]
pub struct DoctorArgs {
    /// Look once and answer at once, without eBPF: no rates, no causes
    #[arg(long)]
    pub instant: bool,
    /// Judge a sysctl.conf that is about to be applied, line by line
    ///
    /// Nothing is applied. Each line is judged by what it would do on this host, now.
    #[arg(long = "sysctl", value_name = "FILE")]
    pub sysctl: Option<PathBuf>,
}
