//! Judges a picture of all sockets: which are stuck, who holds them, and why.

use rustc_hash::FxHashMap;

use super::age::{better, in_words, sharper, span};
use super::places::Places;
use super::rule::{Candidate, Crossing, Scope, StuckRule};
use super::verdict::Case;
use super::witness::{Held, Holdings, Known, Witness};
use super::{Holder, Other, Stuck, StuckEvent, group, opener, words};
use crate::engine::filter::{Admission, Filter};
use crate::model::life::{ConnectionId, OpenedBy, Subject};
use crate::model::owner::{Owner, OwnerHow};
use crate::model::snapshot::{Age, SocketSnapshot, TimerKind};
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// What a survey came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The stuck sockets, the oldest first.
    pub stuck: Vec<Stuck>,
    /// Sockets looked at.
    pub looked_at: u64,
    /// Sockets of which the bounds of their age do not tell whether they are stuck.
    pub undecided: u64,
}

impl Findings {
    /// Numbers the sockets of the only look, and tells each of its group.
    pub fn settle(&mut self) {
        for (number, stuck) in (1..).zip(&mut self.stuck) {
            stuck.subject.id = ConnectionId(number);
        }
        group::crowd(&mut self.stuck, &|_| None);
    }
}

/// A picture of all sockets.
pub struct Survey<'a> {
    /// Sockets, those of dead connections among them as CLOSED.
    pub sockets: &'a [SocketSnapshot],
    /// Who holds them.
    pub holdings: &'a Holdings,
    /// What counts as stuck.
    pub rules: &'a [StuckRule],
    /// Which sockets.
    pub filter: &'a Filter,
    /// Our own process, never reported.
    pub own_pid: u32,
}

/// A socket over a rule's threshold.
struct Hit {
    index: usize,
    rule: usize,
    age: Age,
    known: Option<Known>,
}

impl Survey<'_> {
    /// Judges all sockets.
    #[must_use]
    pub fn findings(&self, witness: &dyn Witness) -> Findings {
        let mut findings = Findings { looked_at: self.sockets.len() as u64, ..Findings::default() };
        let mut hits: Vec<Hit> = Vec::new();
        for (index, socket) in self.sockets.iter().enumerate() {
            let known = witness.known(socket).filter(|known| known.state.name() == socket.state.name());
            let age = known.as_ref().map_or(socket.age, |known| sharper(socket.age, &known.age));
            let candidate = Candidate {
                state: socket.state,
                held: socket.id.inode.is_some() && !socket.mini,
                age,
                stalled: stalled(socket),
            };
            let answers: Vec<Crossing> = self.rules.iter().map(|rule| rule.check(&candidate)).collect();
            if let Some(rule) = answers.iter().position(|answer| *answer == Crossing::Over) {
                hits.push(Hit { index, rule, age, known });
            } else if answers.contains(&Crossing::Maybe) {
                findings.undecided += 1;
            }
        }
        if hits.is_empty() {
            return findings;
        }
        let places = Places::of(self.sockets);
        findings.stuck = hits.iter().filter_map(|hit| self.judge(hit, &places, witness)).collect();
        enough(&mut findings.stuck, self.rules);
        order(&mut findings.stuck);
        findings
    }

    fn judge(&self, hit: &Hit, places: &Places, witness: &dyn Witness) -> Option<Stuck> {
        let socket = self.sockets.get(hit.index)?;
        let listener = match socket.state {
            TcpState::SynSent => places.listener(self.sockets, &socket.id.endpoints.mirrored(), None),
            _ if socket.id.inode.is_none() && !socket.mini => {
                places.listener(self.sockets, &socket.id.endpoints, socket.id.netns)
            }
            _ => None,
        };
        let listener = listener.map(|index| self.other(index));
        let peer = places.peer(self.sockets, hit.index).map(|index| self.other(index));
        let known = hit.known.map(|known| known.subject);
        let holders = self.holders(socket, known.as_ref(), witness);
        let owner = known.and_then(|known| known.owner).filter(|owner| owner.how != OwnerHow::Listener);
        let by_fd = holders
            .iter()
            .find(|holder| holder.opened_it == Some(true))
            .or(holders.first())
            .map(|holder| Owner { task: holder.task, how: OwnerHow::FdTable });
        let by_listener = listener
            .as_ref()
            .filter(|_| socket.state != TcpState::SynSent)
            .and_then(|listener: &Other| listener.owner)
            .map(|owner| Owner { how: OwnerHow::Listener, ..owner });
        let subject = Subject {
            id: known.map_or(ConnectionId(0), |known| known.id),
            socket: socket.id,
            owner: owner.or(by_fd).or(by_listener),
            opened_by: known.map_or(OpenedBy::Unknown, |known| known.opened_by),
        };
        if !self.admits(&subject, &holders, socket) {
            return None;
        }
        let keepalive = self.keepalive(socket);
        let cookie = socket.id.socket.cookie;
        let case = Case {
            socket,
            holders: &holders,
            complete: self.holdings.complete,
            listener: listener.as_ref(),
            peer: peer.as_ref(),
            keepalive,
            error: cookie.and_then(|cookie| self.holdings.errors.get(&cookie).copied()).unwrap_or(0),
            fin_timeout_s: socket.id.netns.and_then(|netns| witness.fin_timeout(netns)),
        };
        let (verdict, alternative) = case.decide();
        let age = hit.known.map_or_else(|| span(hit.age, socket), |known| better(known.age, hit.age, socket));
        let (explanation, advice) = words::sentences(&case, verdict, alternative, &in_words(&age));
        let since = hit.known.and_then(|known| known.since);
        Some(Stuck {
            at: socket.at,
            event: StuckEvent::Began,
            subject,
            state: socket.state,
            since: since.or_else(|| Some(Mono(socket.at.0.saturating_sub(age.ns?)))),
            age,
            rule: *self.rules.get(hit.rule)?,
            receive_queue: (socket.state != TcpState::Closed).then_some(socket.receive_queue),
            send_queue: (socket.state != TcpState::Closed).then_some(socket.send_queue),
            timer: socket.timer,
            keepalive,
            holders: Some(holders),
            listener,
            peer,
            verdict,
            alternative,
            crowd: None,
            explanation,
            advice,
            origin: None,
        })
    }

    /// A filter on owners is met by any holder.
    fn admits(&self, subject: &Subject, holders: &[Holder], socket: &SocketSnapshot) -> bool {
        if holders.iter().any(|holder| holder.task.pid == self.own_pid)
            || !(self.filter.states.is_empty() || self.filter.names_state(socket.state))
        {
            return false;
        }
        let admits = |subject: &Subject| self.filter.admits(subject) == Admission::Yes;
        admits(subject)
            || holders.iter().any(|holder| {
                let owner = Some(Owner { task: holder.task, how: OwnerHow::FdTable });
                admits(&Subject { owner, ..*subject })
            })
    }

    fn holders(
        &self,
        socket: &SocketSnapshot,
        known: Option<&Subject>,
        witness: &dyn Witness,
    ) -> Vec<Holder> {
        let held = self.holdings.of(socket);
        let opener = known
            .and_then(|known| known.owner)
            .filter(|owner| matches!(owner.how, OwnerHow::Accept | OwnerHow::Connect | OwnerHow::Listen));
        if let Some(opener) = opener {
            return held
                .iter()
                .map(|Held { task, fd }| Holder {
                    task: *task,
                    fd: *fd,
                    opened_it: Some(task.pid == opener.task.pid),
                })
                .collect();
        }
        opener::holders(held, socket.existed_ns, &|pid| witness.process(pid).unwrap_or_default())
    }

    fn keepalive(&self, socket: &SocketSnapshot) -> Option<bool> {
        let told = socket.id.socket.cookie.and_then(|cookie| self.holdings.keepalive.get(&cookie));
        told.copied().or(match socket.timer.map(|timer| timer.kind) {
            Some(TimerKind::Keepalive) if socket.id.inode.is_some() => Some(true),
            // Its timer would run.
            None if socket.id.inode.is_some()
                && matches!(
                    socket.state,
                    TcpState::Established | TcpState::CloseWait | TcpState::FinWait2
                ) =>
            {
                Some(false)
            }
            _ => None,
        })
    }

    fn other(&self, index: usize) -> Other {
        let socket = &self.sockets[index];
        let held = self.holdings.of(socket).first();
        Other {
            socket: socket.id,
            state: socket.state,
            owner: held.map(|held| Owner { task: held.task, how: OwnerHow::FdTable }),
            receive_queue: Some(socket.receive_queue),
            send_queue: Some(socket.send_queue),
        }
    }
}

/// The oldest first.
pub(super) fn order(stuck: &mut [Stuck]) {
    stuck.sort_by_key(|stuck| (std::cmp::Reverse(stuck.age.ns), stuck.subject.socket.endpoints.local.port));
}

/// Drops those whose rule wants more of them.
pub(super) fn enough(stuck: &mut Vec<Stuck>, rules: &[StuckRule]) {
    if rules.iter().all(|rule| rule.more_than == 0) {
        return;
    }
    let key = |stuck: &Stuck| {
        let among = match stuck.rule.scope {
            Scope::All => 0,
            Scope::Owner => stuck.subject.owner.map_or(0, |owner| u64::from(owner.task.pid)),
            Scope::Port => stuck.subject.socket.endpoints.local.port.map_or(0, u64::from),
        };
        (stuck.rule, among)
    };
    let mut counts: FxHashMap<_, u64> = FxHashMap::default();
    for one in stuck.iter() {
        *counts.entry(key(one)).or_default() += 1;
    }
    stuck.retain(|one| counts.get(&key(one)).is_some_and(|count| *count > one.rule.more_than));
}

/// Plainly stuck, though its age has no good lower bound.
fn stalled(socket: &SocketSnapshot) -> bool {
    match socket.state {
        TcpState::CloseWait => socket.send_queue > 0,
        _ => socket.timer.is_some_and(|timer| match timer.kind {
            TimerKind::Retransmit => timer.retransmits > 0,
            // The window is closed, whether the peer answers or not.
            TimerKind::Probe => true,
            TimerKind::Keepalive | TimerKind::TimeWait => false,
        }),
    }
}
