//! The kernel object that is checked in fits the sources that are checked in. Needs no eBPF toolchain: the
//! sums were written when the object was built.
#![expect(clippy::panic, reason = "tests panic; that is how they fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const SUMS: &str = "prebuilt/SHA256SUMS";
const OBJECT: &str = "prebuilt/tcptrace.bpf.o";
const REMEDY: &str = "run `cargo xtask ebpf` and commit what it writes";

#[test]
fn the_object_was_built_from_these_sources() {
    let home = kernel_crate();
    let mut wrong = Vec::new();
    for (name, sum) in listed(&home) {
        match fs::read(home.join(&name)) {
            Ok(bytes) if hex(&bytes) == sum => {}
            Ok(_) => wrong.push(format!("{name} has changed")),
            Err(error) => wrong.push(format!("{name} cannot be read: {error}")),
        }
    }
    assert!(wrong.is_empty(), "since the object was built, {}; {REMEDY}", wrong.join(", "));
}

#[test]
fn no_source_of_the_object_is_missing_from_the_list() {
    let home = kernel_crate();
    let listed = listed(&home);
    let mut sources = vec![home.join("Cargo.toml"), home.join(OBJECT)];
    rust_files(&home.join("src"), &mut sources);
    let missing: Vec<_> = sources
        .iter()
        .map(|path| path.strip_prefix(&home).expect("a source of the crate").to_string_lossy())
        .filter(|name| !listed.contains_key(&**name))
        .collect();
    assert!(missing.is_empty(), "{SUMS} does not list {}; {REMEDY}", missing.join(", "));
}

fn kernel_crate() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tcptrace-ebpf")
}

/// Path from the crate's folder → sum, as sha256sum writes them.
fn listed(home: &Path) -> BTreeMap<String, String> {
    let sums = fs::read_to_string(home.join(SUMS))
        .unwrap_or_else(|error| panic!("{SUMS} cannot be read: {error}; {REMEDY}"));
    let listed: BTreeMap<_, _> = sums
        .lines()
        .map(|line| {
            let (sum, name) = line
                .split_once("  ")
                .unwrap_or_else(|| panic!("{SUMS} has a line that is not `sum  path`: {line:?}; {REMEDY}"));
            (name.to_owned(), sum.to_owned())
        })
        .collect();
    assert!(!listed.is_empty(), "{SUMS} is empty; {REMEDY}");
    listed
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry of the crate's folder").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
