//! What code a process has mapped where, kept beyond its end.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::engine::stuck::stack::Nameless;
use crate::model::time::Mono;
use crate::source::birth;

/// One executable mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Behind the last address.
    pub end: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// Major and minor number of the file's device.
    pub device: (u32, u32),
    /// The file's inode; 0 for none.
    pub inode: u64,
    /// Path of the file as the process sees it, or the kernel's name in brackets, or nothing.
    pub name: String,
}

impl Mapping {
    /// It is a file's.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.inode != 0
    }
}

/// The executable mappings of a process at a moment.
#[derive(Clone, Debug)]
pub struct Mappings {
    /// Whose.
    pub pid: u32,
    /// When the process began, at the latest a tick later.
    pub began: Mono,
    /// When they were read.
    pub at: Mono,
    read: SystemTime,
    /// Device and inode of its program.
    program: Option<(u64, u64)>,
    list: Vec<Mapping>,
}

impl Mappings {
    /// Reads those of `pid` at `now`.
    ///
    /// # Errors
    /// It has ended, or we may not.
    pub fn read(pid: u32, now: Mono) -> Result<Self, Nameless> {
        let began = began(pid, now).ok_or(Nameless::Gone)?;
        let text = fs::read(format!("/proc/{pid}/maps")).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Nameless::NotPermitted,
            _ => Nameless::Gone,
        })?;
        // That of an exiting process is empty.
        let list: Vec<Mapping> = String::from_utf8_lossy(&text).lines().filter_map(parse).collect();
        if list.is_empty() {
            return Err(Nameless::Gone);
        }
        Ok(Self { pid, began, at: now, read: SystemTime::now(), program: program(pid), list })
    }

    /// The process still runs, and the same program.
    #[must_use]
    pub fn is_current(&self, now: Mono) -> bool {
        // Its beginning is computed from two clocks.
        began(self.pid, now).is_some_and(|began| began.0.abs_diff(self.began.0) < 50_000_000)
            && program(self.pid) == self.program
    }

    /// What is mapped at `address`.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<&Mapping> {
        self.list.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))
    }

    /// A path to the very file of `mapping`. While it is open it may keep its file system from being unmounted: be quick.
    ///
    /// # Errors
    /// It was replaced, or is out of our reach.
    pub fn file_of(&self, mapping: &Mapping) -> Result<PathBuf, Nameless> {
        let pid = self.pid;
        let own = PathBuf::from(&mapping.name);
        let theirs = PathBuf::from(format!("/proc/{pid}/root{}", mapping.name));
        let mapped = PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{:x}", mapping.start, mapping.end));
        let same = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| self.is_same(&file, mapping));
        [own, theirs, mapped].into_iter().find(same).ok_or(Nameless::Replaced)
    }

    /// It has the inode, and nobody has written to it since.
    fn is_same(&self, file: &fs::Metadata, mapping: &Mapping) -> bool {
        let device = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
        // Overlays and btrfs show other devices in the memory map than in the file's metadata.
        let device = device == mapping.device || mapping.device.0 == 0 || device.0 == 0;
        file.ino() == mapping.inode && device && file.modified().is_ok_and(|modified| modified <= self.read)
    }
}

/// When a process began.
fn began(pid: u32, now: Mono) -> Option<Mono> {
    birth::of(pid).map(|birth| Mono(now.0.saturating_sub(birth.age_ns)))
}

fn program(pid: u32) -> Option<(u64, u64)> {
    fs::metadata(format!("/proc/{pid}/exe")).ok().map(|file| (file.dev(), file.ino()))
}

/// `7f12-7f34 r-xp 00001000 fd:01 42    /usr/lib/libc.so.6`, if it is executable.
fn parse(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let (word, behind) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        rest = behind;
        word
    };
    let (start, end) = word().split_once('-')?;
    let rights = word();
    let offset = word();
    let (major, minor) = word().split_once(':')?;
    let inode = word();
    let hex = |word: &str| u64::from_str_radix(word, 16).ok();
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    let mapping = Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(offset)?,
        device: (number(major)?, number(minor)?),
        inode: inode.parse().ok()?,
        name: rest.trim_start().to_owned(),
    };
    rights.contains('x').then_some(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_memory_map_is_read_with_its_blanks() {
        let line = "7f00-7f80 r-xp 00001000 fd:01 42                         /opt/a b/lib.so (deleted)";
        let mapping = parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f00, 0x7f80, 0x1000));
        assert_eq!((mapping.device, mapping.inode), ((0xfd, 1), 42));
        assert_eq!(mapping.name, "/opt/a b/lib.so (deleted)");
        assert_eq!(parse("7f00-7f80 rw-p 00001000 fd:01 42 /lib.so"), None);
        let anonymous = parse("7f00-7f80 rwxp 00000000 00:00 0 ").unwrap();
        assert!(!anonymous.is_file() && anonymous.name.is_empty());
    }

    #[test]
    fn ones_own_code_is_found_in_ones_own_file() {
        let now = crate::source::clock::now();
        let mappings = Mappings::read(std::process::id(), now).unwrap();
        let address = parse as fn(&str) -> Option<Mapping> as usize as u64;
        let mapping = mappings.at(address).unwrap();
        let file = fs::metadata(mappings.file_of(mapping).unwrap()).unwrap();
        assert_eq!(file.ino(), fs::metadata("/proc/self/exe").unwrap().ino());
        assert!(mappings.is_current(now));
        assert_eq!(Mappings::read(u32::MAX, now).unwrap_err(), Nameless::Gone);
    }
}
