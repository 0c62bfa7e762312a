//! Tales about states that no sysctl stands for: told to be untrue where such sockets are many enough to be worried about.

use super::facts::Facts;
use super::states::{Row, table};
use super::{Finding, Severity};
use crate::model::state::TcpState;

/// So many sockets in a state make people search for advice.
const MANY: u64 = 20;

/// A tale, and what is true.
struct Tale {
    about: TcpState,
    tale: &'static str,
    truth: &'static str,
    source: &'static str,
}

const TALES: &[Tale] = &[
    Tale {
        about: TcpState::SynSent,
        tale: "connect() fails after 180 s",
        truth: "after 131 s with the 6 retries of current kernels (127 s before Linux 6.5)",
        source: "ip-sysctl.rst tcp_syn_retries, tcp_syn_linear_timeouts",
    },
    Tale {
        about: TcpState::SynRecv,
        tale: "more than 15 in SYN_RECV are an attack",
        truth: "no fixed number says that: age, repeated SYN-ACKs and cookies that do not come back do",
        source: "Linux net/ipv4/tcp_input.c:tcp_conn_request",
    },
    Tale {
        about: TcpState::Established,
        tale: "600 in ESTABLISHED are a warning, 800 are critical",
        truth: "a fixed number says nothing: compare with what this host usually has, and with its fd limits",
        source: "getrlimit(2) RLIMIT_NOFILE",
    },
    Tale {
        about: TcpState::FinWait1,
        tale: "FIN_WAIT_1 is too short to be seen",
        truth: "it lasts until the peer acknowledges the FIN: with a dead peer or a shut window until the retries end",
        source: "Linux net/ipv4/tcp_timer.c:tcp_orphan_retries",
    },
    Tale {
        about: TcpState::FinWait2,
        tale: "FIN_WAIT_2 never ends and needs a reboot",
        truth: "without a process it ends after tcp_fin_timeout; only what a process holds stays, until that closes",
        source: "Linux net/ipv4/tcp.c:__tcp_close",
    },
    Tale {
        about: TcpState::CloseWait,
        tale: "CLOSE_WAIT lasts two hours, and keepalive shortens it",
        truth: "nothing but our own close() ends it; two hours are tcp_keepalive_time, which needs SO_KEEPALIVE and a peer that is gone",
        source: "Linux net/ipv4/tcp_timer.c:tcp_keepalive_timer",
    },
    Tale {
        about: TcpState::LastAck,
        tale: "LAST_ACK lasts for ever when the last ACK is lost",
        truth: "the FIN is sent again and then given up (tcp_orphan_retries), or answered by a RST",
        source: "Linux net/ipv4/tcp_timer.c:tcp_orphan_retries",
    },
    Tale {
        about: TcpState::TimeWait,
        tale: "a host can have 60000 TIME_WAITs",
        truth: "the limit of ports is for each source, destination and port of theirs (28232 by default); that of the table is tcp_max_tw_buckets",
        source: "Linux net/ipv4/inet_hashtables.c:__inet_hash_connect",
    },
    Tale {
        about: TcpState::TimeWait,
        tale: "a server has no TIME_WAIT, and cannot start again while it has",
        truth: "whoever closes first has it; only a server without SO_REUSEADDR has to wait for it",
        source: "RFC 9293 §3.6; socket(7) SO_REUSEADDR",
    },
    Tale {
        about: TcpState::TimeWait,
        tale: "TIME_WAITs eat memory, and SO_LINGER 0 is the cure",
        truth: "each takes a few hundred bytes and no fd; SO_LINGER 0 resets the connection and may lose its data",
        source: "Linux include/net/inet_timewait_sock.h; socket(7) SO_LINGER",
    },
];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let rows = table(facts);
    let many = |state| rows.iter().any(|row: &Row| row.state == state && row.count >= MANY);
    TALES
        .iter()
        .filter(|tale| many(tale.about))
        .map(|tale| {
            Finding::new("folklore", Severity::Ok, format!("“{}”", tale.tale), tale.source)
                .with("state", tale.about.name())
                .saying(format!("not so: {}", tale.truth))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_tale_is_told_only_where_its_state_is_crowded() {
        let facts = sample::counts(&[(TcpState::CloseWait, 20), (TcpState::TimeWait, 19)]);
        let found = check(&facts);
        assert_eq!(found.len(), 1);
        assert!(found[0].subject.contains("two hours") && found[0].explanation.contains("SO_KEEPALIVE"));
    }
}
