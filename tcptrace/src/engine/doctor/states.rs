//! The state table: how many, how old, how fast they grow, and what the mix means.

use serde_json::{Map, Value};

use super::facts::Facts;
use super::words::{count, per_minute, percent};
use super::{Finding, Severity};
use crate::model::state::TcpState;

/// Below this many sockets a share says nothing.
const ENOUGH: u64 = 50;
/// `TCP_TIMEWAIT_LEN`, seconds (Linux `include/net/tcp.h`).
const TIME_WAIT_S: u64 = 60;
const SOURCE: &str = "RFC 9293 §3.3.2; sock_diag of every namespace";

/// One state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which; half-open connections count as SYN_RECV.
    pub state: TcpState,
    /// How many.
    pub count: u64,
    /// Growth a minute; `None` with one picture.
    pub per_minute: Option<i64>,
    /// Ages of which this is the least that they can be: median, 99th of a hundred, oldest, nanoseconds; `None` where
    /// the state has no age.
    pub ages: Option<[u64; 3]>,
    /// What such a socket waits for, and which tale about it is not true.
    pub meaning: &'static str,
}

impl Row {
    /// The ages are exact to a tick of the kernel.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.state == TcpState::TimeWait
    }
}

/// The rows of the states that occur, in the order of a life.
#[must_use]
pub fn table(facts: &Facts) -> Vec<Row> {
    let one = |state| if state == TcpState::NewSynRecv { TcpState::SynRecv } else { state };
    let mut ages: [Vec<u64>; 13] = Default::default();
    for sock in &facts.now.sockets {
        ages[usize::from(one(sock.state) as u8)].push(sock.age.at_least_ns);
    }
    let mut before = [0_u64; 13];
    for sock in facts.before.iter().flat_map(|before| &before.sockets) {
        before[usize::from(one(sock.state) as u8)] += 1;
    }
    TcpState::ALL
        .into_iter()
        .filter(|state| *state != TcpState::NewSynRecv)
        .filter_map(|state| {
            let at = usize::from(state as u8);
            let (ages, before) = (ages.get_mut(at)?, *before.get(at)?);
            let count = u64::try_from(ages.len()).unwrap_or_default();
            (count + before > 0).then(|| Row {
                state,
                count,
                per_minute: facts.watched_ms().map(|ms| per_minute(before, count, ms)),
                ages: quantiles(ages).filter(|_| !matches!(state, TcpState::Listen | TcpState::Closed)),
                meaning: meaning(state),
            })
        })
        .collect()
}

fn quantiles(ages: &mut [u64]) -> Option<[u64; 3]> {
    ages.sort_unstable();
    let last = ages.len().checked_sub(1)?;
    Some([*ages.get(last / 2)?, *ages.get(last * 99 / 100)?, *ages.get(last)?])
}

const fn meaning(state: TcpState) -> &'static str {
    match state {
        TcpState::Closed => "no connection, the fd is still open",
        TcpState::Listen => "waiting for connections",
        TcpState::SynSent => "waiting for the peer's SYN-ACK: 131 s at most with 6 retries",
        TcpState::SynRecv | TcpState::NewSynRecv => {
            "waiting for the last ACK of a handshake; age and retries tell a flood, no fixed number does"
        }
        TcpState::Established => {
            "open; compare with this host's usual number, a fixed threshold means nothing"
        }
        TcpState::FinWait1 => {
            "waiting for the ACK of our FIN: many mean lost packets or peers with a shut window"
        }
        TcpState::FinWait2 => {
            "waiting for the peer's FIN: without limit while a process holds it, else tcp_fin_timeout"
        }
        TcpState::CloseWait => {
            "waiting for our own program to close: no timer, no sysctl and no keepalive ends it"
        }
        TcpState::Closing => "both sent FINs at once, ours is not acknowledged: rare unless packets are lost",
        TcpState::LastAck => {
            "waiting for the ACK of our last FIN: retransmitted, then given up; never for ever"
        }
        TcpState::TimeWait => {
            "60 s, fixed in the kernel (tcp_fin_timeout does not change it); costs a local port, no fd"
        }
    }
}

/// The table as a finding, and what the mix means.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let rows = table(facts);
    let mut observed = Map::new();
    for row in &rows {
        let [p50, p99, max] = row.ages.map_or([None; 3], |ages| ages.map(Some));
        observed.insert(
            row.state.name().to_owned(),
            serde_json::json!({
                "count": row.count, "per_minute": row.per_minute, "age_p50_ns": p50, "age_p99_ns": p99,
                "age_max_ns": max, "evidence": if row.is_exact() { "estimated" } else { "at_least" },
                "meaning": row.meaning,
            }),
        );
    }
    let total: u64 = rows.iter().map(|row| row.count).sum();
    let spaces = u64::try_from(facts.now.spaces.len()).unwrap_or_default();
    let mut finding = Finding::new("states", Severity::Ok, "all TCP sockets", SOURCE).saying(format!(
        "{} in {}",
        count(total, "socket"),
        count(spaces, "namespace")
    ));
    if facts.now.unreadable > 0 {
        finding.severity = Severity::Info;
        finding.explanation += &format!(
            "; unreadable fd tables or namespaces: {} (owners or sockets may be missing)",
            facts.now.unreadable
        );
    }
    observed.insert("unreadable".to_owned(), Value::from(facts.now.unreadable));
    finding.observed = observed;
    std::iter::once(finding).chain(mix(&rows)).collect()
}

/// What the mix means: the question is what the sockets wait for, not which number is the largest.
fn mix(rows: &[Row]) -> Option<Finding> {
    let number = |state| rows.iter().find(|row| row.state == state).map_or(0, |row| row.count);
    let [syn_recv, fin_wait_1, closing, last_ack, syn_sent, time_wait, close_wait] = [
        TcpState::SynRecv,
        TcpState::FinWait1,
        TcpState::Closing,
        TcpState::LastAck,
        TcpState::SynSent,
        TcpState::TimeWait,
        TcpState::CloseWait,
    ]
    .map(number);
    let unanswered = syn_recv + fin_wait_1 + closing + last_ack + syn_sent;
    let working: u64 = rows
        .iter()
        .filter(|row| !matches!(row.state, TcpState::Listen | TcpState::Closed | TcpState::TimeWait))
        .map(|row| row.count)
        .sum();
    if working + time_wait < ENOUGH {
        return None;
    }
    let share = percent(unanswered, working);
    let base = |severity| {
        Finding::new("mix", severity, "the mix of states", "RFC 9293 §3.6; Linux net/ipv4/tcp_timer.c")
            .with("unanswered", unanswered)
            .with("without_time_wait", working)
            .with("unanswered_percent", share)
            .with("time_wait", time_wait)
            .with("close_wait", close_wait)
            .with("closes_per_second", time_wait / TIME_WAIT_S)
    };
    if unanswered >= 20 && share >= 20 {
        let not_time_wait = if time_wait > working {
            format!(
                " It is not a TIME_WAIT problem: {time_wait} of them are {} closes a second, each kept 60 s.",
                time_wait / TIME_WAIT_S
            )
        } else {
            String::new()
        };
        let closing = fin_wait_1 + closing + last_ack;
        let severity = if share >= 50 { Severity::Critical } else { Severity::Warning };
        let said = base(severity).saying(format!(
            "{unanswered} of {working} connections ({share} %) wait for an answer of their peer: SYN_RECV {syn_recv}, \
             SYN_SENT {syn_sent}, and {closing} with an unacknowledged FIN (FIN_WAIT_1, CLOSING, LAST_ACK). Packets are \
             lost, peers have vanished, or SYNs come from addresses that never answer.{not_time_wait}"
        ));
        return Some(said.advising(if syn_recv > closing {
            "look at the backlog findings for the listener that is flooded, and check the way back to these peers"
        } else {
            "look for loss on the way to these peers: retransmissions by peer, `nstat`, drops of the interface and conntrack"
        }));
    }
    if close_wait >= 20 && percent(close_wait, working) >= 30 {
        return Some(base(Severity::Info).saying(format!(
            "{close_wait} of {working} connections are in CLOSE_WAIT: the peers have closed, our programs have not; the network \
             and the sysctls are not involved"
        )));
    }
    (time_wait >= 1_000 && time_wait > working).then(|| {
        base(Severity::Info).saying(format!(
            "{time_wait} in TIME_WAIT are {} closes a second by this side, each kept 60 s; that is normal, holds no fd, and only \
             matters where one destination's local ports run out",
            time_wait / TIME_WAIT_S
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_sample_of_the_article_is_a_loss_or_flood_problem() {
        let facts = sample::counts(&[
            (TcpState::LastAck, 14),
            (TcpState::NewSynRecv, 348),
            (TcpState::Established, 70),
            (TcpState::FinWait1, 229),
            (TcpState::FinWait2, 30),
            (TcpState::Closing, 33),
            (TcpState::TimeWait, 18_122),
        ]);
        let found = mix(&table(&facts)).unwrap();
        assert_eq!(found.severity, Severity::Critical);
        assert_eq!(found.observed["unanswered"], 624);
        assert_eq!(found.observed["unanswered_percent"], 86);
        assert!(found.explanation.contains("not a TIME_WAIT problem"), "{}", found.explanation);
        assert!(found.explanation.contains("302 closes a second"), "{}", found.explanation);
    }

    #[test]
    fn many_time_waits_alone_are_no_trouble() {
        let facts = sample::counts(&[(TcpState::Established, 200), (TcpState::TimeWait, 9_000)]);
        let found = mix(&table(&facts)).unwrap();
        assert_eq!((found.severity, found.advice), (Severity::Info, None));
    }

    #[test]
    fn a_handful_of_sockets_means_nothing() {
        assert_eq!(mix(&table(&sample::counts(&[(TcpState::FinWait1, 30)]))), None);
    }

    #[test]
    fn a_row_has_ages_and_growth_and_half_open_counts_as_syn_recv() {
        let mut facts = sample::counts(&[(TcpState::NewSynRecv, 3), (TcpState::Listen, 1)]);
        for (seconds, sock) in (1..).zip(&mut facts.now.sockets) {
            sock.age.at_least_ns = seconds * 1_000_000_000;
        }
        sample::watched(&mut facts, 10);
        let rows = table(&facts);
        assert_eq!((rows[0].state, rows[0].ages), (TcpState::Listen, None));
        assert_eq!((rows[1].state, rows[1].count, rows[1].per_minute), (TcpState::SynRecv, 3, Some(18)));
        assert_eq!(rows[1].ages, Some([2, 2, 3].map(|s| s * 1_000_000_000)));
    }
}
