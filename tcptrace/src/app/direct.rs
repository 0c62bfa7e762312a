//! Whole blocks from our memory to the disk: no page of the host's cache is looked for, filled and written back for them.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{ReadWriteFlags, pwritev2};

/// What disks and file systems ask for: places in the file, lengths and memory are multiples of it.
pub(super) const BLOCK: usize = 4096;
/// At most so much at once.
const PIECE: usize = 1 << 20;

/// A file opened a second time, past the page cache (open(2): `O_DIRECT`): the first one's flags may be shared with other processes.
#[derive(Debug)]
pub(super) struct Direct {
    file: File,
    /// Blocks begin in it where its address is a multiple of theirs.
    room: Vec<u8>,
}

impl Direct {
    /// `None` where there is no such way: no file, its end is shared with others, or its file system refuses.
    pub(super) fn of(file: &File) -> Option<Self> {
        let flags = fcntl_getfl(file).ok()?;
        if !file.metadata().ok()?.is_file() || flags.contains(OFlags::APPEND) {
            return None;
        }
        let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
        let again = format!("/proc/self/fd/{}", file.as_raw_fd());
        let file = File::options().write(true).custom_flags(flags).open(again).ok()?;
        Some(Self { file, room: Vec::new() })
    }

    /// Writes to `at`, a multiple of [`BLOCK`], the blocks that the first of `bytes` make; returns how many bytes those are.
    ///
    /// # Errors
    /// What the file system says; it may be another thing than without this way.
    pub(super) fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<usize> {
        // Memory that nothing large is written from is not taken.
        self.room.resize(PIECE + BLOCK, 0);
        let begin = self.room.as_ptr().align_offset(BLOCK);
        let length = bytes.len().min(PIECE) / BLOCK * BLOCK;
        let blocks = self.room.get_mut(begin..begin.saturating_add(length)).unwrap_or_default();
        blocks.copy_from_slice(bytes.get(..blocks.len()).unwrap_or_default());
        Ok(pwritev2(&self.file, &[IoSlice::new(blocks)], at, ReadWriteFlags::empty())?)
    }
}
