//! FIN_WAIT_2 with and without a holder, and how many orphans the kernel still takes.

use super::facts::Facts;
use super::words::{count, list, percent, span};
use super::{Finding, Severity};
use crate::model::state::TcpState;

const SOURCE: &str = "Linux net/ipv4/tcp.c:__tcp_close, net/ipv4/tcp_timer.c:tcp_out_of_resources; ip-sysctl.rst tcp_fin_timeout";
const TIMEOUT: &str = "net.ipv4.tcp_fin_timeout";
const LIMIT: &str = "net.ipv4.tcp_max_orphans";
const ABORTED: &str = "TcpExt.TCPAbortOnMemory";
const S: u64 = 1_000_000_000;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![fin_wait_2(facts)];
    findings.extend(limit(facts));
    findings
}

fn fin_wait_2(facts: &Facts) -> Finding {
    let held: Vec<_> = facts.now.in_state(TcpState::FinWait2).filter(|sock| sock.inode.is_some()).collect();
    let all = facts.now.in_state(TcpState::FinWait2).count();
    let orphaned = u64::try_from(all - held.len()).unwrap_or_default();
    let held_count = u64::try_from(held.len()).unwrap_or_default();
    let oldest = held.iter().map(|sock| sock.age.at_least_ns).max().unwrap_or(0);
    let mut pids: Vec<u32> = held.iter().flat_map(|sock| facts.now.holders_of(sock)).copied().collect();
    pids.sort_unstable();
    pids.dedup();
    let names: Vec<String> = pids.iter().map(|pid| facts.process(*pid)).collect();
    let mut timeouts: Vec<i64> = facts.now.spaces.iter().filter_map(|space| space.number(TIMEOUT)).collect();
    timeouts.sort_unstable();
    timeouts.dedup();
    let stale = oldest >= 60 * S;
    let severity = match held_count {
        100.. if stale => Severity::Warning,
        1.. if stale => Severity::Info,
        _ => Severity::Ok,
    };
    let seconds: Vec<String> = timeouts.iter().map(i64::to_string).collect();
    let finding = Finding::new("fin_wait_2", severity, "FIN_WAIT_2", SOURCE)
        .with("held", held_count)
        .with("orphaned", orphaned)
        .with("oldest_held_ns", oldest)
        .with("tcp_fin_timeout", timeouts)
        .with("holders", names.clone());
    if held_count == 0 && orphaned == 0 {
        return finding.saying("no connection waits for its peer's FIN");
    }
    let finding = finding.saying(format!(
        "{orphaned} orphaned, which end by themselves after tcp_fin_timeout ({} s); {held_count} held by a process{}, for which no \
         timeout applies",
        list(&seconds, 3),
        if names.is_empty() { String::new() } else { format!(" ({}, oldest at least {})", list(&names, 3), span(oldest / S)) }
    ));
    if severity == Severity::Ok {
        return finding;
    }
    finding.advising(format!(
        "{} shut its sending side and keeps the fd: it should close(), or stop waiting for peers that do not",
        list(&names, 2)
    ))
}

/// `tcp_max_orphans` is the host's, and so is the count.
fn limit(facts: &Facts) -> Option<Finding> {
    let limit = facts
        .now
        .spaces
        .iter()
        .find_map(|space| space.number(LIMIT))
        .and_then(|limit| u64::try_from(limit).ok());
    let orphans =
        facts.now.spaces.iter().filter_map(|space| space.sockstat).map(|sockstat| sockstat.orphans).max()?;
    let aborted: u64 = facts.now.spaces.iter().filter_map(|space| space.counter(ABORTED)).sum();
    let aborted_now = facts
        .before
        .as_ref()
        .map(|_| facts.now.spaces.iter().filter_map(|space| facts.grown(space, ABORTED)).sum::<u64>());
    let share = limit.map(|limit| percent(orphans, limit));
    let severity = match (aborted_now, share) {
        (Some(1..), _) => Severity::Critical,
        (_, Some(75..)) => Severity::Warning,
        (_, Some(25..)) => Severity::Info,
        _ if aborted > 0 => Severity::Info,
        _ => Severity::Ok,
    };
    let shown = limit.map_or(String::new(), |limit| format!(" of at most {limit}"));
    let finding = Finding::new("orphans", severity, "orphaned sockets", SOURCE)
        .with("orphans", orphans)
        .with("tcp_max_orphans", limit)
        .with("aborted_on_memory", aborted)
        .with("aborted_while_watching", aborted_now)
        .saying(format!(
            "{}{shown} still finish what they had to send; {aborted} were reset for lack of room",
            count(orphans, "closed socket")
        ));
    Some(if severity >= Severity::Warning {
        finding.advising(
            "find why peers do not acknowledge the FINs (loss, vanished peers); lower tcp_orphan_retries sheds them sooner, raising \
             tcp_max_orphans costs up to 64 kB each",
        )
    } else {
        finding
    })
}

#[cfg(test)]
mod tests {
    use super::super::facts::Sockstat;
    use super::super::sample;
    use super::*;

    #[test]
    fn held_and_orphaned_are_told_apart() {
        let mut facts = sample::host(vec![sample::sock(TcpState::FinWait2, 80, 9); 120]);
        sample::hold(&mut facts, 8, "half", 130, 1_024);
        facts.now.sockets.iter_mut().for_each(|sock| sock.age.at_least_ns = 90 * S);
        facts.now.sockets.push(sample::sock(TcpState::FinWait2, 81, 9));
        sample::sysctl(&mut facts, TIMEOUT, "15");
        let found = fin_wait_2(&facts);
        assert_eq!((&found.observed["held"], &found.observed["orphaned"]), (&120.into(), &1.into()));
        assert_eq!(found.severity, Severity::Warning);
        assert!(
            found.explanation.contains("(15 s)") && found.explanation.contains("half (8)"),
            "{}",
            found.explanation
        );
    }

    #[test]
    fn orphans_near_their_limit_are_a_warning() {
        let mut facts = sample::host(Vec::new());
        facts.now.spaces[0].sockstat = Some(Sockstat { orphans: 80, ..Sockstat::default() });
        sample::sysctl(&mut facts, LIMIT, "100");
        assert_eq!(limit(&facts).unwrap().severity, Severity::Warning);
    }
}
