//! The capabilities of this process, as the kernel counts them: `CapEff` of `/proc/self/status` (Linux `fs/proc/array.c:task_cap`).

use std::fs;
use std::io;

/// Those that make a difference to tcptrace, with their numbers (Linux `include/uapi/linux/capability.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Capability {
    /// Read and write what file permissions hide.
    DacOverride = 1,
    /// Read what file permissions hide: tracefs, `/proc/PID` of others.
    DacReadSearch = 2,
    /// Here: long receive queues of netlink sockets.
    NetAdmin = 12,
    /// Look into other processes.
    SysPtrace = 19,
    /// Mount, enter namespaces, and all that has no capability of its own.
    SysAdmin = 21,
    /// Here: go beyond the limit on locked memory.
    SysResource = 24,
    /// Read the kernel's memory from eBPF programs, Linux 5.8 and later.
    Perfmon = 38,
    /// Load eBPF programs, Linux 5.8 and later.
    Bpf = 39,
}

impl Capability {
    /// As capabilities(7) and setcap(8) write it, in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DacOverride => "CAP_DAC_OVERRIDE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysResource => "CAP_SYS_RESOURCE",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The effective ones of this process.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn of_this_process() -> io::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/self/status")?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no CapEff"))
    }

    /// The effective ones in the text of a `status` file.
    #[must_use]
    pub fn parse(status: &str) -> Option<Self> {
        let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(hex.trim(), 16).ok().map(Self)
    }

    /// Whether it holds exactly this one.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 >> capability as u8 & 1 == 1
    }

    /// Whether it can load eBPF programs that read the kernel: CAP_SYS_ADMIN counts for both capabilities (Linux
    /// `include/linux/capability.h:bpf_capable`, `perfmon_capable`).
    #[must_use]
    pub const fn can_trace(self) -> bool {
        self.has(Capability::SysAdmin) || (self.has(Capability::Bpf) && self.has(Capability::Perfmon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hex: &str) -> Capabilities {
        Capabilities::parse(&format!("Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t{hex}\nCapBnd:\tff\n"))
            .unwrap()
    }

    #[test]
    fn root_on_linux_6_has_all() {
        let root = of("000001ffffffffff");
        for capability in [
            Capability::DacReadSearch,
            Capability::NetAdmin,
            Capability::SysPtrace,
            Capability::SysAdmin,
            Capability::SysResource,
            Capability::Perfmon,
            Capability::Bpf,
        ] {
            assert!(root.has(capability), "{}", capability.name());
        }
    }

    #[test]
    fn tracing_takes_bpf_and_perfmon_or_sys_admin() {
        assert!(of("000000c000000000").can_trace());
        assert!(of("0000000000200000").can_trace());
        assert!(!of("0000008000000000").can_trace());
        assert!(!of("0000004000000000").can_trace());
        assert!(!of("0000000000000000").can_trace());
    }

    #[test]
    fn a_status_without_the_line_is_no_answer() {
        assert_eq!(Capabilities::parse("Name:\tx\n"), None);
        assert_eq!(Capabilities::parse("CapEff:\tzz\n"), None);
    }
}
