//! What is said beside the data, on stderr: nobody may read it, and that is no failure of the run.

use std::io::{self, Write};

/// stderr, with every write a success.
pub(super) struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
