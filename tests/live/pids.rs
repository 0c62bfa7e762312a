//! `--pid`: sockets that the process held before, its end, and its children.

use crate::support::ended::moves;
use crate::support::space::Space;
use crate::support::tracer::Tracer;

/// A tracer of one process, wherever its sockets are.
fn of(attach: &str, pid: u32, words: &[&str]) -> Tracer {
    Tracer::start(&[&["--attach", attach, "--pid", &pid.to_string()], words].concat())
}

#[test]
fn a_server_s_connections_are_shown_softirq_included_and_its_clients_are_not() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let mut tracer = of(attach, server.pid(), &[]);
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        client.must("close c");
        assert_eq!(server.must("recv s"), "0");
        server.must("close s");
        tracer.wait_move(port, mine, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        run.check();
        let expected = [
            "LISTEN>SYN_RECV",
            "SYN_RECV>ESTABLISHED",
            "ESTABLISHED>CLOSE_WAIT",
            "CLOSE_WAIT>LAST_ACK",
            "LAST_ACK>CLOSED",
        ];
        assert_eq!(moves(&run.life(port, Some(mine))), expected);
        assert_eq!(run.lives().len(), 2, "its listener and its connection: {:#?}", run.shortly());
        for record in run.transitions() {
            assert_eq!(record["owner"]["pid"], server.pid(), "{record}");
        }
    }
}

#[test]
fn sockets_held_before_the_start_are_shown_from_the_first_event_on() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let held = client.connect("c", space.at4(port));
        server.must("accept l s");
        let mut tracer = of(attach, server.pid(), &[]);
        client.must("close c");
        assert_eq!(server.must("recv s"), "0");
        let late = client.connect("d", space.at4(port));
        server.all(&["accept l t", "close t", "close s"]);
        tracer.wait_move(port, held, "LAST_ACK>CLOSED");
        let first = tracer.wait_move(port, held, "ESTABLISHED>CLOSE_WAIT");
        let run = tracer.stop();
        run.check();
        assert_ne!(first["evidence"], "exact", "began before we looked: {first}");
        let moves = moves(&run.life(port, Some(held)));
        assert_eq!(moves, ["ESTABLISHED>CLOSE_WAIT", "CLOSE_WAIT>LAST_ACK", "LAST_ACK>CLOSED"]);
        assert_eq!(run.lives_of(port, Some(late)).len(), 1, "{attach}: {:#?}", run.shortly());
        assert!(run.lives_of(held, Some(port)).is_empty() && run.lives_of(late, Some(port)).is_empty());
    }
}

#[test]
fn a_process_that_exits_is_followed_until_its_sockets_are_gone() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let mut tracer = of(attach, server.pid(), &[]);
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        client.must("shutdown c wr");
        assert_eq!(server.must("recv s"), "0");
        space.ip(&["link", "set", "lo", "down"]);
        server.kill();
        tracer
            .wait_said(&format!("process {} has exited: going on until its 1 socket is gone", server.pid()));
        space.ip(&["link", "set", "lo", "up"]);
        // The FIN is sent again; then nothing is left and the tracer ends by itself.
        let run = tracer.end();
        run.check();
        let moves = moves(&run.life(port, Some(mine)));
        assert_eq!(moves.last().unwrap(), "LAST_ACK>CLOSED", "{:#?}", run.shortly());
    }
}

#[test]
fn a_process_without_sockets_that_exits_ends_the_tracer() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut idle = space.actor("idle");
        let mut tracer = of(attach, idle.pid(), &[]);
        idle.kill();
        tracer.wait_said(&format!("process {} has exited: no sockets left", idle.pid()));
        let run = tracer.end();
        run.check();
        assert_eq!(run.transitions().count(), 0, "{:#?}", run.shortly());
    }
}

#[test]
fn children_are_followed_where_asked_for_and_only_there() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut parent = space.actor("parent");
        parent.must("fork old old-child");
        let mut following = of(attach, parent.pid(), &["--follow-forks"]);
        let alone = of(attach, parent.pid(), &[]);
        parent.must("fork new new-child");
        for (child, port) in [("old", 7001), ("new", 7002)] {
            for order in
                ["socket l 4".to_owned(), format!("bind l {}", space.at4(port)), "listen l 9".to_owned()]
            {
                parent.must(&format!("child {child} {order}"));
            }
        }
        parent.listen("l", space.at4(7003));
        for port in [7001, 7002, 7003] {
            following.wait_for("a listener", |record| record["lport"] == port);
        }
        let pids =
            ["old", "new"].map(|child| parent.must(&format!("child_pid {child}")).parse::<u32>().unwrap());
        let run = following.stop();
        run.check();
        for (port, pid) in [(7001, pids[0]), (7002, pids[1]), (7003, parent.pid())] {
            assert_eq!(run.life(port, None)[0]["owner"]["pid"], pid, "{:#?}", run.shortly());
        }
        let run = alone.stop();
        run.check();
        assert_eq!(run.transitions().map(|record| &record["lport"]).collect::<Vec<_>>(), [7003]);
    }
}
