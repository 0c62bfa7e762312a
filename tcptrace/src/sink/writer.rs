//! A buffer in front of a writer, filled directly and emptied at line ends.

use std::io::{self, ErrorKind, Write};

/// More than this waits for nobody: the fullest pipe of Linux takes 64 KiB at once.
const FULL: usize = 64 << 10;

/// Lines that wait to be written. Sinks append to [`Buffered::line`] and call [`Buffered::settle`] at a line's end, so that a
/// reader gets whole lines; nothing is allocated once the buffer has grown.
#[derive(Debug)]
pub struct Buffered<W> {
    out: W,
    bytes: Vec<u8>,
}

impl<W: Write> Buffered<W> {
    /// In front of `out`, which need not buffer itself.
    pub fn new(out: W) -> Self {
        Self { out, bytes: Vec::with_capacity(FULL + (FULL >> 2)) }
    }

    /// Where to append.
    pub fn line(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// At the end of a line: writes when enough has come together.
    ///
    /// # Errors
    /// What the writer says.
    pub fn settle(&mut self) -> io::Result<()> {
        if self.bytes.len() >= FULL { self.drain() } else { Ok(()) }
    }

    /// Writes all, and flushes the writer.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        self.out.flush()
    }

    /// The writer behind it; what is still buffered is not written.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// After an error only what was not taken remains: no byte is written twice, none is forgotten.
    fn drain(&mut self) -> io::Result<()> {
        let mut written = 0;
        let outcome = loop {
            let Some(rest) = self.bytes.get(written..).filter(|rest| !rest.is_empty()) else {
                break Ok(());
            };
            match self.out.write(rest) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(taken) => written += taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.bytes.drain(..written);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time and fails at every second call.
    struct Reluctant {
        taken: Vec<u8>,
        calls: u32,
        error: ErrorKind,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(2) {
                return Err(self.error.into());
            }
            let taken = bytes.len().min(3);
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_interrupted_write_goes_on() {
        let out = Reluctant { taken: Vec::new(), calls: 0, error: ErrorKind::Interrupted };
        let mut buffered = Buffered::new(out);
        buffered.line().extend_from_slice(b"one line\n");
        buffered.flush().unwrap();
        assert_eq!(buffered.into_inner().taken, b"one line\n");
    }

    #[test]
    fn an_error_passes_up_and_no_byte_is_written_twice() {
        let out = Reluctant { taken: Vec::new(), calls: 0, error: ErrorKind::WouldBlock };
        let mut buffered = Buffered::new(out);
        buffered.line().extend_from_slice(b"one line\n");
        let mut errors = 0;
        while let Err(error) = buffered.flush() {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            errors += 1;
        }
        assert!(errors > 0);
        assert_eq!(buffered.into_inner().taken, b"one line\n");
    }
}
