//! Floor 2: the recording format, shared by a source (replay) and a sink (record).
//!
//! A recording holds the events as they came, before the engine: JSON lines in zstd frames. `recording/FORMAT.md` tells what
//! they say and how the format may change. Pure: reads any [`std::io::Read`], gives bytes to write; no files, no clock.

mod damage;
mod decode;
mod encode;
mod field;
mod footer;
mod frame;
mod header;
mod key;
mod loose;
mod moment;
mod ordered;
mod put;
mod reader;
mod swar;
mod tape;
mod word;

pub use damage::Damage;
pub use footer::Footer;
pub use header::{Header, Sysctl};
pub use moment::moment;
pub use reader::{Cut, Reader};
pub use tape::Tape;

/// The value of `format` in the header.
pub const FORMAT: &str = "tcptrace-recording";
/// The version that this tcptrace writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// How a recording's name ends, so that other programs know what it is.
pub const SUFFIX: &str = ".jsonl.zst";

/// Text that makes a frame full; below it a frame is a second's worth.
pub const FRAME_TEXT: usize = 64 << 10;
/// What a frame of ours takes at most, compressed: a full text, one line beyond it, and zstd's bound on what cannot be compressed.
pub const FRAME_BOUND: u64 = 72 << 10;
/// A frame that unpacks to more is refused: no recorder writes it, and it would cost memory.
pub const LARGEST_FRAME: usize = 64 << 20;
/// A line longer than this is refused.
pub const LONGEST_LINE: usize = 1 << 20;

#[cfg(test)]
mod tests;
