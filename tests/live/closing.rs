//! Orderly ends, simultaneous ones, and address families (kernel-facts 1, 2, 3).

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::ability::{has, names};
use crate::support::ended::{Ended, moves};
use crate::support::patience::slowness;
use crate::support::space::Space;

const OPENED: [&str; 2] = ["CLOSED>SYN_SENT", "SYN_SENT>ESTABLISHED"];
const ACCEPTED: [&str; 2] = ["LISTEN>SYN_RECV", "SYN_RECV>ESTABLISHED"];
const PASSIVE: [&str; 3] = ["ESTABLISHED>CLOSE_WAIT", "CLOSE_WAIT>LAST_ACK", "LAST_ACK>CLOSED"];
const ACTIVE: [&str; 3] = ["ESTABLISHED>FIN_WAIT_1", "FIN_WAIT_1>FIN_WAIT_2", "FIN_WAIT_2>TIME_WAIT"];

/// What the path cannot know is null or, where sock_diag told it later, right; nothing that it can know is missing.
pub(crate) fn check_knowledge(run: &Ended, space: &Space, attach: &str) {
    for record in run.transitions() {
        let unknown = attach == "classic";
        let newborn = (&record["from"], &record["to"]) == (&"LISTEN".into(), &"SYN_RECV".into());
        let anonymous = newborn && !has("newborn_connections");
        let cookie = unknown || anonymous || !has("socket_cookies");
        assert!(record["netns"] == space.netns.inode || unknown && record["netns"].is_null(), "{record}");
        assert!(record["cookie"].is_string() || cookie && record["cookie"].is_null(), "{record}");
        let listens = record["from"] == "LISTEN" && !newborn || record["to"] == "LISTEN";
        // One that a filter kept back may have learnt it meanwhile.
        let peer = record["rport"].is_number();
        assert!(if listens { !peer } else { peer || anonymous }, "{record}");
        let owner = &record["owner"];
        if !owner.is_null() {
            assert!(owner["uid"] == 0 || unknown && owner["uid"].is_null(), "{record}");
        }
        assert_ne!(record["lport"], 0, "{record}");
        assert_ne!(record["rport"], 0, "{record}");
        assert_eq!(record["protocol"], "tcp");
    }
}

fn ends(life: &[&Value]) -> (String, String, u64) {
    let last = life.last().unwrap();
    let text = |key: &str| last[key].as_str().unwrap().to_owned();
    (text("laddr"), text("raddr"), last["family"].as_u64().unwrap())
}

fn orderly(
    attach: &str,
    listen: fn(&Space) -> SocketAddr,
    connect: fn(&Space, u16) -> SocketAddr,
    family: u64,
) {
    let Some(space) = Space::new() else { return };
    let mut tracer = space.tracer(attach, &[]);
    let (mut server, mut client) = (space.actor("server"), space.actor("client"));
    let port = server.listen("l", listen(&space)).port();
    // The client closes first, then the server does.
    let first = client.connect("c", connect(&space, port));
    server.must("accept l s");
    client.must("close c");
    assert_eq!(server.must("recv s"), "0");
    server.must("close s");
    let second = client.connect("d", connect(&space, port));
    server.must("accept l t");
    let cookies = [client.cookie("d"), server.cookie("t")];
    server.must("close t");
    assert_eq!(client.must("recv d"), "0");
    client.must("close d");
    server.must("close l");
    tracer.wait_move(first, port, "FIN_WAIT_2>TIME_WAIT");
    tracer.wait_move(port, second, "FIN_WAIT_2>TIME_WAIT");
    let run = tracer.stop();
    run.check();
    check_knowledge(&run, &space, attach);
    let address = if family == 4 { space.v4.to_string() } else { space.v6.to_string() };
    let both = (address.clone(), address, family);
    for (lport, rport, opening, closing) in [
        (first, port, OPENED, ACTIVE),
        (port, first, ACCEPTED, PASSIVE),
        (second, port, OPENED, PASSIVE),
        (port, second, ACCEPTED, ACTIVE),
    ] {
        let life = run.life(lport, Some(rport));
        assert_eq!(moves(&life), [&opening[..], &closing].concat(), "{lport}-{rport}");
        assert_eq!(ends(&life), both, "{lport}-{rport}");
        let over = life.last().unwrap();
        let end = if closing == ACTIVE { "time_wait" } else { "fin" };
        // A reset or a timeout ends LAST_ACK too, and the classic event does not say.
        assert!(over["end"] == end || attach == "classic" && over["end"] == "unknown", "{over}");
        let owner = &life[opening.len()]["owner"];
        let actor = if opening == OPENED { &client } else { &server };
        assert_eq!(owner["pid"], actor.pid(), "{:#?}", run.shortly());
    }
    if attach == "btf" || !listen(&space).ip().is_unspecified() {
        assert_eq!(moves(&run.life(port, None)), ["CLOSED>LISTEN", "LISTEN>CLOSED"]);
    }
    if attach == "btf" {
        assert!(names(run.life(second, Some(port)).last().unwrap(), &cookies[0]));
        assert!(names(run.life(port, Some(second)).last().unwrap(), &cookies[1]));
    }
}

#[test]
fn both_ends_of_a_v4_connection_are_told_whoever_closes_first() {
    for attach in ["btf", "classic"] {
        orderly(attach, |space| space.at4(0), Space::at4, 4);
    }
}

#[test]
fn both_ends_of_a_v6_connection_are_told_whoever_closes_first() {
    for attach in ["btf", "classic"] {
        orderly(attach, |space| space.at6(0), Space::at6, 6);
    }
}

#[test]
fn a_v4_client_of_a_dual_stack_listener_is_v4_at_both_ends() {
    for attach in ["btf", "classic"] {
        orderly(attach, |_| "[::]:0".parse().unwrap(), Space::at4, 4);
    }
}

#[test]
fn a_v4_mapped_client_is_v4_at_both_ends() {
    for attach in ["btf", "classic"] {
        orderly(attach, |space| space.at4(0), Space::mapped, 4);
    }
}

#[test]
fn a_simultaneous_close_is_closing_and_then_time_wait_at_both_ends() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        space.slow();
        client.must("send c 20");
        client.must("shutdown c wr");
        server.must("shutdown s wr");
        tracer.wait_move(mine, port, "CLOSING>TIME_WAIT");
        tracer.wait_move(port, mine, "CLOSING>TIME_WAIT");
        let run = tracer.stop();
        run.check();
        let closing = ["ESTABLISHED>FIN_WAIT_1", "FIN_WAIT_1>CLOSING", "CLOSING>TIME_WAIT"];
        for (life, opening) in [(run.life(mine, Some(port)), OPENED), (run.life(port, Some(mine)), ACCEPTED)]
        {
            assert_eq!(moves(&life), [&opening[..], &closing].concat());
            assert_eq!(life.last().unwrap()["end"], "time_wait");
        }
    }
}

const SIMULTANEOUS: [&str; 3] = ["CLOSED>SYN_SENT", "SYN_SENT>SYN_RECV", "SYN_RECV>ESTABLISHED"];

#[test]
fn a_simultaneous_open_is_active_at_both_ends() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut left, mut right) = (space.actor("left"), space.actor("right"));
        space.slow();
        left.must("socket first 4");
        left.must(&format!("connect_nb first {}", space.at4(4003)));
        for (actor, own, other) in [(&mut left, 4001, 4002), (&mut right, 4002, 4001)] {
            actor.must("socket c 4");
            actor.must(&format!("bind c {}", space.at4(own)));
            actor.must(&format!("connect_nb c {}", space.at4(other)));
        }
        tracer.wait_move(4001, 4002, "SYN_RECV>ESTABLISHED");
        tracer.wait_move(4002, 4001, "SYN_RECV>ESTABLISHED");
        let run = tracer.stop();
        run.check();
        for (own, other, comm) in [(4001, 4002, "left"), (4002, 4001, "right")] {
            let life = run.life(own, Some(other));
            assert_eq!(moves(&life), SIMULTANEOUS);
            assert!(life.iter().all(|record| record["owner"]["comm"] == comm), "{:#?}", run.shortly());
        }
    }
}

#[test]
fn a_socket_connected_to_itself_is_one_life() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let mut actor = space.actor("narcissus");
        actor.must("socket c 4");
        actor.must(&format!("bind c {}", space.at4(4001)));
        actor.must(&format!("connect c {}", space.at4(4001)));
        actor.must("close c");
        tracer.wait_move(4001, 4001, "CLOSING>TIME_WAIT");
        let run = tracer.stop();
        run.check();
        let closing = ["ESTABLISHED>FIN_WAIT_1", "FIN_WAIT_1>CLOSING", "CLOSING>TIME_WAIT"];
        assert_eq!(moves(&run.life(4001, Some(4001))), [SIMULTANEOUS, closing].concat());
        assert_eq!(run.lives().len(), 1, "{:#?}", run.shortly());
    }
}

#[test]
fn a_fin_and_its_ack_in_one_segment_are_two_moves_in_one_moment() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        // The client's FIN finds a peer that answers with its own at once, because it closes with nothing to read.
        client.must("shutdown c wr");
        server.must("close s");
        assert_eq!(client.must("recv c"), "0");
        tracer.wait_move(mine, port, "FIN_WAIT_2>TIME_WAIT");
        let run = tracer.stop();
        run.check();
        assert_eq!(moves(&run.life(mine, Some(port))), [&OPENED[..], &ACTIVE].concat());
        assert_eq!(moves(&run.life(port, Some(mine))), [&ACCEPTED[..], &PASSIVE].concat());
    }
}

#[test]
fn an_orphan_waits_in_fin_wait_2_for_as_long_as_its_peer_holds_on() {
    for attach in ["btf", "classic"] {
        let Some(space) = Space::new() else { return };
        let mut tracer = space.tracer(attach, &[]);
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let port = server.listen("l", space.at4(0)).port();
        let mine = client.connect("c", space.at4(port));
        server.must("accept l s");
        client.must("close c");
        tracer.wait_move(mine, port, "FIN_WAIT_1>FIN_WAIT_2");
        assert!(space.ss(&["state", "fin-wait-2"]).contains(&format!(":{mine}")));
        server.must("close s");
        let over = tracer.wait_move(mine, port, "FIN_WAIT_2>TIME_WAIT");
        let closed = tracer.wait_move(port, mine, "LAST_ACK>CLOSED");
        let run = tracer.stop();
        run.check();
        let life = run.life(mine, Some(port));
        assert_eq!(moves(&life), [&OPENED[..], &ACTIVE].concat());
        // As long as the peer was in CLOSE_WAIT, within what the record itself says. The kernel reckons in ticks, which an emulated
        // one takes late.
        let held = tracer_ns(&over, "in_from_ns");
        let error = over["error_ns"].as_u64().unwrap_or(0) + 5_000_000 * u64::from(slowness());
        let truth = tracer_ns(&closed, "mono_ns") - tracer_ns(life[3], "mono_ns");
        assert!(held.abs_diff(truth) <= error, "{held} in FIN_WAIT_2, truly {truth}: {over}");
    }
}

fn tracer_ns(record: &Value, key: &str) -> u64 {
    record[key].as_u64().unwrap()
}
