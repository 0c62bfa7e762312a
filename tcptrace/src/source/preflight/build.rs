//! What this binary was built from.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// aya's own version, which it does not export. A test holds it against Cargo.lock.
const AYA: &str = "0.14.0";

/// The kernel half inside this binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// sha256 of the compiled eBPF object, in hex.
    pub object_sha256: String,
    /// Its size.
    pub object_bytes: usize,
    /// What compiled it: `name: version` lines.
    pub toolchain: &'static str,
    /// Version of the loader.
    pub aya: &'static str,
}

impl Build {
    /// Of this binary.
    #[must_use]
    pub fn of_this_binary() -> Self {
        let sum = Sha256::digest(tcptrace_ebpf::OBJECT);
        let object_sha256 = sum.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing into a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self {
            object_sha256,
            object_bytes: tcptrace_ebpf::OBJECT.len(),
            toolchain: tcptrace_ebpf::TOOLCHAIN,
            aya: AYA,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aya_that_is_named_is_the_one_in_use() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        assert!(lock.contains(&format!("name = \"aya\"\nversion = \"{AYA}\"\n")));
    }

    #[test]
    fn the_object_and_its_toolchain_are_there() {
        let build = Build::of_this_binary();
        assert_eq!(build.object_sha256.len(), 64);
        assert!(build.object_bytes > 1000 && build.toolchain.contains("rustc"), "{build:?}");
    }
}
