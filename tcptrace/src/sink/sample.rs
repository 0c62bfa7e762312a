//! Values that the tests of all outputs print.

use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::stuck::rule::DEFAULTS;
use crate::engine::stuck::stack::{Frame, Nameless, SHORT, Stack};
use crate::engine::stuck::{Holder, Origin, Other, Stuck, StuckEvent, Verdict};
use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;
use crate::model::event::StateChange;
use crate::model::evidence::Span;
use crate::model::life::{
    ClosedBy, ConnectionId, Detail, End, Ending, FirstSeen, Lifecycle, OpenedBy, Residency, Subject,
};
use crate::model::owner::{Owner, OwnerHow, Task};
use crate::model::socket::{Counters, Protocol, SocketId, SocketRef};
use crate::model::state::TcpState;
use crate::model::time::{ClockAnchor, Mono};
use crate::model::transition::{SeenBy, Transition};

pub(super) const MS: u64 = 1_000_000;
pub(super) const S: u64 = 1_000_000_000;

/// 5 s of uptime are 2026-11-21T03:20:32Z.
pub(super) const ANCHOR: ClockAnchor = ClockAnchor { mono: Mono(5 * S), real_ns: 1_795_231_232_000_000_000 };

pub(super) fn task(pid: u32, comm: &str) -> Task {
    Task { pid, comm: Comm::from(comm) }
}

pub(super) fn subject(local: (&str, u16), remote: (&str, u16)) -> Subject {
    let end = |(addr, port): (&str, u16)| (addr.parse::<IpAddr>().unwrap(), port);
    Subject {
        id: ConnectionId(7),
        socket: SocketId {
            socket: SocketRef { address: 0xffff_8880_0000_1000, cookie: Cookie::new(0x2a1f) },
            protocol: Protocol::Tcp,
            endpoints: Endpoints::new(end(local), end(remote)),
            netns: Some(4_026_531_840),
            uid: Some(1_000),
            cgroup: Some(4_242),
            inode: Some(99),
        },
        owner: Some(Owner { task: task(1_234, "curl"), how: OwnerHow::Connect }),
        opened_by: OpenedBy::Connect,
    }
}

pub(super) fn v4() -> Subject {
    subject(("10.0.0.1", 50_000), ("93.184.216.34", 443))
}

/// All that can be unknown is.
pub(super) fn unknown() -> Subject {
    let mut subject = subject(("10.0.0.1", 0), ("10.0.0.2", 80));
    subject.owner = None;
    let socket = &mut subject.socket;
    (socket.socket.cookie, socket.netns, socket.uid, socket.cgroup) = (None, None, None, None);
    subject
}

pub(super) fn moved(from: TcpState, to: TcpState, in_from: Span) -> Transition {
    Transition {
        at: Mono(5 * S + 12_345_678),
        from,
        to,
        in_from,
        seen_by: SeenBy::Tracepoint,
        kernel: Some((from, to)),
        ending: None,
    }
}

pub(super) fn killed() -> Ending {
    Ending { end: End::Aborted, detail: Some(Detail::Killer(task(99, "ss"))) }
}

pub(super) fn change(from: TcpState, to: TcpState, since: Option<Mono>) -> StateChange {
    let Subject { socket, owner, .. } = v4();
    StateChange {
        at: Mono(5 * S + 12_345_678),
        id: socket,
        from,
        to,
        since,
        owner,
        actor: None,
        facts: None,
        counters: None,
    }
}

/// An active closer, its TIME_WAIT still to come.
pub(super) fn life() -> Lifecycle {
    let Subject { id, socket, owner, opened_by: _ } = v4();
    let mut entered = 5 * S;
    let mut stay = |state, ns: u64| {
        let residency =
            Residency { state, entered: Some(Mono(entered)), stay: Span::exact(ns), expires: None };
        entered += ns;
        residency
    };
    let mut states = vec![
        stay(TcpState::SynSent, MS / 5),
        stay(TcpState::Established, 5_200 * MS),
        stay(TcpState::FinWait1, MS / 10),
        stay(TcpState::FinWait2, 3 * S),
        stay(TcpState::TimeWait, 0),
    ];
    let last = states.last_mut().unwrap();
    last.stay = Span { ns: None, ..Span::estimated(0, None) };
    last.expires = Some(Mono(entered + 60 * S));
    Lifecycle {
        id,
        socket,
        owner,
        last_seen: None,
        opened_by: OpenedBy::Connect,
        closed_by: Some(ClosedBy::Local),
        first_seen: FirstSeen::Event,
        states,
        duration: Span::exact(8_200 * MS + 300_000),
        handshake_rtt_us: Some(190),
        ending: Some(Ending { end: End::TimeWait, detail: None }),
        counters: Some(Counters {
            bytes_sent: 1_234,
            bytes_received: 3_400_000,
            segments_out: 20,
            segments_in: 30,
            retransmits: 2,
            srtt_us: 12_300,
        }),
        orphaned: true,
        fd_held_ns: None,
        measured: Vec::new(),
        at: Mono(entered),
    }
}

/// A life of which little is known.
pub(super) fn dim_life() -> Lifecycle {
    let Subject { id, socket, owner, opened_by: _ } = unknown();
    Lifecycle {
        id,
        socket,
        owner,
        last_seen: Some(task(77, "sshd")),
        opened_by: OpenedBy::Unknown,
        closed_by: None,
        first_seen: FirstSeen::Snapshot,
        states: vec![
            Residency {
                state: TcpState::Established,
                entered: None,
                stay: Span::at_least(S, Some(2 * S)),
                expires: None,
            },
            Residency { state: TcpState::CloseWait, entered: None, stay: Span::UNKNOWN, expires: None },
        ],
        duration: Span::at_least(S, None),
        handshake_rtt_us: None,
        ending: None,
        counters: None,
        orphaned: false,
        fd_held_ns: Some(5 * MS),
        measured: Vec::new(),
        at: Mono(9 * S),
    }
}

/// A leaked CLOSE_WAIT whose other end is here, held by two processes.
pub(super) fn stuck() -> Stuck {
    let subject = v4();
    let mut peer = subject.socket;
    peer.endpoints = peer.endpoints.mirrored();
    let holder = |pid, opened_it| Holder { task: task(pid, "server"), fd: 7, opened_it };
    Stuck {
        at: Mono(6 * S),
        event: StuckEvent::Began,
        subject,
        state: TcpState::CloseWait,
        since: Some(Mono(S)),
        age: Span::at_least(31 * S, Some(40 * S)),
        rule: DEFAULTS[0].0,
        receive_queue: Some(0),
        send_queue: Some(0),
        timer: None,
        keepalive: Some(false),
        holders: Some(vec![holder(1234, Some(true)), holder(1235, Some(false))]),
        listener: None,
        peer: Some(Other {
            socket: peer,
            state: TcpState::FinWait2,
            owner: None,
            receive_queue: Some(0),
            send_queue: Some(0),
        }),
        verdict: Some(Verdict::LeakedFd),
        alternative: None,
        crowd: None,
        explanation: "the peer closed".to_owned(),
        advice: "close it".to_owned(),
        origin: None,
    }
}

/// Where it was opened: two functions of a program that chose its names with care, the inner one inlined, then code without a name.
pub(super) fn origin() -> Origin {
    let module = Some("/usr/bin/shop".to_owned());
    let frame = |address, symbol: Option<&str>, offset| Frame {
        address,
        symbol: symbol.map(str::to_owned),
        offset,
        module: module.clone(),
        module_offset: Some(address & 0xfff),
        ..Frame::default()
    };
    let mut inlined = frame(0x5500_0000_1010, Some("leak\x1b[31m"), None);
    (inlined.inlined, inlined.file, inlined.line) = (true, Some("shop.c".to_owned()), Some(31));
    let mut nameless = frame(0x5500_0000_1030, None, None);
    nameless.why = Some(Nameless::Stripped);
    let frames = vec![inlined, frame(0x5500_0000_1010, Some("serve"), Some(0x10)), nameless];
    Origin::Stack(Arc::new(Stack { id: 3, pid: 1_234, how: OwnerHow::Accept, frames, notes: vec![SHORT] }))
}
