//! How connections ended while watching, with whom, and how much was sent twice.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::traffic::Traffic;
use super::words::{count, list, percent};
use super::{Finding, Severity};
use crate::model::life::End;

const RETRANSMISSION: &str = "RFC 6298; Linux net/ipv4/tcp_output.c:__tcp_retransmit_skb (Tcp.RetransSegs)";
const ENDS: &str =
    "RFC 9293 §3.5.3; tracepoints sock:inet_sock_set_state, tcp:tcp_send_reset, tcp:tcp_receive_reset";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = retransmission(facts).into_iter().collect();
    match &facts.traffic {
        Some(traffic) => {
            findings.extend(endings(traffic));
            findings.extend(closers(traffic));
            if traffic.lost > 0 {
                findings.push(
                    Finding::new("lost_events", Severity::Info, "tracing", "the ring buffer's own count")
                        .with("lost", traffic.lost)
                        .saying(format!(
                            "{} were lost: rates and causes are lower bounds",
                            count(traffic.lost, "event")
                        )),
                );
            }
        }
        None => findings.push(
            Finding::new("endings", Severity::Info, "ended connections", ENDS)
                .saying("nothing was traced: how connections end, and who closes first, is not known"),
        ),
    }
    findings
}

fn retransmission(facts: &Facts) -> Option<Finding> {
    facts.before.as_ref().filter(|_| !facts.recorded)?;
    let grown =
        |name: &str| -> u64 { facts.now.spaces.iter().filter_map(|space| facts.grown(space, name)).sum() };
    let [again, out, timeouts, syns] =
        ["Tcp.RetransSegs", "Tcp.OutSegs", "TcpExt.TCPTimeouts", "TcpExt.TCPSynRetrans"].map(grown);
    let permille = again.saturating_mul(1_000).checked_div(out).unwrap_or(0);
    // SYNs that a full accept queue on this host drops are sent again, and no packet is lost on the way.
    let refused = grown("TcpExt.ListenOverflows");
    let queued = refused > 0
        && refused.saturating_mul(2) >= again
        && syns.saturating_mul(10) >= again.saturating_mul(8);
    let severity = match permille {
        10.. if queued => Severity::Info,
        50.. if again >= 20 => Severity::Critical,
        10.. if again >= 20 => Severity::Warning,
        _ => Severity::Ok,
    };
    let worst = facts.traffic.as_ref().map(|traffic| traffic.retransmitting.0);
    let finding = Finding::new("retransmission", severity, "all namespaces", RETRANSMISSION)
        .with("segments_out", out)
        .with("retransmitted", again)
        .with("permille", permille)
        .with("timeouts", timeouts)
        .with("syn_retransmits", syns)
        .with("listen_overflows_while_watching", refused)
        .with("ended_connections_with_retransmission", worst)
        .saying(format!(
            "{again} of {out} segments were sent again ({}.{} %), {} of them SYNs or SYN-ACKs; {timeouts} timeouts{}",
            permille / 10,
            permille % 10,
            syns,
            if queued {
                format!("; {refused} handshakes met a full accept queue on this host, which is why: see backlog")
            } else {
                String::new()
            }
        ));
    Some(if severity >= Severity::Warning {
        finding.advising("packets are lost on the way: check drops of interfaces and conntrack, and the peers named by the timeouts")
    } else {
        finding
    })
}

/// The words for an ending, and more precisely.
type Cause = (&'static str, Option<&'static str>);

fn endings(traffic: &Traffic) -> Vec<Finding> {
    let mut by_cause: BTreeMap<Cause, (End, Vec<(u64, String)>)> = BTreeMap::new();
    for (ended, count) in &traffic.ended {
        let peer = match ended.service {
            Some(port) => std::net::SocketAddr::new(ended.peer, port).to_string(),
            None => ended.peer.to_string(),
        };
        by_cause
            .entry((ended.end.name(), ended.detail))
            .or_insert_with(|| (ended.end, Vec::new()))
            .1
            .push((*count, peer));
    }
    let mut findings = Vec::new();
    for ((name, detail), (end, mut peers)) in by_cause {
        let Some((bad_from, meaning, advice)) = trouble(end, detail) else { continue };
        peers.sort_unstable_by(|a, b| b.cmp(a));
        let total: u64 = peers.iter().map(|(count, _)| count).sum();
        let severity = if total >= bad_from && percent(total, traffic.lives) >= 5 {
            Severity::Warning
        } else {
            Severity::Info
        };
        let cause = detail.map_or(name.to_owned(), |detail| format!("{name} ({detail})"));
        let shown: Vec<String> = peers.iter().map(|(count, peer)| format!("{peer} ({count})")).collect();
        let finding = Finding::new("endings", severity, cause, ENDS)
            .with("end", name)
            .with("detail", detail)
            .with("count", total)
            .with("of", traffic.lives)
            .with("peers", shown.iter().take(10).cloned().collect::<Vec<_>>())
            .saying(format!("{total} of {} ended connections {meaning}: {}", traffic.lives, list(&shown, 3)));
        findings.push(if severity == Severity::Warning { finding.advising(advice) } else { finding });
    }
    if findings.is_empty() {
        findings.push(
            Finding::new("endings", Severity::Ok, "ended connections", ENDS)
                .with("count", traffic.lives)
                .saying(format!(
                    "{} ended while watching, none by a reset or a timeout",
                    count(traffic.lives, "connection")
                )),
        );
    }
    findings
}

/// From how many on an ending is trouble, what it means and what to do; `None` for those that are as it should be.
fn trouble(end: End, detail: Option<&str>) -> Option<(u64, &'static str, &'static str)> {
    Some(match (end, detail) {
        (End::RstReceived, _) => {
            (10, "were reset by the peer", "ask the peer's side why: its log, or tcptrace there")
        }
        (End::RstSent, Some("unread_data")) => (
            10,
            "were reset by us because the program closed with unread data",
            "read to the end before close(): the peer may lose what it had not read",
        ),
        (End::RstSent, Some("linger_0")) => (
            10,
            "were reset by us because the program set SO_LINGER 0",
            "close normally: SO_LINGER 0 avoids TIME_WAIT by throwing away data",
        ),
        (End::RstSent, _) => {
            (10, "were reset by us", "`tcptrace lives --end rst_sent` names the process of each")
        }
        (End::Refused, _) => {
            (5, "were refused", "nothing listens there, or a firewall rejects: check the service")
        }
        (End::Unreachable, _) => (3, "had no way to their peer", "check routes and firewalls on the way"),
        (End::Timeout, Some("keepalive")) => (
            5,
            "found by keepalive that the peer had vanished",
            "peers disappear without closing: look for NAT or firewalls that drop idle connections",
        ),
        (End::Timeout, _) => {
            (3, "timed out: the peer did not answer", "look for loss, and firewalls that drop silently")
        }
        (End::NoLocalPort, _) => (1, "found no free local port", "see the finding about local ports"),
        (End::FinWait2Timeout, _) => {
            (20, "were closed by us and never by the peer", "the peer leaks: look for CLOSE_WAIT there")
        }
        _ => return None,
    })
}

/// Who closes first, and so keeps the TIME_WAIT.
fn closers(traffic: &Traffic) -> Option<Finding> {
    let mut busy: Vec<_> =
        traffic.closers.iter().filter(|(_, closers)| closers.local + closers.remote >= 10).collect();
    busy.sort_by_key(|(service, closers)| (std::cmp::Reverse(closers.local + closers.remote), service.port));
    if busy.is_empty() {
        return None;
    }
    let said: Vec<String> = busy
        .iter()
        .map(|(service, closers)| {
            let share = percent(closers.local, closers.local + closers.remote);
            let kind = if service.ours { "our port" } else { "their port" };
            format!("{kind} {}: we close {share} %", service.port)
        })
        .collect();
    let figures: Vec<_> = busy
        .iter()
        .take(20)
        .map(|(service, closers)| {
            serde_json::json!({"port": service.port, "ours": service.ours, "local": closers.local, "remote": closers.remote})
        })
        .collect();
    Some(
        Finding::new(
            "who_closes_first",
            Severity::Info,
            "services",
            "RFC 9293 §3.6: TIME-WAIT stays with the side that closes first",
        )
        .with("services", figures)
        .saying(format!("the side that closes first keeps the TIME_WAIT. {}", list(&said, 5))),
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::traffic::{Closers, Ended, Service};
    use super::*;

    #[test]
    fn resets_are_counted_by_cause_and_the_busiest_peer_comes_first() {
        let mut traffic = Traffic { lives: 100, ..Traffic::default() };
        for (peer, count) in [(1, 3), (2, 30)] {
            let peer = [10, 0, 0, peer].into();
            let ended = Ended { end: End::RstReceived, detail: None, peer, service: Some(443) };
            traffic.ended.insert(ended, count);
        }
        let found = endings(&traffic).remove(0);
        assert_eq!((found.severity, &found.observed["count"]), (Severity::Warning, &33.into()));
        assert!(found.explanation.contains("10.0.0.2:443 (30), 10.0.0.1:443 (3)"), "{}", found.explanation);
    }

    #[test]
    fn orderly_ends_are_as_it_should_be() {
        let ended = Ended { end: End::Fin, detail: None, peer: [10, 0, 0, 1].into(), service: None };
        let mut traffic = Traffic { lives: 5, ..Traffic::default() };
        traffic.ended.insert(ended, 5);
        assert_eq!(endings(&traffic)[0].severity, Severity::Ok);
    }

    #[test]
    fn the_share_of_segments_sent_again_decides() {
        for (again, expected) in [(1, Severity::Ok), (30, Severity::Warning), (90, Severity::Critical)] {
            let mut facts = sample::host(Vec::new());
            sample::watched(&mut facts, 10);
            sample::counter(&mut facts, "Tcp.OutSegs", 1_000, 2_000);
            sample::counter(&mut facts, "Tcp.RetransSegs", 5, 5 + again);
            let found = retransmission(&facts).unwrap();
            assert_eq!((found.severity, &found.observed["permille"]), (expected, &again.into()));
        }
    }

    #[test]
    fn who_closes_first_is_told_by_service() {
        let mut traffic = Traffic::default();
        traffic.closers.insert(Service { ours: true, port: 80 }, Closers { local: 99, remote: 1 });
        assert!(closers(&traffic).unwrap().explanation.contains("our port 80: we close 99 %"));
    }

    #[test]
    fn syns_that_a_full_accept_queue_drops_are_no_loss_on_the_way() {
        for (refused, expected) in [(500, Severity::Info), (3, Severity::Critical)] {
            let mut facts = sample::host(Vec::new());
            sample::watched(&mut facts, 10);
            for (name, grown) in [
                ("Tcp.RetransSegs", 425),
                ("Tcp.OutSegs", 485),
                ("TcpExt.TCPSynRetrans", 425),
                ("TcpExt.ListenOverflows", refused),
            ] {
                sample::counter(&mut facts, name, 0, grown);
            }
            let found = check(&facts).remove(0);
            assert_eq!((found.check, found.severity), ("retransmission", expected));
            assert_eq!(found.explanation.contains("full accept queue"), expected == Severity::Info);
        }
    }
}
