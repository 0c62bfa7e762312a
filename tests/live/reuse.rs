//! The kernel uses a struct sock again within microseconds, and a tuple too (kernel-facts 15).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::ability::has;
use crate::support::ended::moves;
use crate::support::space::Space;

const CLIENT: [&str; 3] = ["CLOSED>SYN_SENT", "SYN_SENT>ESTABLISHED", "ESTABLISHED>CLOSED"];
const SERVER: [&str; 3] = ["LISTEN>SYN_RECV", "SYN_RECV>ESTABLISHED", "ESTABLISHED>CLOSED"];

#[test]
fn two_hundred_connections_on_a_handful_of_socks_are_four_hundred_lives() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let mut actor = space.actor("reuser");
        let port = actor.listen("l", space.at4(0)).port();
        let last: u16 = actor.must("burst l 200").parse().unwrap();
        tracer.wait_move(port, last, "ESTABLISHED>CLOSED");
        let run = tracer.stop();
        run.check();
        let lives = run.lives();
        let (listeners, lives): (Vec<_>, Vec<_>) =
            lives.into_iter().partition(|life| life[0]["to"] == "LISTEN");
        assert_eq!((listeners.len(), lives.len()), (1, 400));
        for life in &lives {
            let moves = moves(life);
            assert!(moves == CLIENT || moves == SERVER, "{moves:?}");
        }
        // One a life, and no life has another's; the first event of an accepted connection may not have it.
        let of = |life: &[&Value]| -> BTreeSet<String> {
            life.iter().filter_map(|record| record["cookie"].as_str().map(str::to_owned)).collect()
        };
        let cookies: Vec<BTreeSet<String>> = lives.iter().map(|life| of(life)).collect();
        assert!(cookies.iter().all(|cookies| cookies.len() <= 1), "{cookies:?}");
        let known = cookies.iter().map(BTreeSet::len).sum::<usize>();
        let distinct = cookies.into_iter().flatten().collect::<BTreeSet<_>>().len();
        assert_eq!(known, distinct);
        if attach == "classic" {
            assert_eq!(known, 0);
        } else if has("socket_cookies") {
            assert_eq!(known, 400);
        }
    }
}

#[test]
fn one_tuple_again_and_again_is_a_life_each_time() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let mut actor = space.actor("again");
        let port = actor.listen("l", space.at4(0)).port();
        for _ in 0..20 {
            actor.all(&[
                "socket c 4",
                "reuseaddr c",
                &format!("bind c {}", space.at4(4001)),
                &format!("connect c {}", space.at4(port)),
                "accept l s",
                "linger0 c",
                "close c",
                "close s",
            ]);
        }
        actor.must("close l");
        tracer
            .wait_for("the listener's end", |record| record["from"] == "LISTEN" && record["to"] == "CLOSED");
        let run = tracer.stop();
        run.check();
        for (lport, rport, expected) in [(4001, port, CLIENT), (port, 4001, SERVER)] {
            let lives = run.lives_of(lport, Some(rport));
            assert_eq!(lives.len(), 20, "{:#?}", run.shortly());
            assert!(lives.iter().all(|life| moves(life) == expected), "{:#?}", run.shortly());
        }
    }
}
