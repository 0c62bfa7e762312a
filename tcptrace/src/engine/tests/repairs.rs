//! What existed before us, and the truth after a loss.

use super::super::Config;
use super::super::scene::{Said, Scene, ending, path, socket};
use crate::model::event::LossPlace;
use crate::model::evidence::{Evidence, Span};
use crate::model::life::FirstSeen;
use crate::model::snapshot::Age;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

const OPEN: &str = "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED";

#[test]
fn what_existed_before_has_bounds_for_its_age() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.shown_with(&s, "CLOSE_WAIT", None, |shown| {
        shown.age = Age { at_least_ns: 3_000_000, at_most_ns: Some(9_000_000) };
    });
    scene.goes(&s, "CLOSE_WAIT>LAST_ACK");
    assert_eq!(scene.moves()[0].in_from, Span::at_least(4_000_000, Some(10_000_000)));
    scene.finish(true);
    assert_eq!(scene.unfinished()[0].first_seen, FirstSeen::Snapshot);
}

#[test]
fn an_event_wins_over_the_dump() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).shown(&s, "CLOSE_WAIT", None).finish(true);
    assert_eq!(path(scene.unfinished()[0]), "SYN_SENT=1 ESTABLISHED");
    // One that ended while the dump was on its way is not raised from the dead.
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN);
    let seen = Mono(scene.now);
    scene.goes_as(&s, "ESTABLISHED>CLOSE", |f| (f.error, f.dead) = (104, true));
    scene.shown_with(&s, "ESTAB", None, |shown| shown.at = seen);
    assert_eq!((scene.engine.live(), scene.engine.connections()), (0, 1));
}

#[test]
fn a_half_open_connection_of_a_dump_becomes_its_child() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.shown(&s, "NEW_SYN_RECV", None).wait(500).goes(&s, "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED");
    scene.finish(true);
    assert_eq!(path(scene.unfinished()[0]), "SYN_RECV>502 ESTABLISHED");
    assert_eq!(scene.engine.connections(), 1);
}

#[test]
fn after_a_loss_a_dump_shows_what_changed() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).lose();
    assert_eq!(scene.engine.open_questions().count(), 1);
    scene.wait(10).shown(&s, "CLOSE_WAIT", None);
    let last = *scene.moves().last().unwrap();
    assert_eq!(
        (last.seen_by, last.kernel, last.in_from.evidence),
        (SeenBy::SockDiag, None, Evidence::Estimated)
    );
    scene.dumped();
    assert_eq!(scene.engine.open_questions().count(), 0);
}

#[test]
fn after_a_loss_what_a_dump_no_longer_shows_ended_unknown() {
    let mut scene = Scene::new();
    let (gone, stays, late) = (socket(1, 80, 5000), socket(2, 80, 5001), socket(3, 80, 5002));
    scene.goes(&gone, OPEN).goes(&stays, OPEN).lose().wait(1);
    let began = Mono(scene.now);
    scene.goes(&late, OPEN).shown(&stays, "ESTAB", None).dumped_since(began);
    assert_eq!(scene.end(), "unknown");
    assert_eq!((scene.closed()[0].id.0, scene.engine.live()), (1, 2));
}

#[test]
fn what_waited_in_the_ring_while_a_loss_was_noticed_confirms_nothing() {
    let mut scene = Scene::new();
    let (turned, gone, born) = (socket(1, 80, 5000), socket(2, 80, 5001), socket(3, 80, 5002));
    scene.goes(&turned, OPEN).goes(&gone, OPEN).wait(10).lose();
    let before = Mono(scene.now - 5_000_000);
    for s in [&turned, &gone] {
        scene.goes_with(s, "ESTABLISHED>FIN_WAIT1", |e| e.at = before);
    }
    scene.goes_with(&born, "CLOSE>SYN_SENT", |e| e.at = before);
    scene.wait(10);
    let began = Mono(scene.now);
    scene.shown(&turned, "TIME_WAIT", Some(59_000)).dumped_since(began);
    let ends: Vec<String> = scene.closed().into_iter().map(ending).collect();
    assert_eq!(
        (ends, scene.engine.live()),
        (["time_wait", "unknown", "unknown"].map(String::from).into(), 1)
    );
}

#[test]
fn without_a_loss_a_dump_proves_nothing_against_events() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).wait(5).dumped();
    assert_eq!(scene.engine.live(), 1);
}

#[test]
fn after_a_loss_the_next_event_is_believed() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).lose().wait(3);
    let since = Mono(scene.now - 1_000_000);
    scene.goes_with(&s, "CLOSE_WAIT>LAST_ACK", |e| e.since = Some(since));
    scene.goes_as(&s, "LAST_ACK>CLOSE", |f| f.dead = true);
    let life = scene.closed()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=3 CLOSE_WAIT=2 LAST_ACK=1");
    assert_eq!(ending(life), "fin");
    let unseen = scene.moves()[2];
    assert_eq!((unseen.kernel, unseen.in_from), (None, Span::exact(3_000_000)));
}

#[test]
fn a_jump_over_more_than_one_state_has_no_length() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).lose().wait(3);
    let since = Mono(scene.now);
    scene.goes_with(&s, "LAST_ACK>CLOSE", |e| e.since = Some(since)).finish(false);
    assert_eq!(path(scene.closed()[0]), "SYN_SENT=1 ESTABLISHED? LAST_ACK=1");
    assert_eq!(scene.moves()[2].in_from, Span::UNKNOWN);
}

#[test]
fn a_birth_on_a_cookie_in_use_means_that_an_end_was_lost() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.goes(&s, OPEN).lose().goes(&s, "CLOSE>SYN_SENT");
    assert_eq!(scene.end(), "unknown");
    assert_eq!(scene.engine.live(), 1);
}

#[test]
fn losses_are_told_with_their_total() {
    let mut scene = Scene::new();
    scene.lose().lose();
    assert!(matches!(scene.log[1], Said::Lost(1, LossPlace::RingBuffer, 2)), "{:?}", scene.log);
    assert_eq!(scene.engine.lost(), 2);
}

#[test]
fn a_time_wait_that_was_there_before_is_not_told_as_ended_now() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    scene.shown(&s, "TIME_WAIT", Some(10_000)).wait(10_001).tick().finish(true);
    assert!(scene.closed().is_empty() && scene.unfinished().is_empty());
    assert_eq!(scene.moves().len(), 1);
}

/// Nothing is filtered: every event comes here, or is counted as lost.
fn complete() -> Scene {
    Scene::with(Config { complete_since: Some(Mono(1)), ..Config::default() })
}

#[test]
fn a_dump_that_contradicts_what_has_long_stood_still_shows_that_an_event_was_never_told() {
    let (mut scene, s) = (complete(), socket(1, 5000, 80));
    scene.goes(&s, OPEN).goes(&s, "ESTABLISHED>FIN_WAIT1").wait(2_000).shown(&s, "TIME_WAIT", Some(58_000));
    assert!(scene.closed().is_empty(), "an event of just now may be on its way");
    scene.wait(2_000).shown(&s, "TIME_WAIT", Some(56_000)).dumped();
    assert_eq!(path(scene.closed()[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1~4000 TIME_WAIT");
    assert!(matches!(scene.log.last(), Some(Said::Lost(1, LossPlace::RingBuffer, 1))), "{:?}", scene.log);
    scene.dumped();
    assert_eq!(scene.engine.lost(), 1);
}

#[test]
fn what_two_dumps_in_a_row_do_not_show_is_gone() {
    let (mut scene, gone, stays) = (complete(), socket(1, 5000, 80), socket(2, 5001, 80));
    scene.goes(&gone, OPEN).goes(&stays, OPEN).wait(4_000).shown(&gone, "ESTAB", None);
    scene.shown(&stays, "ESTAB", None).dumped();
    for dump in 1..=2 {
        scene.wait(4_000).shown(&stays, "ESTAB", None);
        assert_eq!(scene.engine.live(), 2, "{dump}");
        scene.dumped();
    }
    assert_eq!((scene.end(), scene.engine.live(), scene.engine.lost()), ("unknown".into(), 1, 1));
}

#[test]
fn what_a_counted_loss_explains_is_not_counted_again() {
    let (mut scene, s) = (complete(), socket(1, 5000, 80));
    scene.goes(&s, OPEN).wait(4_000).dumped();
    assert_eq!(scene.engine.live(), 1);
    scene.lose().wait(1);
    let began = Mono(scene.now);
    scene.dumped_since(began);
    assert_eq!((scene.end(), scene.engine.lost()), ("unknown".into(), 1));
}

#[test]
fn what_began_between_two_dumps_is_not_gone() {
    let (mut scene, s) = (complete(), socket(1, 5000, 80));
    scene.dumped().wait(10_000).goes(&s, OPEN).dumped().wait(1_000).dumped();
    assert_eq!((scene.engine.live(), scene.engine.lost()), (1, 0));
}
