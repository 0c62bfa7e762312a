//! Properties of the engine that hold for any input: lengths add up, nothing is invented, the table keeps its cap.

#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

use proptest::prelude::*;
use tcptrace::engine::update::Update;
use tcptrace::engine::{Config, Engine};
use tcptrace::model::cookie::Cookie;
use tcptrace::model::endpoints::Endpoints;
use tcptrace::model::event::{Accepted, Event, LossPlace, Neighbour, ResetReason, StateChange};
use tcptrace::model::evidence::Evidence;
use tcptrace::model::life::Lifecycle;
use tcptrace::model::owner::Task;
use tcptrace::model::snapshot::{Age, SocketSnapshot, Timer, TimerKind};
use tcptrace::model::socket::{Protocol, SocketFacts, SocketId, SocketRef};
use tcptrace::model::state::TcpState;
use tcptrace::model::time::Mono;

use TcpState::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent,
};

/// Ways through the states as the kernel goes them.
const WAYS: [&[TcpState]; 9] = [
    &[Closed, SynSent, Established, FinWait1, FinWait2, Closed],
    &[Closed, SynSent, Established, CloseWait, LastAck, Closed],
    &[Closed, SynSent, SynRecv, Established, FinWait1, Closing, Closed],
    &[Closed, SynSent, Closed],
    &[Listen, SynRecv, Established, CloseWait, LastAck, Closed],
    &[Listen, SynRecv, Established, FinWait1, FinWait2, FinWait2, Closed],
    &[Listen, SynRecv, FinWait1, FinWait2, Closed],
    &[Listen, SynRecv, Established, CloseWait, Closed],
    &[Closed, Listen, Closed],
];

fn socket(number: u64) -> SocketId {
    let lo = "127.0.0.1".parse().unwrap();
    let port = u16::try_from(1000 + number % 7).unwrap();
    SocketId {
        socket: SocketRef { address: 0x1000 + number % 5, cookie: Cookie::new(1 + number) },
        protocol: if number % 11 == 10 { Protocol::Mptcp } else { Protocol::Tcp },
        endpoints: Endpoints::new((lo, port), (lo, 80)),
        netns: Some(1 + u32::try_from(number % 2).unwrap()),
        uid: None,
        cgroup: None,
        inode: None,
    }
}

fn change(at: u64, id: SocketId, from: TcpState, to: TcpState, bits: u16) -> StateChange {
    let error = [0, 0, 0, 32, 103, 104, 110, 111, 113][usize::from(bits >> 8) % 9];
    let facts = SocketFacts {
        error: if to == Closed { error } else { 0 },
        shutdown: u8::try_from(bits & 3).unwrap(),
        dead: bits & 4 != 0,
        done: bits & 8 != 0,
        linger_zero: bits & 16 != 0,
        attached: bits & 32 != 0,
        locked: bits & 64 != 0,
        fastopen: bits & 128 != 0,
        ..SocketFacts::default()
    };
    StateChange {
        at: Mono(at),
        id,
        from,
        to,
        since: None,
        owner: None,
        actor: None,
        facts: Some(facts),
        counters: None,
    }
}

fn any_state() -> impl Strategy<Value = TcpState> {
    prop::sample::select(TcpState::ALL.to_vec())
}

/// Any event at all, at any time within two minutes.
fn any_event() -> impl Strategy<Value = Event> {
    let at = 0..120_000_000_000_u64;
    let change = (at.clone(), 0..20_u64, any_state(), any_state(), any::<u16>(), any::<bool>()).prop_map(
        |(at, number, from, to, bits, since)| {
            let mut event = change(at, socket(number), from, to, bits);
            event.since = since.then_some(Mono(at / 2));
            Event::StateChange(event)
        },
    );
    let what = prop_oneof![
        Just(Neighbour::ResetReceived),
        Just(Neighbour::ResetSent(None)),
        Just(Neighbour::ResetSent(Some(ResetReason::AbortOnData))),
        Just(Neighbour::ResetSent(Some(ResetReason::TimewaitSocket))),
        Just(Neighbour::Destroyed),
        Just(Neighbour::TimewaitArmed(TcpState::TimeWait)),
        Just(Neighbour::TimewaitExpired),
        Just(Neighbour::TimewaitKilled(TcpState::TimeWait)),
        Just(Neighbour::TimewaitKilled(FinWait2)),
    ];
    let neighbour = (at.clone(), 0..20_u64, what).prop_map(|(at, number, what)| Event::Neighbour {
        at: Mono(at),
        socket: socket(number).socket,
        what,
    });
    let snapshot = (at.clone(), 0..20_u64, any_state(), any::<bool>(), 0..90_000_u64).prop_map(
        |(at, number, state, mini, ms)| {
            let timer =
                Timer { kind: TimerKind::TimeWait, expires_ns: ms * 1_000_000, late_ns: 0, retransmits: 0 };
            let mini = mini && matches!(state, TcpState::TimeWait | FinWait2);
            Event::Snapshot(SocketSnapshot {
                at: Mono(at),
                id: socket(number),
                state,
                mini,
                owner: None,
                age: Age { at_least_ns: ms, at_most_ns: (ms % 2 == 0).then_some(ms * 3) },
                existed_ns: 0,
                timer: mini.then_some(timer),
                receive_queue: 0,
                send_queue: 0,
                counters: None,
            })
        },
    );
    let done = (at.clone(), 0..1_000_000_000_u64, 1..3_u32).prop_map(|(at, took, netns)| {
        Event::SnapshotDone { began: Mono(at.saturating_sub(took)), at: Mono(at), netns, states: u32::MAX }
    });
    prop_oneof![
        8 => change,
        2 => neighbour,
        2 => snapshot,
        1 => done,
        1 => at.clone().prop_map(|at| Event::Tick(Mono(at))),
        1 => (at.clone(), 0..20_u64).prop_map(|(at, number)| Event::Accepted(Accepted {
            at: Mono(at),
            socket: socket(number).socket,
            task: Task { pid: 1, comm: "x".into() },
        })),
        1 => at.clone().prop_map(|at| Event::Lost { at: Mono(at), count: 1, place: LossPlace::RingBuffer }),
        1 => (at, 1..3_u32).prop_map(|(at, netns)| Event::TimeWaitOverflow { at: Mono(at), netns, count: 1 }),
    ]
}

/// Some whole lives on sockets of their own, their events woven together in order of time.
fn woven_lives() -> impl Strategy<Value = Vec<StateChange>> {
    prop::collection::vec((0..WAYS.len(), prop::collection::vec(1..5_000_000_u64, 7), any::<u16>()), 1..12)
        .prop_map(|lives| {
            let mut events = Vec::new();
            for (number, (way, gaps, bits)) in lives.into_iter().enumerate() {
                let mut at = 1000;
                for (step, gap) in WAYS[way].windows(2).zip(gaps) {
                    at += gap;
                    // What the kernel says on the way out of FIN_WAIT_2 and LAST_ACK carries no error here.
                    events.push(change(at, socket(number as u64), step[0], step[1], bits & 0xff));
                }
            }
            events.sort_by_key(|event| event.at);
            events
        })
}

/// Lives told as closed or unfinished.
fn lives(config: Config, events: &[Event], end: u64) -> (Engine, Vec<Lifecycle>) {
    let mut engine = Engine::new(config);
    let mut told = Vec::new();
    let mut keep = |update: Update<'_>| {
        if let Update::Closed(life) | Update::Unfinished(life) = update {
            told.push(life.clone());
        }
    };
    for event in events {
        engine.observe(event, &mut keep);
        assert!(engine.live() <= config.max_connections);
    }
    engine.finish(Mono(end), true, &mut keep);
    (engine, told)
}

/// Stays follow each other, and where both ends of each are marked by events their lengths add up to the whole.
fn adds_up(life: &Lifecycle, end: u64) {
    let mut sum = 0;
    let mut exact = life.duration.evidence == Evidence::Exact;
    let mut before = Mono(0);
    for (index, stay) in life.states.iter().enumerate() {
        let Some(entered) = stay.entered else {
            exact = false;
            continue;
        };
        assert!(entered >= before, "{life:#?}");
        before = entered;
        let left = life.states.get(index + 1).and_then(|next| next.entered);
        match (stay.stay.ns, left) {
            (Some(ns), Some(left)) if stay.stay.evidence == Evidence::Exact => {
                assert_eq!(left, Mono(entered.0 + ns), "{life:#?}");
                sum += ns;
            }
            (Some(ns), None) => sum += ns,
            // A passive SYN_RECV has no length; its events are where they are.
            (None, Some(left)) => sum += left.since(entered),
            // The last one lasts: TIME_WAIT is after the end, all else until now.
            (None, None) if life.ending.is_none() => sum += end.saturating_sub(entered.0),
            (None, None) => {}
            (Some(_), Some(_)) => exact = false,
        }
    }
    if exact {
        assert_eq!(life.duration.ns, Some(sum), "{life:#?}");
    }
}

proptest! {
    #[test]
    fn the_stays_of_a_life_add_up_to_its_duration(events in woven_lives(), through in any::<bool>()) {
        let config = Config { through_time_wait: through, ..Config::default() };
        let births = events.iter().filter(|event| {
            matches!((event.from, event.to), (Closed, SynSent | Listen) | (Listen, SynRecv))
        }).count();
        let events: Vec<Event> = events.into_iter().map(Event::StateChange).collect();
        let (engine, told) = lives(config, &events, 1_000_000_000);
        prop_assert_eq!(engine.connections(), births as u64);
        prop_assert_eq!(told.len(), births);
        for life in &told {
            adds_up(life, 1_000_000_000);
        }
    }

    #[test]
    fn any_order_doubling_or_loss_of_events_invents_no_life(
        events in woven_lives(),
        shuffle in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..80),
    ) {
        // Each index takes an event, which stays or goes; so events are lost, doubled and out of order.
        let mut events = events;
        for (index, doubled) in &shuffle {
            let event = *index.get(&events);
            if !doubled {
                events.retain(|other| *other != event);
            }
            events.push(event);
        }
        let firsts = events.len();
        let events: Vec<Event> = events.into_iter().map(Event::StateChange).collect();
        let (engine, told) = lives(Config { max_connections: 5, ..Config::default() }, &events, 1_000_000_000);
        prop_assert!(engine.connections() <= firsts as u64);
        prop_assert!(told.len() as u64 + engine.evictions() <= engine.connections());
        let mut ids: Vec<u64> = told.iter().map(|life| life.id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), told.len(), "a life is told once");
    }

    #[test]
    fn no_event_whatever_panics_or_passes_the_cap(
        events in prop::collection::vec(any_event(), 0..200),
        cap in 1..12_usize,
        cookies in any::<bool>(),
        through in any::<bool>(),
    ) {
        let config =
            Config { max_connections: cap, cookies, through_time_wait: through, own_pid: 1, ..Config::default() };
        let end = 200_000_000_000;
        let (engine, told) = lives(config, &events, end);
        let firsts = events
            .iter()
            .filter(|event| matches!(event, Event::StateChange(_) | Event::Snapshot(_)))
            .count();
        prop_assert!(engine.connections() <= firsts as u64);
        for life in &told {
            prop_assert!(!life.states.is_empty());
        }
        prop_assert!(engine.open_questions().count() <= 3);
    }
}
