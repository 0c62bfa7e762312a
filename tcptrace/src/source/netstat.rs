//! The counters of a network namespace: `/proc/net/netstat` and `/proc/net/snmp` (Linux `net/ipv4/proc.c`).

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::netns::{Netns, in_netns};

/// Counters by group and name, as `TcpExt` and `ListenOverflows`. They only grow, and wrap at 64 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netstat(BTreeMap<String, i64>);

impl Netstat {
    /// Those of the calling thread's namespace.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn here() -> io::Result<Self> {
        // Not /proc/net: that is the namespace of the process's first thread.
        let mut netstat = Self::parse(&fs::read_to_string("/proc/thread-self/net/netstat")?);
        netstat.0.extend(Self::parse(&fs::read_to_string("/proc/thread-self/net/snmp")?).0);
        Ok(netstat)
    }

    /// Those of `netns`.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn read(netns: &Netns) -> io::Result<Self> {
        in_netns(netns, Self::here)?
    }

    /// Reads pairs of lines, names then values, each beginning with `Group:`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let mut counters = BTreeMap::new();
        for [names, values] in lines.as_chunks::<2>().0 {
            let (Some((group, names)), Some((other, values))) =
                (names.split_once(':'), values.split_once(':'))
            else {
                continue;
            };
            if group != other {
                continue;
            }
            for (name, value) in names.split_ascii_whitespace().zip(values.split_ascii_whitespace()) {
                // Tcp.MaxConn is -1; counters above i64 do not happen.
                if let Ok(value) = value.parse() {
                    counters.insert(format!("{group}.{name}"), value);
                }
            }
        }
        Self(counters)
    }

    /// The counter `name` with its group, as `TcpExt.TCPTimeWaitOverflow`; `None` where this kernel has none.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(|value| u64::try_from(*value).ok())
    }

    /// By how much `name` grew since `before`; 0 where either does not have it.
    #[must_use]
    pub fn grown(&self, before: &Self, name: &str) -> u64 {
        match (self.counter(name), before.counter(name)) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_meet_across_their_lines() {
        let netstat = Netstat::parse(
            "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 3 7\nTcp: MaxConn\nTcp: -1\nodd\n",
        );
        assert_eq!(netstat.counter("TcpExt.ListenOverflows"), Some(7));
        assert_eq!(netstat.counter("Tcp.MaxConn"), None);
        assert_eq!(netstat.counter("TcpExt.Missing"), None);
        let before = Netstat::parse("TcpExt: ListenOverflows\nTcpExt: 5\n");
        assert_eq!(netstat.grown(&before, "TcpExt.ListenOverflows"), 2);
    }

    #[test]
    fn the_running_kernel_counts_listen_overflows() {
        let netstat = Netstat::here().unwrap();
        assert!(netstat.counter("TcpExt.ListenOverflows").is_some());
        assert!(netstat.counter("Tcp.ActiveOpens").is_some());
    }
}
