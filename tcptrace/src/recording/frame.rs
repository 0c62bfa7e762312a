//! zstd frames: packing one, unpacking one after the other. Only whole frames count.

use std::io::{self, Read};

use zstd::bulk::Compressor;
use zstd::stream::raw::{CParameter, DParameter, Decoder, InBuffer, Operation as _, OutBuffer};
use zstd::zstd_safe::compress_bound;

use super::{Damage, LARGEST_FRAME};

/// zstd's default: smaller files for what recording costs anyway.
const LEVEL: i32 = 3;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// With less than this in hand more is read, so that most frames are unpacked in one go.
const LOW: usize = 128 << 10;
/// Room for an unpacked frame to begin with: enough for our own.
const ROOM: usize = 256 << 10;
/// A window of 64 MiB at most: what the decoder may allocate.
const WINDOW_LOG: u32 = 26;
/// RFC 8878 §3.1.1.
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// Makes frames.
pub(super) struct Packer {
    compressor: Compressor<'static>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor })
    }

    /// Appends `text` to `out` as one frame.
    pub(super) fn pack(&mut self, text: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let before = out.len();
        out.resize(before + compress_bound(text.len()), 0);
        let packed = self.compressor.compress_to_buffer(text, out.get_mut(before..).unwrap_or_default());
        out.truncate(before + packed.as_ref().map_or(0, |length| *length));
        packed.map(|_| ())
    }
}

/// What comes next in a file of frames.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole frame that begins at `offset`.
    Frame {
        /// Bytes from the file's begin.
        offset: u64,
    },
    /// The file ends where a frame ends.
    End,
    /// The file ends within a frame, or in zeros that a crashed host left.
    Cut {
        /// Bytes that belong to no whole frame.
        ignored: u64,
    },
}

/// Unpacks frames.
pub(super) struct Frames<R> {
    input: R,
    chunk: Vec<u8>,
    /// What of `chunk` is not yet unpacked.
    from: usize,
    till: usize,
    ended: bool,
    decoder: Decoder<'static>,
    /// Where the next frame begins.
    offset: u64,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(input: R) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { input, chunk: vec![0; CHUNK], from: 0, till: 0, ended: false, decoder, offset: 0 })
    }

    /// Where the last whole frame ends.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Puts the text of the next frame into `text`, which may be empty.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> Result<Next, Damage> {
        let offset = self.offset;
        text.clear();
        self.fill()?;
        let head = self.chunk.get(self.from..self.till).unwrap_or_default();
        match head.get(..4) {
            None if head.is_empty() => return Ok(Next::End),
            None => return Ok(Next::Cut { ignored: head.len() as u64 }),
            Some([0, 0, 0, 0]) if offset > 0 => return self.zeros(),
            // Frames of ours, and those that RFC 8878 lets every reader skip.
            Some(magic) if magic == MAGIC || matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) => {}
            Some(_) if offset > 0 => {
                return Err(Damage::Corrupt { offset, what: "no block begins there".to_owned() });
            }
            Some(_) => return Err(Damage::Foreign("it is not compressed with zstd")),
        }
        self.decoder.reinit()?;
        text.reserve(ROOM);
        let mut taken = 0_u64;
        loop {
            if text.len() == text.capacity() {
                if text.len() >= LARGEST_FRAME {
                    return Err(Damage::TooLarge { offset });
                }
                text.reserve(text.len());
            }
            let mut input = InBuffer::around(self.chunk.get(self.from..self.till).unwrap_or_default());
            let filled = text.len();
            let mut output = OutBuffer::around_pos(text, filled);
            let left = self.decoder.run(&mut input, &mut output).map_err(|error| spoiled(offset, &error))?;
            let read = input.pos();
            self.from += read;
            taken += read as u64;
            if left == 0 {
                self.offset += taken;
                return Ok(Next::Frame { offset });
            }
            if self.from == self.till && text.len() < text.capacity() {
                self.fill()?;
                if self.from == self.till {
                    text.clear();
                    return Ok(Next::Cut { ignored: taken });
                }
            }
        }
    }

    /// Reads on unless enough is in hand.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.till - self.from >= LOW {
            return Ok(());
        }
        self.chunk.copy_within(self.from..self.till, 0);
        (self.from, self.till) = (0, self.till - self.from);
        while self.till < self.chunk.len() {
            match self.input.read(self.chunk.get_mut(self.till..).unwrap_or_default()) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.till += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A host that crashed leaves zeros where it had promised bytes: to the end, nothing but zeros.
    fn zeros(&mut self) -> Result<Next, Damage> {
        let offset = self.offset;
        let mut ignored = 0;
        loop {
            let rest = self.chunk.get(self.from..self.till).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Next::Cut { ignored });
            }
            if rest.iter().any(|byte| *byte != 0) {
                return Err(Damage::Corrupt { offset, what: "zeros stand there".to_owned() });
            }
            ignored += rest.len() as u64;
            self.from = self.till;
            self.fill()?;
        }
    }
}

fn spoiled(offset: u64, error: &io::Error) -> Damage {
    let what = error.to_string();
    // zstd's words for `ZSTD_error_frameParameter_windowTooLarge`.
    if what.contains("too much memory") {
        return Damage::TooLarge { offset };
    }
    Damage::Corrupt { offset, what }
}
