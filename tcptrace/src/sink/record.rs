//! Writes a recording: a tap on the events before the engine, into `NAME.part`, which gets its name when it is closed.

mod name;
mod repair;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::model::time::Mono;
use crate::recording::{FRAME_BOUND, Footer, Header, Tape, moment};

pub use name::{part_name, rotated_name};
pub use repair::{Repaired, repair};

/// How large a recording may grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// Begin another file when one is full and keep this many of the newest; `None`: stop when it is full.
    pub rotate: Option<u32>,
}

/// What writing an event has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// On it goes.
    Going,
    /// A new file was begun. It should hold its own dump of the sockets that exist, or they are unknown to its reader.
    Rotated,
    /// The file is as large as it may be: nothing more is written, finish.
    Full,
}

/// A recording that was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The file, the last one where it rotated.
    pub path: PathBuf,
    /// Bytes of that file.
    pub bytes: u64,
    /// Files that are left, this one included.
    pub files: u32,
    /// What it holds.
    pub footer: Footer,
}

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder {
    /// The name that the user gave.
    path: PathBuf,
    limits: Limits,
    header: Header,
    tape: Tape,
    file: File,
    /// Bytes of whole frames in the file.
    bytes: u64,
    packed: Vec<u8>,
    last: Option<Mono>,
    full: bool,
    /// The first failure, after which nothing more is written.
    failed: Option<Failure>,
}

impl Recorder {
    /// Begins the recording `path` and writes its header.
    ///
    /// # Errors
    /// One sentence: it exists, or cannot be written.
    pub fn create(path: &Path, mut header: Header, limits: Limits) -> Result<Self, Failure> {
        header.part = 1;
        let taken = if limits.rotate.is_some() { name::left_over(path) } else { None };
        if let Some(taken) = taken.or_else(|| path.exists().then(|| path.to_owned())) {
            return Err(exists(&taken));
        }
        let name = current(path, limits, 1);
        let tape = Tape::new(&header).map_err(|error| unwritable(&name, &error))?;
        let file = begin(&name)?;
        let mut recorder = Self {
            path: path.to_owned(),
            limits,
            header,
            tape,
            file,
            bytes: 0,
            packed: Vec::new(),
            last: None,
            full: false,
            failed: None,
        };
        recorder.flush()?;
        Ok(recorder)
    }

    /// Takes one event. Writes when a second or 64 KiB have come together.
    ///
    /// # Errors
    /// When the file cannot be written, again at each call from then on; what was written before stays readable.
    pub fn event(&mut self, event: &Event) -> Result<Progress, Failure> {
        if self.full {
            return Ok(Progress::Full);
        }
        self.last = moment(event).or(self.last);
        if self.tape.push(event) { self.flush() } else { self.check().map(|()| Progress::Going) }
    }

    /// Writes what is open as one frame.
    ///
    /// # Errors
    /// As [`Recorder::event`].
    pub fn flush(&mut self) -> Result<Progress, Failure> {
        self.check()?;
        if self.full {
            return Ok(Progress::Full);
        }
        self.packed.clear();
        let packed = self.tape.frame(&mut self.packed);
        self.settle(packed)?;
        let max = self.limits.max_bytes.unwrap_or(u64::MAX);
        // What comes next, and the last line, must still fit.
        if self.bytes.saturating_add(2 * FRAME_BOUND) <= max {
            return Ok(Progress::Going);
        }
        if self.limits.rotate.is_none() {
            self.full = true;
            return Ok(Progress::Full);
        }
        self.rotate()?;
        Ok(Progress::Rotated)
    }

    /// Writes the last line, makes the disk keep it, and gives the file its name.
    ///
    /// # Errors
    /// When that does not work: the file keeps its name `.part`.
    pub fn finish(mut self) -> Result<Recorded, Failure> {
        let footer = self.close()?;
        let kept = self.limits.rotate.map_or(1, |keep| self.header.part.min(keep));
        Ok(Recorded { path: self.name(), bytes: self.bytes, files: kept, footer })
    }

    /// The name of the open file once it is closed.
    #[must_use]
    pub fn name(&self) -> PathBuf {
        current(&self.path, self.limits, self.header.part)
    }

    fn check(&self) -> Result<(), Failure> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Brings packed frames into the file, whole or not at all.
    fn settle(&mut self, packed: io::Result<()>) -> Result<(), Failure> {
        let written = packed.and_then(|()| self.file.write_all(&self.packed));
        if let Err(error) = written {
            // Back to the last whole frame: what is on disk stays readable without repair.
            let _ = self.file.set_len(self.bytes);
            let part = part_name(&self.name());
            let failure = Failure::new(
                ExitCode::Runtime,
                format!(
                    "cannot write {}: {}; it is whole up to here, `tcptrace repair` gives it its name",
                    part.display(),
                    words(&error)
                ),
            );
            self.failed = Some(failure.clone());
            return Err(failure);
        }
        self.bytes += self.packed.len() as u64;
        Ok(())
    }

    fn close(&mut self) -> Result<Footer, Failure> {
        self.check()?;
        self.packed.clear();
        let (packed, footer) = match self.tape.end(&mut self.packed) {
            Ok(footer) => (Ok(()), footer),
            Err(error) => (Err(error), Footer::default()),
        };
        self.settle(packed)?;
        let name = self.name();
        // Devices and pipes cannot be synced; then there is nothing to keep either.
        let _ = self.file.sync_all();
        fs::rename(part_name(&name), &name).map_err(|error| unwritable(&name, &error))?;
        Ok(footer)
    }

    fn rotate(&mut self) -> Result<(), Failure> {
        self.close()?;
        self.header.part += 1;
        // What came before is not in the new file.
        self.header.complete_since = self.header.complete_since.and(self.last);
        self.file = begin(&self.name())?;
        self.bytes = 0;
        self.tape.start(&self.header);
        self.packed.clear();
        let packed = self.tape.frame(&mut self.packed);
        self.settle(packed)?;
        if let Some(old) = self.limits.rotate.and_then(|keep| self.header.part.checked_sub(keep))
            && old > 0
        {
            // Gone already is as good.
            let _ = fs::remove_file(current(&self.path, self.limits, old));
        }
        Ok(())
    }
}

/// The name of part `part`.
fn current(path: &Path, limits: Limits, part: u32) -> PathBuf {
    if limits.rotate.is_some() { rotated_name(path, part) } else { path.to_owned() }
}

/// Creates the file that will be `name`.
fn begin(name: &Path) -> Result<File, Failure> {
    let part = part_name(name);
    match File::create_new(&part) {
        Ok(file) => {
            // Keeps `tcptrace repair` away while we write; a file system without locks does not.
            let _ = file.try_lock();
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::usage(format!(
            "{0} exists: another recording runs, or one broke off: `tcptrace repair {0}` saves it, or name another file",
            part.display()
        ))),
        Err(error) => Err(unwritable(&part, &error)),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} exists, and recordings are not overwritten: name another file or remove it",
        path.display()
    ))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(ExitCode::Runtime, format!("cannot write {}: {}", path.display(), words(error)))
}

/// An error in the system's words, without Rust's `(os error 28)`.
fn words(error: &io::Error) -> String {
    let said = error.to_string();
    let plain = said.split(" (os error").next().unwrap_or(&said);
    plain.to_lowercase()
}

#[cfg(test)]
mod tests;
