//! The Debian package, made by cargo-deb from what stands in tcptrace/Cargo.toml.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::{cache, cargo, must, output_of};

/// Another version may put other things into a package.
const VERSION: &str = "3.8.0";

/// Packs what has been built for `triple` and the pages in `folder`; the path of the package.
pub(crate) fn build(root: &Path, folder: &Path, triple: &str) -> Result<PathBuf> {
    let tool = tool(root)?;
    changelog(root)?;
    let mut command = Command::new(tool);
    command.current_dir(root).args(["--package", "tcptrace", "--no-build", "--no-strip", "--quiet"]);
    command.args(["--profile", super::PROFILE, "--target", triple, "--output"]).arg(folder);
    let said = output_of(&mut command).context("cannot make the Debian package")?;
    let package = said.lines().map(str::trim).rfind(|line| line.ends_with(".deb")).map(PathBuf::from);
    let package = package.with_context(|| format!("cargo-deb names no package: {said}"))?;
    let package = root.join(package);
    if !package.exists() {
        bail!("cargo-deb says that it made {}, which is not there", package.display());
    }
    Ok(package)
}

/// What Debian wants of a changelog; ours is beside it in the package.
fn changelog(root: &Path) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let mut git = Command::new("git");
    let date = output_of(git.current_dir(root).args(["log", "-1", "--format=%aD"]))
        .context("when was this committed?")?;
    let text = format!(
        "tcptrace-ebpf ({version}-1) unstable; urgency=medium\n\n  * Version {version}: see the changelog beside this file.\n\n \
         -- The tcptrace developers <nobody@tcptrace.invalid>  {}\n",
        date.trim()
    );
    let path = root.join("target/debian-changelog");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Ours, installed beside the other tools when it is missing.
fn tool(root: &Path) -> Result<PathBuf> {
    let home = cache()?.join(format!("cargo-deb-{VERSION}"));
    let tool = home.join("bin/cargo-deb");
    if !tool.exists() {
        let mut install = cargo(root);
        install.args(["install", "cargo-deb", "--version", VERSION, "--locked", "--quiet", "--root"]);
        // Packing is a matter of seconds: what counts is how long the tool takes to build.
        install
            .arg(&home)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        must(&mut install).context("cannot install cargo-deb")?;
    }
    Ok(tool)
}
