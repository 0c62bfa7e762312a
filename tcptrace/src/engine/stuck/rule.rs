//! When a socket counts as stuck.

use std::fmt;
use std::time::Duration;

use crate::model::snapshot::Age;
use crate::model::state::TcpState;

/// A threshold: sockets in `state` for longer than `over`, if there are more than `more_than` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StuckRule {
    /// In this state; `Closed` means an fd of a connection that is over.
    pub state: TcpState,
    /// For longer than this.
    pub over: Duration,
    /// Held by a process, or an orphan.
    pub held: Option<bool>,
    /// Only when so many others are so too.
    pub more_than: u64,
    /// Counted among whom.
    pub scope: Scope,
}

/// Among whom a rule counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All sockets.
    #[default]
    All,
    /// Those of the same owner.
    Owner,
    /// Those with the same local port.
    Port,
}

/// The rules unless told otherwise, each with its reason.
pub const DEFAULTS: [(StuckRule, &str); 9] = [
    (
        rule(TcpState::CloseWait, 30, None),
        "the peer has closed; a healthy program answers within its next read",
    ),
    (
        rule(TcpState::FinWait2, 60, Some(true)),
        "held by a process: no timeout of the kernel applies, tcp_fin_timeout (60 s) is only for orphans",
    ),
    (
        rule(TcpState::FinWait2, 65, Some(false)),
        "orphans end by themselves after tcp_fin_timeout, 60 s: what is older had it raised",
    ),
    (
        rule(TcpState::FinWait1, 30, None),
        "an ACK takes a round trip; 30 s are some six retransmissions into silence",
    ),
    (rule(TcpState::LastAck, 30, None), "as FIN_WAIT_1"),
    (rule(TcpState::Closing, 30, None), "as FIN_WAIT_1"),
    (rule(TcpState::SynSent, 10, None), "three or more SYNs without an answer"),
    (rule(TcpState::SynRecv, 10, None), "three or more SYN-ACKs without the final ACK"),
    (
        rule(TcpState::Closed, 30, None),
        "a connection that is over keeps its fd: a dead fd, in no list of `ss`",
    ),
];

const fn rule(state: TcpState, seconds: u64, held: Option<bool>) -> StuckRule {
    StuckRule { state, over: Duration::from_secs(seconds), held, more_than: 0, scope: Scope::All }
}

/// What a rule judges.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its state.
    pub state: TcpState,
    /// A process holds it, or will once it is accepted.
    pub held: bool,
    /// Bounds of its age.
    pub age: Age,
    /// Something makes its true age unknowable from outside while it is plainly stuck: it retransmits, its window is closed, or it still
    /// sends after the peer's FIN. Then the upper bound counts.
    pub stalled: bool,
}

/// A rule's answer about one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It is over the threshold.
    Over,
    /// The bounds of its age lie on both sides of it.
    Maybe,
    /// It is below, or the rule is about others.
    Under,
}

impl StuckRule {
    /// Judges one socket, its number aside.
    #[must_use]
    pub fn check(&self, candidate: &Candidate) -> Crossing {
        if self.state.name() != candidate.state.name() || self.held.is_some_and(|held| held != candidate.held)
        {
            return Crossing::Under;
        }
        let over = u64::try_from(self.over.as_nanos()).unwrap_or(u64::MAX);
        let Age { at_least_ns, at_most_ns } = candidate.age;
        if at_least_ns > over || (over == 0 && at_least_ns == 0) {
            return Crossing::Over;
        }
        match at_most_ns {
            Some(most) if most <= over => Crossing::Under,
            Some(_) if candidate.stalled => Crossing::Over,
            // Nothing bounds the age of a dead fd: it is reported as of unknown age.
            None if self.state == TcpState::Closed => Crossing::Over,
            _ => Crossing::Maybe,
        }
    }
}

impl fmt::Display for StuckRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, over, held, more_than, scope } = self;
        write!(f, "{}>", state.name())?;
        let ms = over.as_millis();
        match ms {
            _ if ms % 1000 != 0 => write!(f, "{ms}ms")?,
            _ if ms >= 3_600_000 && ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000)?,
            _ if ms > 60_000 && ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000)?,
            _ => write!(f, "{}s", ms / 1000)?,
        }
        match held {
            Some(true) => f.write_str(" held")?,
            Some(false) => f.write_str(" orphan")?,
            None => {}
        }
        if *more_than > 0 {
            write!(f, " count>{more_than}")?;
        }
        match scope {
            Scope::All => Ok(()),
            Scope::Owner => f.write_str(" per-owner"),
            Scope::Port => f.write_str(" per-port"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn candidate(state: TcpState, least: u64, most: Option<u64>) -> Candidate {
        let age = Age { at_least_ns: least * S, at_most_ns: most.map(|most| most * S) };
        Candidate { state, held: true, age, stalled: false }
    }

    #[test]
    fn only_what_is_certainly_over_the_threshold_is_stuck() {
        let rule = DEFAULTS[0].0;
        for (least, most, answer) in [
            (31, None, Crossing::Over),
            (1, Some(20), Crossing::Under),
            (1, Some(40), Crossing::Maybe),
            (1, None, Crossing::Maybe),
        ] {
            assert_eq!(rule.check(&candidate(TcpState::CloseWait, least, most)), answer);
        }
        let draining = Candidate { stalled: true, ..candidate(TcpState::CloseWait, 1, Some(40)) };
        assert_eq!(rule.check(&draining), Crossing::Over);
        assert_eq!(rule.check(&candidate(TcpState::LastAck, 99, None)), Crossing::Under);
    }

    #[test]
    fn a_request_socket_is_a_syn_recv() {
        assert_eq!(DEFAULTS[7].0.check(&candidate(TcpState::NewSynRecv, 11, None)), Crossing::Over);
    }

    #[test]
    fn an_orphan_is_not_what_a_process_holds() {
        let old = candidate(TcpState::FinWait2, 100, None);
        assert_eq!(DEFAULTS[1].0.check(&old), Crossing::Over);
        assert_eq!(DEFAULTS[2].0.check(&old), Crossing::Under);
        assert_eq!(DEFAULTS[2].0.check(&Candidate { held: false, ..old }), Crossing::Over);
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        let text = |rule: StuckRule| rule.to_string();
        assert_eq!(text(DEFAULTS[0].0), "CLOSE_WAIT>30s");
        assert_eq!(text(DEFAULTS[2].0), "FIN_WAIT_2>65s orphan");
        let all = StuckRule {
            over: Duration::from_millis(7_200_000),
            more_than: 5,
            scope: Scope::Owner,
            ..DEFAULTS[0].0
        };
        assert_eq!(text(all), "CLOSE_WAIT>2h count>5 per-owner");
        assert_eq!(
            text(StuckRule { over: Duration::from_millis(1500), ..DEFAULTS[0].0 }),
            "CLOSE_WAIT>1500ms"
        );
    }
}
