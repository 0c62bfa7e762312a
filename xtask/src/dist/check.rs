//! `cargo xtask dist --check`: the package in a new Debian: what it is in the way of, whether it installs, runs and goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::workspace::{must, output_of};

/// What is done inside, step by step; fails at the first that is not as it must be.
const SCRIPT: &str = include_str!("check.sh");
/// Its last words.
const DONE: &str = "all steps done";

/// Debian's own package of our name, which we conflict with.
const NAMESAKE: &str = "tcptrace";

/// Says at once what would fail after minutes of building.
pub(crate) fn is_possible() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("--check needs root: run `sudo env PATH=\"$PATH\" cargo xtask dist --check`");
    }
    debootstrap().map(drop)
}

/// Makes a Debian below a temporary folder and runs the script with it.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(package: &Path, suite: Option<&str>, mirror: Option<&str>) -> Result<()> {
    let suite = suite.map_or_else(suite_of_host, |suite| Ok(suite.to_owned()))?;
    let mirror = mirror.map_or_else(mirror_of_host, |mirror| Ok(mirror.to_owned()))?;
    let folder = tempfile::tempdir().context("cannot make a folder for a Debian")?;
    let root = folder.path().join("root");
    println!("\nmaking a {suite} from {mirror}");
    let program = debootstrap()?;
    let mut make = Command::new(program);
    make.args(["--variant=minbase", &format!("--include={NAMESAKE}"), &suite]).arg(&root).arg(&mirror);
    // It tells of each package; when it fails its log says why.
    let made = must(make.stdin(Stdio::null()).stdout(Stdio::null()));
    made.with_context(|| format!("see {}", root.join("debootstrap/debootstrap.log").display()))?;
    fs::copy(package, root.join("tcptrace.deb")).context("cannot copy the package")?;
    fs::write(folder.path().join("check.sh"), SCRIPT).context("cannot write the script")?;

    // Its mounts and its network end with it.
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--propagation", "private", "--net", "bash"]).arg(folder.path().join("check.sh"));
    let said = output_of(inside.arg(&root).stdin(Stdio::null()))?;
    print!("{said}");
    if said.lines().last() != Some(DONE) {
        bail!("the script ended early");
    }
    Ok(())
}

/// In sbin, which is in few people's PATH.
fn debootstrap() -> Result<PathBuf> {
    let places = ["/usr/sbin/debootstrap", "/usr/bin/debootstrap"];
    let found = places.into_iter().map(PathBuf::from).find(|path| path.exists());
    found.context("--check needs debootstrap: install the package of that name")
}

fn suite_of_host() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("/etc/os-release names no VERSION_CODENAME: give --suite")?.trim_matches('"').to_owned())
}

fn mirror_of_host() -> Result<String> {
    let mut apt = Command::new("apt-get");
    let lines = output_of(apt.args(["indextargets", "--format", "$(REPO_URI)", "Identifier: Packages"]));
    let lines = lines.context("give --mirror")?;
    Ok(lines.lines().next().context("apt knows no mirror: give --mirror")?.to_owned())
}
