//! Who owns a socket: never the task that happens to run (kernel-facts 11).

use crate::support::ability::has;
use crate::support::ended::{Ended, moves};
use crate::support::space::Space;
use crate::support::tracer::{Tracer, command};

/// Every record of a connection that names an owner names this one, from the `first` on all do.
fn check_owner(run: &Ended, lport: u16, rport: u16, first: usize, pid: u32, comm: &str) {
    let life = run.life(lport, Some(rport));
    for (at, record) in life.iter().enumerate() {
        let owner = &record["owner"];
        if owner.is_null() || owner["how"] == "listener" {
            assert!(at < first, "no owner from {at} on: {:#?}", run.shortly());
        } else {
            assert_eq!((&owner["pid"], &owner["comm"]), (&pid.into(), &comm.into()), "{:#?}", run.shortly());
        }
    }
}

#[test]
fn softirq_transitions_carry_the_owner_and_not_the_peer() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut server, mut client) = (space.actor("the-server"), space.actor("the-client"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        client.must("send c 100");
        server.must("recv s");
        client.must("close c");
        assert_eq!(server.must("recv s"), "0");
        server.must("close s");
        tracer.wait_move(mine, port, "FIN_WAIT_2>TIME_WAIT");
        tracer.wait_move(port, mine, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        run.check();
        check_owner(&run, mine, port, 0, client.pid(), "the-client");
        // The two moves of its birth come before accept().
        check_owner(&run, port, mine, 2, server.pid(), "the-server");
        for record in &run.life(port, Some(mine))[..2] {
            assert!(record["owner"]["how"] != "accept" && record["owner"]["how"] != "connect", "{record}");
        }
    }
}

/// A cable between two namespaces; the test fails where the far side's process is blamed.
#[test]
fn a_veth_pair_blames_nobody_of_the_other_namespace() {
    for attach in ["btf", "classic"] {
        let (Some(near), Some(far)) = (Space::new(), Space::new()) else { return };
        near.ip(&["link", "add", "dev", "near", "type", "veth", "peer", "name", "far", "netns", &far.name]);
        near.ip(&["link", "set", "near", "up"]);
        far.ip(&["link", "set", "far", "up"]);
        near.ip(&["route", "add", &far.v4.to_string(), "dev", "near", "src", &near.v4.to_string()]);
        far.ip(&["route", "add", &near.v4.to_string(), "dev", "far", "src", &far.v4.to_string()]);
        let mut tracer = near.tracer(attach, &[]);
        let (mut server, mut client) = (far.actor("far-server"), near.actor("near-client"));
        let port = server.listen("l", far.at4(0)).port();
        let mine = client.connect("c", far.at4(port));
        server.must("accept l s");
        server.must("close s");
        assert_eq!(client.must("recv c"), "0");
        client.must("close c");
        tracer.wait_move(mine, port, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        run.check();
        check_owner(&run, mine, port, 0, client.pid(), "near-client");
        if attach == "btf" {
            assert_eq!(run.lives().len(), 1, "the far end is another namespace's: {:#?}", run.shortly());
        }
    }
}

#[test]
fn a_connection_belongs_to_the_process_that_accepts_it() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        // The worker has the listener's port to itself: it listens on the same one.
        let (mut first, mut worker) = (space.actor("first"), space.actor("worker"));
        let mut client = space.actor("client");
        first.all(&["socket l 4", "reuseport l", &format!("bind l {}", space.at4(0))]);
        let port = first.local("l").port();
        worker.all(&["socket l 4", "reuseport l", &format!("bind l {}", space.at4(port)), "listen l 9"]);
        let mine = client.connect("c", space.at4(port));
        worker.must("accept l s");
        client.must("close c");
        assert_eq!(worker.must("recv s"), "0");
        worker.must("close s");
        tracer.wait_move(port, mine, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        run.check();
        check_owner(&run, port, mine, 2, worker.pid(), "worker");
        assert_eq!(moves(&run.life(port, None)), ["CLOSED>LISTEN"]);
    }
}

#[test]
fn a_killed_process_is_named_in_the_moves_of_its_death() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut server, mut client) = (space.actor("server"), space.actor("victim"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        let pid = client.pid();
        client.kill();
        assert_eq!(server.must("recv s"), "0");
        server.must("close s");
        tracer.wait_move(mine, port, "FIN_WAIT_2>TIME_WAIT");
        let run = tracer.stop();
        run.check();
        check_owner(&run, mine, port, 0, pid, "victim");
    }
}

#[test]
fn the_uid_is_the_creator_s_in_softirq_too() {
    let Some(space) = Space::new() else { return };
    let mut tracer = space.tracer("btf", &[]);
    let (mut server, mut client) = (space.actor("server"), space.actor("client"));
    server.must("uid 1002");
    client.must("uid 1001");
    let port = server.listen("l", space.at4(0)).port();
    let mine = client.connect("c", space.at4(port));
    server.must("accept l s");
    client.must("close c");
    assert_eq!(server.must("recv s"), "0");
    server.must("close s");
    tracer.wait_move(mine, port, "FIN_WAIT_2>TIME_WAIT");
    let run = tracer.stop();
    run.check();
    for (lport, rport, uid) in [(mine, port, 1001), (port, mine, 1002)] {
        for record in run.life(lport, Some(rport)) {
            if record["owner"].is_null() {
                // Without memory in the socket a connection takes nothing over from its listener.
                assert!(lport == port && !has("socket_cookies"), "{record}");
            } else {
                assert_eq!(record["owner"]["uid"], uid, "{record}");
            }
        }
    }
}

#[test]
fn no_kernel_thread_ever_owns_a_socket() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &["--ring-size", "16M"]);
        let mut actor = space.actor("busy");
        let port = actor.listen("l", space.at4(0)).port();
        let last: u16 = actor.must("burst l 500").parse().unwrap();
        actor.must("close l");
        tracer.wait_move(port, last, "ESTABLISHED>CLOSED");
        let run = tracer.stop();
        run.check();
        for record in run.transitions() {
            let owner = &record["owner"];
            assert!(owner.is_null() || owner["pid"] == actor.pid() && owner["comm"] == "busy", "{record}");
        }
        let odd: Vec<_> = run.lives().into_iter().filter(|life| life.len() != 3).collect();
        assert_eq!(run.transitions().count(), 500 * 6 + 2, "{attach}: {odd:#?}");
    }
}

/// Also where the walk through open files outlasts the start.
#[test]
fn an_older_socket_has_its_owner_from_the_first_event_on() {
    for late in [false, true] {
        let Some(space) = Space::new() else { return };
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        let scope = space.scope("btf");
        let words = ["-o", "json"].into_iter().chain(scope.iter().map(String::as_str));
        let mut tracer = command(&words.collect::<Vec<_>>());
        if late {
            tracer.env("TCPTRACE_TEST_LATE", "1");
        }
        let mut tracer = Tracer::of(tracer);
        client.must("close c");
        tracer.wait_move(port, mine, "ESTABLISHED>CLOSE_WAIT");
        server.must("close s");
        tracer.wait_move(port, mine, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        run.check();
        if has("open_files") {
            check_owner(&run, port, mine, 0, server.pid(), "server");
        }
    }
}
