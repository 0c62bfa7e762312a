//! Names of code in binaries: functions, and lines where there is debug information. The only place that knows blazesym.

use std::path::Path;
use std::rc::Rc;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Reason, Symbolized, Symbolizer};
use rustc_hash::FxHashMap;

use crate::engine::stuck::stack::Nameless;

/// Places whose names are remembered; the memory is emptied when it is full.
const REMEMBERED: usize = 16_384;

/// A function and where in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Demangled.
    pub symbol: String,
    /// Bytes behind its beginning; `None` for an inlined function.
    pub offset: Option<u64>,
    /// Source file.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
}

/// What a place is called: inlined functions first, then what they are part of; or why there is no name.
pub type Names = Result<Vec<Name>, Nameless>;

/// Which file: device and inode.
pub type FileId = ((u32, u32), u64);

/// Names that were asked for.
#[derive(Debug, Default)]
pub struct Symbols {
    known: FxHashMap<(FileId, u64), Rc<Names>>,
}

impl Symbols {
    /// The names at these offsets of a file, in their order. The file is open only meanwhile.
    pub fn names(&mut self, path: &Path, file: FileId, offsets: &[u64]) -> Vec<Rc<Names>> {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let mut missing: Vec<u64> =
            offsets.iter().copied().filter(|offset| !self.known.contains_key(&(file, *offset))).collect();
        missing.dedup();
        if !missing.is_empty() {
            for (offset, names) in missing.iter().zip(look_up(path, &missing)) {
                self.known.insert((file, *offset), Rc::new(names));
            }
        }
        let unreadable = || Rc::new(Err(Nameless::Unreadable));
        offsets
            .iter()
            .map(|offset| self.known.get(&(file, *offset)).cloned().unwrap_or_else(unreadable))
            .collect()
    }
}

/// A new symbolizer each time: it would keep files mapped, and their file systems busy.
fn look_up(path: &Path, offsets: &[u64]) -> Vec<Names> {
    let symbolizer = Symbolizer::builder().enable_auto_reload(false).build();
    // Debug information that cannot be read must not hide the symbols.
    for debug_syms in [true, false] {
        let mut elf = Elf::new(path);
        elf.debug_syms = debug_syms;
        if let Ok(found) = symbolizer.symbolize(&Source::Elf(elf), Input::FileOffset(offsets)) {
            return found.iter().map(names).collect();
        }
    }
    offsets.iter().map(|_| Err(Nameless::Unreadable)).collect()
}

fn names(found: &Symbolized<'_>) -> Names {
    match found {
        Symbolized::Sym(symbol) => {
            let mut names = vec![name(&symbol.name, Some(symbol.offset as u64), symbol.code_info.as_deref())];
            names.extend(
                symbol.inlined.iter().map(|inlined| name(&inlined.name, None, inlined.code_info.as_ref())),
            );
            names.reverse();
            Ok(names)
        }
        Symbolized::Unknown(Reason::IgnoredError | Reason::Unsupported) => Err(Nameless::Unreadable),
        Symbolized::Unknown(_) => Err(Nameless::Stripped),
    }
}

fn name(symbol: &str, offset: Option<u64>, code: Option<&CodeInfo<'_>>) -> Name {
    Name {
        symbol: symbol.to_owned(),
        offset,
        file: code.map(|code| code.to_path().to_string_lossy().into_owned()),
        line: code.and_then(|code| code.line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_binary_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "text").unwrap();
        let found = Symbols::default().names(file.path(), ((0, 0), 1), &[5]);
        assert_eq!(*found[0], Err(Nameless::Unreadable));
    }
}
