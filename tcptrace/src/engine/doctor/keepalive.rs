//! Keepalive: which long-idle and stuck connections have it, and whether it can help them.

use super::facts::{Facts, Sock};
use super::words::{count, span};
use super::{Finding, Severity};
use crate::model::snapshot::TimerKind;
use crate::model::state::TcpState;

const SOURCE: &str = "Linux net/ipv4/tcp_timer.c:tcp_keepalive_timer; RFC 9293 §3.8.4; RFC 1122 §4.2.3.6";
/// Idle for so long is worth a look.
const IDLE_NS: u64 = 600_000_000_000;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let idle = split(facts, |sock| sock.state == TcpState::Established && sock.age.at_least_ns >= IDLE_NS);
    let close_wait = split(facts, |sock| sock.state == TcpState::CloseWait && sock.inode.is_some());
    let half_closed = split(facts, |sock| sock.state == TcpState::FinWait2 && sock.inode.is_some());
    let total = [idle, close_wait, half_closed].iter().map(|(with, without)| with + without).sum::<u64>();
    let space = facts.now.space(facts.own_netns).or_else(|| facts.now.spaces.first());
    let number = |name: &str| space.and_then(|space| space.number(name));
    let [time, interval, probes] =
        ["time", "intvl", "probes"].map(|what| number(&format!("net.ipv4.tcp_keepalive_{what}")));
    let severity = if total == 0 { Severity::Ok } else { Severity::Info };
    let finding = Finding::new("keepalive", severity, "idle and stuck connections", SOURCE)
        .with("idle_established_with", idle.0)
        .with("idle_established_without", idle.1)
        .with("close_wait_with", close_wait.0)
        .with("close_wait_without", close_wait.1)
        .with("fin_wait_2_held_with", half_closed.0)
        .with("fin_wait_2_held_without", half_closed.1)
        .with("tcp_keepalive_time", time)
        .with("tcp_keepalive_intvl", interval)
        .with("tcp_keepalive_probes", probes);
    if total == 0 {
        return vec![finding.saying("no connection is stuck or idle for 10 min and more")];
    }
    let mut said = Vec::new();
    if idle.0 + idle.1 > 0 {
        said.push(format!(
            "{} idle for 10 min and more: {} with a keepalive timer, {} without any timer, which would never notice a vanished peer",
            count(idle.0 + idle.1, "open connection"),
            idle.0,
            idle.1
        ));
    }
    if close_wait.0 + close_wait.1 > 0 {
        said.push(format!(
            "{} in CLOSE_WAIT, {} with keepalive: it cannot help them, a live peer answers the probes and our program has to close",
            close_wait.0 + close_wait.1,
            close_wait.0
        ));
    }
    if half_closed.0 + half_closed.1 > 0 {
        said.push(format!(
            "{} in FIN_WAIT_2 held by a process, {} with keepalive: it ends them only if the peer is gone",
            half_closed.0 + half_closed.1,
            half_closed.0
        ));
    }
    if let (Some(time), Some(interval), Some(probes)) = (time, interval, probes) {
        let after = time.saturating_add(interval.saturating_mul(probes));
        said.push(format!(
            "where it is on and a socket sets nothing else, a vanished peer is noticed {} after the last segment",
            span(u64::try_from(after).unwrap_or_default())
        ));
    }
    let finding = finding.saying(said.join("; "));
    vec![if idle.1 > 0 {
        finding.advising("set SO_KEEPALIVE (and TCP_KEEPIDLE) in the programs with idle connections: tcp_keepalive_* alone turns nothing on")
    } else {
        finding
    }]
}

/// With and without a keepalive timer. Another timer hides it, so a socket that runs one is not counted.
fn split(facts: &Facts, which: impl Fn(&Sock) -> bool) -> (u64, u64) {
    let mut found = (0, 0);
    for sock in facts.now.sockets.iter().filter(|sock| which(sock)) {
        match sock.timer.map(|timer| timer.kind) {
            Some(TimerKind::Keepalive) => found.0 += 1,
            None => found.1 += 1,
            Some(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::model::snapshot::Timer;

    #[test]
    fn idle_connections_without_keepalive_are_told_and_close_wait_is_not_promised_help() {
        let mut facts = sample::host(vec![sample::sock(TcpState::Established, 80, 9); 3]);
        facts.now.sockets.iter_mut().for_each(|sock| sock.age.at_least_ns = IDLE_NS);
        facts.now.sockets[0].timer =
            Some(Timer { kind: TimerKind::Keepalive, expires_ns: 1, late_ns: 0, retransmits: 0 });
        facts.now.sockets.push(sample::sock(TcpState::CloseWait, 80, 9));
        sample::hold(&mut facts, 3, "p", 9, 99);
        for (name, value) in [("time", "7200"), ("intvl", "75"), ("probes", "9")] {
            sample::sysctl(
                &mut facts,
                Box::leak(format!("net.ipv4.tcp_keepalive_{name}").into_boxed_str()),
                value,
            );
        }
        let found = check(&facts).remove(0);
        assert_eq!(
            (&found.observed["idle_established_with"], &found.observed["idle_established_without"]),
            (&1.into(), &2.into())
        );
        assert!(found.explanation.contains("it cannot help them"), "{}", found.explanation);
        assert!(found.explanation.contains("2 h 11 min"), "{}", found.explanation);
    }
}
