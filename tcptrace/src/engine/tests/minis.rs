//! Timewait sockets: TIME_WAIT and orphan FIN_WAIT_2, and how we learn of their end.

use super::super::scene::{Scene, ending, path, socket};
use super::super::{Config, Question};
use crate::model::event::{Event, Neighbour, ResetReason};
use crate::model::evidence::{Evidence, Span};
use crate::model::snapshot::SocketSnapshot;
use crate::model::socket::SocketId;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

const CLOSING: &str = "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED ESTABLISHED>FIN_WAIT1";

fn through() -> Scene {
    Scene::with(Config { through_time_wait: true, ..Config::default() })
}

/// An orphan in FIN_WAIT_2, with tcp_fin_timeout at `seconds`.
fn orphan(scene: &mut Scene, s: &SocketId, seconds: u32) {
    scene.observe(&Event::FinTimeout { netns: 1, seconds });
    scene.goes(s, CLOSING);
    scene.goes_as(s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true);
    scene.goes_as(s, "FIN_WAIT2>CLOSE", |f| f.dead = true);
}

fn time_wait(scene: &mut Scene, s: &SocketId) {
    scene.goes(s, CLOSING).goes(s, "FIN_WAIT1>FIN_WAIT2");
    scene.goes_as(s, "FIN_WAIT2>CLOSE", |f| (f.dead, f.done) = (true, true));
}

/// Once a second a dump, which shows `name` with that much of its timer left.
fn poll(scene: &mut Scene, s: &SocketId, name: &str, left_ms: u64) {
    scene.wait(1000);
    let began = Mono(scene.now);
    scene.wait(1).shown(s, name, Some(left_ms)).wait(1).dumped_since(began);
}

#[test]
fn an_orphan_stays_in_fin_wait_2_without_a_transition() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 3);
    let last = *scene.moves().last().unwrap();
    assert_eq!(last.to, TcpState::FinWait2);
    scene.finish(true);
    let life = scene.unfinished()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2");
    let open = life.states.last().unwrap();
    assert_eq!(open.expires.unwrap().since(open.entered.unwrap()), 3_001_000_000);
    assert!(life.orphaned);
}

#[test]
fn a_dump_after_its_deadline_says_that_an_orphan_expired() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 3);
    poll(&mut scene, &s, "FIN_WAIT2", 1998);
    poll(&mut scene, &s, "FIN_WAIT2", 996);
    scene.wait(1000).dumped();
    assert_eq!(scene.end(), "fin_wait_2_timeout");
    let last = *scene.moves().last().unwrap();
    assert_eq!((last.seen_by, last.kernel), (SeenBy::SockDiag, None));
    assert_eq!(last.in_from.evidence, Evidence::Estimated);
    assert!((2900..3100).contains(&(last.in_from.ns.unwrap() / 1_000_000)), "{last:?}");
}

#[test]
fn an_orphan_that_goes_early_is_not_called_expired() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 20);
    poll(&mut scene, &s, "FIN_WAIT2", 19_000);
    scene.wait(1000).dumped();
    assert_eq!(scene.end(), "unknown");
}

#[test]
fn the_rule_ends_an_orphan_that_dumps_showed_to_the_last() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 3);
    poll(&mut scene, &s, "FIN_WAIT2", 1998);
    scene.wait(10_000).tick();
    assert_eq!(scene.end(), "fin_wait_2_timeout");
    assert_eq!(scene.moves().last().unwrap().seen_by, SeenBy::Rule);
}

#[test]
fn an_orphan_that_nobody_looked_at_ends_unknown() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 3);
    scene.wait(10_000).tick();
    assert_eq!(scene.end(), "unknown");
    assert_eq!(scene.moves().last().unwrap().in_from, Span::UNKNOWN);
}

#[test]
fn a_fin_timeout_above_a_minute_counts_twice_what_is_beyond() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.observe(&Event::FinTimeout { netns: 1, seconds: 63 });
    scene.goes(&s, CLOSING).goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true);
    scene.finish(true);
    let open = *scene.unfinished()[0].states.last().unwrap();
    assert_eq!(open.expires.unwrap().since(open.entered.unwrap()), 6_000_000_000);
    scene.wait(3039).goes_as(&s, "FIN_WAIT2>CLOSE", |f| f.dead = true);
    poll(&mut scene, &s, "FIN_WAIT2", 2000);
    poll(&mut scene, &s, "FIN_WAIT2", 1000);
    scene.wait(1200).dumped();
    assert_eq!(scene.end(), "fin_wait_2_timeout");
    // Two waits, each with its own timer, but one transition out of the state.
    let states = &scene.closed()[0].states;
    let [full, mini] = [states[3], states[4]].map(|stay| (stay.state, stay.stay));
    assert_eq!(full, (TcpState::FinWait2, Span::exact(3_040_000_000)));
    assert_eq!((mini.0, mini.1.evidence), (TcpState::FinWait2, Evidence::Estimated));
    assert!((2900..3200).contains(&(mini.1.ns.unwrap() / 1_000_000)), "{mini:?}");
    let left = scene.moves().last().unwrap().in_from;
    assert!((5900..6300).contains(&(left.ns.unwrap() / 1_000_000)), "{left:?}");
    assert_eq!(scene.moves().len(), 5);
}

#[test]
fn an_orphan_that_waits_as_a_full_socket_says_itself_how_long_the_timewait_socket_waits() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, CLOSING).goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true);
    scene.wait(3039).goes_as(&s, "FIN_WAIT2>CLOSE", |f| f.dead = true).finish(true);
    let life = scene.unfinished()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2=3040 FIN_WAIT_2");
    let open = life.states.last().unwrap();
    assert_eq!(open.expires.unwrap().since(open.entered.unwrap()), 3_040_000_000);
}

#[test]
fn a_close_after_shutdown_is_no_second_stay_in_fin_wait_2() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, CLOSING).goes(&s, "FIN_WAIT1>FIN_WAIT2").wait(3000);
    scene.goes_as(&s, "FIN_WAIT2>FIN_WAIT2", |f| f.dead = true);
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |f| f.dead = true).finish(true);
    assert_eq!(path(scene.unfinished()[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2");
}

#[test]
fn an_orphan_that_expired_before_its_namespace_told_the_timeout_is_called_expired() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, CLOSING).goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true);
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |f| f.dead = true).wait(1300);
    scene.observe(&Event::FinTimeout { netns: 1, seconds: 1 });
    scene.dumped();
    assert_eq!(scene.end(), "fin_wait_2_timeout");
    assert_eq!(path(scene.closed()[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2~1001");
}

#[test]
fn an_orphan_that_began_before_another_timeout_was_told_has_that_unless_the_old_one_was_told_since() {
    for (again, end) in [(false, "fin_wait_2_timeout"), (true, "unknown")] {
        let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
        orphan(&mut scene, &s, 60);
        scene.wait(100);
        if again {
            scene.tick().observe(&Event::FinTimeout { netns: 1, seconds: 60 });
        }
        scene.wait(1200).tick().observe(&Event::FinTimeout { netns: 1, seconds: 1 });
        scene.dumped();
        assert_eq!(scene.end(), end);
    }
}

#[test]
fn a_timewait_socket_whose_cookie_a_dump_tells_takes_no_address_back() {
    let mut scene = Scene::with(Config { cookies: false, ..Config::default() });
    let (first, mut second) = (socket(1, 5000, 80), socket(2, 5001, 80));
    second.socket.address = first.socket.address;
    scene.goes(&first, CLOSING).goes(&first, "FIN_WAIT1>FIN_WAIT2 FIN_WAIT2>CLOSE");
    scene.goes(&second, CLOSING);
    let mut told = first;
    told.socket.address = 0;
    scene.shown(&told, "TIME_WAIT", Some(59_500)).goes(&second, "FIN_WAIT1>FIN_WAIT2").finish(true);
    let lives = scene.unfinished();
    let life = lives.iter().find(|life| life.socket.endpoints == second.endpoints).unwrap();
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2");
}

#[test]
fn linger2_sets_the_orphans_time() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    scene.goes(&s, CLOSING).goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| (f.dead, f.linger2) = (true, 500));
    scene.goes_as(&s, "FIN_WAIT2>CLOSE", |f| (f.dead, f.linger2) = (true, 500)).finish(true);
    let open = *scene.unfinished()[0].states.last().unwrap();
    assert_eq!(open.expires.unwrap().since(open.entered.unwrap()), 2_001_000_000);
}

#[test]
fn a_dump_shows_that_an_orphan_got_the_peers_fin() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 20);
    poll(&mut scene, &s, "FIN_WAIT2", 19_000);
    poll(&mut scene, &s, "TIME_WAIT", 59_500);
    assert_eq!(scene.end(), "time_wait");
    let last = *scene.moves().last().unwrap();
    assert_eq!(
        (last.from, last.to, last.seen_by),
        (TcpState::FinWait2, TcpState::TimeWait, SeenBy::SockDiag)
    );
    // It was re-armed half a second before the dump, 2 s after it began.
    assert_eq!((last.in_from.ns, last.in_from.error_ns), (Some(1_504_000_000), Some(8_000_000)));
}

#[test]
fn a_dump_that_was_kept_waiting_knows_the_moment_of_the_fin_less_well() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 20);
    let late = |found: &mut SocketSnapshot| found.timer.as_mut().unwrap().late_ns = 30_000_000;
    scene.wait(1000).shown_with(&s, "TIME_WAIT", Some(59_500), late);
    assert_eq!(scene.moves().last().unwrap().in_from.error_ns, Some(38_000_000));
}

#[test]
fn data_for_an_orphan_is_answered_by_a_reset_that_ends_it() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 20);
    scene.wait(500).reset(&s, ResetReason::TimewaitSocket);
    assert_eq!(scene.end(), "rst_sent data_after_close");
    assert_eq!(scene.moves().last().unwrap().in_from.evidence, Evidence::Exact);
}

#[test]
fn a_peer_on_this_host_tells_of_its_fin() {
    let (mut scene, s, p) = (Scene::new(), socket(1, 5000, 80), socket(2, 80, 5000));
    scene.goes(&p, "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED").goes(&s, CLOSING);
    scene.goes(&p, "ESTABLISHED>CLOSE_WAIT");
    scene
        .goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true)
        .goes_as(&s, "FIN_WAIT2>CLOSE", |f| f.dead = true);
    scene.wait(200).goes(&p, "CLOSE_WAIT>LAST_ACK").goes_as(&p, "LAST_ACK>CLOSE", |f| f.dead = true);
    let closed = scene.closed();
    assert_eq!(closed.len(), 2);
    assert_eq!((closed[0].id.0, ending(closed[0]).as_str()), (2, "time_wait"));
    assert_eq!(path(closed[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=2 FIN_WAIT_2~202 TIME_WAIT");
    assert_eq!(closed[0].states[3].stay.error_ns, Some(500_000));
}

#[test]
fn a_peer_that_never_got_our_fin_tells_nothing() {
    let (mut scene, s, p) = (Scene::new(), socket(1, 5000, 80), socket(2, 80, 5000));
    // Same addresses, but its CLOSE_WAIT came before our FIN was sent.
    scene.goes(&p, "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED ESTABLISHED>CLOSE_WAIT");
    orphan(&mut scene, &s, 20);
    scene.goes(&p, "CLOSE_WAIT>LAST_ACK").goes_as(&p, "LAST_ACK>CLOSE", |f| f.dead = true);
    assert_eq!(scene.closed().len(), 1);
}

#[test]
fn a_peer_that_resets_on_this_host_ends_an_orphan() {
    for same_netns in [true, false] {
        let (mut scene, s, mut p) = (Scene::new(), socket(1, 5000, 80), socket(2, 80, 5000));
        p.netns = Some(if same_netns { 1 } else { 2 });
        scene.goes(&p, "LISTEN>SYN_RECV SYN_RECV>ESTABLISHED").goes(&s, CLOSING);
        scene.goes(&p, "ESTABLISHED>CLOSE_WAIT");
        scene.goes_as(&s, "FIN_WAIT1>FIN_WAIT2", |f| f.dead = true);
        scene.goes_as(&s, "FIN_WAIT2>CLOSE", |f| f.dead = true);
        scene.goes_as(&p, "CLOSE_WAIT>CLOSE", |f| (f.locked, f.shutdown) = (true, 3));
        scene.reset(&p, ResetReason::AbortOnClose).wait(100);
        if !same_netns {
            assert!(scene.closed().iter().all(|life| life.id.0 != 2), "a dump has to confirm it");
            scene.dumped();
        }
        let mine = scene.closed().into_iter().find(|life| life.id.0 == 2).map(ending);
        assert_eq!(mine.as_deref(), Some("rst_received"), "{same_netns}");
    }
}

#[test]
fn time_wait_ends_by_rule_after_a_minute() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    assert!(scene.closed().is_empty());
    scene.wait(60_001).tick();
    let life = scene.closed()[0];
    assert_eq!(path(life), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2=1 TIME_WAIT~60000");
    assert_eq!(life.states[4].stay.error_ns, Some(2_048_000_000));
    assert_eq!(ending(life), "time_wait");
    let last = *scene.moves().last().unwrap();
    assert_eq!((last.from, last.to, last.seen_by), (TcpState::TimeWait, TcpState::Closed, SeenBy::Rule));
}

#[test]
fn by_default_the_life_is_told_on_entering_time_wait_and_its_end_still_moves() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    assert_eq!((scene.closed().len(), scene.engine.live()), (1, 1));
    scene.wait(61_000).tick();
    assert_eq!((scene.closed().len(), scene.engine.live()), (1, 0));
    let last = *scene.moves().last().unwrap();
    assert_eq!((last.from, last.to, last.ending), (TcpState::TimeWait, TcpState::Closed, None));
}

#[test]
fn timers_end_time_wait_exactly() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    scene.wait(59_000).neighbour(&s, Neighbour::TimewaitExpired);
    assert_eq!(scene.closed()[0].states[4].stay, Span::exact(59_000_001_000));
    assert_eq!(scene.moves().last().unwrap().seen_by, SeenBy::Timer);
}

#[test]
fn timers_show_an_orphans_fin_exactly_or_at_least_that_it_came() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 3);
    scene.wait(1000).neighbour(&s, Neighbour::TimewaitArmed(TcpState::TimeWait));
    assert_eq!(scene.moves().last().unwrap().in_from.evidence, Evidence::Exact);
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    orphan(&mut scene, &s, 60);
    scene.wait(1000).neighbour(&s, Neighbour::TimewaitKilled(TcpState::TimeWait));
    assert_eq!(scene.end(), "recycled");
    assert_eq!(path(scene.closed()[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2? TIME_WAIT?");
}

#[test]
fn a_later_life_with_the_same_tuple_recycles() {
    for (birth, word) in [("CLOSE>SYN_SENT", "recycled reuse"), ("LISTEN>SYN_RECV", "recycled new_syn")] {
        let (mut scene, s) = (through(), socket(1, 5000, 80));
        time_wait(&mut scene, &s);
        scene.wait(1300).goes(&socket(2, 5000, 80), birth);
        assert_eq!(scene.end(), word);
        let last = scene.closed()[0].states[4].stay;
        assert_eq!((last.ns, last.evidence), (Some(1_301_000_000), Evidence::Estimated));
        let mut other = socket(3, 5000, 80);
        other.netns = Some(2);
        time_wait(&mut scene, &socket(4, 5001, 80));
        scene.goes(&other, birth);
        assert_eq!(scene.closed().len(), 1, "another namespace is another world");
    }
}

#[test]
fn a_reuse_is_found_when_the_port_is_learnt() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    let mut unbound = socket(2, 5000, 80);
    unbound.endpoints.local.port = None;
    scene.wait(1300).goes(&unbound, "CLOSE>SYN_SENT");
    assert!(scene.closed().is_empty());
    scene.goes(&socket(2, 5000, 80), "SYN_SENT>ESTABLISHED");
    assert_eq!(scene.end(), "recycled reuse");
    assert_eq!(scene.closed()[0].states[4].stay, Span::estimated(1_301_000_000, Some(1_000_000)));
}

#[test]
fn the_socket_of_a_time_wait_may_connect_again_under_its_cookie() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    let again = socket(1, 5002, 80);
    scene.goes(&again, "CLOSE>SYN_SENT SYN_SENT>ESTABLISHED");
    assert_eq!((scene.closed().len(), scene.engine.live()), (0, 2));
    // A dump of the earlier one's timewait socket is not taken for the later life.
    poll(&mut scene, &s, "TIME_WAIT", 58_000);
    scene.wait(1000).shown(&again, "ESTAB", None).dumped();
    assert_eq!(scene.end(), "recycled");
    assert_eq!(scene.engine.live(), 1);
}

#[test]
fn a_time_wait_that_dumps_no_longer_show_ended_early() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    poll(&mut scene, &s, "TIME_WAIT", 59_000);
    scene.wait(1000).dumped();
    assert_eq!(scene.end(), "recycled");
    let stay = scene.closed()[0].states[4].stay;
    assert_eq!((stay.evidence, stay.error_ns), (Evidence::Estimated, Some(1_002_000_000)));
}

#[test]
fn a_time_wait_that_may_never_have_been_made_has_no_length() {
    let (mut scene, s) = (through(), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    scene.observe(&Event::TimeWaitOverflow { at: Mono(scene.now), netns: 1, count: 1 });
    scene.wait(1000).dumped();
    // It has not been ended early either.
    assert_eq!(scene.end(), "time_wait");
    assert_eq!(scene.closed()[0].states[4].stay, Span::UNKNOWN);
}

#[test]
fn there_are_questions_while_there_are_timewait_sockets_and_none_after() {
    let (mut scene, s) = (Scene::new(), socket(1, 5000, 80));
    assert_eq!(scene.engine.open_questions().count(), 0);
    time_wait(&mut scene, &s);
    let asked: Vec<Question> = scene.engine.open_questions().collect();
    let states = 1 << TcpState::TimeWait as u8 | 1 << TcpState::FinWait2 as u8;
    assert_eq!(asked, [Question { netns: Some(1), states }]);
    scene.wait(60_001).tick();
    assert_eq!(scene.engine.open_questions().count(), 0);
}

#[test]
fn the_classic_path_waits_to_be_told_which_of_the_two_it_is() {
    let classic = || Scene::with(Config { cookies: false, ..Config::default() });
    let (mut scene, s) = (classic(), socket(1, 5000, 80));
    scene.goes(&s, CLOSING).goes(&s, "FIN_WAIT1>FIN_WAIT2 FIN_WAIT2>CLOSE");
    assert!(scene.closed().is_empty());
    scene.wait(500).shown(&s, "TIME_WAIT", Some(59_500));
    assert_eq!(scene.end(), "time_wait");
    let (mut scene, s) = (classic(), socket(1, 5000, 80));
    scene.goes(&s, CLOSING).goes(&s, "FIN_WAIT1>FIN_WAIT2 FIN_WAIT2>CLOSE").wait(61_000).tick();
    assert_eq!(scene.end(), "unknown");
    assert_eq!(path(scene.closed()[0]), "SYN_SENT=1 ESTABLISHED=1 FIN_WAIT_1=1 FIN_WAIT_2?");
}

#[test]
fn the_rule_waits_for_traced_timers_and_replaces_only_a_lost_one() {
    let timers = Config { through_time_wait: true, timers: true, ..Config::default() };
    let (mut scene, s) = (Scene::with(timers), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    scene.wait(61_200).tick();
    assert!(scene.closed().is_empty());
    scene.neighbour(&s, Neighbour::TimewaitExpired);
    assert_eq!(scene.closed()[0].states[4].stay.evidence, Evidence::Exact);
    let (mut scene, s) = (Scene::with(timers), socket(1, 5000, 80));
    time_wait(&mut scene, &s);
    scene.wait(70_000).tick();
    assert_eq!(path(scene.closed()[0]).split(' ').next_back(), Some("TIME_WAIT~60000"));
}

#[test]
fn a_timer_near_a_minute_may_hide_a_fin_that_came_at_once() {
    for (seconds, said) in [(3, "fin_wait_2_timeout"), (60, "unknown")] {
        let (mut scene, s) = (Scene::with(Config { timers: true, ..Config::default() }), socket(1, 5000, 80));
        orphan(&mut scene, &s, seconds);
        scene.wait(u64::from(seconds) * 1000 + 500).neighbour(&s, Neighbour::TimewaitExpired);
        assert_eq!(scene.end(), said);
    }
}
