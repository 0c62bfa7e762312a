//! Lengths beside stays.

use super::super::Config;
use super::super::scene::{MS, Said, Scene, measured, socket};
use crate::model::evidence::{Evidence, Span};
use crate::model::life::OpenedBy;

fn scene() -> Scene {
    Scene::with(Config { measures: true, ..Config::default() })
}

/// What was told, with milliseconds where they are exact.
fn told(scene: &Scene) -> String {
    let words = scene.log.iter().filter_map(|said| match said {
        Said::Measured(measure, Span { ns: Some(ns), evidence: Evidence::Exact, .. }) => {
            Some(format!("{} {}", measure.name(), *ns as f64 / MS as f64))
        }
        Said::Measured(measure, span) => Some(format!("{} {:?}", measure.name(), span.evidence)),
        _ => None,
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn an_active_closer_has_a_handshake_the_time_between_fins_and_a_life() {
    let (mut scene, s) = (scene(), socket(1, 5000, 80));
    scene.goes(&s, "CLOSE>SYN_SENT").wait(4).goes(&s, "SYN_SENT>ESTABLISHED").wait(9);
    scene.goes(&s, "ESTABLISHED>FIN_WAIT1 FIN_WAIT1>FIN_WAIT2").wait(49);
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |facts| facts.done = true);
    assert_eq!(told(&scene), "handshake 5, fin_to_fin 51, lifetime 66");
    // The end of TIME_WAIT ends nothing more.
    scene.wait(70_000).tick();
    assert_eq!(told(&scene), "handshake 5, fin_to_fin 51, lifetime 66");
    let life = scene.closed()[0];
    assert_eq!(life.measured.len(), 3);
    assert_eq!(life.measured[2].1, life.duration);
}

#[test]
fn a_passive_closer_has_a_wait_for_accept_and_a_reaction() {
    let (mut scene, s) = (scene(), socket(1, 80, 5000));
    scene.goes(&s, "LISTEN>SYN_RECV");
    scene.goes_with(&s, "SYN_RECV>ESTABLISHED", |event| event.counters = measured(1_234, 0));
    scene.wait(7).accepted(&s, 9).wait(3).goes(&s, "ESTABLISHED>CLOSE_WAIT").wait(19);
    scene.goes(&s, "CLOSE_WAIT>LAST_ACK LAST_ACK>CLOSE").wait(30).tick();
    assert_eq!(told(&scene), "handshake 1.234, accept_wait 7, reaction 20, lifetime 33");
}

#[test]
fn a_handshake_that_can_be_no_round_trip_is_unknown() {
    // SYN-ACK sent again, a SYN cookie's whole milliseconds, nothing known.
    for counters in [measured(1_234, 1), measured(52_000, 0), None] {
        let (mut scene, s) = (scene(), socket(1, 80, 5000));
        scene.goes(&s, "LISTEN>SYN_RECV");
        scene.goes_with(&s, "SYN_RECV>ESTABLISHED", |event| event.counters = counters);
        assert_eq!(told(&scene), "handshake Unknown");
    }
    // A hundred times the shortest with this peer: the client let it wait.
    let mut scene = scene();
    for (cookie, srtt_us) in [(1, 301), (2, 30_101)] {
        let s = socket(cookie, 80, 5000);
        scene.goes(&s, "LISTEN>SYN_RECV");
        scene.goes_with(&s, "SYN_RECV>ESTABLISHED", |event| event.counters = measured(srtt_us, 0));
    }
    assert_eq!(told(&scene), "handshake 0.301, handshake Unknown");
}

#[test]
fn with_fast_open_the_wait_for_accept_is_unknown() {
    let (mut scene, s) = (scene(), socket(1, 80, 5000));
    scene.goes_as(&s, "LISTEN>SYN_RECV", |facts| facts.fastopen = true);
    scene.wait(2).accepted(&s, 9).wait(2).goes_as(&s, "SYN_RECV>ESTABLISHED", |facts| facts.fastopen = true);
    assert_eq!(told(&scene), "accept_wait Unknown, handshake Unknown");
}

#[test]
fn both_closing_at_once_is_over_when_the_fins_have_crossed() {
    let (mut scene, s) = (scene(), socket(1, 5000, 80));
    scene.goes(&s, "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1").wait(3);
    scene.goes(&s, "FIN_WAIT1>CLOSING").wait(2).goes(&s, "CLOSING>CLOSE");
    assert_eq!(told(&scene), "handshake 1, fin_to_fin 4, lifetime 9");
}

#[test]
fn a_reset_is_no_reaction_and_a_listener_has_no_lifetime() {
    let (mut scene, s) = (scene(), socket(1, 80, 5000));
    scene.goes(&s, "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT");
    scene.goes_as(&s, "CLOSE_WAIT>CLOSE", |facts| (facts.locked, facts.shutdown) = (true, 3));
    scene.wait(30).tick();
    assert_eq!(told(&scene), "handshake Unknown, lifetime 3");
    let (mut scene, s) = (self::scene(), socket(1, 80, 0));
    scene.goes(&s, "CLOSE>LISTEN LISTEN>CLOSE").wait(30).tick();
    assert_eq!(told(&scene), "");
}

#[test]
fn an_orphan_whose_end_is_estimated_is_estimated_whole() {
    let (mut scene, s) = (scene(), socket(1, 5000, 80));
    scene.goes(&s, "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1");
    scene.goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |facts| facts.dead = true);
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |facts| facts.dead = true);
    scene.wait(500).shown(&s, "TIME_WAIT", Some(59_900));
    assert_eq!(told(&scene), "handshake 1, fin_to_fin Estimated, lifetime Estimated");
}

#[test]
fn of_what_the_kernel_half_counts_only_the_estimated_end_is_told() {
    let (mut scene, s) = (scene(), socket(1, 5000, 80));
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |facts| {
        (facts.dead, facts.opened_by) = (true, Some(OpenedBy::Connect));
    });
    scene.wait(500).shown(&s, "TIME_WAIT", Some(59_900));
    assert_eq!(told(&scene), "fin_to_fin Estimated, lifetime Estimated");
}

#[test]
fn what_was_there_before_lasted_at_least_so_long() {
    let (mut scene, s) = (scene(), socket(1, 5000, 80));
    scene.shown(&s, "ESTABLISHED", None).wait(10).goes(&s, "ESTABLISHED>CLOSE_WAIT").wait(4);
    scene.goes(&s, "CLOSE_WAIT>LAST_ACK LAST_ACK>CLOSE").wait(30).tick();
    assert_eq!(told(&scene), "reaction 5, lifetime AtLeast");
}

#[test]
fn who_does_not_ask_is_told_nothing() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1").finish(true);
    assert_eq!(told(&scene), "");
    assert!(scene.unfinished()[0].measured.is_empty());
}
