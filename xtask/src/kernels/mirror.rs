//! Debian's kernels: which there are, and how they come into the cache. apt itself downloads and verifies, with lists of its own, so
//! that the system's sources stay as they are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};

use crate::workspace::{must, output_of};

const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
/// Who signs them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The package that depends on the newest kernel of a suite; cloud kernels are small and know virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// A suite is asked again after this time.
const FRESH: Duration = Duration::from_hours(24);

/// A line of Debian kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is called here: the version, or `newest`.
    pub(crate) name: &'static str,
    /// The suite that has it.
    suite: &'static str,
}

/// All that is tested, oldest first.
pub(crate) const LINES: [Line; 4] = [
    Line { name: "5.10", suite: "bullseye" },
    Line { name: "6.1", suite: "bookworm" },
    Line { name: "6.12", suite: "trixie" },
    Line { name: "newest", suite: "sid" },
];

/// A kernel in the cache: `vmlinuz` and `lib/modules/RELEASE`.
pub(crate) struct Image {
    pub(crate) folder: PathBuf,
    /// As `uname -r` prints it.
    pub(crate) release: String,
}

impl Line {
    /// Its kernel, from the cache where that is fresh or the mirror cannot be reached.
    pub(crate) fn fetch(self, cache: &Path) -> Result<Image> {
        let stamp = cache.join(format!("{}.kernel", self.suite));
        let cached =
            || -> Option<Image> { Image::open(cache.join(fs::read_to_string(&stamp).ok()?.trim())).ok() };
        let age = fs::metadata(&stamp)
            .and_then(|stamp| stamp.modified())
            .map(|at| SystemTime::now().duration_since(at));
        if matches!(age, Ok(Ok(age)) if age < FRESH)
            && let Some(image) = cached()
        {
            return Ok(image);
        }
        match self.download(cache) {
            Ok(name) => {
                fs::write(&stamp, &name)?;
                Image::open(cache.join(name))
            }
            Err(error) => cached().ok_or(error),
        }
    }

    /// Downloads and unpacks; the name of the folder.
    fn download(self, cache: &Path) -> Result<String> {
        if !Path::new(KEYRING).is_file() {
            bail!(
                "{KEYRING} is missing, which tells Debian's kernels from others: apt-get install debian-archive-keyring"
            );
        }
        let state = cache.join("apt").join(self.suite);
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(state.join(folder))
                .with_context(|| format!("cannot make {}", state.join(folder).display()))?;
        }
        let source = match self.suite {
            "sid" => format!("deb [signed-by={KEYRING}] {MIRROR} sid main\n"),
            suite => format!("deb [signed-by={KEYRING}] {SECURITY} {suite}-security main\n"),
        };
        fs::write(state.join("sources.list"), source)?;
        must(apt("apt-get", &state).args(["-qq", "update"]).stdin(Stdio::null()))
            .with_context(|| format!("Debian {} cannot be asked for its kernel", self.suite))?;
        let depends = |package: &str, kinds: &[&str]| -> Result<Vec<String>> {
            let shown = output_of(apt("apt-cache", &state).args(["show", "--no-all-versions", package]))
                .with_context(|| format!("Debian {} has no `{package}` any more", self.suite))?;
            Ok(packages(&shown, kinds))
        };
        let image = depends(PACKAGE, &["image"])?;
        let image =
            image.first().with_context(|| format!("`{PACKAGE}` of {} names no kernel", self.suite))?;
        // Since 6.19 the image is a shell around these.
        let mut parts = depends(image, &["binary", "modules"])?;
        if parts.is_empty() {
            parts.push(image.clone());
        }
        let name = parts[0].clone();
        let debs = state.join("debs");
        let _ = fs::remove_dir_all(&debs);
        fs::create_dir_all(&debs)?;
        must(
            apt("apt-get", &state)
                .args(["-qq", "download"])
                .args(&parts)
                .current_dir(&debs)
                .stdin(Stdio::null()),
        )?;
        let version = deb_version(&debs)?;
        let folder = format!("{name}_{version}");
        if Image::open(cache.join(&folder)).is_err() {
            unpack(&debs, &cache.join(&folder))?;
        }
        fs::remove_dir_all(&debs)?;
        Ok(folder)
    }
}

/// The version in the name of a downloaded package.
fn deb_version(debs: &Path) -> Result<String> {
    let first = fs::read_dir(debs)?.next().context("apt-get downloaded nothing")??.file_name();
    let name = first.to_string_lossy();
    Ok(name.split('_').nth(1).with_context(|| format!("a package is called `{name}`"))?.to_owned())
}

/// The packages of some kinds that a package's description says it depends on.
fn packages(shown: &str, kinds: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("Depends: "))
        .flat_map(|list| list.split(','))
        .filter_map(|one| one.split_whitespace().next())
        .filter(|name| {
            kinds.iter().any(|kind| name.strip_prefix("linux-").is_some_and(|rest| rest.starts_with(kind)))
        })
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// apt-get or apt-cache with lists of its own.
fn apt(program: &str, state: &Path) -> Command {
    let mut command = Command::new(program);
    let mut option = |name: &str, value: &Path| {
        let mut text = OsString::from(name);
        text.push("=");
        text.push(value);
        command.arg("-o").arg(text);
    };
    option("Dir::Etc::sourcelist", &state.join("sources.list"));
    option("Dir::Etc::sourceparts", Path::new("-"));
    option("Dir::State::lists", &state.join("lists"));
    option("Dir::State::status", Path::new("/dev/null"));
    option("Dir::Cache", &state.join("cache"));
    option("APT::Sandbox::User", Path::new("root"));
    option("Acquire::Languages", Path::new("none"));
    command
}

/// Unpacks all packages of a folder and keeps what booting needs.
fn unpack(debs: &Path, into: &Path) -> Result<()> {
    let whole = tempfile::tempdir_in(debs.parent().unwrap_or(debs))?;
    for deb in fs::read_dir(debs)? {
        must(Command::new("dpkg-deb").arg("-x").arg(deb?.path()).arg(whole.path()))?;
    }
    let (vmlinuz, modules) = parts_of(whole.path())?;
    let kept = tempfile::tempdir_in(debs.parent().unwrap_or(debs))?;
    fs::rename(vmlinuz, kept.path().join("vmlinuz"))?;
    fs::create_dir_all(kept.path().join("lib"))?;
    fs::rename(modules, kept.path().join("lib/modules"))?;
    let image = Image::open(kept.path().to_owned())?;
    must(Command::new(tool("depmod")).arg("-b").arg(kept.path()).arg(&image.release))?;
    let _ = fs::remove_dir_all(into);
    fs::rename(kept.keep(), into).with_context(|| format!("cannot make {}", into.display()))
}

/// Where unpacked packages have the kernel and its modules: in /boot and /lib/modules, or, since 7.2, both in /usr/lib/modules.
fn parts_of(whole: &Path) -> Result<(PathBuf, PathBuf)> {
    let modules = ["lib/modules", "usr/lib/modules"].map(|path| whole.join(path));
    let modules =
        modules.into_iter().find(|path| path.is_dir()).context("the kernel's package has no modules")?;
    let release = fs::read_dir(&modules)?.next().context("the kernel's package has no modules")??.path();
    let vmlinuz = [whole.join("boot"), release]
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")))
        .context("the kernel's package has no vmlinuz")?;
    Ok((vmlinuz, modules))
}

/// A program of root's, which an ordinary user's PATH lacks.
pub(crate) fn tool(name: &str) -> PathBuf {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        .into_iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

impl Image {
    fn open(folder: PathBuf) -> Result<Self> {
        let missing = || format!("no kernel in {}", folder.display());
        if !folder.join("vmlinuz").is_file() {
            bail!(missing());
        }
        let modules = fs::read_dir(folder.join("lib/modules"))
            .with_context(missing)?
            .next()
            .with_context(missing)??;
        let release = modules.file_name().to_string_lossy().into_owned();
        Ok(Self { folder, release })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_in_boot_or_beside_its_modules() {
        for (vmlinuz, modules) in [
            ("boot/vmlinuz-6.1.0-56-cloud-amd64", "lib/modules/6.1.0-56-cloud-amd64"),
            ("usr/lib/modules/7.2.13-cloud-amd64/vmlinuz", "usr/lib/modules/7.2.13-cloud-amd64"),
        ] {
            let whole = tempfile::tempdir().unwrap();
            let (vmlinuz, modules) = (whole.path().join(vmlinuz), whole.path().join(modules));
            fs::create_dir_all(&modules).unwrap();
            assert!(parts_of(whole.path()).is_err());
            fs::create_dir_all(vmlinuz.parent().unwrap()).unwrap();
            fs::write(&vmlinuz, "").unwrap();
            let folder = modules.parent().unwrap().to_owned();
            assert_eq!(parts_of(whole.path()).unwrap(), (vmlinuz, folder));
        }
    }

    #[test]
    fn a_kernel_s_packages_are_read_from_what_apt_shows() {
        let old = "Package: x\nDepends: linux-image-5.10.0-30-cloud-amd64 (= 5.10.218-1)\nDescription: y\n";
        assert_eq!(packages(old, &["image"]), ["linux-image-5.10.0-30-cloud-amd64"]);
        let new = "Depends: kmod, linux-binary-7.0-cloud-amd64 (= 1), linux-modules-7.0-cloud-amd64 (= 1)\n";
        let parts = packages(new, &["binary", "modules"]);
        assert_eq!(parts, ["linux-binary-7.0-cloud-amd64", "linux-modules-7.0-cloud-amd64"]);
        assert!(packages(old, &["binary", "modules"]).is_empty());
    }
}
