//! The tools that build the kernel object: where they are, which versions, how to get them.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{cache, must, output_of};

/// The major version of LLVM that rustc, bpf-linker and llvm-objcopy share.
const LLVM: &str = "22";
/// The version of bpf-linker; another may emit other instructions.
const LINKER: &str = "0.13.0";
/// What Debian and Ubuntu call the packages with Rust's newest compiler and LLVM.
const PACKAGES: [&str; 4] = ["rustc-web", "rust-web-src", "cargo-web", "llvm-22-dev"];
/// Names another sysroot than Debian's, for example one of rustup's.
const SYSROOT: &str = "TCPTRACE_EBPF_SYSROOT";

/// The tools, found.
pub(crate) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    library: PathBuf,
    linker: PathBuf,
    objcopy: PathBuf,
    versions: Versions,
}

/// What decides the bytes of the object, beside its sources.
#[derive(PartialEq, Eq)]
pub(crate) struct Versions {
    rustc: String,
    llvm: String,
    linker: String,
    objcopy: String,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rustc, llvm, linker, objcopy } = self;
        writeln!(f, "rustc: {rustc}")?;
        writeln!(f, "rustc's LLVM: {llvm}")?;
        writeln!(f, "linker: {linker}")?;
        writeln!(f, "objcopy: {objcopy}")
    }
}

impl Toolchain {
    /// Finds every tool, or says which one is missing.
    pub(crate) fn locate() -> Result<Self> {
        let sysroot = env::var_os(SYSROOT).map_or_else(|| PathBuf::from("/usr"), PathBuf::from);
        let cargo = existing(sysroot.join("bin/cargo"))?;
        let rustc = existing(sysroot.join("bin/rustc"))?;
        // Debian's is a link into /usr/share or /usr/src: the compiler sees the unresolved path.
        let library = existing(sysroot.join("lib/rustlib/src/rust/library"))?;
        let linker = existing(linker_root()?.join("bin/bpf-linker"))?;
        let objcopy = existing(llvm_prefix().join("bin/llvm-objcopy"))?;
        let versions = Versions::ask(&rustc, &linker, &objcopy)?;
        Ok(Self { cargo, rustc, library, linker, objcopy, versions })
    }

    /// The versions of the tools.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// A cargo that knows nothing of the one that started this task.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        isolate(&mut command);
        command.env("RUSTC", &self.rustc).env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.linker);
        command
    }

    /// The folder with the source of `core`.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }

    /// An llvm-objcopy of the same LLVM.
    pub(crate) fn objcopy(&self) -> Command {
        Command::new(&self.objcopy)
    }
}

impl Versions {
    fn ask(rustc: &Path, linker: &Path, objcopy: &Path) -> Result<Self> {
        let mut question = Command::new(rustc);
        isolate(&mut question);
        let rustc = output_of(question.arg("-Vv"))?;
        let llvm = rustc.lines().find_map(|line| line.strip_prefix("LLVM version: "));
        let llvm = llvm.context("rustc -Vv names no LLVM version")?.to_owned();
        let linker = output_of(Command::new(linker).arg("--version"))?;
        let objcopy = output_of(Command::new(objcopy).arg("--version"))?;
        let objcopy = objcopy.lines().find(|line| line.contains("version")).unwrap_or_default();
        Ok(Self {
            rustc: rustc.lines().next().unwrap_or_default().to_owned(),
            llvm,
            linker: format!("{} (LLVM {LLVM})", linker.trim()),
            objcopy: objcopy.trim().to_owned(),
        })
    }
}

/// Installs on Debian and Ubuntu what is missing; elsewhere says what is needed.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn set_up() -> Result<()> {
    if let Ok(found) = Toolchain::locate() {
        print!("everything is there already:\n{}", found.versions);
        return Ok(());
    }
    let sysroot_given = env::var_os(SYSROOT).is_some();
    let packaged = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library"]
        .iter()
        .all(|path| Path::new(path).exists());
    let llvm =
        llvm_prefix().join("bin/llvm-config").exists() && llvm_prefix().join("bin/llvm-objcopy").exists();
    if !(llvm && (packaged || sysroot_given)) {
        if !Path::new("/usr/bin/apt-get").exists() {
            bail!("this is not a Debian or Ubuntu: {}", elsewhere());
        }
        must(apt().arg("update")).context("cannot refresh the package lists")?;
        must(apt().args(["install", "--yes", "--no-install-recommends"]).args(PACKAGES))
            .with_context(|| format!("cannot install {}: {}", PACKAGES.join(" "), elsewhere()))?;
    }
    let root = linker_root()?;
    if !root.join("bin/bpf-linker").exists() {
        let sysroot = env::var_os(SYSROOT).map_or_else(|| PathBuf::from("/usr"), PathBuf::from);
        println!("building bpf-linker {LINKER} into {}", root.display());
        must(&mut install_linker(&sysroot, &root)?)?;
    }
    print!("ready:\n{}", Toolchain::locate()?.versions);
    Ok(())
}

fn install_linker(sysroot: &Path, root: &Path) -> Result<Command> {
    let mut command = Command::new(sysroot.join("bin/cargo"));
    isolate(&mut command);
    // Quick to build and small; the object that it links is the same as with full optimisation.
    command
        .env("RUSTC", sysroot.join("bin/rustc"))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .env("LLVM_SYS_221_PREFIX", llvm_prefix())
        .env("PATH", path_with(&llvm_prefix().join("bin"))?)
        .current_dir("/")
        .args(["install", "bpf-linker", "--version", LINKER, "--locked", "--force"])
        .args(["--no-default-features", "--features", "llvm-22", "--root"])
        .arg(root);
    Ok(command)
}

fn apt() -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// What to do where there is no apt, or where it does not have the packages.
fn elsewhere() -> String {
    format!(
        "install LLVM {LLVM} with its headers under {prefix}, a Rust 1.96 with its source \
         (`rustup toolchain install 1.96.0 --component rust-src`), then run\n  \
         {SYSROOT}=\"$(rustc +1.96.0 --print sysroot)\" cargo xtask ebpf --setup\n\
         and keep {SYSROOT} set for `cargo xtask ebpf`",
        prefix = llvm_prefix().display(),
    )
}

/// Removes from a command's environment what the cargo and the rustup around this task put there.
fn isolate(command: &mut Command) {
    /// How to reach a registry is the machine's business and stays.
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let ours =
            text.starts_with("CARGO") || text.starts_with("RUSTC") || text.starts_with("RUSTUP_TOOLCHAIN");
        if ours && !KEPT.iter().any(|kept| text.starts_with(kept)) {
            command.env_remove(&name);
        }
    }
    for name in ["RUSTFLAGS", "RUSTDOCFLAGS", "LD_LIBRARY_PATH", "MAKEFLAGS", "MFLAGS"] {
        command.env_remove(name);
    }
    command.env("RUSTC_WRAPPER", "");
}

fn path_with(first: &Path) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(env::split_paths(&path));
    env::join_paths(folders).context("PATH has a folder that cannot be in a PATH")
}

fn llvm_prefix() -> PathBuf {
    env::var_os("LLVM_SYS_221_PREFIX").map_or_else(|| PathBuf::from("/usr/lib/llvm-22"), PathBuf::from)
}

/// Where our bpf-linker lives: versions side by side, shared by all checkouts.
fn linker_root() -> Result<PathBuf> {
    Ok(cache()?.join(format!("bpf-linker-{LINKER}-llvm{LLVM}")))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if fs::metadata(&path).is_err() {
        bail!("{} is missing; run `cargo xtask ebpf --setup`", path.display());
    }
    Ok(path)
}
