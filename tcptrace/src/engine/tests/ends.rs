//! Why connections end: each row of kernel-facts §7, §9, §10 and §16.

use super::super::Config;
use super::super::scene::{Scene, ending, socket, task};
use crate::model::event::{Neighbour, ResetReason};
use crate::model::life::{ClosedBy, OpenedBy};
use crate::model::socket::SocketFacts;

const TO: [(&str, &str); 6] = [
    ("SYN_SENT", "CLOSE>SYN_SENT"),
    ("ESTABLISHED", "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED"),
    ("FIN_WAIT1", "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1"),
    ("FIN_WAIT2", "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1 FIN_WAIT1>FIN_WAIT2"),
    ("CLOSE_WAIT", "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT"),
    ("LAST_ACK", "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT CLOSE_WAIT>LAST_ACK"),
];

fn reach(scene: &mut Scene, state: &str) {
    let (_, way) = TO.into_iter().find(|(name, _)| *name == state).unwrap();
    scene.goes(&socket(1, 5000, 80), way);
}

/// The end of a life that closes from `state` with these facts, with what comes before and after.
fn end(
    state: &str,
    before: Option<Neighbour>,
    facts: impl FnOnce(&mut SocketFacts),
    after: &[Neighbour],
) -> String {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    reach(&mut scene, state);
    if let Some(before) = before {
        scene.neighbour(&s, before);
    }
    scene.goes_as(&s, &format!("{state}>CLOSE"), facts);
    for what in after {
        scene.neighbour(&s, *what);
    }
    scene.wait(1100).tick();
    scene.end()
}

fn sent(reason: ResetReason) -> Neighbour {
    Neighbour::ResetSent(Some(reason))
}

#[test]
fn a_failed_connect_says_why() {
    let received = Some(Neighbour::ResetReceived);
    assert_eq!(end("SYN_SENT", received, |f| f.error = 111, &[]), "refused rst");
    assert_eq!(end("SYN_SENT", None, |f| f.error = 111, &[]), "refused icmp");
    assert_eq!(end("SYN_SENT", None, |f| f.error = 113, &[]), "unreachable");
    assert_eq!(end("SYN_SENT", None, |f| f.error = 101, &[]), "unreachable");
    assert_eq!(end("SYN_SENT", None, |f| f.error = 110, &[]), "timeout syn");
    assert_eq!(end("SYN_SENT", None, |f| (f.locked, f.shutdown) = (true, 3), &[]), "gave_up");
}

#[test]
fn without_a_port_and_an_error_no_packet_was_sent() {
    let (mut scene, mut s) = (Scene::new(), socket(1, 0, 80));
    s.endpoints.local.port = None;
    scene.goes(&s, "CLOSE>SYN_SENT").goes_as(&s, "SYN_SENT>CLOSE", |f| f.locked = true).finish(false);
    assert_eq!(scene.end(), "no_local_port");
}

#[test]
fn a_received_reset_is_the_peers() {
    for (state, error) in [("ESTABLISHED", 104), ("CLOSE_WAIT", 32), ("LAST_ACK", 104)] {
        let said = end(state, Some(Neighbour::ResetReceived), |f| f.error = error, &[]);
        assert_eq!(said, "rst_received", "{state}");
    }
}

#[test]
fn data_after_close_is_our_reset_although_it_looks_received() {
    let dead = |f: &mut SocketFacts| (f.error, f.dead, f.shutdown) = (104, true, 3);
    let after = [Neighbour::Destroyed, sent(ResetReason::AbortOnData)];
    assert_eq!(end("FIN_WAIT1", Some(Neighbour::ResetReceived), dead, &after), "rst_sent data_after_close");
    assert_eq!(end("FIN_WAIT1", Some(Neighbour::ResetReceived), dead, &after[..1]), "rst_received");
    // Before Linux 6.10.
    let after = [Neighbour::Destroyed, Neighbour::ResetSent(None)];
    assert_eq!(end("FIN_WAIT1", Some(Neighbour::ResetReceived), dead, &after), "rst_sent data_after_close");
}

#[test]
fn a_process_resets_by_close_or_disconnect() {
    let close = |f: &mut SocketFacts| (f.locked, f.shutdown) = (true, 3);
    for (after, said) in [
        (vec![sent(ResetReason::AbortOnClose), Neighbour::Destroyed], "rst_sent unread_data"),
        (vec![sent(ResetReason::TcpState), Neighbour::Destroyed], "rst_sent linger_0"),
        (vec![sent(ResetReason::AbortOnMemory), Neighbour::Destroyed], "rst_sent memory"),
    ] {
        assert_eq!(end("ESTABLISHED", None, close, &after), said);
        assert_eq!(end("CLOSE_WAIT", None, close, &after), said);
    }
    let linger = |f: &mut SocketFacts| (f.locked, f.shutdown, f.linger_zero) = (true, 3, true);
    assert_eq!(end("ESTABLISHED", None, linger, &[Neighbour::Destroyed]), "rst_sent linger_0");
    assert_eq!(end("ESTABLISHED", None, |f| f.locked = true, &[]), "rst_sent disconnect");
    assert_eq!(end("FIN_WAIT2", None, close, &[sent(ResetReason::TcpState)]), "rst_sent linger_0");
}

#[test]
fn linger2_below_zero_resets_in_fin_wait_2() {
    let facts = |f: &mut SocketFacts| (f.dead, f.linger2, f.locked) = (true, -1, true);
    assert_eq!(end("FIN_WAIT2", None, facts, &[sent(ResetReason::AbortOnLinger)]), "rst_sent linger2");
}

#[test]
fn a_listener_that_closes_resets_what_waits_in_its_queue() {
    let queued = |f: &mut SocketFacts| (f.attached, f.locked) = (false, false);
    assert_eq!(end("CLOSE_WAIT", None, queued, &[sent(ResetReason::TcpState)]), "rst_sent listener_closed");
}

#[test]
fn a_vanished_peer_is_a_timeout_and_says_which() {
    let keepalive = Some(sent(ResetReason::KeepaliveTimeout));
    assert_eq!(end("ESTABLISHED", keepalive, |f| f.error = 110, &[]), "timeout keepalive");
    assert_eq!(
        end("ESTABLISHED", None, |f| (f.error, f.unanswered) = (110, 3), &[]),
        "timeout retransmission"
    );
    let user = |f: &mut SocketFacts| (f.error, f.unanswered, f.user_timeout) = (110, 3, true);
    assert_eq!(end("ESTABLISHED", None, user, &[]), "timeout user_timeout");
    assert_eq!(end("ESTABLISHED", None, |f| (f.error, f.unacked) = (110, 9), &[]), "timeout zero_window");
    assert_eq!(end("FIN_WAIT1", None, |f| (f.error, f.dead) = (110, true), &[]), "timeout orphan");
    assert_eq!(end("LAST_ACK", None, |f| (f.error, f.dead) = (110, true), &[]), "timeout orphan");
    let icmp = |f: &mut SocketFacts| (f.error, f.error_soft, f.unanswered) = (113, 113, 4);
    assert_eq!(end("ESTABLISHED", None, icmp, &[]), "timeout retransmission");
}

#[test]
fn half_open_both_ways_times_out_as_synack() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, "CLOSE>SYN_SENT SYN_SENT>SYN_RECV").goes_as(&s, "SYN_RECV>CLOSE", |f| f.error = 110);
    scene.finish(false);
    assert_eq!(scene.end(), "timeout synack");
}

#[test]
fn a_killer_is_named_and_never_the_owner() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    reach(&mut scene, "ESTABLISHED");
    scene.reset(&s, ResetReason::TcpState);
    scene.goes_with(&s, "ESTABLISHED>CLOSE", |event| {
        event.actor = Some(task(99));
        event.facts = Some(SocketFacts { error: 103, locked: true, ..SocketFacts::default() });
    });
    scene.finish(false);
    assert_eq!(scene.end(), "aborted 99");
    assert_eq!((scene.closed()[0].owner, scene.closed()[0].last_seen), (None, None));
}

#[test]
fn a_listener_ends_by_close_or_shutdown_and_a_failed_listen_is_none() {
    for (ms, shutdown, said) in [
        (5, 3, "listen_closed close"),
        (5, 0, "listen_closed shutdown"),
        (0, 0, "listen_closed listen_failed"),
    ] {
        let (mut scene, s) = (Scene::new(), socket(1, 80, 0));
        scene.goes(&s, "CLOSE>LISTEN").wait(ms);
        let mut event = scene.event(&s, "LISTEN>CLOSE");
        event.at.0 += 10_000;
        event.facts = Some(SocketFacts { shutdown, locked: true, ..SocketFacts::default() });
        scene.observe(&crate::model::event::Event::StateChange(event));
        scene.finish(false);
        assert_eq!(scene.end(), said);
        assert_eq!(scene.closed()[0].opened_by, OpenedBy::Listen);
    }
}

#[test]
fn who_reset_closed_first_where_no_fin_told() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    reach(&mut scene, "ESTABLISHED");
    scene.goes_as(&s, "ESTABLISHED>CLOSE", |f| f.error = 104).finish(false);
    assert_eq!(scene.closed()[0].closed_by, Some(ClosedBy::Remote));
}

#[test]
fn nothing_waits_for_resets_that_are_not_traced() {
    let mut scene = Scene::with(Config { resets: false, destroys: false, ..Config::default() });
    let s = socket(1, 5000, 80);
    reach(&mut scene, "ESTABLISHED");
    scene.goes_as(&s, "ESTABLISHED>CLOSE", |f| (f.locked, f.shutdown, f.linger_zero) = (true, 3, true));
    assert_eq!(scene.end(), "rst_sent linger_0");
}

#[test]
fn the_classic_path_says_what_it_can_and_no_more() {
    let classic = Config { cookies: false, ..Config::default() };
    for (state, before, after, said) in [
        ("LAST_ACK", None, None, "fin"),
        ("LAST_ACK", Some(Neighbour::ResetReceived), None, "rst_received"),
        ("ESTABLISHED", Some(Neighbour::ResetReceived), None, "rst_received"),
        ("ESTABLISHED", None, None, "unknown"),
        ("ESTABLISHED", None, Some(sent(ResetReason::AbortOnClose)), "rst_sent unread_data"),
        ("SYN_SENT", Some(Neighbour::ResetReceived), None, "refused rst"),
        ("SYN_SENT", None, None, "unknown"),
    ] {
        let (mut scene, s) = (Scene::with(classic), socket(1, 5000, 80));
        reach(&mut scene, state);
        if let Some(before) = before {
            scene.neighbour(&s, before);
        }
        scene.goes(&s, &format!("{state}>CLOSE"));
        if let Some(after) = after {
            scene.neighbour(&s, after);
        }
        scene.wait(30).tick();
        assert_eq!(scene.end(), said, "{state}");
    }
    // An end that may be a timeout is not called clean.
    let (mut scene, s) = (Scene::with(classic), socket(1, 5000, 80));
    reach(&mut scene, "LAST_ACK");
    scene.wait(5000).goes(&s, "LAST_ACK>CLOSE").wait(30).tick();
    assert_eq!(ending(scene.closed()[0]), "unknown");
}
