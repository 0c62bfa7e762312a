//! Reads a recording: header, events, footer, and where it was cut.

use std::io::Read;

use super::decode::{Line, decode};
use super::footer::Tally;
use super::frame::{Frames, Next};
use super::{Damage, Footer, Header, LONGEST_LINE};
use crate::model::event::Event;

/// Events that one call gives at most: they stay in the processor's caches, and a frame of many short lines costs no memory.
const BATCH: usize = 256;

/// A recording that was not closed: the recorder still runs, crashed, or the disk was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes at the end that belong to no whole frame.
    pub ignored: u64,
}

/// Reads the events of a recording in order.
pub struct Reader<R> {
    frames: Frames<R>,
    text: Vec<u8>,
    /// How much of `text` is read.
    read: usize,
    /// Where the frame of `text` begins.
    frame: u64,
    line: u64,
    boot_id: String,
    footer: Option<Footer>,
    tally: Tally,
    cut: Option<Cut>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When this is no recording, or one that this version cannot read.
    pub fn new(input: R) -> Result<(Header, Self), Damage> {
        let mut frames = Frames::new(input)?;
        let mut text = Vec::new();
        while text.is_empty() {
            match frames.next(&mut text)? {
                Next::Frame { .. } => {}
                Next::End | Next::Cut { .. } => return Err(Damage::Empty),
            }
        }
        let first = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        if first > LONGEST_LINE {
            return Err(Damage::Header("it is longer than 1 MiB".to_owned()));
        }
        let header = Header::parse(text.get(..first).unwrap_or_default())?;
        let reader = Self {
            frames,
            read: (first + 1).min(text.len()),
            text,
            frame: 0,
            line: 1,
            boot_id: header.boot_id.clone(),
            footer: None,
            tally: Tally::default(),
            cut: None,
            ended: false,
        };
        Ok((header, reader))
    }

    /// Appends the next events to `events`, some hundred at most; false when there are no more.
    ///
    /// # Errors
    /// When the recording cannot be read further; the events before are already given.
    pub fn next_batch(&mut self, events: &mut Vec<Event>) -> Result<bool, Damage> {
        while self.read >= self.text.len() {
            if self.ended {
                return Ok(false);
            }
            let found = self.frames.next(&mut self.text)?;
            self.read = 0;
            match found {
                Next::Frame { offset } => self.frame = offset,
                Next::End => {
                    self.ended = true;
                    self.cut = self.footer.is_none().then_some(Cut { ignored: 0 });
                }
                Next::Cut { ignored } => {
                    self.ended = true;
                    self.cut = Some(Cut { ignored });
                }
            }
        }
        let mut rest = self.text.get(self.read..).unwrap_or_default();
        let mut room = BATCH;
        while room > 0 && !rest.is_empty() {
            self.line += 1;
            let decoded = decode(rest).map_err(|wrong| Damage::Line {
                offset: self.frame,
                line: self.line,
                what: wrong.to_string(),
            })?;
            match decoded.0 {
                Line::Event(event) => {
                    self.tally.count(&event);
                    events.push(event);
                    room -= 1;
                }
                Line::Header(line) => {
                    // `cat` puts parts of a rotated recording together.
                    if Header::parse(line)?.boot_id != self.boot_id {
                        return Err(Damage::OtherBoot);
                    }
                    self.footer = None;
                }
                Line::Footer(line) => {
                    let footer = serde_json::from_slice(line)
                        .map_err(|error| Damage::Header(format!("in its last line, {error}")))?;
                    self.footer = Some(footer);
                }
                Line::Fields => {}
            }
            rest = decoded.1;
        }
        self.read = self.text.len() - rest.len();
        Ok(true)
    }

    /// Its last line, once it has been read.
    #[must_use]
    pub fn footer(&self) -> Option<Footer> {
        self.footer
    }

    /// Once all is read: whether the recording was cut.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Bytes up to the end of the last whole frame read.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.frames.offset()
    }

    /// What the events read so far amount to.
    #[must_use]
    pub fn tally(&self) -> Footer {
        self.tally.footer(false)
    }
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("line", &self.line).field("cut", &self.cut).finish_non_exhaustive()
    }
}
