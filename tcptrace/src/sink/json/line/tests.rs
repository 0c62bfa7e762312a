//! Both ways of writing a line say the same.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::record::{Lifecycle, Transition};
use super::super::tame;
use super::Claims;
use crate::model::comm::Comm;
use crate::model::endpoints::Endpoints;
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{self, ClosedBy, Detail, End, Ending, Residency, Subject};
use crate::model::owner::{Owner, OwnerHow, Task};
use crate::model::socket::Counters;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;
use crate::sink::json::owner::{Cgroup, Claim, Names};
use crate::sink::json::record::Record;
use crate::sink::row::Row;
use crate::sink::sample;

/// One cgroup, in a container, with a path as its owner may choose it.
struct OneCgroup(String);

impl Names for OneCgroup {
    fn cgroup(&self, id: u64) -> Option<Cgroup<'_>> {
        id.is_multiple_of(2).then_some(Cgroup { path: &self.0, container: Some(("4f\"2", "docker")) })
    }
}

fn subject() -> impl Strategy<Value = Subject> {
    let ends = (any::<IpAddr>(), any::<u16>(), any::<IpAddr>(), any::<u16>());
    let owner = prop::option::of((any::<u32>(), any::<[u8; 16]>(), any::<bool>()));
    (ends, owner, any::<Option<u64>>(), any::<Option<u32>>()).prop_map(|(ends, owner, cgroup, netns)| {
        let (laddr, lport, raddr, rport) = ends;
        let sample = sample::unknown();
        let owner = owner.map(|(pid, comm, accepted)| Owner {
            task: Task { pid, comm: Comm(comm) },
            how: if accepted { OwnerHow::Accept } else { OwnerHow::FdTable },
        });
        let mut subject = if netns.is_some() { sample::v4() } else { sample };
        subject.socket.endpoints = Endpoints::new((laddr, lport), (raddr, rport));
        (subject.owner, subject.socket.cgroup, subject.socket.netns) = (owner, cgroup, netns);
        subject
    })
}

fn ending() -> impl Strategy<Value = Option<Ending>> {
    let killer = (any::<u32>(), any::<[u8; 16]>())
        .prop_map(|(pid, comm)| Detail::Killer(Task { pid, comm: Comm(comm) }));
    let detail = prop_oneof![Just(None), Just(Some(Detail::Word("linger_zero"))), killer.prop_map(Some)];
    prop::option::of(detail.prop_map(|detail| Ending { end: End::RstSent, detail }))
}

fn span() -> impl Strategy<Value = Span> {
    let evidence = vec![Evidence::Exact, Evidence::AtLeast, Evidence::Estimated, Evidence::Unknown];
    let numbers = any::<(Option<u64>, Option<u64>, Option<u64>)>();
    (prop::sample::select(evidence), numbers).prop_map(|(evidence, (ns, at_most_ns, error_ns))| Span {
        ns,
        evidence,
        at_most_ns,
        error_ns,
    })
}

fn state() -> impl Strategy<Value = TcpState> {
    prop::sample::select(TcpState::ALL.to_vec())
}

fn stay() -> impl Strategy<Value = Residency> {
    (state(), any::<Option<u64>>(), span(), any::<Option<u64>>()).prop_map(
        |(state, entered, stay, expires)| Residency {
            state,
            entered: entered.map(Mono),
            stay,
            expires: expires.map(Mono),
        },
    )
}

fn counters() -> impl Strategy<Value = Option<Counters>> {
    any::<Option<(u64, u64, u32, u32, u32, u32)>>().prop_map(|counters| {
        let (bytes_sent, bytes_received, segments_out, segments_in, retransmits, srtt_us) = counters?;
        Some(Counters { bytes_sent, bytes_received, segments_out, segments_in, retransmits, srtt_us })
    })
}

fn life() -> impl Strategy<Value = life::Lifecycle> {
    let whole = (subject(), ending(), span(), prop::collection::vec(stay(), 0..9), counters());
    let rest = any::<(bool, Option<u32>, Option<u64>, Option<[u8; 16]>)>();
    (whole, rest).prop_map(|((subject, ending, duration, states, counters), rest)| {
        let (known, handshake_rtt_us, fd_held_ns, comm) = rest;
        let sample = if known { sample::life() } else { sample::dim_life() };
        life::Lifecycle {
            socket: subject.socket,
            owner: subject.owner,
            last_seen: comm.map(|comm| Task { pid: 1, comm: Comm(comm) }),
            closed_by: known.then_some(ClosedBy::Both),
            ending,
            duration,
            states,
            counters,
            handshake_rtt_us,
            fd_held_ns,
            ..sample
        }
    })
}

proptest! {
    #[test]
    fn a_transitions_line_is_what_serde_makes_of_it(
        subject in subject(),
        ending in ending(),
        in_from in span(),
        (from, to, kernel, raw) in (state(), state(), any::<bool>(), any::<bool>()),
        path in any::<String>(),
    ) {
        let row = Row {
            at: Mono(7),
            from,
            to,
            raw,
            in_from,
            seen_by: if kernel { SeenBy::Tracepoint } else { SeenBy::SockDiag },
            kernel: kernel.then_some((from, to)),
            ending: ending.as_ref(),
            subject: &subject,
        };
        let names = OneCgroup(path);
        let of = || Transition::of(&row, "2026-11-21T03:20:32.000000001Z", Some(&names));
        let (mut line, mut record) = (Vec::new(), Vec::new());
        of().write(&mut Claims::default(), &mut line);
        tame::push(&mut record, &Record::Transition(of())).unwrap();
        prop_assert_eq!(String::from_utf8(line).unwrap(), String::from_utf8(record).unwrap());
    }

    #[test]
    fn claims_that_differ_in_anything_differ_in_their_text(
        claims in prop::collection::vec((0_u32..200, any::<bool>(), any::<bool>(), 0_u32..2, 0_u64..3), 1..400),
    ) {
        let names = OneCgroup("/a".to_owned());
        let mut kept = Claims::default();
        for (pid, named, accepted, uid, cgroup) in claims {
            let task = Task { pid, comm: Comm::from(if named { "web" } else { "\u{7f}" }) };
            let owner = Owner { task, how: if accepted { OwnerHow::Accept } else { OwnerHow::Listener } };
            let mut socket = sample::v4().socket;
            (socket.uid, socket.cgroup) = (uid.checked_sub(1), cgroup.checked_sub(1));
            let claim = Claim::of(Some(&owner), &socket, Some(&names)).unwrap();
            let (mut text, mut record) = (Vec::new(), Vec::new());
            kept.push(&mut text, &claim);
            tame::push(&mut record, &claim).unwrap();
            prop_assert_eq!(String::from_utf8(text).unwrap(), String::from_utf8(record).unwrap());
        }
    }

    #[test]
    fn a_lifes_line_is_what_serde_makes_of_it(life in life(), path in any::<String>()) {
        let names = OneCgroup(path);
        let of = || Lifecycle::of(&life, "2026-11-21T03:20:32.000000001Z", Some(&names));
        let (mut line, mut record) = (Vec::new(), Vec::new());
        of().write(&mut Claims::default(), &mut line);
        tame::push(&mut record, &Record::Lifecycle(of())).unwrap();
        prop_assert_eq!(String::from_utf8(line).unwrap(), String::from_utf8(record).unwrap());
    }
}
