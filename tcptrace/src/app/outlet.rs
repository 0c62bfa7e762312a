//! The output's file as its writing thread sees it: large pieces for a disk do not stay in the host's page cache.

use std::fs::File;
use std::io::{self, IoSlice, Seek as _, SeekFrom, Write};

use rustix::io::{Errno, ReadWriteFlags, pwritev2};

use super::direct::{BLOCK, Direct};

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
    /// Past the page cache; nothing has refused so far.
    direct: Option<Direct>,
    /// Lines come faster than the disk takes them: the page cache has room for what cannot wait.
    late: bool,
    /// It is a file, and nothing has refused so far.
    uncached: bool,
}

impl Outlet {
    pub(super) fn new(file: File) -> Self {
        let uncached = file.metadata().is_ok_and(|about| about.is_file());
        Self { direct: Direct::of(&file), late: false, file, uncached }
    }

    /// Whether much waits behind what is written next.
    pub(super) fn hurry(&mut self, late: bool) {
        self.late = late;
    }

    /// Writes whole blocks of one large piece to the disk itself, or what comes before the next block of the file; `None` where this
    /// cannot be done.
    fn write_direct(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        let direct = self.direct.as_mut().filter(|_| !self.late && bytes.len() >= LARGE)?;
        let at = self.file.stream_position().ok()?;
        let block = BLOCK as u64;
        if let Ok(before @ 1..) = usize::try_from(at.next_multiple_of(block) - at) {
            return Some(self.file.write(bytes.get(..before)?));
        }
        match direct.write(bytes, at) {
            Ok(written @ 1..) if self.file.seek(SeekFrom::Start(at + written as u64)).is_ok() => {
                Some(Ok(written))
            }
            // The other ways write it again, to the same place, and say what is wrong.
            _ => {
                self.direct = None;
                None
            }
        }
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
        if let Some(outcome) = self.write_direct(bytes).or_else(|| self.write_uncached(bytes)) {
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
        let pieces = [10, LARGE, 3, 3 * LARGE + 1, LARGE - 1, 40 * LARGE + 77, 5, BLOCK, 2 * LARGE, LARGE];
        for (late, (number, length)) in [false, true, false]
            .into_iter()
            .flat_map(|late| pieces.iter().enumerate().map(move |piece| (late, piece)))
        {
            let piece: Vec<u8> = (0..*length).map(|at| ((at / 7 + number) % 251).to_le_bytes()[0]).collect();
            outlet.hurry(late);
            outlet.write_all(&piece).unwrap();
            expected.extend(piece);
            // Who shares the file's position goes on behind it.
            assert_eq!(file.stream_position().unwrap(), expected.len() as u64);
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
        assert!(!outlet.uncached && outlet.direct.is_none());
        outlet.write_all(b"a line\n").unwrap();
        drop(outlet);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "a line\n");
    }
}
