//! `cargo xtask install`: the release binary, its manual and its completions below a prefix, and away again.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::pages;
use crate::workspace::{binary, cargo, must, root, target};

/// Options of `cargo xtask install`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Below which folder.
    #[arg(long, value_name = "FOLDER", default_value = "/usr/local")]
    prefix: PathBuf,
    /// Remove what was installed there.
    #[arg(long)]
    remove: bool,
    /// Copy what is built already: what root does for an ordinary user.
    #[arg(long, hide = true)]
    built: bool,
}

/// Runs the task. With `DESTDIR` in the environment everything goes below it, as packagers expect.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let root = root()?;
    let made = target(&root).join("install");
    if !args.remove && !args.built {
        build(&root, &made)?;
    }
    let destination = env::var_os(DESTDIR).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let prefix = below(destination.as_deref(), &args.prefix);
    let done = if args.remove { remove(&prefix) } else { copy(&binary(&root, "release"), &made, &prefix) };
    let done = match done {
        Err(error) if is_denied(&error) && !rustix::process::geteuid().is_root() => {
            return through_sudo(args);
        }
        done => done?,
    };
    for path in &done {
        println!("{} {}", if args.remove { "removed" } else { "installed" }, path.display());
    }
    if done.is_empty() {
        println!("nothing of tcptrace is installed below {}", prefix.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Below which folder packagers want everything.
const DESTDIR: &str = "DESTDIR";

fn build(root: &Path, made: &Path) -> Result<()> {
    must(cargo(root).args(["build", "--quiet", "--release", "--locked", "--package", "tcptrace"]))?;
    fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
    pages::write(root, made)
}

fn copy(program: &Path, made: &Path, prefix: &Path) -> Result<Vec<PathBuf>> {
    let mut done = vec![put(program, &prefix.join("bin/tcptrace"), 0o755)?];
    for (from, to) in pages::files(made)? {
        done.push(put(&from, &prefix.join(to), 0o644)?);
    }
    Ok(done)
}

fn is_denied(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == ErrorKind::PermissionDenied)
}

/// Only the copying is root's: nothing in the target folder becomes root's own.
fn through_sudo(args: &Args) -> Result<ExitCode> {
    let mut sudo = Command::new("sudo");
    sudo.args(["--", "env"]);
    for name in [DESTDIR, "CARGO_TARGET_DIR"] {
        if let Some(value) = env::var_os(name) {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            sudo.arg(setting);
        }
    }
    sudo.arg(env::current_exe().context("where is this program?")?).args(["install", "--built"]);
    sudo.args(args.remove.then_some("--remove")).arg("--prefix").arg(&args.prefix);
    must(&mut sudo).context("cannot become root: give a --prefix that is yours, e.g. ~/.local")?;
    Ok(ExitCode::SUCCESS)
}

/// Copies beside its place and renames: a running tcptrace keeps its file, and nobody sees half of one.
fn put(from: &Path, to: &Path, mode: u32) -> Result<PathBuf> {
    let folder = to.parent().context("a file without a folder")?;
    let new = to.with_added_extension("new");
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(from, &new))
        .and_then(|_| fs::set_permissions(&new, Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&new, to))
        .with_context(|| hint(to))?;
    Ok(to.to_owned())
}

fn remove(prefix: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = vec![prefix.join("bin/tcptrace")];
    paths.extend(pages::completions().map(|to| prefix.join(to)));
    let man = prefix.join(pages::MAN);
    if man.exists() {
        for page in fs::read_dir(&man).with_context(|| format!("cannot list {}", man.display()))? {
            let page = page.with_context(|| format!("cannot list {}", man.display()))?;
            if page.file_name().to_str().is_some_and(pages::is_page) {
                paths.push(page.path());
            }
        }
    }
    let mut done = Vec::new();
    for path in paths {
        match fs::remove_file(&path) {
            Ok(()) => done.push(path),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| hint(&path)),
        }
    }
    Ok(done)
}

/// `/usr/local` below `/tmp/stage` is `/tmp/stage/usr/local`.
fn below(destination: Option<&Path>, prefix: &Path) -> PathBuf {
    match destination {
        Some(destination) => destination.join(prefix.strip_prefix("/").unwrap_or(prefix)),
        None => prefix.to_owned(),
    }
}

fn hint(path: &Path) -> String {
    format!("cannot change {}: another --prefix?", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_comes_before_the_prefix() {
        assert_eq!(below(None, Path::new("/usr/local")), Path::new("/usr/local"));
        assert_eq!(below(Some(Path::new("/stage")), Path::new("/usr")), Path::new("/stage/usr"));
    }

    #[test]
    fn what_is_removed_is_ours_alone() {
        let prefix = tempfile::tempdir().unwrap();
        let man = prefix.path().join(pages::MAN);
        let source = prefix.path().join("source");
        fs::write(&source, "text").unwrap();
        let mut expected: Vec<PathBuf> =
            ["bin/tcptrace", "share/man/man8/tcptrace.8", "share/man/man8/tcptrace-lives.8"]
                .into_iter()
                .chain(pages::completions())
                .map(|path| prefix.path().join(path))
                .collect();
        expected.sort();
        for path in &expected {
            put(&source, path, 0o644).unwrap();
        }
        let others = [man.join("tcptraceroute.8"), man.join("tcptrace.8.txt"), prefix.path().join("bin/tcp")];
        for path in &others {
            fs::write(path, "text").unwrap();
        }
        let mut removed = remove(prefix.path()).unwrap();
        removed.sort();
        assert_eq!(removed, expected);
        assert!(others.iter().all(|path| path.exists()));
        assert_eq!(remove(prefix.path()).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn what_was_there_is_replaced_and_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("bin/to"));
        for text in ["one", "two"] {
            fs::write(&from, text).unwrap();
            put(&from, &to, 0o755).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), text);
        }
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    }
}
