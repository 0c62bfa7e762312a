//! What a recording tells of stuck sockets: state, age and owner. Holders, queues, timers and dead fds are not in it, so verdicts that
//! need them stay open.

use rustc_hash::FxHashMap;

use super::age::in_words;
use super::rule::{Candidate, Crossing, StuckRule};
use super::survey::Findings;
use super::verdict::Verdict;
use super::words::{end, name};
use super::{Other, Stuck, StuckEvent, survey};
use crate::engine::filter::{Admission, Filter};
use crate::engine::{Engine, Standing};
use crate::model::endpoints::Endpoints;
use crate::model::life::Subject;
use crate::model::owner::OwnerHow;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// What the user should know of every such look.
pub const NOTE: &str = "a recording holds states, ages and owners; who else holds a socket, its queues and timers, half-open connections \
                        and the fds of connections that are over are not in it: verdicts that need them are left open";

/// Judges what `engine` knows at `now`, played from a recording.
#[must_use]
pub fn findings(engine: &Engine, now: Mono, rules: &[StuckRule], filter: &Filter) -> Findings {
    let all: Vec<Standing> = engine.standings(now).collect();
    let mut ends: FxHashMap<Endpoints, Vec<usize>> = FxHashMap::default();
    for (index, standing) in all.iter().enumerate() {
        ends.entry(standing.subject.socket.endpoints).or_default().push(index);
    }
    let mut findings = Findings { looked_at: all.len() as u64, ..Findings::default() };
    for standing in &all {
        let candidate = Candidate {
            state: standing.state,
            held: !standing.mini && !standing.orphaned,
            age: standing.age.into(),
            stalled: false,
        };
        let answers: Vec<Crossing> = rules.iter().map(|rule| rule.check(&candidate)).collect();
        let Some(rule) = answers.iter().position(|answer| *answer == Crossing::Over) else {
            findings.undecided += u64::from(answers.contains(&Crossing::Maybe));
            continue;
        };
        if filter.admits(&standing.subject) != Admission::Yes
            || !(filter.states.is_empty() || filter.names_state(standing.state))
        {
            continue;
        }
        let peers = ends.get(&standing.subject.socket.endpoints.mirrored()).map(Vec::as_slice);
        let peer = match peers {
            Some([one]) => all.get(*one),
            _ => None,
        };
        findings.stuck.extend(rules.get(rule).map(|rule| judge(standing, peer, *rule, now)));
    }
    survey::enough(&mut findings.stuck, rules);
    survey::order(&mut findings.stuck);
    findings
}

fn judge(standing: &Standing, peer: Option<&Standing>, rule: StuckRule, now: Mono) -> Stuck {
    let Standing { subject, state, since, age, .. } = *standing;
    let (verdict, alternative) = decide(standing, peer);
    let (explanation, advice) = sentences(standing, peer, verdict, now);
    Stuck {
        at: now,
        event: StuckEvent::Began,
        subject,
        state,
        since: since.or_else(|| Some(Mono(now.0.saturating_sub(age.ns?)))),
        age,
        rule,
        receive_queue: None,
        send_queue: None,
        timer: None,
        keepalive: None,
        holders: None,
        listener: None,
        peer: peer.map(|peer| Other {
            socket: peer.subject.socket,
            state: peer.state,
            owner: peer.subject.owner,
            receive_queue: None,
            send_queue: None,
        }),
        verdict,
        alternative,
        crowd: None,
        explanation,
        advice,
        origin: None,
    }
}

/// Nobody has got it from accept() yet.
fn is_queued(subject: &Subject) -> bool {
    subject.socket.inode.is_none() && subject.owner.is_none_or(|owner| owner.how == OwnerHow::Listener)
}

fn decide(standing: &Standing, peer: Option<&Standing>) -> (Option<Verdict>, Option<Verdict>) {
    let peer_holds_on = peer.is_some_and(|peer| peer.state == TcpState::CloseWait);
    match standing.state {
        TcpState::CloseWait | TcpState::Established if is_queued(&standing.subject) => {
            (Some(Verdict::NeverAccepted), None)
        }
        TcpState::FinWait2 if standing.mini || standing.orphaned => {
            (Some(Verdict::OrphanWaiting), peer_holds_on.then_some(Verdict::PeerNotClosing))
        }
        TcpState::FinWait2 if peer_holds_on => (Some(Verdict::PeerNotClosing), Some(Verdict::HalfClosedByUs)),
        TcpState::FinWait2 => (Some(Verdict::HalfClosedByUs), None),
        // Nothing but an answer ends it sooner than its retries do.
        TcpState::SynSent => (Some(Verdict::PeerGone), None),
        TcpState::SynRecv | TcpState::NewSynRecv => (Some(Verdict::HalfOpen), None),
        _ => (None, None),
    }
}

fn sentences(
    standing: &Standing,
    peer: Option<&Standing>,
    verdict: Option<Verdict>,
    now: Mono,
) -> (String, String) {
    let age = in_words(&standing.age);
    let remote = end(&standing.subject.socket.endpoints.remote);
    let owner = owner_of(standing);
    let live = "look at the living host with `tcptrace stuck`";
    match (verdict, standing.state) {
        (Some(Verdict::NeverAccepted), state) => (
            format!("in {} for {age} and not accepted: it waits in the queue of a listener ({owner})", state.name()),
            "the listening process does not call accept(): look at what it does instead".into(),
        ),
        (Some(Verdict::OrphanWaiting), _) => (
            format!(
                "its process has closed it, {remote} acknowledged that {age} ago and has not closed; it ends by itself{}",
                match standing.expires.map(|expires| expires.since(now) / 1_000_000_000) {
                    None => String::new(),
                    Some(0) => " now".to_owned(),
                    Some(left) => format!(" in {left} s"),
                }
            ),
            "nothing to do for this one; many of them mean that the peer does not close, look there".into(),
        ),
        (Some(Verdict::PeerNotClosing), _) => (
            format!(
                "{owner} waits for {remote} to close since {age}, and that end was on the same host: {} in CLOSE_WAIT",
                peer.map_or_else(String::new, owner_of)
            ),
            "the cause is at the other end: look at its CLOSE_WAIT socket".into(),
        ),
        (Some(Verdict::HalfClosedByUs), _) => (
            format!("{owner} has called shutdown() and keeps its fd, so no timeout applies; {remote} acknowledged our FIN {age} ago and has not closed"),
            "let the program close() or set a timeout of its own after shutdown(); tcp_fin_timeout is only for sockets that no process holds".into(),
        ),
        (Some(Verdict::PeerGone), _) => (
            format!("{remote} has not answered our SYN for {age}"),
            "check the address, the route and firewalls; give connect() a timeout in the program".into(),
        ),
        (_, TcpState::CloseWait) => (
            format!(
                "{remote} closed {age} ago and {owner} had not; whether data was left unread or unsent, and who else held the fd, is not in \
                 the recording"
            ),
            format!("the program has to close() when read() returns 0; for a verdict {live}"),
        ),
        (_, TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing) => (
            format!(
                "{remote} has not acknowledged our FIN for {age}; whether it is gone, slow or has closed its window is not in the recording"
            ),
            format!("retransmissions and queues would tell: {live}"),
        ),
        (_, state) => (
            format!("in {} to {remote} for {age}, of {owner}", state.name()),
            format!("its state alone does not tell what is wrong: {live}"),
        ),
    }
}

fn owner_of(standing: &Standing) -> String {
    match standing.subject.owner {
        Some(owner) => format!("{} (pid {})", name(&owner.task), owner.task.pid),
        None => "an unknown process".into(),
    }
}
