//! Names of the files of a recording.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::recording::SUFFIX;

/// What a file is called while it is written: `rec.jsonl.zst.part`.
#[must_use]
pub fn part_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// The file of part `part` of a recording that rotates: `rec.jsonl.zst` → `rec.3.jsonl.zst`.
#[must_use]
pub fn rotated_name(path: &Path, part: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let numbered = match name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) {
        Some(stem) => OsString::from(format!("{stem}.{part}{SUFFIX}")),
        None => {
            let mut name = name.to_owned();
            name.push(format!(".{part}"));
            name
        }
    };
    path.with_file_name(numbered)
}

/// A file that an earlier rotating recording to `path` has left, finished or not.
pub(super) fn left_over(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::read_dir(folder).ok()?.flatten().map(|entry| path.with_file_name(entry.file_name())).find(|found| {
        let whole = finished_name(found).unwrap_or_else(|| found.clone());
        let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        let part = name.rsplit('.').next().and_then(|part| part.parse().ok());
        part.is_some_and(|part| rotated_name(path, part) == whole)
    })
}

/// The name of a finished recording that `path` is a part of, when it is one.
pub(super) fn finished_name(path: &Path) -> Option<PathBuf> {
    (path.extension()? == "part").then(|| path.with_extension(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_before_the_suffix() {
        assert_eq!(rotated_name(Path::new("a/rec.jsonl.zst"), 3), Path::new("a/rec.3.jsonl.zst"));
        assert_eq!(rotated_name(Path::new("a.b/rec"), 12), Path::new("a.b/rec.12"));
    }

    #[test]
    fn part_names_find_their_way_back() {
        let path = Path::new("a/rec.jsonl.zst");
        assert_eq!(finished_name(&part_name(path)).as_deref(), Some(path));
        assert_eq!(finished_name(path), None);
    }
}
