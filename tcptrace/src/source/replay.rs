//! A recording as a source of events: needs no rights and no kernel.

mod pace;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::recording::{Cut, Damage, Footer, Header, Reader};

use super::host::words;

pub use pace::Pace;

/// A recording that is read.
#[derive(Debug)]
pub struct Replay {
    path: PathBuf,
    reader: Reader<File>,
}

impl Replay {
    /// Opens the recording at `path` and reads its header.
    ///
    /// # Errors
    /// One sentence: it is not there, no recording, or of a newer version.
    pub fn open(path: &Path) -> Result<(Header, Self), Failure> {
        let file = open(path)?;
        let (header, reader) = Reader::new(file).map_err(|damage| failure(path, &damage))?;
        Ok((header, Self { path: path.to_owned(), reader }))
    }

    /// Appends the next events to `events`, some hundred at most; false when there are no more.
    ///
    /// # Errors
    /// One sentence about what is corrupt; the events before it are already given.
    pub fn next_batch(&mut self, events: &mut Vec<Event>) -> Result<bool, Failure> {
        self.reader.next_batch(events).map_err(|damage| failure(&self.path, &damage))
    }

    /// Once all is read: what the user should know, one sentence for stderr.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let path = self.path.display();
        self.reader.cut().map(|Cut { ignored }| match ignored {
            0 => format!("{path} was not closed: the recording broke off or still runs; all that is in it was read"),
            bytes => format!(
                "{path} was cut within a block: its last {bytes} bytes are ignored, all before them was read; `tcptrace repair {path}` cuts them off"
            ),
        })
    }

    /// Once all is read: its last line, where it has one.
    #[must_use]
    pub fn footer(&self) -> Option<Footer> {
        self.reader.footer()
    }
}

/// Opens `path` for reading.
fn open(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    let unusable = |what: String| Failure::usage(format!("cannot read {shown}: {what}"));
    match File::open(path) {
        Ok(file) if file.metadata().is_ok_and(|about| about.is_dir()) => {
            Err(unusable("it is a folder; name a recording in it".to_owned()))
        }
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut part = path.as_os_str().to_owned();
            part.push(".part");
            Err(unusable(if Path::new(&part).exists() {
                format!(
                    "the recording still runs or broke off: read {shown}.part, or `tcptrace repair {shown}.part`"
                )
            } else {
                words(&error)
            }))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(Failure::new(ExitCode::NoPermission, format!("cannot read {shown}: {}", words(&error))))
        }
        Err(error) => Err(unusable(words(&error))),
    }
}

fn failure(path: &Path, damage: &Damage) -> Failure {
    Failure::new(ExitCode::Runtime, format!("{}: {damage}", path.display()))
}

#[cfg(test)]
mod tests;
