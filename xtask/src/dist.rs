//! `cargo xtask dist`: everything that is released, in target/dist: the static binary, the manual, completions, the Debian
//! package, checksums.

mod check;
mod deb;

use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::pages;
use crate::workspace::{cargo, must, output_of, root, target};

/// The profile of what is released: release without what only a debugger reads.
const PROFILE: &str = "shipped";

/// Options of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Install, run and remove the package in a new Debian (root, debootstrap, a mirror).
    #[arg(long)]
    check: bool,
    /// The Debian or Ubuntu release of --check [default: this host's].
    #[arg(long, value_name = "SUITE", requires = "check")]
    suite: Option<String>,
    /// Where --check gets it [default: the first mirror of this host's apt].
    #[arg(long, value_name = "URL", requires = "check")]
    mirror: Option<String>,
}

/// Runs the task.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.check {
        check::is_possible()?;
    }
    let root = root()?;
    // Whatever CARGO_TARGET_DIR says: the package's list of files in tcptrace/Cargo.toml names this folder.
    let folder = root.join("target/dist");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for entry in listed(&folder)? {
        // What an older version made must not be taken for this one's.
        if entry.is_file() {
            fs::remove_file(&entry).with_context(|| format!("cannot remove {}", entry.display()))?;
        }
    }
    let program = folder.join("tcptrace");
    let built = static_binary(&root)?;
    fs::copy(&built, &program).with_context(|| format!("cannot write {}", program.display()))?;
    let version = runs(&program)?;
    pages::write(&root, &folder)?;
    let package = deb::build(&root, &folder, &triple())?;
    let sums = checksums(&folder)?;
    fs::write(folder.join("SHA256SUMS"), &sums).context("cannot write SHA256SUMS")?;

    println!("{version}, in {}:", folder.display());
    for file in files(&folder)? {
        let size = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?.len();
        println!("{size:>9} bytes  {}", file.strip_prefix(&folder).unwrap_or(&file).display());
    }
    if args.check {
        check::run(&package, args.suite.as_deref(), args.mirror.as_deref())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn triple() -> String {
    format!("{ARCH}-unknown-linux-gnu")
}

/// Needs no library of the host: it runs on any distribution, in an empty container, in an initramfs.
fn static_binary(root: &Path) -> Result<PathBuf> {
    let triple = triple();
    let mut build = cargo(root);
    build.args(["build", "--locked", "--package", "tcptrace", "--profile", PROFILE]);
    // With --target the flags are not for build scripts and macros, which cannot be static.
    must(build.args(["--target", &triple]).env("RUSTFLAGS", "-Ctarget-feature=+crt-static"))?;
    let program = target(root).join(&triple).join(PROFILE).join("tcptrace");
    let headers =
        output_of(Command::new("readelf").args(["--program-headers", "--dynamic", "--wide"]).arg(&program))?;
    for sign in ["INTERP", "(NEEDED)"] {
        if headers.contains(sign) {
            bail!("{} is not static: readelf shows {sign}", program.display());
        }
    }
    Ok(program)
}

/// Runs with nothing around it: an empty folder for a root would do, an empty environment is tried.
fn runs(program: &Path) -> Result<String> {
    let version = output_of(Command::new(program).arg("--version").env_clear())?;
    let schema = output_of(Command::new(program).arg("schema").env_clear())?;
    serde_json::from_str::<serde_json::Value>(&schema).context("`tcptrace schema` printed no JSON")?;
    Ok(version.trim().to_owned())
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot list {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let mut paths =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().with_context(cannot)?;
    paths.sort();
    Ok(paths)
}

/// Files in a folder and the folders below.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in listed(folder)? {
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// In the form of `sha256sum`, which checks it.
fn checksums(folder: &Path) -> Result<String> {
    let mut sums = String::new();
    for path in files(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        if name == Path::new("SHA256SUMS") {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for byte in Sha256::digest(&bytes) {
            write!(sums, "{byte:02x}").context("a string is full")?;
        }
        writeln!(sums, "  {}", name.display()).context("a string is full")?;
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_sha256sum_and_not_of_themselves() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("man")).unwrap();
        for (name, text) in [("tcptrace", ""), ("man/tcptrace.8", "abc"), ("SHA256SUMS", "old")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let expected = "\
            ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  man/tcptrace.8\n\
            e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  tcptrace\n";
        assert_eq!(checksums(folder.path()).unwrap(), expected);
    }
}
