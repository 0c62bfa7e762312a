//! The first line of a recording: what the events alone do not tell.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Damage, FORMAT, VERSION, footer};
use crate::model::time::{ClockAnchor, Mono};

/// Where, when and how a recording was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Turns event times into times of day. Kept to the nanosecond between the years 1678 and 2262.
    pub anchor: ClockAnchor,
    /// Version of the tcptrace that recorded.
    pub tool: String,
    /// Name of the host.
    pub host: String,
    /// `/proc/sys/kernel/random/boot_id`: event times of two boots have nothing to do with each other.
    pub boot_id: String,
    /// Release of the kernel.
    pub kernel: String,
    /// `CONFIG_HZ`: the unit of TCP_LINGER2.
    pub hz: u32,
    /// The attach path, `btf` or `classic`.
    pub attach: String,
    /// Events carry cookies and namespaces.
    pub cookies: bool,
    /// `tcp_receive_reset` and `tcp_send_reset` were traced.
    pub resets: bool,
    /// `tcp_destroy_sock` was traced.
    pub destroys: bool,
    /// The timer tracepoints were traced.
    pub exact: bool,
    /// Protocol 262 was followed.
    pub mptcp: bool,
    /// Since when every state change is in it; `None` where a filter or a loss stands against that.
    pub complete_since: Option<Mono>,
    /// The recorder itself, whose connections are not reported; 0 for none.
    pub own_pid: u32,
    /// `net.ipv4.tcp_fin_timeout`, seconds, of namespaces of which no event tells.
    pub fin_timeout_s: u32,
    /// The filters of the recording as the user wrote them; empty when everything is in it.
    pub filters: String,
    /// Sysctls of note, as they were when it began.
    pub sysctls: Vec<Sysctl>,
    /// Which part of a rotated recording this is, from 1.
    pub part: u32,
}

/// A sysctl of one network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Its name, with dots.
    pub name: String,
    /// Its value, as `/proc/sys` says it.
    pub value: String,
}

/// The header as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    format: String,
    version: u32,
    part: u32,
    time: String,
    mono_ns: u64,
    real_ns: i64,
    tcptrace: String,
    host: String,
    boot_id: String,
    kernel: String,
    hz: u32,
    attach: String,
    cookies: bool,
    resets: bool,
    destroys: bool,
    exact: bool,
    mptcp: bool,
    complete_since_ns: Option<u64>,
    own_pid: u32,
    fin_timeout_s: u32,
    filters: String,
    sysctls: Vec<Sysctl>,
}

/// What must be understood before anything else is.
#[derive(Deserialize)]
struct Name {
    r#type: Option<String>,
    format: Option<String>,
    version: Option<u64>,
}

impl Header {
    /// The header's line.
    pub(super) fn line(&self) -> Vec<u8> {
        let Self {
            anchor,
            tool,
            host,
            boot_id,
            kernel,
            hz,
            attach,
            cookies,
            resets,
            destroys,
            exact,
            mptcp,
            complete_since,
            own_pid,
            fin_timeout_s,
            filters,
            sysctls,
            part,
        } = self.clone();
        let time = Timestamp::from_nanosecond(anchor.real_ns).unwrap_or_default();
        let written = Written {
            format: FORMAT.to_owned(),
            version: VERSION,
            part,
            time: format!("{time:.9}"),
            mono_ns: anchor.mono.0,
            real_ns: i64::try_from(anchor.real_ns).unwrap_or_default(),
            tcptrace: tool,
            host,
            boot_id,
            kernel,
            hz,
            attach,
            cookies,
            resets,
            destroys,
            exact,
            mptcp,
            complete_since_ns: complete_since.map(|at| at.0),
            own_pid,
            fin_timeout_s,
            filters,
            sysctls,
        };
        footer::tagged("header", &written)
    }

    /// The header that `line` is.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Damage> {
        let Ok(name) = serde_json::from_slice::<Name>(line) else {
            return Err(Damage::Foreign("its first line is no JSON object"));
        };
        match (name.r#type.as_deref(), name.format.as_deref()) {
            (Some("header"), Some(FORMAT)) => {}
            (Some("transition" | "lifecycle" | "summary" | "lost" | "stuck"), _) => {
                return Err(Damage::Foreign("it is the output of tcptrace, which cannot be replayed"));
            }
            _ => return Err(Damage::Foreign("its first line is another program's")),
        }
        match name.version {
            Some(version) if version > u64::from(VERSION) => return Err(Damage::Version(version)),
            Some(1..) => {}
            _ => return Err(Damage::Header("it names no version".to_owned())),
        }
        let written: Written =
            serde_json::from_slice(line).map_err(|error| Damage::Header(error.to_string()))?;
        let Written {
            format: _,
            version: _,
            part,
            time: _,
            mono_ns,
            real_ns,
            tcptrace,
            host,
            boot_id,
            kernel,
            hz,
            attach,
            cookies,
            resets,
            destroys,
            exact,
            mptcp,
            complete_since_ns,
            own_pid,
            fin_timeout_s,
            filters,
            sysctls,
        } = written;
        Ok(Self {
            anchor: ClockAnchor { mono: Mono(mono_ns), real_ns: real_ns.into() },
            tool: tcptrace,
            host,
            boot_id,
            kernel,
            hz,
            attach,
            cookies,
            resets,
            destroys,
            exact,
            mptcp,
            complete_since: complete_since_ns.map(Mono),
            own_pid,
            fin_timeout_s,
            filters,
            sysctls,
            part,
        })
    }
}
