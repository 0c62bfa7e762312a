//! Any event: what the properties of recordings are tried on.

use std::net::IpAddr;

use proptest::option;
use proptest::prelude::*;
use tcptrace::model::comm::Comm;
use tcptrace::model::cookie::Cookie;
use tcptrace::model::endpoints::Endpoints;
use tcptrace::model::event::{Accepted, Event, LossPlace, Neighbour, ResetReason, StateChange};
use tcptrace::model::owner::{Owner, OwnerHow, Task};
use tcptrace::model::snapshot::{Age, SocketSnapshot, Timer, TimerKind};
use tcptrace::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use tcptrace::model::state::TcpState;
use tcptrace::model::time::Mono;

/// Numbers of all sizes, the edges often.
pub(crate) fn number() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        0..100_000_u64,
        (any::<u64>(), 0..64_u32).prop_map(|(n, by)| n >> by)
    ]
}

pub(crate) fn small() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![Just(0), Just(u32::MAX), 0..100_000_u32, any::<u32>()]
}

pub(crate) fn mono() -> impl Strategy<Value = Mono> + Clone {
    number().prop_map(Mono)
}

pub(crate) fn state() -> impl Strategy<Value = TcpState> + Clone {
    prop::sample::select(TcpState::ALL.to_vec())
}

pub(crate) fn task() -> BoxedStrategy<Task> {
    let comm = prop_oneof![
        "[ -~]{0,15}".prop_map(|name| Comm::from(name.as_str())),
        "\\PC{0,5}".prop_map(|name| Comm::from(name.as_str())),
        any::<[u8; 16]>().prop_map(Comm),
    ];
    (small(), comm).prop_map(|(pid, comm)| Task { pid, comm }).boxed()
}

pub(crate) fn owner() -> BoxedStrategy<Owner> {
    let how = (1..=6_u8).prop_map(|number| OwnerHow::from_wire(number).unwrap());
    (task(), how).prop_map(|(task, how)| Owner { task, how }).boxed()
}

pub(crate) fn socket() -> impl Strategy<Value = SocketRef> + Clone {
    (number(), number()).prop_map(|(address, cookie)| SocketRef { address, cookie: Cookie::new(cookie) })
}

pub(crate) fn address() -> impl Strategy<Value = IpAddr> + Clone {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        (any::<u8>()).prop_map(|last| IpAddr::from([0, 0, 0, 0, 0, 0, 0, u16::from(last)])),
    ]
}

pub(crate) fn id() -> BoxedStrategy<SocketId> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Mptcp)];
    let ends = (address(), any::<u16>(), address(), any::<u16>());
    let rest = (option::of(small()), option::of(small()), option::of(number()), option::of(number()));
    (socket(), protocol, ends, rest)
        .prop_map(|(socket, protocol, ends, (netns, uid, cgroup, inode))| {
            let (laddr, lport, raddr, rport) = ends;
            let endpoints = Endpoints::new((laddr, lport), (raddr, rport));
            SocketId { socket, protocol, endpoints, netns, uid, cgroup, inode }
        })
        .boxed()
}

pub(crate) fn facts() -> BoxedStrategy<SocketFacts> {
    let numbers = (any::<u16>(), any::<u16>(), any::<u8>(), any::<i32>(), any::<u8>(), small());
    (any::<[bool; 9]>(), prop_oneof![Just((0, 0, 0, 0, 0, 0)), numbers])
        .prop_map(|(flags, numbers)| {
            let [dead, done, linger_zero, attached, locked, subflow, fastopen, user_timeout, keepalive] =
                flags;
            let (error, error_soft, shutdown, linger2, unanswered, unacked) = numbers;
            SocketFacts {
                error,
                error_soft,
                shutdown,
                dead,
                done,
                linger_zero,
                attached,
                locked,
                linger2,
                subflow,
                fastopen,
                unanswered,
                user_timeout,
                unacked,
                keepalive,
                opened_by: None,
            }
        })
        .boxed()
}

pub(crate) fn counters() -> BoxedStrategy<Counters> {
    (number(), number(), small(), small(), small(), small())
        .prop_map(|(bytes_sent, bytes_received, segments_out, segments_in, retransmits, srtt_us)| Counters {
            bytes_sent,
            bytes_received,
            segments_out,
            segments_in,
            retransmits,
            srtt_us,
        })
        .boxed()
}

pub(crate) fn change() -> impl Strategy<Value = Event> + Clone {
    let known = (option::of(mono()), option::of(owner()), option::of(task()));
    (mono(), id(), state(), state(), known, option::of(facts()), option::of(counters())).prop_map(
        |(at, id, from, to, (since, owner, actor), facts, counters)| {
            Event::StateChange(StateChange { at, id, from, to, since, owner, actor, facts, counters })
        },
    )
}

pub(crate) fn neighbour() -> impl Strategy<Value = Event> + Clone {
    let named = vec![
        ResetReason::AbortOnClose,
        ResetReason::AbortOnLinger,
        ResetReason::AbortOnMemory,
        ResetReason::AbortOnData,
        ResetReason::TcpState,
        ResetReason::KeepaliveTimeout,
        ResetReason::TimewaitSocket,
    ];
    let reason = prop_oneof![prop::sample::select(named), any::<u16>().prop_map(ResetReason::Other)];
    let what = prop_oneof![
        Just(Neighbour::ResetReceived),
        option::of(reason).prop_map(Neighbour::ResetSent),
        Just(Neighbour::Destroyed),
        state().prop_map(Neighbour::TimewaitArmed),
        Just(Neighbour::TimewaitExpired),
        state().prop_map(Neighbour::TimewaitKilled),
    ];
    (mono(), socket(), what).prop_map(|(at, socket, what)| Event::Neighbour { at, socket, what })
}

pub(crate) fn snapshot() -> impl Strategy<Value = Event> + Clone {
    let kind = prop::sample::select(vec![
        TimerKind::Retransmit,
        TimerKind::Keepalive,
        TimerKind::TimeWait,
        TimerKind::Probe,
    ]);
    let timer =
        (kind, number(), number(), any::<u8>()).prop_map(|(kind, expires_ns, late_ns, retransmits)| Timer {
            kind,
            expires_ns,
            late_ns,
            retransmits,
        });
    let age = (number(), option::of(number()))
        .prop_map(|(at_least_ns, at_most_ns)| Age { at_least_ns, at_most_ns });
    let known = (option::of(owner()), age, option::of(timer), option::of(counters()));
    (mono(), id(), state(), any::<bool>(), known, small(), small()).prop_map(
        |(at, id, state, mini, (owner, age, timer, counters), receive_queue, send_queue)| {
            Event::Snapshot(SocketSnapshot {
                at,
                id,
                state,
                mini,
                owner,
                age,
                existed_ns: 0,
                timer,
                receive_queue,
                send_queue,
                counters,
            })
        },
    )
}

pub(crate) fn event() -> BoxedStrategy<Event> {
    let place = prop::sample::select(vec![LossPlace::RingBuffer, LossPlace::Map, LossPlace::Table]);
    prop_oneof![
        change().boxed(),
        (mono(), socket(), task()).prop_map(|(at, socket, task)| Event::Accepted(Accepted {
            at,
            socket,
            task
        })),
        neighbour().boxed(),
        snapshot().boxed(),
        (mono(), mono(), small(), small()).prop_map(|(began, at, netns, states)| Event::SnapshotDone {
            began,
            at,
            netns,
            states
        }),
        (mono(), small(), number()).prop_map(|(at, netns, count)| Event::TimeWaitOverflow {
            at,
            netns,
            count
        }),
        (mono(), small(), address(), any::<u16>(), address(), any::<u16>()).prop_map(
            |(at, netns, laddr, lport, raddr, rport)| Event::HalfOpen {
                at,
                netns,
                endpoints: Endpoints::new((laddr, lport), (raddr, rport))
            }
        ),
        small().prop_map(|child| Event::Forked { child }),
        (small(), small()).prop_map(|(netns, seconds)| Event::FinTimeout { netns, seconds }),
        (mono(), number(), place).prop_map(|(at, count, place)| Event::Lost { at, count, place }),
        mono().prop_map(Event::Tick),
    ]
    .boxed()
}
