//! What can be wrong with a recording, each in one sentence without the file's name.

use std::fmt;
use std::io;

use super::{LARGEST_FRAME, VERSION};

/// Why a recording cannot be read, or not further.
#[derive(Debug)]
pub enum Damage {
    /// It cannot be read at all.
    Io(io::Error),
    /// Nothing whole is in it.
    Empty,
    /// Something else, and what it looks like.
    Foreign(&'static str),
    /// Of a newer version.
    Version(u64),
    /// A header or footer that says what cannot be.
    Header(String),
    /// A frame that would unpack to more than we hold.
    TooLarge {
        /// Where the frame begins, bytes.
        offset: u64,
    },
    /// A frame that cannot be unpacked.
    Corrupt {
        /// Where the frame begins, bytes.
        offset: u64,
        /// zstd's words.
        what: String,
    },
    /// A line that says nothing that we understand.
    Line {
        /// Where its frame begins, bytes.
        offset: u64,
        /// Its number in the recording, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Two recordings put together that do not belong together.
    OtherBoot,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot read it: {error}"),
            Self::Empty => f.write_str("nothing whole is in it: the recording broke off before its first second"),
            Self::Foreign(what) => {
                write!(f, "this is no recording of tcptrace ({what}); `tcptrace record FILE` makes one")
            }
            Self::Version(version) => write!(
                f,
                "the recording has version {version} of the format, this tcptrace reads up to {VERSION}: use a newer tcptrace"
            ),
            Self::Header(what) => write!(f, "the recording's header is wrong: {what}"),
            Self::TooLarge { offset } => write!(
                f,
                "the block at byte {offset} unpacks to more than {} MiB, which no recorder writes: not read",
                LARGEST_FRAME >> 20
            ),
            Self::Corrupt { offset, what } => write!(
                f,
                "the block at byte {offset} is corrupt ({what}): what stands before it was read; `tcptrace repair` cuts there"
            ),
            Self::Line { offset, line, what } => {
                write!(f, "line {line}, in the block at byte {offset}, is not of a recording: {what}")
            }
            Self::OtherBoot => f.write_str(
                "two recordings of different hosts or boots were put together: their clocks do not fit, read them one by one",
            ),
        }
    }
}

impl std::error::Error for Damage {}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
