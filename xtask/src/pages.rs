//! The manual pages and the completions of shells: who makes them, and where they are installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::workspace::{cargo, must};

/// Completions: the file that is made, and its place below a prefix.
const COMPLETIONS: [(&str, &str); 3] = [
    ("completions/tcptrace.bash", "share/bash-completion/completions/tcptrace"),
    ("completions/_tcptrace", "share/zsh/site-functions/_tcptrace"),
    ("completions/tcptrace.fish", "share/fish/vendor_completions.d/tcptrace.fish"),
];

/// Where the pages stand below a prefix. Section 8: what administrators run; section 1 has another `tcptrace` on Debian.
pub(crate) const MAN: &str = "share/man/man8";

/// Writes `man` and `completions` into a folder.
pub(crate) fn write(root: &Path, folder: &Path) -> Result<()> {
    for old in ["man", "completions"] {
        let old = folder.join(old);
        if old.exists() {
            fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    let mut command = cargo(root);
    command.args(["run", "--quiet", "--locked", "--package", "tcptrace", "--example", "pages", "--"]);
    must(command.arg(folder))
}

/// Every page and completion in `folder`, with its place below a prefix.
pub(crate) fn files(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut files: Vec<_> =
        COMPLETIONS.iter().map(|(from, to)| (folder.join(from), PathBuf::from(to))).collect();
    let man = folder.join("man");
    for page in fs::read_dir(&man).with_context(|| format!("cannot list {}", man.display()))? {
        let page = page.with_context(|| format!("cannot list {}", man.display()))?;
        files.push((page.path(), Path::new(MAN).join(page.file_name())));
    }
    if files.len() < COMPLETIONS.len() + 2 {
        bail!("{} has no pages", man.display());
    }
    files.sort();
    Ok(files)
}

/// Places below a prefix, pages apart: those are known by their names.
pub(crate) fn completions() -> impl Iterator<Item = &'static str> {
    COMPLETIONS.iter().map(|(_, to)| *to)
}

/// Whether a file in [`MAN`] is a page of ours.
pub(crate) fn is_page(name: &str) -> bool {
    name == "tcptrace.8" || (name.starts_with("tcptrace-") && name.ends_with(".8"))
}
