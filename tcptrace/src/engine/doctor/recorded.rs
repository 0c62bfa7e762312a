//! What a recording cannot tell a doctor, one sentence each: a finding that is missing must not look like one that is fine.

use super::facts::Facts;
use super::{Finding, Severity};

const SOURCE: &str = "the recording's format: events, dumps of sock_diag and some sysctls";

/// One finding for each check that needs more.
pub(super) fn missing(facts: &Facts) -> Vec<Finding> {
    let mut all = vec![
        (
            "backlog",
            "accept queues",
            "queues, half-open connections and the counters of overflows and syncookies are not in a recording: whether a listener is slow \
             or flooded is not known",
        ),
        (
            "retransmission",
            "all namespaces",
            "the counters of segments are not in a recording: retransmissions are known of the connections that ended only",
        ),
        (
            "fds",
            "fd tables",
            "fd tables and their limits are not in a recording: owners are those that the events named, and when a leak ends in EMFILE is \
             not known",
        ),
        (
            "keepalive",
            "timers",
            "timers are not in a recording: which connections have keepalive is not known",
        ),
        ("orphans", "orphaned sockets", "the host's count of orphans is not in a recording"),
        (
            "sysctl",
            "sysctls",
            "a recording holds some sysctls of the recorder's own namespace: all others are not known",
        ),
    ];
    if facts.now.spaces.iter().any(|space| space.ports.is_none()) {
        all.push((
            "local_ports",
            "local ports",
            "a recording holds ip_local_port_range of the recorder's own namespace: how many ports are left in others is not known",
        ));
    }
    all.into_iter()
        .map(|(check, subject, said)| {
            Finding::new(check, Severity::Info, subject, SOURCE).with("known", false).saying(said)
        })
        .collect()
}
