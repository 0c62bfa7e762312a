//! `cargo xtask ebpf`: the kernel object, built reproducibly from crate tcptrace-ebpf and checked in.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::toolchain::{self, Toolchain};
use crate::workspace::{must, root, target};

/// The crate, and the names of what is checked in beside its sources.
const CRATE: &str = "tcptrace-ebpf";
const OBJECT: &str = "prebuilt/tcptrace.bpf.o";
const SUMS: &str = "prebuilt/SHA256SUMS";
const TOOLCHAIN: &str = "prebuilt/TOOLCHAIN";
const TARGET: &str = "bpfel-unknown-none";
/// Bindings are per architecture, and by default the host's: one is fixed, since what the programs use of
/// them is the same everywhere.
const FLAGS: [&str; 3] = ["-Cdebuginfo=2", "-Clink-arg=--btf", "--cfg=bpf_target_arch=\"x86_64\""];

/// The workspace's release profile serves the host; the kernel half has its own needs.
const PROFILE: [(&str, &str); 9] = [
    ("LTO", "off"), // bpf-linker links bitcode: it optimises the whole program anyway
    ("CODEGEN_UNITS", "1"),
    ("PANIC", "abort"),
    ("OPT_LEVEL", "3"),
    ("DEBUG", "2"), // less, and the kernel refuses the BTF
    ("SPLIT_DEBUGINFO", "off"),
    ("STRIP", "none"),
    ("OVERFLOW_CHECKS", "false"),
    ("DEBUG_ASSERTIONS", "false"),
];

/// Options of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build into a temporary folder and fail on any byte of difference to the checked-in object.
    #[arg(long)]
    check: bool,
    /// Install what the build needs (Debian, Ubuntu), or say what is needed.
    #[arg(long, conflicts_with = "check")]
    setup: bool,
}

impl Args {
    /// As `cargo xtask ebpf --check`.
    pub(crate) fn check() -> Self {
        Self { check: true, setup: false }
    }

    /// As `cargo xtask ebpf --setup`.
    pub(crate) fn setup() -> Self {
        Self { check: false, setup: true }
    }
}

/// Runs the task.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.setup {
        toolchain::set_up()?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = root()?;
    let home = root.join(CRATE);
    let tools = Toolchain::locate()?;
    if args.check {
        check(&root, &home, &tools)?;
        return Ok(ExitCode::SUCCESS);
    }
    let object = build(&root, &target(&root).join("ebpf"), &tools)?;
    write(&home.join(OBJECT), &object)?;
    write(&home.join(TOOLCHAIN), recipe(&tools).as_bytes())?;
    write(&home.join(SUMS), checksums(&home)?.as_bytes())?;
    println!("{CRATE}/{OBJECT}: {} bytes, sha256 {}", object.len(), hex(&object));
    Ok(ExitCode::SUCCESS)
}

/// Builds the object with its own target folder and returns its bytes.
fn build(root: &Path, folder: &Path, tools: &Toolchain) -> Result<Vec<u8>> {
    // The registry's folder must be there before its path can be mapped.
    must(tools.cargo().current_dir(root).args(["fetch", "--locked", "--quiet"]))?;
    let mut cargo = tools.cargo();
    cargo
        .current_dir(root)
        .env("RUSTC_BOOTSTRAP", "1") // build-std is unstable; the compiler is not
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, tools.library())?.join("\x1f"))
        .args(["build", "--package", CRATE, "--bin", CRATE, "--release", "--locked"])
        .args(["--target", TARGET, "-Z", "build-std=core", "--target-dir"])
        .arg(folder);
    for (key, value) in PROFILE {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
    }
    must(&mut cargo)?;
    let linked = folder.join(TARGET).join("release").join(CRATE);
    let stripped = folder.join("tcptrace.bpf.o");
    // DWARF made the BTF and is of no use to the kernel. Nor are the lines of each instruction (.BTF.ext), of which it would read some
    // ten thousand at each start: they are more than half of the object, and only in a verifier's log they would be seen.
    let lines = ["--remove-section", ".BTF.ext", "--remove-section", ".rel.BTF.ext"];
    must(tools.objcopy().arg("--strip-debug").args(lines).arg(&linked).arg(&stripped))?;
    read(&stripped)
}

/// The compiler's flags; every path of this machine is mapped to a fixed one.
fn flags(root: &Path, library: &Path) -> Result<Vec<String>> {
    let mut paths = vec![(root.to_owned(), "/tcptrace"), (library.to_owned(), "/rust/library")];
    if let Ok(unlinked) = library.canonicalize() {
        paths.push((unlinked, "/rust/library"));
    }
    paths.extend(registries()?.into_iter().map(|registry| (registry, "/cargo")));
    let mut flags = FLAGS.map(str::to_owned).to_vec();
    for (from, to) in paths {
        let from = from.to_str().with_context(|| format!("{} is not UTF-8", from.display()))?;
        flags.push(format!("--remap-path-prefix={from}={to}"));
    }
    Ok(flags)
}

/// Where cargo unpacks crates: one folder a registry, with a hash in its name.
fn registries() -> Result<Vec<PathBuf>> {
    let home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir().context("neither CARGO_HOME nor HOME is set")?.join(".cargo"),
    };
    let sources = home.join("registry/src");
    let folders = fs::read_dir(&sources).with_context(|| format!("cannot list {}", sources.display()))?;
    folders.map(|folder| Ok(folder?.path())).collect()
}

/// Rebuilds from nothing and compares with what is checked in.
#[expect(clippy::print_stdout, reason = "a task talks to the developer who started it")]
fn check(root: &Path, home: &Path, tools: &Toolchain) -> Result<()> {
    let committed = read(&home.join(OBJECT)).context("no object is checked in; run `cargo xtask ebpf`")?;
    if checksums(home)? != text(&home.join(SUMS))? {
        bail!("{CRATE}/{SUMS} does not fit the sources and the object; run `cargo xtask ebpf` and commit");
    }
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let built = build(root, folder.path(), tools)?;
    if built == committed {
        println!("{CRATE}/{OBJECT} is what its sources make, byte for byte: sha256 {}", hex(&built));
        return Ok(());
    }
    let mut message = format!(
        "{CRATE}/{OBJECT} is not what its sources make: {} bytes checked in, {} built; \
         run `cargo xtask ebpf` and commit what it writes",
        committed.len(),
        built.len(),
    );
    let (then, now) = (text(&home.join(TOOLCHAIN))?, recipe(tools));
    if then != now {
        let _ = write!(
            message,
            "\nthe tools differ: the checked-in object was made with\n{then}this one with\n{now}"
        );
    }
    let verdict =
        if without_types(&committed, folder.path(), tools)? == without_types(&built, folder.path(), tools)? {
            "only types and line information differ: programs, maps and relocations are the same"
        } else {
            "programs, maps or relocations differ"
        };
    bail!("{message}\n{verdict}");
}

/// The object without BTF: what the kernel runs, but not what it is told about types and lines.
fn without_types(object: &[u8], folder: &Path, tools: &Toolchain) -> Result<Vec<u8>> {
    let (whole, bare) = (folder.join("whole.o"), folder.join("bare.o"));
    write(&whole, object)?;
    let mut objcopy = tools.objcopy();
    for section in [".BTF", ".BTF.ext", ".rel.BTF", ".rel.BTF.ext"] {
        objcopy.arg("--remove-section").arg(section);
    }
    must(objcopy.arg(&whole).arg(&bare))?;
    read(&bare)
}

/// What made the object, for whoever must make it again.
fn recipe(tools: &Toolchain) -> String {
    let mut recipe = tools.versions().to_string();
    let _ = writeln!(recipe, "target: {TARGET}, -Z build-std=core");
    let _ = writeln!(recipe, "flags: {} and --remap-path-prefix for every path", FLAGS.join(" "));
    let profile = PROFILE.map(|(key, value)| format!("{}={value}", key.to_lowercase().replace('_', "-")));
    let _ = writeln!(recipe, "profile: {}", profile.join(" "));
    recipe
}

/// The sums of the sources and of the object, as sha256sum writes them, with paths from the crate's folder.
fn checksums(home: &Path) -> Result<String> {
    let mut files = vec![home.join("Cargo.toml"), home.join(OBJECT)];
    sources(&home.join("src"), &mut files)?;
    files.sort();
    let mut sums = String::new();
    for file in files {
        let name = file.strip_prefix(home).context("a source outside of its crate")?;
        let _ = writeln!(sums, "{}  {}", hex(&read(&file)?), name.display());
    }
    Ok(sums)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
