//! What passes the gate, and when.

use super::*;
use crate::engine::filter::tests::{life, owner, subject};
use crate::model::event::{LossPlace, StateChange};
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, End};
use crate::model::owner::OwnerHow;
use crate::model::time::Mono;
use crate::model::transition::{SeenBy, Transition};

fn moved(from: TcpState, to: TcpState) -> Transition {
    Transition {
        at: Mono(1),
        from,
        to,
        in_from: Span::UNKNOWN,
        seen_by: SeenBy::Tracepoint,
        kernel: None,
        ending: None,
    }
}

/// What came out, as text: `id FROM>TO by pid`.
fn passed(gate: &mut Gate, updates: &[Update<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for update in updates {
        gate.pass(update, &mut |update| lines.push(line(update)));
    }
    lines
}

fn line(update: &Update<'_>) -> String {
    let pid = |subject: &Subject| subject.owner.map_or(0, |owner| owner.task.pid);
    match update {
        Update::Moved(moved, s) => format!("{} {}>{} by {}", s.id.0, moved.from, moved.to, pid(s)),
        Update::Seen(change, s) => format!("{} raw {}>{} by {}", s.id.0, change.from, change.to, pid(s)),
        Update::Measured(measured, s) => format!("{} {} by {}", s.id.0, measured.measure.name(), pid(s)),
        Update::Closed(life) => format!("{} closed", life.id.0),
        Update::Unfinished(life) => format!("{} unfinished", life.id.0),
        Update::Lost { count, .. } => format!("lost {count}"),
        Update::Stuck(stuck) => format!("stuck {}", stuck.state),
    }
}

fn of_pid(pid: u32) -> Filter {
    Filter { pids: [pid].into_iter().collect(), ..Filter::default() }
}

fn inherited(id: u64) -> Subject {
    Subject { owner: owner(1, "server", OwnerHow::Listener), ..subject(id) }
}

const BORN: (TcpState, TcpState) = (TcpState::Listen, TcpState::SynRecv);
const UP: (TcpState, TcpState) = (TcpState::SynRecv, TcpState::Established);
const FIN: (TcpState, TcpState) = (TcpState::Established, TcpState::CloseWait);
const LOST: Update<'static> = Update::Lost { at: Mono(0), count: 3, place: LossPlace::RingBuffer, total: 3 };

#[test]
fn an_empty_filter_passes_every_transition() {
    let mut gate = Gate::new(Filter::default(), Show::Transitions, None);
    let unknown = Subject { owner: None, ..subject(1) };
    let up = moved(UP.0, UP.1);
    assert_eq!(
        passed(&mut gate, &[Update::Moved(&up, &unknown), LOST]),
        ["1 SYN_RECV>ESTABLISHED by 0", "lost 3"]
    );
    assert_eq!(gate.passed(), 1);
}

#[test]
fn transitions_before_accept_come_out_in_order_once_the_owner_is_known() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    let (born, up, fin) = (moved(BORN.0, BORN.1), moved(UP.0, UP.1), moved(FIN.0, FIN.1));
    let accepted = Subject { owner: owner(7, "worker", OwnerHow::Accept), ..subject(1) };
    let before = [Update::Moved(&born, &inherited(1)), Update::Moved(&up, &inherited(1))];
    assert!(passed(&mut gate, &before).is_empty());
    assert_eq!(
        passed(&mut gate, &[Update::Moved(&fin, &accepted)]),
        ["1 LISTEN>SYN_RECV by 7", "1 SYN_RECV>ESTABLISHED by 7", "1 ESTABLISHED>CLOSE_WAIT by 7"]
    );
}

#[test]
fn what_is_learned_without_a_transition_lets_held_ones_out_at_once() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    let up = moved(UP.0, UP.1);
    assert!(passed(&mut gate, &[Update::Moved(&up, &inherited(1))]).is_empty());
    let mut lines = Vec::new();
    let accepted = Subject { owner: owner(7, "worker", OwnerHow::Accept), ..subject(1) };
    gate.reconsider(&accepted, &mut |update| lines.push(line(update)));
    assert_eq!(lines, ["1 SYN_RECV>ESTABLISHED by 7"]);
}

#[test]
fn the_connect_whose_port_is_chosen_later_is_not_lost() {
    let filter = Filter { lports: vec![50_000..=50_000], ..Filter::default() };
    let mut gate = Gate::new(filter, Show::Transitions, None);
    let mut early = subject(1);
    early.socket.endpoints.local.port = None;
    let born = moved(TcpState::Closed, TcpState::SynSent);
    let up = moved(TcpState::SynSent, TcpState::Established);
    assert_eq!(
        passed(&mut gate, &[Update::Moved(&born, &early), Update::Moved(&up, &subject(1))]),
        ["1 CLOSED>SYN_SENT by 7", "1 SYN_SENT>ESTABLISHED by 7"]
    );
}

#[test]
fn a_connection_that_turns_out_to_be_another_processs_is_dropped() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    let up = moved(UP.0, UP.1);
    let other = Subject { owner: owner(8, "worker", OwnerHow::Accept), ..subject(1) };
    assert!(passed(&mut gate, &[Update::Moved(&up, &inherited(1)), Update::Moved(&up, &other)]).is_empty());
    assert!(gate.held.is_empty());
    assert_eq!(gate.forgotten(), 0);
}

#[test]
fn what_is_undecided_at_the_end_of_a_life_is_dropped() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    let up = moved(UP.0, UP.1);
    let over = life(&inherited(1), End::RstReceived);
    assert!(passed(&mut gate, &[Update::Moved(&up, &inherited(1)), Update::Closed(&over)]).is_empty());
    assert!(gate.held.is_empty());
    let down = moved(TcpState::Established, TcpState::Closed);
    passed(&mut gate, &[Update::Moved(&up, &inherited(2)), Update::Moved(&down, &inherited(2))]);
    assert!(gate.held.is_empty());
}

#[test]
fn an_owner_known_only_at_the_end_still_lets_the_life_out() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    let up = moved(UP.0, UP.1);
    let over = life(&subject(1), End::Fin);
    assert_eq!(
        passed(&mut gate, &[Update::Moved(&up, &inherited(1)), Update::Closed(&over)]),
        ["1 SYN_RECV>ESTABLISHED by 7"]
    );
}

#[test]
fn the_state_filter_counts_for_held_transitions_too() {
    let mut gate = Gate::new(Filter { states: vec![TcpState::Listen], ..of_pid(7) }, Show::Transitions, None);
    let (born, up, fin) = (moved(BORN.0, BORN.1), moved(UP.0, UP.1), moved(FIN.0, FIN.1));
    let (early, later) = (inherited(1), subject(1));
    let updates = [Update::Moved(&born, &early), Update::Moved(&up, &early), Update::Moved(&fin, &later)];
    assert_eq!(passed(&mut gate, &updates), ["1 LISTEN>SYN_RECV by 7"]);
}

#[test]
fn a_full_waiting_room_forgets_the_oldest_and_counts_it() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    gate.held = Held::with_room(3);
    let up = moved(UP.0, UP.1);
    let early: Vec<Subject> = (1..=5).map(inherited).collect();
    for subject in &early {
        gate.pass(&Update::Moved(&up, subject), &mut |_| panic!("nothing may pass"));
    }
    assert_eq!(gate.forgotten(), 2);
    let mut out = Vec::new();
    for id in 1..=5 {
        gate.reconsider(&subject(id), &mut |update| out.push(line(update)));
    }
    assert_eq!(out.len(), 3, "{out:?}");
    assert!(gate.held.is_empty());
}

#[test]
fn one_busy_connection_cannot_take_all_the_room() {
    let mut gate = Gate::new(of_pid(7), Show::Transitions, None);
    let up = moved(UP.0, UP.1);
    for _ in 0..20 {
        passed(&mut gate, &[Update::Moved(&up, &inherited(1))]);
    }
    assert_eq!(gate.forgotten(), 4);
    assert_eq!(gate.held.take(ConnectionId(1)).len(), 16);
}

#[test]
fn count_stops_the_stream_but_not_the_news_of_losses() {
    let mut gate = Gate::new(Filter::default(), Show::Transitions, Some(1));
    let up = moved(UP.0, UP.1);
    let updates = [Update::Moved(&up, &subject(1)), Update::Moved(&up, &subject(2)), LOST];
    assert_eq!(passed(&mut gate, &updates), ["1 SYN_RECV>ESTABLISHED by 7", "lost 3"]);
    assert!(gate.is_done());
}

#[test]
fn each_command_shows_its_own_kind_of_news() {
    let subject = subject(1);
    let up = moved(UP.0, UP.1);
    let change = StateChange {
        at: Mono(1),
        id: subject.socket,
        from: UP.0,
        to: UP.1,
        since: None,
        owner: None,
        actor: None,
        facts: None,
        counters: None,
    };
    let over = life(&subject, End::Fin);
    let all = [
        Update::Seen(&change, &subject),
        Update::Moved(&up, &subject),
        Update::Closed(&over),
        Update::Unfinished(&over),
    ];
    for (show, expected) in [
        (Show::Transitions, vec!["1 SYN_RECV>ESTABLISHED by 7"]),
        (Show::KernelEvents, vec!["1 raw SYN_RECV>ESTABLISHED by 7"]),
        (Show::Lives(LifeFilter::default()), vec!["1 closed", "1 unfinished"]),
    ] {
        assert_eq!(passed(&mut Gate::new(Filter::default(), show.clone(), None), &all), expected);
        assert_eq!(passed(&mut Gate::new(of_pid(7), show.clone(), None), &all), expected);
        assert!(passed(&mut Gate::new(of_pid(8), show, None), &all).is_empty());
    }
}

#[test]
fn a_life_passes_by_its_filter_and_the_states_it_has_been_in() {
    let over = life(&subject(1), End::Fin);
    let only = |filter, rules| Gate::new(filter, Show::Lives(rules), None);
    let resets = LifeFilter { ends: vec![End::RstSent], ..LifeFilter::default() };
    assert!(passed(&mut only(Filter::default(), resets), &[Update::Closed(&over)]).is_empty());
    let states = Filter { states: vec![TcpState::CloseWait], ..Filter::default() };
    assert!(passed(&mut only(states, LifeFilter::default()), &[Update::Closed(&over)]).is_empty());
}
