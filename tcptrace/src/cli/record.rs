//! Flags of `record` and `repair`.

use std::path::PathBuf;

use clap::Args;

/// What to record into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct RecordArgs {
    /// Where to record, e.g. rec.jsonl.zst; the file is called FILE.part until it is closed
    #[arg(id = "recording", value_name = "FILE")]
    pub file: PathBuf,
    /// End the recording when it is this large: 100M, 2G; with --rotate begin another file [default: no limit]
    #[arg(long, value_name = "BYTES")]
    pub max_size: Option<String>,
    /// With --max-size: go on in a new file (rec.1.jsonl.zst, rec.2.jsonl.zst, …) and keep the newest N
    #[arg(long, value_name = "N")]
    pub rotate: Option<String>,
}

/// What to repair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct RepairArgs {
    /// A recording that broke off, e.g. rec.jsonl.zst.part
    #[arg(id = "recording", value_name = "FILE")]
    pub file: PathBuf,
}
