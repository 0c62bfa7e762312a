//! The table of TIME_WAITs: its limit, and what did not fit.

use super::facts::{Facts, Space};
use super::words::{count, percent};
use super::{Finding, Severity};
use crate::model::state::TcpState;

const SOURCE: &str = "Linux net/ipv4/inet_timewait_sock.c:inet_twsk_alloc; ip-sysctl.rst tcp_max_tw_buckets";
const LIMIT: &str = "net.ipv4.tcp_max_tw_buckets";
const OVERFLOW: &str = "TcpExt.TCPTimeWaitOverflow";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        facts.now.spaces.iter().filter_map(|space| of_space(facts, space)).collect();
    if findings.is_empty() {
        findings.push(
            Finding::new("time_wait_buckets", Severity::Ok, "TIME_WAIT table", SOURCE)
                .saying("no namespace is near tcp_max_tw_buckets, and none has overflowed"),
        );
    }
    findings
}

fn of_space(facts: &Facts, space: &Space) -> Option<Finding> {
    let overflowed = space.counter(OVERFLOW).unwrap_or(0);
    let grown = facts.grown(space, OVERFLOW);
    let limit = space.number(LIMIT).and_then(|limit| u64::try_from(limit).ok());
    let counted = || {
        let here = facts.now.in_state(TcpState::TimeWait).filter(|sock| sock.netns == space.netns);
        u64::try_from(here.count()).unwrap_or_default()
    };
    let used = space.sockstat.map(|sockstat| sockstat.time_wait).or_else(|| facts.recorded.then(counted));
    let share = used.zip(limit).map_or(0, |(used, limit)| percent(used, limit));
    let severity = match (grown, overflowed) {
        (Some(1..), _) => Severity::Critical,
        _ if share >= 90 => Severity::Warning,
        (None, 1..) => Severity::Warning,
        (Some(0), 1..) => Severity::Info,
        _ => return None,
    };
    let place = facts.in_space(space.netns);
    let shown = |number: Option<u64>| number.map_or("unknown".to_owned(), |number| number.to_string());
    let mut said = format!("{} TIME_WAITs of at most {}{place}", shown(used), shown(limit));
    if overflowed > 0 {
        let now = grown.map_or(String::new(), |grown| format!(", {grown} of them while watching"));
        said += &format!(
            "; {} got none and went straight to CLOSED{now}: a late segment of the old connection can then disturb a new one",
            count(overflowed, "connection")
        );
    }
    let finding = Finding::new("time_wait_buckets", severity, format!("TIME_WAIT table{place}"), SOURCE)
        .with("netns", space.netns)
        .with("time_wait", used)
        .with("tcp_max_tw_buckets", limit)
        .with("overflowed", overflowed)
        .with("overflowed_while_watching", grown)
        .saying(said);
    if severity < Severity::Warning {
        return Some(finding);
    }
    Some(finding.advising(format!(
        "raise {LIMIT}{place} (the default is half the entries of the kernel's hash table); it must not be lowered to get rid of \
         TIME_WAITs"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::facts::Sockstat;
    use super::super::sample;
    use super::*;

    #[test]
    fn an_overflow_while_watching_is_critical_and_an_old_one_is_not() {
        for (before, now, expected) in [(2, 5, Severity::Critical), (5, 5, Severity::Info)] {
            let mut facts = sample::host(Vec::new());
            sample::watched(&mut facts, 10);
            sample::counter(&mut facts, OVERFLOW, before, now);
            sample::sysctl(&mut facts, LIMIT, "2");
            let found = check(&facts).remove(0);
            assert_eq!((found.severity, &found.observed["overflowed"]), (expected, &5.into()));
            assert_eq!(found.observed["overflowed_while_watching"], now - before);
        }
    }

    #[test]
    fn a_table_nearly_full_is_told_before_it_overflows() {
        let mut facts = sample::host(Vec::new());
        facts.now.spaces[0].sockstat = Some(Sockstat { time_wait: 95, ..Sockstat::default() });
        sample::sysctl(&mut facts, LIMIT, "100");
        assert_eq!(check(&facts)[0].severity, Severity::Warning);
        sample::sysctl(&mut facts, LIMIT, "131072");
        assert_eq!(check(&facts)[0].severity, Severity::Ok);
    }
}
