//! Writes the manual pages and the completions of shells into a folder; `cargo xtask dist` and `install` run it.
//!
//! It is an example and no command: who runs tcptrace needs neither it nor its libraries.

mod fields;
mod manual;
mod prose;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap_complete::Shell;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("which folder? give it as the only argument")?;
    let folder = PathBuf::from(folder);
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    for folder in [&man, &completions] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for page in manual::pages()? {
        let path = man.join(&page.file);
        fs::write(&path, page.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut tcptrace::cli::command(), "tcptrace", &completions)
            .with_context(|| format!("cannot write the completions of {shell}"))?;
    }
    Ok(())
}
