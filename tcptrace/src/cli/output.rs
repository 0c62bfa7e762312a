//! Flags that choose what is printed where.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format [default: text]
    #[arg(short = 'o', value_name = "FORMAT", value_enum, global = true)]
    pub format: Option<FormatWord>,
    /// Short for -o json: one object a line, described by `tcptrace schema`
    #[arg(long, global = true)]
    pub json: bool,
    /// Short for -o csv, as in tcpstates
    #[arg(short = 's', global = true)]
    pub csv: bool,
    /// Short for -o wide, as in tcpstates: nothing is cut, whatever the terminal's width
    #[arg(short = 'w', long, global = true)]
    pub wide: bool,
    /// Write into FILE, which is overwritten, instead of stdout (`-`)
    #[arg(long = "output", value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,
    /// Columns of text and csv, in this order; `tcptrace --help` lists their names
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', global = true)]
    pub columns: Vec<String>,
    /// The time column [default: local]
    #[arg(long, value_name = "STYLE", value_enum, global = true)]
    pub time: Option<TimeWord>,
    /// Time of day in local time, as in tcpstates: --time local
    #[arg(short = 'T', long, global = true)]
    pub time_of_day: bool,
    /// Seconds since the start, as in tcpstates: --time delta
    #[arg(short = 't', long, global = true)]
    pub timestamp: bool,
    /// Colours; NO_COLOR is respected [default: auto, which is on a terminal]
    #[arg(long, value_name = "WHEN", value_enum, global = true)]
    pub color: Option<ColorWord>,
    /// No header line
    #[arg(short = 'H', long, global = true)]
    pub no_header: bool,
}

/// Words of -o.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatWord {
    /// Aligned columns, long values cut from the middle
    Text,
    /// Aligned columns, nothing cut
    Wide,
    /// One JSON object a line
    Json,
    /// RFC 4180, with a header
    Csv,
}

/// Words of --time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimeWord {
    /// Time of day here
    Local,
    /// Time of day in UTC
    Utc,
    /// Seconds of CLOCK_MONOTONIC, the kernel's event clock
    Mono,
    /// Seconds since the start
    Delta,
    /// No time column
    None,
}

/// Words of --color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWord {
    /// On a terminal
    Auto,
    /// Into pipes and files too
    Always,
    /// Not at all
    Never,
}
