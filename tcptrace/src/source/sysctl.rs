//! The sysctls of a network namespace.
//!
//! `/proc/sys/net` shows the namespace of the task that looks a file up (Linux `net/sysctl_net.c:net_ctl_header_lookup`), so it
//! is read from a thread inside.

use std::fs;
use std::io;

use super::netns::{Netns, in_netns};

/// The value of `name` (as `net.ipv4.tcp_fin_timeout`) in the calling thread's namespace, without the newline.
///
/// # Errors
/// When this kernel has no such sysctl in this namespace.
pub fn here(name: &str) -> io::Result<String> {
    let value = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/")))?;
    Ok(value.trim_end().to_owned())
}

/// [`here`] as a number.
///
/// # Errors
/// As [`here`], or when the value is no number.
pub fn number_here(name: &str) -> io::Result<i64> {
    here(name)?
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}")))
}

/// `net.ipv4.tcp_fin_timeout` of the calling thread's namespace in seconds, where it can be read.
#[must_use]
pub fn fin_timeout_here() -> Option<u32> {
    number_here("net.ipv4.tcp_fin_timeout").ok().and_then(|seconds| u32::try_from(seconds).ok())
}

/// Values of `names` in `netns`, in their order; an error for each that is not there.
///
/// # Errors
/// When the namespace cannot be entered.
pub fn read_all(netns: &Netns, names: &[&str]) -> io::Result<Vec<io::Result<String>>> {
    in_netns(netns, || names.iter().map(|name| here(name)).collect())
}
