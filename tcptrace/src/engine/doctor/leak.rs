//! CLOSE_WAIT by culprit: who does not close, how fast it leaks, and when its fds run out.

use std::collections::BTreeMap;

use super::facts::{Facts, Picture};
use super::words::{count, list, percent, rate, seconds_until, span};
use super::{Finding, Severity};
use crate::model::state::TcpState;

/// A close in progress takes less.
const SLOW_NS: u64 = 1_000_000_000;
/// Processes told one by one.
const MOST: usize = 20;
const SOURCE: &str =
    "RFC 9293 §3.6 (CLOSE-WAIT); Linux net/ipv4/tcp_input.c:tcp_fin; getrlimit(2) RLIMIT_NOFILE";

/// The CLOSE_WAIT sockets of one process.
#[derive(Debug, Default)]
struct Share {
    sockets: u64,
    unread: u64,
    /// Without an inode: in the queue of a listener.
    waiting: u64,
    oldest_ns: u64,
    peers: BTreeMap<String, u64>,
}

fn shares(picture: &Picture) -> (BTreeMap<u32, Share>, Share) {
    let mut by_pid: BTreeMap<u32, Share> = BTreeMap::new();
    let mut nobody = Share::default();
    for sock in picture.in_state(TcpState::CloseWait) {
        let add = |share: &mut Share| {
            share.sockets += 1;
            share.unread += u64::from(sock.receive_queue > 0);
            share.waiting += u64::from(sock.inode.is_none());
            share.oldest_ns = share.oldest_ns.max(sock.age.at_least_ns);
            *share.peers.entry(sock.ends.remote.addr.to_string()).or_default() += 1;
        };
        match picture.holders_of(sock) {
            // Closed between the look at the sockets and the look at the fds.
            [] if sock.inode.is_some() && sock.age.at_least_ns < SLOW_NS => {}
            [] => add(&mut nobody),
            // Inherited copies leak in each process that has one.
            pids => pids.iter().for_each(|pid| add(by_pid.entry(*pid).or_default())),
        }
    }
    (by_pid, nobody)
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let (now, nobody) = shares(&facts.now);
    let before = facts.before.as_ref().map(|before| shares(before).0);
    let mut worst: Vec<(&u32, &Share)> = now.iter().collect();
    worst.sort_by_key(|(_, share)| std::cmp::Reverse(share.sockets));
    let mut findings: Vec<Finding> = worst
        .iter()
        .take(MOST)
        .map(|(pid, share)| {
            let then = before.as_ref().map(|before| before.get(pid).map_or(0, |share| share.sockets));
            culprit(facts, **pid, share, then)
        })
        .collect();
    let others = worst.get(MOST..).unwrap_or_default();
    if !others.is_empty() {
        let sockets: u64 = others.iter().map(|(_, share)| share.sockets).sum();
        let processes = u64::try_from(others.len()).unwrap_or_default();
        findings.push(
            Finding::new("close_wait", Severity::Info, "more processes", SOURCE)
                .with("processes", processes)
                .with("sockets", sockets)
                .saying(format!(
                    "{sockets} more CLOSE_WAITs in {processes} more processes; --pid looks at one"
                )),
        );
    }
    if nobody.sockets > 0 {
        findings.push(unheld(&nobody));
    }
    if findings.is_empty() {
        findings.push(
            Finding::new("close_wait", Severity::Ok, "CLOSE_WAIT", SOURCE)
                .with("sockets", 0)
                .saying("no process keeps a connection that its peer has closed"),
        );
    }
    findings
}

fn culprit(facts: &Facts, pid: u32, share: &Share, then: Option<u64>) -> Finding {
    let name = facts.process(pid);
    let process = facts.now.processes.get(&pid);
    let (fds, limit) = (process.and_then(|process| process.fds), process.and_then(|process| process.limit));
    let leaked = then.map(|then| share.sockets.saturating_sub(then));
    let watched = facts.watched_ms();
    // The rate at which fds go is counted over the fds themselves: other leaks use them up as well.
    let pace = facts.before.as_ref().and_then(|before| {
        let (then, now) = (before.processes.get(&pid)?, process?);
        Some((now.fds?.saturating_sub(then.fds?), (now.at.since(then.at) / 1_000_000).max(1)))
    });
    let free = fds.zip(limit).map(|(fds, limit)| limit.saturating_sub(fds));
    let left = free.zip(pace).and_then(|(free, (grown, ms))| seconds_until(free, grown, ms));
    let left = left.filter(|_| leaked.is_some_and(|leaked| leaked > 0));
    let used = fds.zip(limit).map_or(0, |(fds, limit)| percent(fds, limit));
    let severity = match left {
        Some(left) if left < 3_600 => Severity::Critical,
        _ if used >= 90 => Severity::Critical,
        Some(_) => Severity::Warning,
        None if share.sockets >= 10 || share.oldest_ns >= 60 * SLOW_NS => Severity::Warning,
        None => Severity::Info,
    };
    let peers: Vec<String> = share.peers.iter().map(|(peer, count)| format!("{peer} ({count})")).collect();
    let mut said = format!(
        "{name} holds {} in CLOSE_WAIT, the oldest for at least {}: the peer has closed, this process has not",
        count(share.sockets, "connection"),
        span(share.oldest_ns / SLOW_NS)
    );
    if let (Some(leaked @ 1..), Some(ms)) = (leaked, watched) {
        said += &format!("; {leaked} more in {:.1} s", rate(ms, 1_000_000));
    }
    if let (Some(fds), Some(limit)) = (fds, limit) {
        said += &format!("; it uses {fds} of {limit} fds");
    }
    if let Some(left) = left {
        said += &format!(" and gets EMFILE in about {} at this pace", span(left));
    }
    if share.unread > 0 {
        said += &format!("; {} of them still have unread data", share.unread);
    }
    let finding = Finding::new("close_wait", severity, &name, SOURCE)
        .with("pid", pid)
        .with("comm", process.map(|process| process.comm.as_str().into_owned()))
        .with("sockets", share.sockets)
        .with("leaked_while_watching", leaked)
        .with("unread", (!facts.recorded).then_some(share.unread))
        .with("oldest_ns", share.oldest_ns)
        .with("fds", fds)
        .with("fd_limit", limit)
        .with("fds_per_second", pace.map(|(grown, ms)| rate(grown, ms)))
        .with("seconds_to_emfile", left)
        .with("peers", peers.iter().take(10).cloned().collect::<Vec<_>>())
        .saying(said);
    if severity == Severity::Info {
        return finding;
    }
    finding.advising(format!(
        "find where {name} reads 0 (end of file) from {} and does not close; `tcptrace stuck --pid {pid}` lists the fds, a restart \
         frees them; no sysctl does",
        list(&peers, 2)
    ))
}

fn unheld(share: &Share) -> Finding {
    let Share { sockets, waiting, oldest_ns, .. } = share;
    let finding = Finding::new("close_wait", Severity::Warning, "CLOSE_WAIT without a holder", SOURCE)
        .with("sockets", *sockets)
        .with("not_accepted", *waiting)
        .with("oldest_ns", *oldest_ns);
    let other = sockets - waiting;
    let finding = finding.saying(format!(
        "{} in CLOSE_WAIT that no process holds: {waiting} not yet accepted by their listener, {other} in a process that could not be read \
         or on the way from one process to another",
        count(*sockets, "connection")
    ));
    finding.advising(if *waiting > 0 {
        "see the backlog findings: the peers gave up while a program did not call accept(), which is what has to be mended"
    } else {
        "run as root in the host's pid namespace, so that every fd table can be read"
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn leaking(sockets: usize, fds: (u64, u64), limit: u64, seconds: u64) -> Finding {
        let mut facts = sample::host(vec![sample::sock(TcpState::CloseWait, 80, 5_000); sockets]);
        sample::hold(&mut facts, 42, "leaky", fds.1, limit);
        sample::watched(&mut facts, seconds);
        facts.before.as_mut().unwrap().processes.get_mut(&42).unwrap().fds = Some(fds.0);
        check(&facts).remove(0)
    }

    #[test]
    fn a_leak_of_twenty_fds_a_second_with_thousand_free_ends_in_fifty_seconds() {
        let found = leaking(100, (100, 300), 1_300, 10);
        assert_eq!(found.severity, Severity::Critical);
        assert_eq!(
            (&found.observed["seconds_to_emfile"], &found.observed["fds_per_second"]),
            (&50.into(), &20.0.into())
        );
        assert!(found.explanation.contains("EMFILE in about 50 s"), "{}", found.explanation);
        assert!(found.subject == "leaky (42)" && found.advice.unwrap().contains("10.0.0.2"));
    }

    #[test]
    fn without_a_leak_no_time_is_promised() {
        let mut facts = sample::host(vec![sample::sock(TcpState::CloseWait, 80, 5_000)]);
        sample::hold(&mut facts, 42, "calm", 10, 1_024);
        let found = check(&facts).remove(0);
        assert_eq!(
            (found.severity, &found.observed["seconds_to_emfile"]),
            (Severity::Info, &serde_json::Value::Null)
        );
    }

    #[test]
    fn a_socket_that_nobody_holds_is_not_blamed_on_a_process() {
        let found = check(&sample::host(vec![sample::sock(TcpState::CloseWait, 80, 5_000)])).remove(0);
        assert_eq!(
            (found.subject.as_str(), &found.observed["not_accepted"]),
            ("CLOSE_WAIT without a holder", &1.into())
        );
    }

    #[test]
    fn of_many_culprits_the_worst_are_named_and_the_rest_summed() {
        let mut facts = sample::host(Vec::new());
        for pid in 1..=25 {
            let sockets = if pid == 13 { 9 } else { 2 };
            facts.now.sockets.extend(vec![sample::sock(TcpState::CloseWait, 80, 5_000); sockets]);
            sample::hold(&mut facts, pid, "p", 9, 99);
        }
        let found = check(&facts);
        assert_eq!((found.len(), found[0].subject.as_str()), (21, "p (13)"));
        assert_eq!(
            (&found[20].observed["processes"], &found[20].observed["sockets"]),
            (&5.into(), &10.into())
        );
    }

    #[test]
    fn a_host_without_close_wait_is_told_so() {
        assert_eq!(check(&sample::host(Vec::new()))[0].severity, Severity::Ok);
    }
}
