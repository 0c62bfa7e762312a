//! Filter rules, one a test; makers of subjects and lives for the tests next door.

use std::net::IpAddr;

use super::*;
use crate::model::comm::Comm;
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;
use crate::model::evidence::Span;
use crate::model::life::{ConnectionId, End, Ending, FirstSeen, Lifecycle, OpenedBy};
use crate::model::owner::Task;
use crate::model::socket::{Protocol, SocketId, SocketRef};
use crate::model::time::Mono;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn owner(pid: u32, comm: &str, how: OwnerHow) -> Option<Owner> {
    Some(Owner { task: Task { pid, comm: Comm::from(comm) }, how })
}

/// 10.0.0.1:50000 → 192.0.2.7:443, owner curl[7] by connect.
pub(crate) fn subject(id: u64) -> Subject {
    Subject {
        id: ConnectionId(id),
        socket: SocketId {
            socket: SocketRef { address: 1, cookie: Cookie::new(id) },
            protocol: Protocol::Tcp,
            endpoints: Endpoints::new((ip("10.0.0.1"), 50_000), (ip("192.0.2.7"), 443)),
            netns: Some(4_026_531_840),
            uid: Some(1000),
            cgroup: Some(77),
            inode: None,
        },
        owner: owner(7, "curl", OwnerHow::Connect),
        opened_by: OpenedBy::Connect,
    }
}

pub(crate) fn life(subject: &Subject, end: End) -> Lifecycle {
    Lifecycle {
        id: subject.id,
        socket: subject.socket,
        owner: subject.owner,
        last_seen: None,
        opened_by: OpenedBy::Connect,
        closed_by: None,
        first_seen: FirstSeen::Event,
        states: Vec::new(),
        duration: Span::UNKNOWN,
        handshake_rtt_us: None,
        ending: Some(Ending { end, detail: None }),
        counters: None,
        orphaned: false,
        fd_held_ns: None,
        measured: Vec::new(),
        at: Mono(0),
    }
}

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|net| net.parse().unwrap()).collect()
}

fn pids(list: &[u32]) -> Filter {
    Filter { pids: list.iter().copied().collect(), ..Filter::default() }
}

#[test]
fn an_empty_filter_admits_everything() {
    let filter = Filter::default();
    assert!(filter.is_empty());
    assert_eq!(filter.admits(&subject(1)), Admission::Yes);
    assert!(filter.admits_states(TcpState::Closed, TcpState::SynSent));
}

#[test]
fn a_pid_matches_its_owner_only() {
    assert_eq!(pids(&[3, 7]).admits(&subject(1)), Admission::Yes);
    assert_eq!(pids(&[8]).admits(&subject(1)), Admission::No);
}

#[test]
fn an_unknown_owner_may_still_turn_out_to_match() {
    let unknown = Subject { owner: None, ..subject(1) };
    assert_eq!(pids(&[7]).admits(&unknown), Admission::NotYet);
}

#[test]
fn a_listeners_claim_that_does_not_match_leaves_it_open_who_accepts() {
    let inherited = Subject { owner: owner(7, "nginx", OwnerHow::Listener), ..subject(1) };
    assert_eq!(pids(&[7]).admits(&inherited), Admission::Yes);
    assert_eq!(pids(&[8]).admits(&inherited), Admission::NotYet);
    let accepted = Subject { owner: owner(8, "nginx", OwnerHow::Accept), ..inherited };
    assert_eq!(pids(&[8]).admits(&accepted), Admission::Yes);
    assert_eq!(pids(&[7]).admits(&accepted), Admission::No);
}

#[test]
fn a_comm_pattern_matches_the_owners_name() {
    let comms = |pattern| Filter { comms: vec![CommPattern::new(pattern)], ..Filter::default() };
    assert_eq!(comms("cu*").admits(&subject(1)), Admission::Yes);
    assert_eq!(comms("wget").admits(&subject(1)), Admission::No);
    assert_eq!(comms("wget").admits(&Subject { owner: None, ..subject(1) }), Admission::NotYet);
}

#[test]
fn a_local_port_that_is_not_chosen_yet_leaves_it_open() {
    let filter = Filter { lports: vec![50_000..=50_010], ..Filter::default() };
    assert_eq!(filter.admits(&subject(1)), Admission::Yes);
    let mut early = subject(1);
    early.socket.endpoints.local.port = None;
    assert_eq!(filter.admits(&early), Admission::NotYet);
    early.socket.endpoints.local.port = Some(50_011);
    assert_eq!(filter.admits(&early), Admission::No);
}

#[test]
fn a_port_of_either_end_is_decided_by_the_end_that_matches_first() {
    let port = |port| Filter { ports: vec![port..=port], ..Filter::default() };
    let mut early = subject(1);
    early.socket.endpoints.local.port = None;
    assert_eq!(port(443).admits(&early), Admission::Yes);
    assert_eq!(port(80).admits(&early), Admission::NotYet);
    assert_eq!(port(80).admits(&subject(1)), Admission::No);
}

#[test]
fn addresses_match_by_network_and_family() {
    let laddr = |net| Filter { laddrs: nets(&[net]), ..Filter::default() };
    assert_eq!(laddr("10.0.0.0/8").admits(&subject(1)), Admission::Yes);
    assert_eq!(laddr("192.0.2.0/24").admits(&subject(1)), Admission::No);
    assert_eq!(laddr("::/0").admits(&subject(1)), Admission::No);
    let raddr = Filter { raddrs: nets(&["192.0.2.7/32"]), ..Filter::default() };
    assert_eq!(raddr.admits(&subject(1)), Admission::Yes);
    let either = Filter { addrs: nets(&["2001:db8::/32", "192.0.2.0/24"]), ..Filter::default() };
    assert_eq!(either.admits(&subject(1)), Admission::Yes);
}

#[test]
fn an_unspecified_address_is_not_known_yet_unless_asked_for() {
    let mut listener = subject(1);
    listener.socket.endpoints = Endpoints::new((ip("0.0.0.0"), 80), (ip("0.0.0.0"), 0));
    let laddr = |net| Filter { laddrs: nets(&[net]), ..Filter::default() };
    assert_eq!(laddr("10.0.0.0/8").admits(&listener), Admission::NotYet);
    assert_eq!(laddr("0.0.0.0/0").admits(&listener), Admission::Yes);
}

#[test]
fn a_family_admits_its_own_addresses_only() {
    let family = |family| Filter { family: Some(family), ..Filter::default() };
    assert_eq!(family(Family::V4).admits(&subject(1)), Admission::Yes);
    assert_eq!(family(Family::V6).admits(&subject(1)), Admission::No);
}

#[test]
fn uid_namespace_and_cgroup_must_be_known_to_match() {
    for filter in [
        Filter { uids: vec![1000], ..Filter::default() },
        Filter { netns: vec![4_026_531_840], ..Filter::default() },
        Filter { cgroups: Some([77].into_iter().collect()), ..Filter::default() },
    ] {
        assert_eq!(filter.admits(&subject(1)), Admission::Yes);
        assert!(filter.needs_btf().is_some());
        let mut other = subject(1);
        (other.socket.uid, other.socket.netns, other.socket.cgroup) = (Some(1), Some(1), Some(1));
        assert_eq!(filter.admits(&other), Admission::No);
        (other.socket.uid, other.socket.netns, other.socket.cgroup) = (None, None, None);
        assert_eq!(filter.admits(&other), Admission::NotYet);
    }
}

#[test]
fn all_flags_must_hold_and_a_certain_no_decides() {
    let mut filter = pids(&[8]);
    filter.rports = vec![80..=80];
    assert_eq!(filter.admits(&Subject { owner: None, ..subject(1) }), Admission::No);
    filter.rports = vec![443..=443];
    assert_eq!(filter.admits(&Subject { owner: None, ..subject(1) }), Admission::NotYet);
}

#[test]
fn a_state_matches_where_it_is_left_or_entered() {
    let filter = Filter { states: vec![TcpState::SynRecv], ..Filter::default() };
    assert!(filter.admits_states(TcpState::SynRecv, TcpState::Established));
    assert!(filter.admits_states(TcpState::NewSynRecv, TcpState::Established));
    assert!(filter.admits_states(TcpState::Listen, TcpState::SynRecv));
    assert!(!filter.admits_states(TcpState::Established, TcpState::CloseWait));
    assert_eq!(filter.admits(&subject(1)), Admission::Yes);
}
