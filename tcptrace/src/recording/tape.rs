//! Writes a recording into memory, frame by frame.

use std::io;

use super::encode;
use super::footer::{self, Footer, Tally};
use super::frame::Packer;
use super::{FRAME_TEXT, Header, moment};
use crate::model::event::Event;
use crate::model::time::Mono;

/// A frame holds the events of this time at most, nanoseconds: what a crash may cost.
const FRAME_NS: u64 = 1_000_000_000;

/// A recording that grows. What it has to say comes as whole frames.
pub struct Tape {
    packer: Packer,
    text: Vec<u8>,
    /// When the first event of the open frame happened.
    began: Option<Mono>,
    tally: Tally,
}

impl Tape {
    /// A recording that begins with `header`, in a frame of its own.
    ///
    /// # Errors
    /// When zstd gets no memory.
    pub fn new(header: &Header) -> io::Result<Self> {
        let mut tape = Self {
            packer: Packer::new()?,
            text: Vec::with_capacity(FRAME_TEXT + 4096),
            began: None,
            tally: Tally::default(),
        };
        tape.start(header);
        Ok(tape)
    }

    /// Begins another file: all counts start again.
    pub fn start(&mut self, header: &Header) {
        self.tally = Tally::default();
        self.began = None;
        self.text = header.line();
        encode::fields(&mut self.text);
    }

    /// Takes an event; true when a frame is due.
    pub fn push(&mut self, event: &Event) -> bool {
        self.tally.count(event);
        encode::encode(&mut self.text, event);
        let at = moment(event);
        let late = match (self.began, at) {
            (Some(began), Some(at)) => at.since(began) >= FRAME_NS,
            _ => false,
        };
        self.began = self.began.or(at);
        late || self.text.len() >= FRAME_TEXT
    }

    /// Appends what is open to `out` as one frame.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn frame(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        self.packer.pack(&self.text, out)?;
        self.text.clear();
        self.began = None;
        Ok(())
    }

    /// Appends what is open and the last line to `out`.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn end(&mut self, out: &mut Vec<u8>) -> io::Result<Footer> {
        let footer = self.tally.footer(true);
        self.text.extend_from_slice(&footer::line(&footer));
        self.frame(out)?;
        Ok(footer)
    }

    /// The frame that ends a recording which broke off.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn closing(footer: &Footer) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Packer::new()?.pack(&footer::line(footer), &mut out)?;
        Ok(out)
    }
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("tally", &self.tally).finish_non_exhaustive()
    }
}
