//! The sysctls that advice about TCP names: what they do, and which of the tales about them are not true.
//!
//! One table serves the live values of each namespace and the lines of a file that somebody is about to apply.

mod closing;
mod gone;
mod idle;
mod opening;

use super::Severity;
use super::facts::{Facts, Space};
use crate::model::snapshot::TimerKind;
use crate::model::state::TcpState;

/// A sysctl.
pub struct Knob {
    /// Its name with dots.
    pub name: &'static str,
    /// What the kernel sets by itself.
    pub default: Default,
    /// Where the claim comes from.
    pub source: &'static str,
    /// What a value does on this host.
    judge: fn(&str, &Scene<'_>) -> Judgement,
}

/// The kernel's own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// A fixed value.
    Value(&'static str),
    /// Half the entries of the hash table of connections.
    HalfHash,
    /// A 128th of those, at least 128.
    SynBacklog,
    /// There is no such sysctl in current kernels.
    Gone,
}

impl Default {
    /// In figures, where the size of the hash table is known.
    #[must_use]
    pub fn figure(self, space: Option<&Space>) -> Option<String> {
        // Negative: the namespace shares the table of the host.
        let hash =
            || space?.number("net.ipv4.tcp_ehash_entries").map(i64::abs).filter(|entries| *entries > 0);
        match self {
            Self::Value(value) => Some(value.to_owned()),
            Self::HalfHash => hash().map(|entries| (entries / 2).to_string()),
            Self::SynBacklog => hash().map(|entries| (entries / 128).max(128).to_string()),
            Self::Gone => None,
        }
    }
}

/// What a value means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How bad the value is.
    pub severity: Severity,
    /// What it does, and what not.
    pub said: String,
    /// What to do instead.
    pub advice: Option<String>,
}

fn fine(said: impl Into<String>) -> Judgement {
    Judgement { severity: Severity::Ok, said: said.into(), advice: None }
}

fn info(said: impl Into<String>) -> Judgement {
    Judgement { severity: Severity::Info, said: said.into(), advice: None }
}

fn refuse(said: impl Into<String>, advice: impl Into<String>) -> Judgement {
    Judgement { severity: Severity::Warning, said: said.into(), advice: Some(advice.into()) }
}

fn not_a_number(value: &str) -> Judgement {
    refuse(format!("`{value}` is no whole number: the kernel refuses it"), "write a number")
}

/// What of the host decides whether a value matters.
#[derive(Clone, Debug, std::default::Default)]
pub struct Scene<'a> {
    /// The namespace, where one was looked at.
    pub space: Option<&'a Space>,
    /// TIME_WAITs.
    pub time_wait: u64,
    /// Orphans in FIN_WAIT_2.
    pub orphaned: u64,
    /// Connections in CLOSE_WAIT.
    pub close_wait: u64,
    /// Half-open connections.
    pub half_open: u64,
    /// Connections whose keepalive timer runs, and all open ones.
    pub keepalive: (u64, u64),
    /// Ports with a listener, and the limits of their queues.
    pub listeners: Vec<(u16, u32)>,
}

impl<'a> Scene<'a> {
    /// One namespace of the host; with `None` all of them, by the sysctls of our own.
    #[must_use]
    pub fn of(facts: &'a Facts, netns: Option<u32>) -> Self {
        let mut scene = Self {
            space: facts.now.space(netns.unwrap_or(facts.own_netns)),
            ..std::default::Default::default()
        };
        for sock in facts.now.sockets.iter().filter(|sock| netns.is_none_or(|netns| netns == sock.netns)) {
            match sock.state {
                TcpState::TimeWait => scene.time_wait += 1,
                TcpState::FinWait2 if sock.inode.is_none() => scene.orphaned += 1,
                TcpState::CloseWait => scene.close_wait += 1,
                TcpState::NewSynRecv => scene.half_open += 1,
                TcpState::Established => {
                    let on = sock.timer.is_some_and(|timer| timer.kind == TimerKind::Keepalive);
                    scene.keepalive.0 += u64::from(on);
                    scene.keepalive.1 += 1;
                }
                TcpState::Listen => {
                    scene.listeners.extend(sock.ends.local.port.map(|port| (port, sock.send_queue)));
                }
                _ => {}
            }
        }
        scene
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.space?.number(name)
    }

    /// Syncookies are on; they are by default.
    fn cookies(&self) -> bool {
        self.number("net.ipv4.tcp_syncookies") != Some(0)
    }
}

/// Every sysctl that the doctor knows.
pub fn knobs() -> impl Iterator<Item = &'static Knob> {
    [closing::KNOBS, opening::KNOBS, idle::KNOBS, gone::KNOBS].into_iter().flatten()
}

/// Names that can be read from a running kernel.
pub fn readable() -> impl Iterator<Item = &'static str> {
    knobs()
        .filter(|knob| knob.default != Default::Gone)
        .map(|knob| knob.name)
        .chain(["net.ipv4.tcp_ehash_entries"])
}

impl Knob {
    /// By name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        knobs().find(|knob| knob.name == name)
    }

    /// What `value` does on this host.
    #[must_use]
    pub fn judge(&self, value: &str, scene: &Scene<'_>) -> Judgement {
        (self.judge)(value, scene)
    }
}

/// Reads the value as a number before judging it.
fn numeric(value: &str, judge: impl FnOnce(i64) -> Judgement) -> Judgement {
    value.parse().map_or_else(|_| not_a_number(value), judge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, value: &str, scene: &Scene<'_>) -> Judgement {
        Knob::named(name).unwrap().judge(value, scene)
    }

    #[test]
    fn every_default_is_judged_harmless() {
        let scene = Scene::default();
        for knob in knobs() {
            if let Some(default) = knob.default.figure(None) {
                let judged = knob.judge(&default, &scene);
                assert!(judged.severity <= Severity::Info, "{}: {judged:?}", knob.name);
            }
        }
    }

    #[test]
    fn the_advice_of_the_articles_is_refused_with_its_reason() {
        let scene = Scene { time_wait: 18_122, close_wait: 5, ..Scene::default() };
        for (name, value, reason) in [
            ("net.ipv4.tcp_tw_recycle", "1", "4.12"),
            ("net.ipv4.tcp_fin_timeout", "30", "0 of 18122 TIME_WAITs"),
            ("net.ipv4.tcp_max_tw_buckets", "5000", "straight to CLOSED"),
            ("net.ipv4.tcp_max_syn_backlog", "8192", "syncookies"),
            ("net.ipv4.tcp_keepalive_time", "1200", "CLOSE_WAIT"),
            ("net.ipv4.tcp_syn_retries", "2", "3 s"),
            ("net.ipv4.ip_local_port_range", "1024 65000", "services"),
            ("net.ipv4.tcp_synack_retries", "2", "7 s"),
        ] {
            let judged = judged(name, value, &scene);
            assert!(judged.said.contains(reason), "{name}={value}: {judged:?}");
            assert!(judged.severity >= Severity::Info, "{name}={value}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for knob in knobs().filter(|knob| knob.default != Default::Gone) {
            assert_eq!(knob.judge("yes", &Scene::default()).severity, Severity::Warning, "{}", knob.name);
        }
    }

    #[test]
    fn a_namespace_that_shares_the_hash_table_has_the_same_defaults() {
        let mut space = Space::default();
        space.sysctls.insert("net.ipv4.tcp_ehash_entries", "-262144".into());
        assert_eq!(Default::HalfHash.figure(Some(&space)).as_deref(), Some("131072"));
        assert_eq!(Default::SynBacklog.figure(Some(&space)).as_deref(), Some("2048"));
    }
}
