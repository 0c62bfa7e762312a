//! The guest's whole file system: busybox, the programs under test with their libraries, and the kernel's modules.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::mirror::{Image, tool};
use crate::workspace::must;

/// Programs that the tests call, of this host.
const PROGRAMS: [&str; 6] = ["ip", "ss", "tc", "nft", "setpriv", "bash"];
/// What is no part of Debian's cloud kernels and the tests use; one that a kernel lacks or has built in is no loss.
const MODULES: [&str; 12] = [
    "tcp_diag",
    "inet_diag",
    "mptcp_diag",
    "veth",
    "dummy",
    "sch_tbf",
    "sch_netem",
    "nf_tables",
    "nft_ct",
    "nft_reject_inet",
    "nf_reject_ipv4",
    "xt_tcpudp",
];

/// The tree, under construction.
pub(crate) struct Initramfs {
    tree: TempDir,
}

impl Initramfs {
    /// With busybox, the host's programs, and users.
    pub(crate) fn new() -> Result<Self> {
        let initramfs = Self { tree: tempfile::tempdir()? };
        for folder in ["bin", "dev", "etc", "proc", "sys", "tmp", "run", "root", "var", "modules"] {
            fs::create_dir(initramfs.at(folder))?;
        }
        initramfs
            .text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")?;
        initramfs.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")?;
        fs::copy(tool("busybox"), initramfs.at("bin/busybox"))?;
        for name in PROGRAMS {
            let program = tool(name);
            initramfs.program(&program, &Path::new("/usr/bin").join(name), false)?;
        }
        Ok(initramfs)
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.tree.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file of text, executable.
    pub(crate) fn text(&self, path: &str, text: &str) -> Result<()> {
        let path = self.at(path);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// A program of this host and its libraries; `strip` leaves out what only a debugger wants.
    pub(crate) fn program(&self, from: &Path, to: &Path, strip: bool) -> Result<()> {
        let to = self.at(to);
        fs::create_dir_all(to.parent().context("a program needs a folder")?)?;
        if strip {
            must(Command::new("strip").args(["--strip-debug", "-o"]).arg(&to).arg(from))?;
        } else {
            fs::copy(from, &to).with_context(|| format!("{} is missing here", from.display()))?;
        }
        for library in libraries(from)? {
            let to = self.at(&library);
            if !to.exists() {
                fs::create_dir_all(to.parent().context("a library needs a folder")?)?;
                fs::copy(&library, &to)?;
            }
        }
        Ok(())
    }

    /// The modules with all that they need, and `modules/order`: their names in the order of loading.
    pub(crate) fn modules(&self, image: &Image) -> Result<()> {
        let folder = image.folder.join("lib/modules").join(&image.release);
        let dependencies = fs::read_to_string(folder.join("modules.dep"))
            .with_context(|| format!("the modules of {} have no modules.dep", image.release))?;
        let mut order = String::new();
        for path in load_order(&dependencies, &MODULES) {
            let name = module_name(&path);
            let to = self.at("modules").join(&name);
            let from = folder.join(&path);
            match path.rsplit('.').next() {
                Some("xz") => unpacked("xz", &from, &to)?,
                Some("zst") => unpacked("zstd", &from, &to)?,
                _ => drop(fs::copy(&from, &to)?),
            }
            order.push_str(&name);
            order.push('\n');
        }
        self.text("modules/order", &order)
    }

    /// As the kernel wants it.
    pub(crate) fn pack(self, into: &Path) -> Result<()> {
        let archive = fs::File::create(into)?;
        must(
            Command::new("sh")
                .args(["-c", "find . | busybox cpio -o -H newc 2>/dev/null"])
                .current_dir(self.tree.path())
                .stdout(archive),
        )
    }
}

/// The files that the loader needs for a program; none for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output =
        Command::new("ldd").arg(program).stdin(Stdio::null()).output().context("cannot start `ldd`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("not found") {
        bail!("{} lacks a library: {}", program.display(), text.trim());
    }
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).filter(|path| path.is_file()).collect())
}

fn unpacked(by: &str, from: &Path, to: &Path) -> Result<()> {
    must(Command::new(by).args(["-dc"]).arg(from).stdout(fs::File::create(to)?))
        .with_context(|| format!("apt-get install {}", if by == "xz" { "xz-utils" } else { by }))
}

/// `kernel/net/ipv4/tcp_diag.ko.xz` is `tcp_diag.ko`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once(".ko").map_or_else(|| file.to_owned(), |(name, _)| format!("{name}.ko"))
}

/// Paths of modules and of those that they need, each after what it needs, from depmod's table.
fn load_order(table: &str, wanted: &[&str]) -> Vec<String> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for name in wanted {
        let row = table.lines().filter_map(|line| line.split_once(':')).find(|(path, _)| {
            module_name(path).strip_suffix(".ko").is_some_and(|found| found.replace('-', "_") == *name)
        });
        let Some((path, needs)) = row else { continue };
        // depmod lists the deepest last.
        for one in needs.split_whitespace().rev().chain([path]) {
            if seen.insert(one.to_owned()) {
                order.push(one.to_owned());
            }
        }
    }
    order
}

/// That this host has what a guest needs; else one sentence with what to install.
pub(crate) fn tools() -> Result<()> {
    let needed = [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("busybox", "busybox-static"),
        ("depmod", "kmod"),
        ("apt-get", "apt"),
        ("strip", "binutils"),
        ("ip", "iproute2"),
        ("nft", "nftables"),
    ];
    let missing: Vec<_> = needed.iter().filter(|(name, _)| !tool(name).is_file()).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
        let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
        bail!(
            "other kernels cannot be booted without {}: apt-get install --no-install-recommends {}",
            names.join(", "),
            packages.join(" ")
        );
    }
    if !libraries(&tool("busybox"))?.is_empty() {
        bail!("busybox needs libraries that a guest lacks: apt-get install busybox-static");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_needs_and_only_once() {
        let table = "kernel/a/tcp_diag.ko.xz: kernel/a/inet_diag.ko.xz kernel/b/sock-base.ko.xz\nkernel/a/inet_diag.ko.xz: \
                     kernel/b/sock-base.ko.xz\nkernel/b/sock-base.ko.xz:\n";
        let names: Vec<_> = load_order(table, &["inet_diag", "tcp_diag", "absent"])
            .iter()
            .map(|path| module_name(path))
            .collect();
        assert_eq!(names, ["sock-base.ko", "inet_diag.ko", "tcp_diag.ko"]);
    }
}
