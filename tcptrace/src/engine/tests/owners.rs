//! Owners: claims with how they were found, and no false accusation.

use super::super::Config;
use super::super::scene::{Scene, socket, task};
use crate::model::owner::{Owner, OwnerHow};

#[test]
fn whoever_connects_owns_and_whoever_closes_is_last_seen() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes_with(&s, "CLOSE>SYN_SENT", |e| e.actor = Some(task(10)));
    scene.goes(&s, "SYN_SENT>ESTABLISHED");
    scene.goes_with(&s, "ESTABLISHED>FIN_WAIT1", |e| e.actor = Some(task(11)));
    scene.finish(true);
    let life = scene.unfinished()[0];
    assert_eq!(life.owner, Some(Owner { task: task(10), how: OwnerHow::Connect }));
    assert_eq!(life.last_seen, Some(task(11)));
}

#[test]
fn accept_is_claimed_whether_it_comes_before_or_after_the_childs_events() {
    for early in [true, false] {
        let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
        if early {
            scene.accepted(&s, 20);
        }
        let listener = Owner { task: task(19), how: OwnerHow::Listener };
        scene.goes_with(&s, "LISTEN>SYN_RECV", |e| e.owner = Some(listener));
        scene.goes(&s, "SYN_RECV>ESTABLISHED");
        if !early {
            scene.accepted(&s, 20);
        }
        scene.finish(true);
        let owner = scene.unfinished()[0].owner;
        assert_eq!(owner, Some(Owner { task: task(20), how: OwnerHow::Accept }));
    }
}

/// The kernel half leaves out sockets that nobody asks for, but not who accepted them; their memory is used again at once.
#[test]
fn who_accepted_a_socket_that_was_left_out_does_not_own_the_next_one_at_its_address() {
    let (mut scene, mut s) =
        (Scene::with(Config { cookies: false, ..Config::default() }), socket(1, 80, 5000));
    s.socket.cookie = None;
    scene.accepted(&s, 20).wait(300).goes(&s, "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED").finish(true);
    assert_eq!(scene.unfinished()[0].owner, None);
}

#[test]
fn a_child_not_accepted_has_its_listeners_owner() {
    let (mut scene, s) = (Scene::new(), socket(1, 80, 5000));
    let listener = Owner { task: task(19), how: OwnerHow::Listener };
    scene.goes_with(&s, "LISTEN>SYN_RECV", |e| e.owner = Some(listener));
    scene.goes(&s, "SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT").finish(true);
    assert_eq!(scene.unfinished()[0].owner, Some(listener));
}

#[test]
fn our_own_connections_are_never_told() {
    let mut scene = Scene::with(Config { own_pid: 7, ..Config::default() });
    let s = socket(1, 5000, 80);
    scene.goes_with(&s, "CLOSE>SYN_SENT", |e| e.actor = Some(task(7)));
    scene.goes(&s, "SYN_SENT>ESTABLISHED ESTABLISHED>CLOSE_WAIT CLOSE_WAIT>LAST_ACK LAST_ACK>CLOSE");
    scene.finish(true);
    assert!(scene.log.is_empty(), "{:?}", scene.log);
    assert_eq!(scene.engine.connections(), 0);
}
