//! Listeners: what waits for accept(), what waits for its last ACK, and which of flood and slow accept it is.

mod counted;
mod half_open;

use std::net::IpAddr;

use rustc_hash::FxHashSet;

use super::facts::{Facts, Sock, Space};
use super::words::{count, list};
use super::{Finding, Severity};
use crate::model::state::TcpState;
use counted::Counted;
use half_open::{HalfOpen, assign};

const QUEUE: &str =
    "Linux include/net/sock.h:sk_acceptq_is_full, net/ipv4/tcp_input.c:tcp_conn_request; listen(2)";
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let listeners: Vec<&Sock> = facts.now.in_state(TcpState::Listen).collect();
    let half_open = assign(facts, &listeners);
    let mut findings = Vec::new();
    let mut blamed: FxHashSet<u32> = FxHashSet::default();
    for (listener, half_open) in listeners.iter().zip(&half_open) {
        if let Some(space) = facts.now.space(listener.netns)
            && let Some(finding) = of_listener(facts, listener, half_open, &Counted::new(facts, space), space)
        {
            blamed.insert(listener.netns);
            findings.push(finding);
        }
    }
    // Counters are the namespace's: with no listener to blame now they are told for themselves.
    for space in facts.now.spaces.iter().filter(|space| !blamed.contains(&space.netns)) {
        findings.extend(of_space(facts, space, &Counted::new(facts, space)));
    }
    if findings.is_empty() {
        let waiting: u64 = listeners.iter().map(|listener| u64::from(listener.receive_queue)).sum();
        findings.push(
            Finding::new("backlog", Severity::Ok, "listeners", QUEUE)
                .with("listeners", listeners.len())
                .with("waiting_for_accept", waiting)
                .saying(format!(
                    "{}, none with a full queue; nothing was dropped",
                    count(u64::try_from(listeners.len()).unwrap_or_default(), "listener")
                )),
        );
    }
    findings
}

/// What is wrong with a listener.
enum Trouble {
    /// Its accept queue is full.
    SlowAccept,
    /// Its half-open connections do not complete.
    Flood,
    /// Its half-open queue is too short for honest peers.
    Burst,
}

fn of_listener(
    facts: &Facts,
    listener: &Sock,
    half_open: &HalfOpen,
    counted: &Counted,
    space: &Space,
) -> Option<Finding> {
    let (queue, limit) = (u64::from(listener.receive_queue), u64::from(listener.send_queue));
    // Full is one more than the limit (`sk_acceptq_is_full`).
    let full = queue > limit;
    // In a short queue a few connections are only passing.
    let nearly = limit >= 5 && queue.saturating_mul(10) >= limit.saturating_mul(8);
    let half_full = half_open.count >= half_open.limit.max(4);
    let sent = counted.recent_sent();
    let valid = counted.recent_valid();
    // Cookies that come back are honest peers.
    let honest = valid.saturating_mul(2) >= sent.max(1);
    let trouble = if full || nearly {
        Trouble::SlowAccept
    } else if half_full && sent > 0 && honest {
        Trouble::Burst
    } else if (half_full && (sent > 0 || half_open.retried * 2 >= half_open.count))
        || (half_open.retried >= 20 && half_open.retried * 2 >= half_open.count)
    {
        Trouble::Flood
    } else {
        return None;
    };
    let local = listener.ends.local;
    let port = local.port.unwrap_or_default();
    let place = facts.in_space(listener.netns);
    let names: Vec<String> = facts.now.holders_of(listener).iter().map(|pid| facts.process(*pid)).collect();
    let owner = if names.is_empty() { "an unknown process".to_owned() } else { list(&names, 3) };
    let somaxconn = space.number("net.core.somaxconn");
    let dropped = counted.recent_overflows();
    let peers = u64::try_from(half_open.peers.len()).unwrap_or_default();
    let half = format!(
        "{} ({} with a repeated SYN-ACK) from {}",
        count(half_open.count, "half-open connection"),
        half_open.retried,
        count(peers, "address").replace("addresss", "addresses")
    );
    let (severity, kind, said, advice) = match trouble {
        Trouble::SlowAccept => (
            if full { Severity::Critical } else { Severity::Warning },
            "slow_accept",
            format!(
                "{queue} connections wait for accept() of {owner}, its limit is {limit} (the smaller of listen()'s backlog and \
                 somaxconn{}); {dropped} SYNs or handshakes were dropped for that: a slow acceptor, not a flood; {half}",
                somaxconn.map_or(String::new(), |limit| format!(" {limit}"))
            ),
            format!(
                "make {owner} accept faster: find what blocks its accept loop; a larger backlog only lengthens the wait, and \
                 syncookies do not help here"
            ),
        ),
        Trouble::Flood => (
            if half_full { Severity::Critical } else { Severity::Warning },
            "syn_flood",
            format!(
                "{half} against a limit of {}, while only {queue} wait for accept(): SYNs that nobody completes; {sent} cookies \
                 sent, {valid} came back valid. A flood, or the way back to these peers is broken",
                half_open.limit
            ),
            "keep tcp_syncookies=1, and filter the sources upstream; check that SYN-ACKs leave this host; \
             tcp_max_syn_backlog changes nothing while syncookies are on"
                .to_owned(),
        ),
        Trouble::Burst => (
            Severity::Warning,
            "short_backlog",
            format!(
                "{half} fill the limit of {limit}; {valid} of {sent} cookies came back valid: honest peers come faster than the backlog \
                 is long"
            ),
            format!(
                "raise the backlog that {owner} gives to listen(), and net.core.somaxconn above it; tcp_max_syn_backlog does not count \
                 while syncookies are on"
            ),
        ),
    };
    let finding = Finding::new("backlog", severity, format!("{}{place}", shown(local.addr, port)), QUEUE)
        .with("verdict", kind)
        .with("netns", listener.netns)
        .with("address", local.addr.to_string())
        .with("port", port)
        .with("owners", names)
        .with("accept_queue", queue)
        .with("effective_limit", limit)
        .with("somaxconn", somaxconn)
        .with("half_open", half_open.count)
        .with("half_open_retried", half_open.retried)
        .with("half_open_oldest_ns", half_open.oldest_ns)
        .with("distinct_peers", peers);
    Some(counted.onto(finding).saying(said).advising(advice))
}

fn of_space(facts: &Facts, space: &Space, counted: &Counted) -> Option<Finding> {
    let Counted { overflows, overflows_now, drops, drops_now, sent, sent_now, .. } = counted;
    let severity = match (overflows_now, sent_now) {
        (Some(1..), _) => Severity::Warning,
        (_, Some(1..)) => Severity::Info,
        _ if *overflows + *sent > 0 => Severity::Info,
        _ => return None,
    };
    let place = facts.in_space(space.netns);
    let watched = |now: &Option<u64>| now.map_or(String::new(), |now| format!(" ({now} while watching)"));
    let finding = Finding::new("backlog", severity, format!("accept queues{place}"), QUEUE)
        .with("netns", space.netns)
        .saying(format!(
            "{overflows}{} handshakes met a full accept queue, {drops}{} SYNs were dropped, {sent}{} cookies were sent since the \
             namespace was made; no queue is full now",
            watched(overflows_now),
            watched(drops_now),
            watched(sent_now),
        ));
    let finding = counted.onto(finding);
    Some(if severity >= Severity::Warning {
        finding.advising(
            "watch the listeners with `ss -ltn`: Recv-Q above Send-Q names the one that accepts too slowly",
        )
    } else {
        finding
    })
}

fn shown(addr: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(addr, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::counted::{OVERFLOWS, SENT, VALID};
    use super::*;
    use crate::model::snapshot::{Timer, TimerKind};

    fn listener(queue: u32, limit: u32) -> Sock {
        Sock { receive_queue: queue, send_queue: limit, ..sample::sock(TcpState::Listen, 80, 0) }
    }

    fn half_open(peer: u8) -> Sock {
        let timer = Timer { kind: TimerKind::Retransmit, expires_ns: 0, late_ns: 0, retransmits: 1 };
        let mut sock = Sock { timer: Some(timer), ..sample::sock(TcpState::NewSynRecv, 80, 1_000) };
        sock.ends.remote.addr = [10, 9, 9, peer].into();
        sock
    }

    #[test]
    fn a_full_accept_queue_is_a_slow_acceptor_whatever_the_cookies_say() {
        let mut facts = sample::host(vec![listener(9, 8)]);
        sample::hold(&mut facts, 5, "slow", 10, 100);
        sample::watched(&mut facts, 10);
        sample::counter(&mut facts, OVERFLOWS, 10, 40);
        sample::counter(&mut facts, SENT, 0, 90);
        let found = check(&facts).remove(0);
        assert_eq!((found.severity, &found.observed["verdict"]), (Severity::Critical, &"slow_accept".into()));
        assert_eq!(
            (&found.observed["effective_limit"], &found.observed["listen_overflows_while_watching"]),
            (&8.into(), &30.into())
        );
        assert!(found.explanation.contains("slow (5)"), "{}", found.explanation);
    }

    #[test]
    fn cookies_that_do_not_come_back_are_a_flood_and_those_that_do_are_a_burst() {
        for (valid, expected) in [(1, "syn_flood"), (88, "short_backlog")] {
            let mut sockets = vec![listener(0, 8)];
            sockets.extend((0..9).map(half_open));
            let mut facts = sample::host(sockets);
            sample::watched(&mut facts, 10);
            sample::counter(&mut facts, SENT, 0, 91);
            sample::counter(&mut facts, VALID, 0, valid);
            let found = check(&facts).remove(0);
            assert_eq!(found.observed["verdict"], expected);
            assert_eq!(
                (&found.observed["half_open"], &found.observed["distinct_peers"]),
                (&9.into(), &9.into())
            );
        }
    }

    #[test]
    fn listeners_on_one_address_share_the_half_open_ones() {
        let mut sockets = vec![listener(0, 8), listener(0, 8)];
        sockets.extend((0..9).map(half_open));
        assert_eq!(check(&sample::host(sockets))[0].severity, Severity::Ok);
    }

    #[test]
    fn old_overflows_without_a_full_queue_are_only_worth_knowing() {
        let mut facts = sample::host(vec![listener(0, 128)]);
        sample::watched(&mut facts, 10);
        sample::counter(&mut facts, OVERFLOWS, 7, 7);
        assert_eq!(check(&facts)[0].severity, Severity::Info);
        sample::counter(&mut facts, OVERFLOWS, 0, 0);
        assert_eq!(check(&facts)[0].severity, Severity::Ok);
    }
}
