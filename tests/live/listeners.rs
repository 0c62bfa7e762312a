//! Listeners (kernel-facts 12).

use std::time::{Duration, Instant};

use crate::support::ability::names;
use crate::support::ended::moves;
use crate::support::space::Space;
use crate::support::wait_until;

const LISTENED: [&str; 2] = ["CLOSED>LISTEN", "LISTEN>CLOSED"];

#[test]
fn listening_twice_is_one_life_with_a_cookie_that_ss_knows() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let tracer = space.tracer(attach, &[]);
        let mut server = space.actor("server");
        let port = server.listen("l", space.at4(0)).port();
        server.must("listen l 64");
        let (cookie, inode) = (server.cookie("l"), server.must("inode l"));
        let ss = space.ss(&["state", "listening"]);
        assert!(ss.contains(&format!("sk:{cookie}")) && ss.contains(&format!("ino:{inode}")), "{ss}");
        server.must("close l");
        let run = tracer.stop();
        run.check();
        let life = run.life(port, None);
        assert_eq!(moves(&life), LISTENED);
        assert_eq!(life[1]["end"], "listen_closed");
        assert!(life.iter().all(|record| record["owner"]["pid"] == server.pid()));
        if attach == "btf" {
            assert!(life.iter().all(|record| names(record, &cookie)), "{:#?}", run.shortly());
        }
    }
}

#[test]
fn a_listen_that_loses_its_port_is_a_failed_one() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let tracer = space.tracer(attach, &[]);
        let mut server = space.actor("server");
        for handle in ["l", "m"] {
            server.all(&[
                &format!("socket {handle} 4"),
                &format!("reuseaddr {handle}"),
                &format!("bind {handle} {}", space.at4(8080)),
            ]);
        }
        server.must("listen l 9");
        assert_eq!(server.order("listen m 9"), Err("AddrInUse".to_owned()));
        server.all(&["close m", "close l"]);
        let run = tracer.stop();
        run.check();
        let lives = run.lives_of(8080, None);
        assert_eq!(lives.len(), 2, "{:#?}", run.shortly());
        assert!(lives.iter().all(|life| moves(life) == LISTENED));
        if attach == "btf" {
            let detail = |at: usize| lives[at][1]["detail"].to_string();
            assert!(
                detail(1).contains("listen_failed") && !detail(0).contains("listen_failed"),
                "{:#?}",
                lives[1][1]
            );
        }
    }
}

#[test]
fn a_listener_without_bind_gets_its_port_and_never_port_0() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        // No address either: the classic path is told apart by the process.
        let mut server = space.actor("autobind");
        let pid = server.pid().to_string();
        let tracer = crate::support::tracer::Tracer::start(&["--attach", attach, "--pid", &pid]);
        server.all(&["socket l 4", "listen l 9"]);
        let port = server.local("l").port();
        server.must("close l");
        let run = tracer.stop();
        run.check();
        let lives = run.lives();
        assert_eq!((lives.len(), moves(&lives[0])), (1, LISTENED.map(str::to_owned).to_vec()));
        assert!(lives[0][0]["lport"].is_null() || lives[0][0]["lport"] == port, "{:#?}", run.shortly());
        assert_eq!(lives[0][1]["lport"], port, "{:#?}", run.shortly());
    }
}

#[test]
fn a_listener_that_is_shut_down_can_listen_again() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let mut server = space.actor("server");
        let port = server.listen("l", space.at4(8080)).port();
        // One that ends within a millisecond counts as failed.
        let began = Instant::now();
        tracer.wait_for("the listener", |record| record["to"] == "LISTEN");
        wait_until("a millisecond", || began.elapsed() > Duration::from_millis(5));
        server.all(&["shutdown l rdwr", "listen l 9", "close l"]);
        let run = tracer.stop();
        run.check();
        let told = moves(&run.lives_of(port, None).concat());
        assert_eq!(told, [LISTENED, LISTENED].concat());
        if attach == "btf" {
            let ended: Vec<_> = run
                .transitions()
                .filter(|record| record["to"] == "CLOSED")
                .map(|record| &record["detail"])
                .collect();
            assert!(ended[0].to_string().contains("shutdown"), "{ended:?}");
            assert!(ended[1].to_string().contains("close"), "{ended:?}");
        }
    }
}

#[test]
fn listeners_that_share_a_port_are_told_apart() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let tracer = space.tracer(attach, &[]);
        let mut actors = [space.actor("one"), space.actor("two")];
        for actor in &mut actors {
            actor.all(&["socket l 4", "reuseport l", &format!("bind l {}", space.at4(8080)), "listen l 9"]);
        }
        let cookies = [actors[0].cookie("l"), actors[1].cookie("l")];
        actors[1].must("close l");
        actors[0].must("close l");
        let run = tracer.stop();
        run.check();
        let lives = run.lives_of(8080, None);
        assert_eq!(lives.len(), 2, "{:#?}", run.shortly());
        for ((life, actor), cookie) in lives.iter().zip(&actors).zip(&cookies) {
            assert_eq!(moves(life), LISTENED);
            assert!(life.iter().all(|record| record["owner"]["pid"] == actor.pid()), "{:#?}", run.shortly());
            assert!(attach == "classic" || names(life[0], cookie));
        }
    }
}

#[test]
fn a_listener_that_closes_resets_what_nobody_accepted() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("close l");
        tracer.wait_move(port, mine, "ESTABLISHED>CLOSED");
        tracer.wait_move(mine, port, "ESTABLISHED>CLOSED");
        let run = tracer.stop();
        run.check();
        let child = run.life(port, Some(mine));
        assert_eq!(moves(&child), ["LISTEN>SYN_RECV", "SYN_RECV>ESTABLISHED", "ESTABLISHED>CLOSED"]);
        let client_end = run.life(mine, Some(port)).last().copied().unwrap();
        for record in &child {
            let owner = &record["owner"];
            assert!(owner.is_null() || owner["pid"] == server.pid(), "{record}");
            assert_ne!(owner["how"], "accept", "{record}");
        }
        if attach == "btf" {
            assert_eq!((&child[2]["end"], &client_end["end"]), (&"rst_sent".into(), &"rst_received".into()));
            assert!(child[2]["detail"].to_string().contains("listener_closed"), "{}", child[2]);
        } else {
            assert!(["unknown", "rst_sent", "rst_received"].contains(&child[2]["end"].as_str().unwrap()));
            assert_ne!(child[2]["end"], "rst_received");
        }
    }
}
