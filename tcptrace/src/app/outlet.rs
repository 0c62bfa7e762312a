//! The output's file as its writing thread sees it: large pieces for a disk do not stay in the host's page cache.

use std::fs::File;
use std::io::{self, IoSlice, Write};

use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// From so many bytes on. Less would make the disk write the same block again and again.
const LARGE: usize = 64 << 10;

/// Written through the page cache and dropped from it (Linux 6.14 `include/uapi/linux/fs.h`: `RWF_DONTCACHE`): what was traced displaces
/// nothing of the host's, and no new memory has to be found for it.
const DONTCACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// Where `pwritev2` writes at the file's own position.
const HERE: u64 = u64::MAX;

/// A file, pipe or terminal that is written to.
#[derive(Debug)]
pub(super) struct Outlet {
    file: File,
    /// It is a file, and nothing has refused so far.
    uncached: bool,
}

impl Outlet {
    pub(super) fn new(file: File) -> Self {
        let uncached = file.metadata().is_ok_and(|about| about.is_file());
        Self { file, uncached }
    }

    /// Writes one large piece, or a part of it; `None` where this kernel or file system has no such way.
    fn write_uncached(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        if !self.uncached || bytes.len() < LARGE {
            return None;
        }
        match pwritev2(&self.file, &[IoSlice::new(bytes)], HERE, DONTCACHE) {
            Ok(written) => Some(Ok(written)),
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(outcome) = self.write_uncached(bytes) {
            return outcome;
        }
        self.uncached &= bytes.len() < LARGE;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    #[test]
    fn pieces_of_any_size_follow_each_other() {
        let mut file = tempfile::tempfile().unwrap();
        let mut outlet = Outlet::new(file.try_clone().unwrap());
        let mut expected = Vec::new();
        for (byte, length) in [(b'a', 10), (b'b', LARGE), (b'c', 3), (b'd', 3 * LARGE + 1), (b'e', LARGE - 1)]
        {
            let piece = vec![byte; length];
            outlet.write_all(&piece).unwrap();
            expected.extend(piece);
        }
        let mut written = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut written).unwrap();
        assert!(written == expected);
    }

    #[test]
    fn what_is_no_file_is_written_to_as_ever() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut outlet = Outlet::new(File::from(std::os::fd::OwnedFd::from(writer)));
        assert!(!outlet.uncached);
        outlet.write_all(b"a line\n").unwrap();
        drop(outlet);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "a line\n");
    }
}
