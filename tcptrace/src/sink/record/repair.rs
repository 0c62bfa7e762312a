//! Cuts a recording that broke off back to its last whole frame, and closes it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::name::finished_name;
use super::words;
use crate::failure::{ExitCode, Failure};
use crate::recording::{Damage, Footer, Reader, Tape};

/// What a repair has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The recording, by its name now.
    pub path: PathBuf,
    /// Nothing was wrong with it.
    pub was_whole: bool,
    /// Bytes cut off.
    pub cut: u64,
    /// Where they were put: only when they were more than a frame that was not finished.
    pub saved: Option<PathBuf>,
    /// What the recording holds.
    pub footer: Footer,
}

/// Repairs the recording at `path`. A name that ends in `.part` loses that ending.
///
/// # Errors
/// One sentence; then nothing is changed but for what the disk refused.
pub fn repair(path: &Path) -> Result<Repaired, Failure> {
    let fail = |what: String| Failure::new(ExitCode::Runtime, format!("{}: {what}", path.display()));
    let disk = |error: io::Error| fail(words(&error));
    let name = finished_name(path);
    if let Some(name) = name.as_deref().filter(|name| name.exists()) {
        return Err(Failure::usage(format!(
            "{} exists: move it away before {} gets its name",
            name.display(),
            path.display()
        )));
    }
    let file =
        OpenOptions::new().read(true).write(true).open(path).map_err(|error| {
            Failure::usage(format!("cannot repair {}: {}", path.display(), words(&error)))
        })?;
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(Failure::usage(format!(
            "{} is still being written: end that recording first",
            path.display()
        )));
    }
    let (_, mut reader) = Reader::new(&file).map_err(|damage| fail(damage.to_string()))?;
    let mut events = Vec::new();
    let corrupt = loop {
        events.clear();
        match reader.next_batch(&mut events) {
            Ok(true) => {}
            Ok(false) => break false,
            Err(Damage::Corrupt { .. }) => break true,
            Err(other) => return Err(fail(other.to_string())),
        }
    };
    let whole = reader.whole();
    let length = file.metadata().map_err(disk)?.len();
    let closed = reader.footer().filter(|_| !corrupt && reader.cut().is_none());
    let footer = closed.unwrap_or(reader.tally());
    let cut = length.saturating_sub(whole);
    let mut saved = None;
    if closed.is_none() {
        if corrupt {
            let aside = path.with_added_extension("cut");
            save(&file, whole, &aside).map_err(disk)?;
            saved = Some(aside);
        }
        file.set_len(whole).map_err(disk)?;
        // A recording that was closed and then cut has its last line already.
        if reader.footer().is_none() {
            (&file).seek(SeekFrom::End(0)).map_err(disk)?;
            let closing = Tape::closing(&footer).map_err(disk)?;
            (&file).write_all(&closing).map_err(disk)?;
        }
        file.sync_all().map_err(disk)?;
    }
    if let Some(name) = &name {
        fs::rename(path, name).map_err(disk)?;
    }
    let was_whole = closed.is_some();
    Ok(Repaired { path: name.unwrap_or_else(|| path.to_owned()), was_whole, cut, saved, footer })
}

/// Copies all from `offset` on into the new file `aside`.
fn save(mut file: &File, offset: u64, aside: &Path) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    let mut copy = File::create_new(aside)?;
    io::copy(&mut file, &mut copy)?;
    copy.sync_all()
}
