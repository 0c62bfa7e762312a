//! Local ports by destination: how many are left, and when connect() finds none.

mod pool;

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::facts::Facts;
use super::traffic::Route;
use super::words::{percent, rate, seconds_until, span};
use super::{Finding, Severity};
use pool::{Pool, capacity, pools};

/// Pools that are told apart in findings.
const MOST: usize = 10;
/// `TCP_TIMEWAIT_LEN`, seconds.
const TIME_WAIT_S: u64 = 60;
const SOURCE: &str = "Linux net/ipv4/inet_hashtables.c:__inet_hash_connect, net/ipv4/tcp_ipv4.c:tcp_twsk_unique; \
                      ip-sysctl.rst ip_local_port_range";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let now = pools(&facts.now);
    let before = facts.before.as_ref().map(pools);
    let mut capacities: FxHashMap<u32, u64> = FxHashMap::default();
    let mut judged: Vec<Judged> = now
        .iter()
        .map(|(route, pool)| {
            let size = *capacities.entry(route.netns).or_insert_with(|| capacity(&facts.now, route.netns));
            let then = before.as_ref().map(|before| before.get(route).copied().unwrap_or_default());
            Judged::new(facts, *route, *pool, then, size)
        })
        .collect();
    judged.sort_by_key(|judged| (std::cmp::Reverse(judged.used()), judged.route.peer, judged.route.port));
    let failed = facts.traffic.as_ref().map_or(0, |traffic| traffic.no_local_port);
    let mut findings: Vec<Finding> = judged
        .iter()
        .filter(|judged| judged.severity() >= Severity::Info)
        .take(MOST)
        .map(|judged| judged.finding(facts))
        .collect();
    if failed > 0 {
        findings.push(
            Finding::new("local_ports", Severity::Critical, "connect()", SOURCE)
                .with("no_local_port", failed)
                .saying(format!("{failed} connects found no free local port while watching (EADDRNOTAVAIL)"))
                .advising(
                    "reuse connections instead of opening new ones; more source addresses or destination ports give more pools",
                ),
        );
    }
    let unknown = facts.recorded && facts.now.spaces.iter().any(|space| space.ports.is_none());
    if findings.is_empty() && !unknown {
        let fullest = judged.first();
        findings.push(
            Finding::new("local_ports", Severity::Ok, "local ports", SOURCE)
                .with("pools", judged.len())
                .with("fullest_percent", fullest.map(Judged::used))
                .saying(match fullest {
                    Some(fullest) => format!(
                        "no destination is short of local ports; the fullest pool, toward {}, is {} % used",
                        end(fullest.route.peer, fullest.route.port),
                        fullest.used()
                    ),
                    None => "no connections with a local port out of ip_local_port_range".to_owned(),
                }),
        );
    }
    findings
}

struct Judged {
    route: Route,
    pool: Pool,
    size: u64,
    /// Seconds until it is used up at the pace of the watch.
    left: Option<u64>,
    connects: Option<f64>,
    /// Connects in 60 s at the pace seen: what TIME_WAIT will hold if this side closes first.
    steady: Option<u64>,
}

impl Judged {
    fn new(facts: &Facts, route: Route, pool: Pool, then: Option<Pool>, size: u64) -> Self {
        let ms = facts.watched_ms();
        let free = size.saturating_sub(pool.in_use) + pool.reusable;
        let left = then
            .zip(ms)
            .and_then(|(then, ms)| seconds_until(free, pool.in_use.saturating_sub(then.in_use), ms));
        let traffic = facts.traffic.as_ref();
        let made = |connects: &FxHashMap<Route, u64>| {
            // The classic attach path does not tell the namespace.
            [route.netns, 0].iter().find_map(|netns| connects.get(&Route { netns: *netns, ..route }).copied())
        };
        let connects = traffic.map(|traffic| (made(&traffic.connects).unwrap_or(0), traffic.watched_ms));
        let steady = connects.map(|(count, ms)| count.saturating_mul(TIME_WAIT_S * 1_000) / ms.max(1));
        Self { route, pool, size, left, connects: connects.map(|(count, ms)| rate(count, ms)), steady }
    }

    fn used(&self) -> u64 {
        percent(self.pool.in_use, self.size)
    }

    fn severity(&self) -> Severity {
        let soon = |limit| self.left.is_some_and(|left| left < limit) && self.used() >= 10;
        match self.used() {
            // What may be taken over is not lost.
            90.. if self.pool.reusable < self.pool.in_use / 2 => Severity::Critical,
            _ if soon(60) => Severity::Critical,
            70.. => Severity::Warning,
            _ if soon(600) => Severity::Warning,
            50.. => Severity::Info,
            _ => Severity::Ok,
        }
    }

    fn finding(&self, facts: &Facts) -> Finding {
        let Self { route, pool, size, left, connects, steady } = self;
        let place = facts.in_space(route.netns);
        let space = facts.now.space(route.netns);
        let sysctl = |name: &str| space.and_then(|space| space.number(name));
        let reuse = sysctl("net.ipv4.tcp_tw_reuse");
        let mut said = format!(
            "{} of {size} local ports toward {} are in use ({} %), {} of them in TIME_WAIT",
            pool.in_use,
            end(route.peer, route.port),
            self.used(),
            pool.time_wait
        );
        if let Some(connects) = connects {
            said += &format!("; {connects:.1} connects a second");
        }
        if let Some(steady) = steady.filter(|steady| steady > size) {
            said += &format!(
                ", which would hold {steady} ports for 60 s each: more than there are, if this side closes first"
            );
        }
        match left {
            Some(0) => said += "; connect() fails with EADDRNOTAVAIL now",
            Some(left) => {
                said +=
                    &format!("; connect() fails with EADDRNOTAVAIL in about {} at this pace", span(*left));
            }
            None => {}
        }
        said += &match (reuse, pool.time_wait, pool.reusable) {
            (_, 0, _) => String::new(),
            (_, _, reusable @ 1..) => {
                format!("; connect() may take over {reusable} of the TIME_WAITs (tcp_tw_reuse)")
            }
            (Some(2), ..) if !route.peer.is_loopback() => {
                "; tcp_tw_reuse=2 lets connect() take over none of them: it is for loopback only".to_owned()
            }
            (Some(0), ..) => "; tcp_tw_reuse=0 lets connect() take over none of them".to_owned(),
            _ => String::new(),
        };
        let finding = Finding::new(
            "local_ports",
            self.severity(),
            format!("{} → {}{place}", route.source, end(route.peer, route.port)),
            SOURCE,
        )
        .with("netns", route.netns)
        .with("source", route.source.to_string())
        .with("destination", route.peer.to_string())
        .with("port", route.port)
        .with("in_use", pool.in_use)
        .with("time_wait", pool.time_wait)
        .with("fin_wait_2_orphaned", pool.orphaned)
        .with("size", *size)
        .with("used_percent", self.used())
        .with(
            "reserved",
            space
                .and_then(|space| space.ports.as_ref())
                // A recording does not hold it.
                .filter(|_| !facts.recorded)
                .map(|ports| u64::from(ports.range.end() - ports.range.start()) + 1 - ports.size()),
        )
        .with("connects_per_second", *connects)
        .with("seconds_to_eaddrnotavail", *left)
        .with("tw_reuse", reuse)
        .with("tw_reusable", pool.reusable)
        .saying(said);
        let held = pool.in_use - pool.time_wait - pool.orphaned;
        let advice = if pool.orphaned > held.max(pool.time_wait) {
            format!(
                "{} of them are orphans in FIN_WAIT_2: find why {} does not close (CLOSE_WAIT there)",
                pool.orphaned,
                end(route.peer, route.port)
            )
        } else if pool.time_wait > held {
            let reuse = match reuse {
                Some(1) => "",
                _ => ", or set net.ipv4.tcp_tw_reuse=1 (outgoing connections only, needs timestamps)",
            };
            format!("keep connections to {} open and reuse them{reuse}", end(route.peer, route.port))
        } else {
            format!(
                "{held} connections to {} are open at once: bound the client's pool, or add a source address or a destination port",
                end(route.peer, route.port)
            )
        };
        finding.advising(advice)
    }
}

fn end(addr: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(addr, port).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::facts::Sock;
    use super::super::sample;
    use super::super::traffic::Traffic;
    use super::*;
    use crate::model::state::TcpState;

    fn pool(ports: std::ops::Range<u16>, state: TcpState) -> Vec<Sock> {
        ports.map(|port| sample::sock(state, port, 443)).collect()
    }

    #[test]
    fn ninety_percent_in_use_toward_one_destination_is_critical() {
        let mut facts = sample::host(pool(40_000..40_090, TcpState::Established));
        facts.now.spaces[0].ports.as_mut().unwrap().range = 40_000..=40_109;
        facts.now.spaces[0].ports.as_mut().unwrap().reserved = vec![40_100..=40_109];
        let found = check(&facts).remove(0);
        assert_eq!(found.severity, Severity::Critical);
        assert_eq!((&found.observed["size"], &found.observed["used_percent"]), (&100.into(), &90.into()));
        assert_eq!(found.observed["reserved"], 10);
        assert!(found.subject.ends_with("10.0.0.2:443"), "{}", found.subject);
    }

    #[test]
    fn the_pace_of_the_watch_tells_when_the_ports_end() {
        let mut facts = sample::host(pool(40_000..40_050, TcpState::TimeWait));
        facts.now.spaces[0].ports.as_mut().unwrap().range = 40_000..=40_099;
        sample::watched(&mut facts, 10);
        let mut traffic = Traffic { watched_ms: 10_000, ..Traffic::default() };
        let route = Route {
            netns: sample::NETNS,
            source: [10, 0, 0, 1].into(),
            peer: [10, 0, 0, 2].into(),
            port: 443,
        };
        traffic.connects.insert(route, 50);
        facts.traffic = Some(traffic);
        let found = check(&facts).remove(0);
        assert_eq!(found.observed["seconds_to_eaddrnotavail"], 10);
        assert_eq!(found.observed["connects_per_second"], 5.0);
        assert!(found.explanation.contains("would hold 300 ports"), "{}", found.explanation);
    }

    #[test]
    fn a_time_wait_older_than_the_delay_may_be_taken_over_with_reuse_1() {
        let mut facts = sample::host(pool(40_000..40_010, TcpState::TimeWait));
        facts.now.spaces[0].ports.as_mut().unwrap().range = 40_000..=40_009;
        facts.now.sockets[0].age.at_least_ns = 999_000_000;
        for sock in &mut facts.now.sockets[1..] {
            sock.age.at_least_ns = 1_500_000_000;
        }
        for (value, expected) in [("1", 9), ("2", 0), ("0", 0)] {
            sample::sysctl(&mut facts, "net.ipv4.tcp_tw_reuse", value);
            assert_eq!(check(&facts)[0].observed["tw_reusable"], expected, "{value}");
        }
    }

    #[test]
    fn connections_of_a_listener_inside_the_range_use_no_ports_up() {
        let mut sockets = vec![sample::sock(TcpState::Listen, 40_000, 0)];
        sockets.extend(std::iter::repeat_n(sample::sock(TcpState::Established, 40_000, 5), 500));
        let facts = sample::host(sockets);
        assert_eq!(capacity(&facts.now, sample::NETNS), 28_231);
        assert_eq!(check(&facts)[0].severity, Severity::Ok);
    }
}
