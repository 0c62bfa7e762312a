//! TIME_WAITs that have been told: little is kept of them, and nothing of what is still to be told is lost.

use super::super::scene::{MS, Said, Scene, socket};
use super::super::{Config, Engine};
use crate::model::event::Event;
use crate::model::life::End;
use crate::model::socket::SocketId;
use crate::model::state::TcpState;
use crate::model::time::Mono;

const CLOSES: &str = "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1 FIN_WAIT1>FIN_WAIT2";

fn at_rest(engine: &Engine) -> (usize, usize) {
    (engine.rests.len(), engine.table.len())
}

/// A life of ours in TIME_WAIT.
fn closed(scene: &mut Scene, of: &SocketId) {
    scene.goes(of, CLOSES).goes_as(of, "FIN_WAIT2>CLOSE", |f| (f.dead, f.done) = (true, true));
}

#[test]
fn it_rests_once_it_is_told_and_can_still_be_asked_for() {
    let (mut scene, ours, before) = (Scene::new(), socket(1, 5000, 80), socket(2, 5001, 80));
    closed(&mut scene, &ours);
    scene.shown(&before, "TIME_WAIT", Some(30_000));
    assert_eq!((at_rest(&scene.engine), scene.engine.live(), scene.closed().len()), ((2, 0), 2, 1));
    for socket in [&ours, &before] {
        let now = Mono(scene.now);
        let standing = scene.engine.standing(&socket.socket, now).unwrap();
        assert_eq!((standing.state, standing.mini), (TcpState::TimeWait, true));
        assert_eq!(standing.subject.socket.endpoints, socket.endpoints);
        assert_eq!(scene.engine.subject(&socket.socket), Some(standing.subject));
        assert!(scene.engine.standings(now).any(|other| other == standing));
    }
    // A dump goes on showing both without waking them; then the rule ends them.
    scene.wait(1_000);
    let began = Mono(scene.now);
    scene
        .shown(&ours, "TIME_WAIT", Some(28_000))
        .shown(&before, "TIME_WAIT", Some(28_000))
        .dumped_since(began);
    assert_eq!(at_rest(&scene.engine), (2, 0));
    let log = scene.log.len();
    scene.wait(70_000).tick();
    let ended: Vec<_> = scene.log[log..]
        .iter()
        .filter_map(|said| if let Said::Moved(moved) = said { Some((moved.from, moved.to)) } else { None })
        .collect();
    assert_eq!(ended, [(TcpState::TimeWait, TcpState::Closed); 2]);
    assert_eq!((at_rest(&scene.engine), scene.engine.next_due()), ((0, 0), None));
}

#[test]
fn one_that_is_to_be_seen_through_does_not_rest() {
    let mut scene = Scene::with(Config { through_time_wait: true, ..Config::default() });
    closed(&mut scene, &socket(1, 5000, 80));
    assert_eq!(at_rest(&scene.engine), (0, 1));
    scene.wait(70_000).tick();
    assert_eq!(scene.closed()[0].ending.unwrap().end, End::TimeWait);
}

#[test]
fn a_dump_without_it_ends_only_what_it_should_have_shown() {
    let mut scene = Scene::new();
    let (shown, gone, elsewhere) = (socket(1, 5000, 80), socket(2, 5001, 80), socket(3, 5002, 80));
    for of in [&shown, &gone] {
        scene.shown(of, "TIME_WAIT", Some(30_000));
    }
    scene.shown_with(&elsewhere, "TIME_WAIT", Some(30_000), |shown| shown.id.netns = Some(7));
    scene.wait(1_000);
    let began = Mono(scene.now);
    scene.shown(&shown, "TIME_WAIT", Some(29_000)).dumped_since(began);
    let ends: Vec<_> = scene.moves().iter().map(|moved| moved.ending).collect();
    assert_eq!((at_rest(&scene.engine), ends.len()), ((2, 0), 1));
    assert_eq!(scene.engine.subject(&gone.socket), None);
}

#[test]
fn thousands_that_a_dump_does_not_show_end_a_few_at_a_time() {
    let mut scene = Scene::new();
    let all: Vec<_> = (0..5_000_u16).map(|n| socket(u64::from(n) + 1, 5_000 + n, 80)).collect();
    for of in &all {
        scene.shown(of, "TIME_WAIT", Some(30_000));
    }
    scene.wait(1_000);
    let began = Mono(scene.now);
    scene.dumped_since(began);
    assert_eq!(at_rest(&scene.engine), (3_000, 0));
    // It is due at once, and what a second dump shows in between stays.
    assert!(scene.engine.next_due().unwrap() <= Mono(scene.now));
    let left: Vec<_> = all.iter().filter(|of| scene.engine.subject(&of.socket).is_some()).collect();
    let (late, gone) = (left[0], left[1]);
    scene.wait(10).shown(late, "TIME_WAIT", Some(28_000)).tick();
    // It may have been among those that were looked at.
    assert!(matches!(at_rest(&scene.engine), (1_000..=1_001, 0)), "{:?}", at_rest(&scene.engine));
    scene.tick().tick();
    assert_eq!(at_rest(&scene.engine), (1, 0));
    assert!(scene.engine.subject(&late.socket).is_some() && scene.engine.subject(&gone.socket).is_none());
    assert_eq!(scene.moves().len(), 4_999);
}

#[test]
fn full_tables_lose_what_rests_only_when_nothing_is_established() {
    let mut scene = Scene::with(Config { max_connections: 3, ..Config::default() });
    closed(&mut scene, &socket(1, 5000, 80));
    closed(&mut scene, &socket(2, 5001, 80));
    scene.goes(&socket(3, 5002, 80), "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED");
    scene.goes(&socket(4, 5003, 80), "CLOSE>SYN_SENT");
    assert_eq!((at_rest(&scene.engine), scene.engine.evictions()), ((2, 1), 1));
    // The older of the two makes room; it had been told.
    scene.goes(&socket(5, 5004, 80), "CLOSE>SYN_SENT");
    assert_eq!((at_rest(&scene.engine), scene.engine.evictions()), ((1, 2), 1));
    let known = |cookie| scene.engine.subject(&socket(cookie, 1, 1).socket).is_some();
    assert_eq!([1, 2, 3, 4, 5].map(known), [false, true, false, true, true]);
}

#[test]
fn many_that_come_and_go_leave_no_deadlines_behind() {
    let mut scene = Scene::new();
    for round in 0..200_u16 {
        closed(&mut scene, &socket(1 + u64::from(round), 5000 + round, 80));
        scene.observe(&Event::Tick(Mono(scene.now)));
        scene.wait(1_000);
    }
    assert!(at_rest(&scene.engine).0 < 70);
    scene.now += 100_000 * MS;
    scene.tick();
    assert_eq!((at_rest(&scene.engine), scene.engine.next_due()), ((0, 0), None));
}
