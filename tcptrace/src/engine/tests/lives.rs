//! Ordinary lives: how they begin, what their states are, how long each lasted.

use super::super::Config;
use super::super::scene::{Said, Scene, ending, measured, path, socket, state};
use crate::model::event::Neighbour;
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{ClosedBy, FirstSeen, OpenedBy};
use crate::model::socket::Protocol;
use crate::model::state::TcpState;

const OPEN: &str = "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED";
const ACCEPT: &str = "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED";

#[test]
fn a_passive_closer_lives_from_syn_recv_to_last_ack() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, ACCEPT).goes(&s, "ESTABLISHED>CLOSE_WAIT CLOSE_WAIT>LAST_ACK");
    scene.goes_as(&s, "LAST_ACK>CLOSE", |f| f.dead = true);
    let life = scene.closed()[0];
    assert_eq!(path(life), "SYN_RECV? ESTABLISHED=1 CLOSE_WAIT=1 LAST_ACK=1");
    assert_eq!((life.opened_by, life.closed_by), (OpenedBy::Accept, Some(ClosedBy::Remote)));
    assert_eq!(life.duration, Span::exact(4_000_000));
    assert_eq!((ending(life).as_str(), life.orphaned), ("fin", true));
    assert_eq!(scene.engine.live(), 0);
}

#[test]
fn an_active_closer_ends_in_time_wait_which_the_tracepoint_never_says() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, OPEN).goes(&s, "ESTABLISHED>FIN_WAIT1 FIN_WAIT1>FIN_WAIT2");
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |f| (f.done, f.dead) = (true, true));
    let life = scene.closed()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2=1 TIME_WAIT");
    assert_eq!((life.opened_by, life.closed_by), (OpenedBy::Connect, Some(ClosedBy::Local)));
    let open = life.states.last().unwrap();
    assert_eq!(open.expires.unwrap().since(open.entered.unwrap()), 60_000_000_000);
    assert_eq!(life.duration, Span::exact(4_000_000));
    let last = *scene.moves().last().unwrap();
    assert_eq!((last.from, last.to), (TcpState::FinWait2, TcpState::TimeWait));
    assert_eq!(last.kernel, Some((TcpState::FinWait2, TcpState::Closed)));
    assert!(last.ending.is_some());
}

#[test]
fn fin_and_ack_in_one_segment_is_no_stay_in_fin_wait_2() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, OPEN).goes(&s, "ESTABLISHED>FIN_WAIT1");
    scene.goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true);
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |f| (f.done, f.dead) = (true, true));
    assert_eq!(path(scene.closed()[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=2 TIME_WAIT");
    assert_eq!(scene.closed()[0].duration, Span::exact(4_000_000));
}

#[test]
fn both_close_at_once_and_end_in_time_wait() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, OPEN).goes(&s, "ESTABLISHED>FIN_WAIT1 FIN_WAIT1>CLOSING");
    scene.goes_as(&s, "CLOSING>CLOSE", |f| (f.done, f.dead) = (true, true));
    let life = scene.closed()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 CLOSING=1 TIME_WAIT");
    assert_eq!(life.closed_by, Some(ClosedBy::Both));
}

#[test]
fn simultaneous_open_has_a_true_syn_recv() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, "CLOSE>SYN_SENT SYN_SENT>SYN_RECV SYN_RECV>ESTABLISHED").finish(true);
    let life = scene.unfinished()[0];
    assert_eq!(path(life), "SYN_SENT=1 SYN_RECV=1 ESTABLISHED");
    assert_eq!(life.opened_by, OpenedBy::Simultaneous);
}

#[test]
fn fast_open_has_a_true_syn_recv_even_when_closed_before_established() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes_as(&s, "LISTEN>SYN_RECV", |f| f.fastopen = true);
    scene.goes(&s, "SYN_RECV>ESTABLISHED").finish(true);
    assert_eq!(path(scene.unfinished()[0]), "SYN_RECV=1 ESTABLISHED");
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, "LISTEN>SYN_RECV SYN_RECV>FIN_WAIT1").finish(true);
    assert_eq!(path(scene.unfinished()[0]), "SYN_RECV=1 FIN_WAIT_1");
}

#[test]
fn self_transitions_reset_no_clock_and_split_no_state() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, OPEN).goes(&s, "ESTABLISHED>FIN_WAIT1 FIN_WAIT1>FIN_WAIT1 FIN_WAIT1>FIN_WAIT2");
    scene.goes(&s, "FIN_WAIT2>FIN_WAIT2 FIN_WAIT2>FIN_WAIT2").finish(true);
    let life = scene.unfinished()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=2 FIN_WAIT_2");
    assert_eq!(scene.moves().len(), 4);
    assert_eq!(scene.log.iter().filter(|said| matches!(said, Said::Seen)).count(), 7);
}

#[test]
fn a_life_met_midway_is_unknown_before_and_never_zero() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, "ESTABLISHED>CLOSE_WAIT").finish(true);
    assert_eq!(scene.moves()[0].in_from, Span::UNKNOWN);
    let life = scene.unfinished()[0];
    assert_eq!((path(life).as_str(), life.first_seen), ("ESTABLISHED? CLOSE_WAIT", FirstSeen::Midway));
    assert_eq!((life.states[0].entered, life.closed_by), (None, Some(ClosedBy::Remote)));
}

#[test]
fn the_kernel_halfs_memory_makes_a_life_met_midway_exact() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    let since = crate::model::time::Mono(scene.now - 5_000_000);
    scene.goes_with(&s, "ESTABLISHED>CLOSE_WAIT", |e| e.since = Some(since));
    assert_eq!(scene.moves()[0].in_from, Span::exact(6_000_000));
}

#[test]
fn a_complete_stream_bounds_what_was_before_the_first_event() {
    let mut scene = Scene::new();
    let began = crate::model::time::Mono(scene.now);
    scene = Scene::with(Config { complete_since: Some(began), ..Config::default() });
    scene.wait(9).goes(&socket(1, 80, 5000), "ESTABLISHED>CLOSE_WAIT");
    assert_eq!(scene.moves()[0].in_from, Span::at_least(10_000_000, None));
}

#[test]
fn a_reconnect_on_one_socket_is_another_life() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    for _ in 0..2 {
        scene.goes(&s, "CLOSE>SYN_SENT").goes_as(&s, "SYN_SENT>CLOSE", |f| f.error = 111);
    }
    scene.finish(false);
    let ids: Vec<u64> = scene.closed().iter().map(|life| life.id.0).collect();
    assert_eq!(ids, [1, 2]);
}

#[test]
fn the_port_that_connect_chooses_is_learnt_later_and_never_forgotten() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    let mut unbound = s;
    unbound.endpoints.local.port = None;
    scene.goes(&unbound, "CLOSE>SYN_SENT").goes(&s, "SYN_SENT>ESTABLISHED");
    scene.goes(&unbound, "ESTABLISHED>CLOSE_WAIT").finish(true);
    assert_eq!(scene.unfinished()[0].socket.endpoints.local.port, Some(5000));
}

#[test]
fn older_kernels_give_the_child_its_cookie_and_tuple_only_on_established() {
    let mut scene = Scene::new();
    let listener = socket(1, 80, 0);
    scene.goes(&listener, "CLOSE>LISTEN");
    let child = socket(7, 80, 5000);
    let mut early = child;
    (early.socket.cookie, early.endpoints) = (listener.socket.cookie, listener.endpoints);
    scene.goes(&early, "LISTEN>SYN_RECV").goes(&child, "SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT");
    scene.finish(true);
    let lives = scene.unfinished();
    assert_eq!(lives.len(), 2, "the listener lives on");
    assert_eq!(path(lives[0]), "LISTEN");
    assert_eq!(path(lives[1]), "SYN_RECV? ESTABLISHED=1 CLOSE_WAIT");
    assert_eq!(lives[1].socket.endpoints, child.endpoints);
    assert_eq!(lives[1].socket.socket.cookie, child.socket.cookie);
}

#[test]
fn a_listener_whose_cookie_somebody_asks_for_has_it_when_it_closes_and_its_child_has_its_own() {
    let mut scene = Scene::with(Config { cookies: false, ..Config::default() });
    let (listener, child) = (socket(1, 80, 0), socket(2, 80, 5000));
    let (first, second) = (listener.socket.cookie, child.socket.cookie);
    scene.goes(&listener, "CLOSE>LISTEN");
    scene.goes_with(&child, "LISTEN>SYN_RECV", |e| e.id.socket.cookie = first);
    scene.goes_with(&child, "SYN_RECV>ESTABLISHED", |e| e.id.socket.cookie = second);
    scene.goes_with(&child, "ESTABLISHED>CLOSE", |e| e.id.socket.cookie = second);
    scene.goes_with(&listener, "LISTEN>CLOSE", |e| e.id.socket.cookie = first).wait(100).tick();
    let cookies: Vec<_> = scene.closed().iter().map(|life| life.socket.socket.cookie).collect();
    // Why the child was reset is waited for.
    assert_eq!(cookies, [first, second]);
}

#[test]
fn an_accepted_mptcp_connection_shares_its_listeners_cookie() {
    let mut scene = Scene::new();
    let mut listener = socket(1, 80, 0);
    listener.protocol = Protocol::Mptcp;
    let mut child = socket(2, 80, 5000);
    (child.protocol, child.socket.cookie) = (Protocol::Mptcp, listener.socket.cookie);
    scene.goes(&listener, "CLOSE>LISTEN").goes(&child, "LISTEN>ESTABLISHED ESTABLISHED>CLOSE_WAIT");
    scene.goes(&listener, "LISTEN>LISTEN").finish(true);
    let paths: Vec<String> = scene.unfinished().iter().map(|life| path(life)).collect();
    assert_eq!(paths, ["LISTEN", "ESTABLISHED=1 CLOSE_WAIT"]);
}

#[test]
fn the_handshakes_time_is_told_only_when_nothing_was_sent_twice() {
    for (srtt, retransmits, told) in [(40_789, 0, Some(40_789)), (40_789, 1, None), (0, 0, None)] {
        let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
        scene.goes(&s, "LISTEN>SYN_RECV");
        scene.goes_with(&s, "SYN_RECV>ESTABLISHED", |e| e.counters = measured(srtt, retransmits));
        scene.finish(true);
        assert_eq!(scene.unfinished()[0].handshake_rtt_us, told);
    }
}

#[test]
fn a_passive_handshake_of_whole_milliseconds_may_come_from_a_syn_cookie_and_is_not_told() {
    for (birth, path, told) in [
        ("LISTEN>SYN_RECV", "SYN_RECV>ESTABLISHED", None),
        ("CLOSE>SYN_SENT", "SYN_SENT>ESTABLISHED", Some(52_000)),
    ] {
        let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
        scene.goes(&s, birth).goes_with(&s, path, |e| e.counters = measured(52_000, 0));
        scene.finish(true);
        assert_eq!(scene.unfinished()[0].handshake_rtt_us, told);
    }
}

#[test]
fn a_passive_handshake_a_hundred_times_slower_than_another_with_that_peer_waited_for_the_client() {
    for (shorter, told) in [(5_107, None), (5_108, Some(510_704)), (600_001, Some(510_704))] {
        let (mut scene, late, other) = (Scene::new(), socket(1, 80, 5000), socket(2, 80, 5001));
        scene.goes(&late, "LISTEN>SYN_RECV");
        scene.goes_with(&late, "SYN_RECV>ESTABLISHED", |e| e.counters = measured(510_704, 0));
        // The shorter one may come later, while it lives.
        scene.goes(&other, "LISTEN>SYN_RECV");
        scene.goes_with(&other, "SYN_RECV>ESTABLISHED", |e| e.counters = measured(shorter, 0));
        scene.finish(true);
        assert_eq!(scene.unfinished()[0].handshake_rtt_us, told, "{shorter}");
    }
}

#[test]
fn a_half_open_connection_that_a_dump_has_shown_has_no_handshake_time() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.shown(&s, "NEW_SYN_RECV", None).wait(400).goes(&s, "LISTEN>SYN_RECV");
    scene.goes_with(&s, "SYN_RECV>ESTABLISHED", |e| e.counters = measured(510_704, 0)).finish(true);
    assert_eq!(scene.unfinished()[0].handshake_rtt_us, None);
}

#[test]
fn the_fd_of_a_closed_connection_is_timed_until_its_last_close() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).goes_as(&s, "ESTABLISHED>CLOSE", |f| f.error = 104);
    assert!(scene.closed().is_empty(), "it waits for the fd");
    scene.wait(500).neighbour(&s, Neighbour::Destroyed);
    assert_eq!(scene.closed()[0].fd_held_ns, Some(500_001_000));
    // Not for ever.
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).goes_as(&s, "ESTABLISHED>CLOSE", |f| f.error = 104);
    scene.wait(1001).tick();
    assert_eq!((scene.closed().len(), scene.closed()[0].fd_held_ns), (1, None));
}

#[test]
fn what_is_held_back_is_told_when_tracing_ends() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).goes_as(&s, "ESTABLISHED>CLOSE", |f| (f.locked, f.shutdown) = (true, 3));
    assert!(scene.closed().is_empty());
    scene.finish(false);
    assert_eq!(scene.end(), "rst_sent unread_data");
}

#[test]
fn doubled_and_late_events_change_nothing() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, ACCEPT);
    let late = scene.event(&s, "SYN_RECV>ESTABLISHED");
    scene.goes(&s, "ESTABLISHED>CLOSE_WAIT");
    scene.observe(&crate::model::event::Event::StateChange(late));
    scene.finish(true);
    assert_eq!(path(scene.unfinished()[0]), "SYN_RECV? ESTABLISHED=1 CLOSE_WAIT");
}

#[test]
fn a_full_table_loses_the_longest_idle_established_first_and_says_so() {
    let mut scene = Scene::with(Config { max_connections: 3, ..Config::default() });
    scene.goes(&socket(9, 80, 0), "CLOSE>LISTEN");
    for cookie in 1..=4 {
        scene.goes(&socket(cookie, 5000, 80), OPEN);
    }
    assert_eq!((scene.engine.live(), scene.engine.evictions(), scene.engine.connections()), (3, 2, 5));
    scene.tick().finish(true);
    let ids: Vec<u64> = scene.unfinished().iter().map(|life| life.id.0).collect();
    assert_eq!(ids, [1, 4, 5], "the listener and the newest stay");
    let told: u64 =
        scene.log.iter().map(|said| if let Said::Lost(count, ..) = said { *count } else { 0 }).sum();
    assert_eq!(told, 2);
    assert_eq!(state("ESTAB"), TcpState::Established);
}

#[test]
fn the_kernels_event_of_a_dead_socket_is_shown_and_is_no_life() {
    let mut scene = Scene::new();
    scene.goes(&socket(1, 80, 0), "CLOSE>CLOSE").finish(true);
    assert_eq!((scene.log.len(), scene.engine.connections()), (1, 0));
    assert_eq!(Span::UNKNOWN.evidence, Evidence::Unknown);
}
