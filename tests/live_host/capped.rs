//! A copy of the binary with file capabilities, run by an ordinary user: what setcap(8) makes of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::tracer::{TCPTRACE, Tracer, command};

/// nobody.
pub(crate) const NOBODY: u32 = 65_534;

pub(crate) const DAC_OVERRIDE: u64 = 1 << 1;
pub(crate) const DAC_READ_SEARCH: u64 = 1 << 2;
pub(crate) const NET_ADMIN: u64 = 1 << 12;
pub(crate) const SYS_PTRACE: u64 = 1 << 19;
pub(crate) const SYS_ADMIN: u64 = 1 << 21;
pub(crate) const PERFMON: u64 = 1 << 38;
pub(crate) const BPF: u64 = 1 << 39;

/// The copy; it is removed with this.
pub(crate) struct Capped {
    _folder: TempDir,
    program: PathBuf,
}

impl Capped {
    /// With these capabilities and no other.
    pub(crate) fn with(capabilities: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("tcptrace");
        fs::copy(TCPTRACE, &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        // struct vfs_cap_data (Linux include/uapi/linux/capability.h): revision 2, effective; permitted and inheritable, by halves.
        let half = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap();
        let words = [0x0200_0001, half(capabilities), 0, half(capabilities >> 32), 0];
        let bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        rustix::fs::setxattr(&program, "security.capability", &bytes, rustix::fs::XattrFlags::empty())
            .unwrap();
        Self { _folder: folder, program }
    }

    /// To be run as nobody, with its streams piped.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let piped = command(&[]);
        let mut command = Command::new(&self.program);
        command.args(words).uid(NOBODY).gid(NOBODY);
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.envs(piped.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// A tracer that has said that it traces.
    pub(crate) fn tracer(&self, words: &[&str]) -> Tracer {
        Tracer::of(self.command(&[&["-o", "json"], words].concat()))
    }

    /// Its exit code, and what it printed and said.
    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The records that it printed.
    pub(crate) fn records(&self, words: &[&str]) -> Vec<Value> {
        let (_, printed, said) = self.run(&[words, &["-o", "json"]].concat());
        let records: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!records.is_empty(), "{said}");
        records
    }
}

/// A hexadecimal line of a `status` file of /proc.
pub(crate) fn status(path: &str, key: &str) -> u64 {
    field(&fs::read_to_string(path).unwrap(), key)
}

/// A hexadecimal line of its text.
pub(crate) fn field(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}
