//! What changes from one look to the next.

use std::time::Duration;

use super::super::closed::Closed;
use super::super::follow::Follower;
use super::super::trend::Trend;
use super::super::*;
use super::{S, World, socket};
use crate::model::event::{Event, LossPlace, StateChange};
use crate::model::life::ConnectionId;
use crate::model::socket::SocketFacts;

#[test]
fn a_socket_begins_stays_and_ends_under_one_number() {
    let stuck = World::default().with(socket(1, TcpState::CloseWait, 80, 5000), &[7]).look();
    let mut follower = Follower::new(Duration::from_secs(60));
    let mut told = Vec::new();
    for (at, here) in [(0, true), (30, true), (61, true), (100, true), (101, false), (102, false)] {
        let found = if here { stuck.clone() } else { Vec::new() };
        follower.compare(Mono((1_000 + at) * S), found, &mut || ConnectionId(9), &mut |one| {
            told.push((at, one.event, one.subject.id.0, one.age.ns.unwrap() / S));
        });
    }
    // The survey's own age is 100 s each time; an end counts on from there.
    assert_eq!(
        told,
        [(0, StuckEvent::Began, 1, 100), (61, StuckEvent::Still, 1, 100), (101, StuckEvent::Ended, 1, 201)]
    );
    assert_eq!(follower.stuck(), 0);
}

#[test]
fn a_group_grows_by_what_it_has_more_than_a_minute_ago() {
    let all: Vec<Stuck> = (0..40_u16)
        .fold(World::default(), |world, number| {
            world.with(socket(u64::from(number) + 1, TcpState::CloseWait, 80, 5000 + number), &[7])
        })
        .look();
    let mut trend = Trend::default();
    let key = all[0].crowd.unwrap().key;
    let mut told = Vec::new();
    // One more each second from the fifth on.
    for (at, count) in (0..100_u64).map(|at| (at, usize::try_from(at.saturating_sub(5)).unwrap().min(40))) {
        trend.look(Mono(at * S), &all[..count]);
        told.push(trend.per_minute(&key));
    }
    assert_eq!((told[5], told[7], told[9]), (None, None, None));
    assert_eq!(told[10], Some(30), "5 in 10 s");
    assert_eq!(told[45], Some(53), "40 in 45 s");
    assert_eq!(told[80], Some(25), "25 more than a minute ago");
    assert_eq!(told[99], Some(6));
}

#[test]
fn a_fd_that_outlives_its_connection_is_as_old_as_the_end_that_was_seen() {
    let mut dead = socket(1, TcpState::Closed, 80, 5000);
    let change = |at, from, to| {
        Event::StateChange(StateChange {
            at: Mono(at * S),
            id: dead.id,
            from,
            to,
            since: None,
            owner: None,
            actor: None,
            facts: Some(SocketFacts { attached: true, ..SocketFacts::default() }),
            counters: None,
        })
    };
    let mut closed = Closed::default();
    closed.observe(&change(5, TcpState::Established, TcpState::Closed), || None);
    closed.observe(&change(6, TcpState::Closed, TcpState::Closed), || None);
    dead.at = Mono(8 * S);
    closed.look(Mono(7 * S), std::iter::once(&dead));
    let known = closed.known(&dead, Mono(9 * S)).unwrap();
    assert_eq!((known.age, known.since), (Span::exact(4 * S), Some(Mono(5 * S))));
    // Events were lost: it may have lived and died again.
    closed.observe(&Event::Lost { at: Mono(9 * S), count: 1, place: LossPlace::RingBuffer }, || None);
    assert_eq!(closed.known(&dead, Mono(9 * S)).unwrap().age, Span::at_least(S, None));
    assert!(!closed.is_settled(&dead, Mono(8 * S)) && closed.is_settled(&dead, Mono(9 * S)));
    closed.look(Mono(10 * S), std::iter::empty());
    assert_eq!(closed.known(&dead, Mono(11 * S)), None);
}
