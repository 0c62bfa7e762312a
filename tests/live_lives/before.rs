//! Sockets that existed before tcptrace: their state, and how long they have been in it.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use rustix::net::connect;
use tcptrace::model::state::TcpState;

use crate::support_lives::lab::{Pair, send};
use crate::support_lives::packet::{SYN, Segment, inject};
use crate::support_lives::sock::{cookie, end_writing, linger, nonblocking, socket};
use crate::support_lives::tracer::find;
use crate::support_lives::{Lab, Life, Tracer, last};

const MS: u64 = 1_000_000;

fn now() -> u64 {
    tcptrace::source::clock::now().0
}

/// Its state's age lies within the bounds given for it: entered between `from` and `to`.
fn aged(life: &Life, state: &str, left: u64, (from, to): (u64, u64)) {
    let stay = life.stay(state);
    let (least, most) = (left - to, left - from);
    let known = stay["ns"].as_u64().unwrap();
    assert!(known <= most + 10 * MS, "{state} {stay}, truly at most {most}");
    if let Some(bound) = stay["at_most_ns"].as_u64() {
        assert!(bound + 10 * MS >= least, "{state} {stay}, truly at least {least}");
    }
    assert_ne!(stay["evidence"], "exact", "{stay}");
}

/// When something was done: before and after.
fn during<T>(work: impl FnOnce() -> T) -> (T, (u64, u64)) {
    let before = now();
    let result = work();
    (result, (before, now()))
}

#[test]
fn established_and_close_wait_are_at_least_as_old_as_they_have_been_silent() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let (quiet, born) = during(|| lab.pair());
    let leaking = lab.pair();
    let (_, fin) = during(|| {
        end_writing(&leaking.client);
        lab.b().until_in(leaking.s, TcpState::CloseWait);
    });
    let canaries = canaries(&lab);
    last(700);
    let tracer = Tracer::start(&[]);
    settle(canaries, &tracer);
    drop(quiet.server);
    lab.a().until_in(quiet.c, TcpState::CloseWait);
    let left = now();
    drop(quiet.client);
    let life = tracer.life(quiet.c);
    life.was("ESTABLISHED CLOSE_WAIT LAST_ACK", "fin")
        .has("first_seen", "snapshot")
        .has("opened_by", "unknown");
    life.owned_by(std::process::id(), "fd_table");
    aged(&life, "ESTABLISHED", left, born);
    assert!(life.stay("ESTABLISHED")["ns"].as_u64().unwrap() >= 650 * MS, "{:#}", life.0);
    let left = now();
    drop(leaking.server);
    let life = tracer.life(leaking.s);
    life.was("CLOSE_WAIT LAST_ACK", "fin").has("first_seen", "snapshot").has("closed_by", "remote");
    aged(&life, "CLOSE_WAIT", left, fin);
    assert!(life.stay("CLOSE_WAIT")["ns"].as_u64().unwrap() >= 650 * MS, "{:#}", life.0);
}

/// Connections that tell by their end whether the first dump was in.
fn canaries(lab: &Lab) -> Vec<Pair> {
    let listener = lab.listen();
    (0..60).map(|_| lab.pair_of(&listener)).inspect(|pair| linger(&pair.client, Duration::ZERO)).collect()
}

/// Waits until the first dump is in.
fn settle(canaries: Vec<Pair>, tracer: &Tracer) {
    for pair in canaries {
        drop(pair.client);
        let life = tracer.life(pair.c);
        if life.0["first_seen"] == "snapshot" {
            return;
        }
        last(50);
    }
    panic!("no dump came");
}

#[test]
fn half_closed_listening_and_connecting_sockets_are_told_as_they_are() {
    let Some(lab) = Lab::routed(&[("ipv4/tcp_fin_timeout", "60")]) else { return };
    let listener = lab.listen();
    let (half, orphan, dying) = (lab.pair_of(&listener), lab.pair_of(&listener), lab.pair_of(&listener));
    let (_, closed) = during(|| {
        end_writing(&half.client);
        lab.a().until_in(half.c, TcpState::FinWait2);
    });
    let (_, orphaned) = during(|| {
        drop(orphan.client);
        lab.a().until_in(orphan.c, TcpState::FinWait2);
    });
    let (waiting, waited) = during(|| {
        let pair = lab.pair_of(&listener);
        drop(pair.client);
        lab.a().until_in(pair.c, TcpState::FinWait2);
        drop(pair.server);
        lab.a().until_in(pair.c, TcpState::TimeWait);
        pair.c
    });
    let halfway = lab.pair_of(&listener);
    end_writing(&halfway.server);
    lab.a().until_in(halfway.c, TcpState::CloseWait);
    // Nobody is there to answer the SYN-ACK.
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 78, 1, 77), 5000);
    let to = SocketAddrV4::new(lab.address(true), listener.local_addr().unwrap().port());
    let (_, asked) = during(|| {
        inject(lab.router(), Segment { from: nobody, to, seq: 1, ack: 0, flags: SYN });
        lab.b().until("SYN_RECV", |seen| seen.state == TcpState::NewSynRecv);
    });
    let canaries = canaries(&lab);
    lab.cut();
    let (_, acknowledging) = during(|| drop(halfway.client));
    lab.a().until_in(halfway.c, TcpState::LastAck);
    let connecting = lab.a().inside(|| socket(0));
    nonblocking(&connecting);
    let (_, sent) = during(|| {
        let _ = connect(&connecting, &listener.local_addr().unwrap());
    });
    let (_, dropped) = during(|| drop(dying.client));
    lab.a().until_in(dying.c, TcpState::FinWait1);
    last(700);
    let tracer = Tracer::start(&["--unfinished", "--through-time-wait"]);
    settle(canaries, &tracer);
    let (c, l) = (cookie(&connecting), cookie(&listener));
    let lives = tracer.stop();
    let end = now();
    let request = lives.iter().find(|life| life.0["raddr"] == "10.78.1.77").unwrap();
    request.was("SYN_RECV", "-").has("opened_by", "accept");
    let seen = request.stay("SYN_RECV")["entered_mono_ns"].as_u64().unwrap();
    assert!(seen + 100 * MS >= asked.0 && seen <= end, "{seen}, truly {asked:?}");
    for (cookie, state, entered) in [
        (half.c, "FIN_WAIT_2", closed),
        (orphan.c, "FIN_WAIT_2", orphaned),
        (waiting, "TIME_WAIT", waited),
        (c, "SYN_SENT", sent),
        (dying.c, "FIN_WAIT_1", dropped),
        (halfway.c, "LAST_ACK", acknowledging),
    ] {
        let life = find(&lives, cookie);
        life.was(state, "-").has("first_seen", "snapshot");
        let stay = life.stay(state);
        let seen = stay["entered_mono_ns"].as_u64().unwrap();
        // First seen in it at the latest moment that the dump leaves open.
        assert!(seen + 10 * MS >= entered.0 && seen <= end, "{cookie:x} {stay}, truly {entered:?}");
    }
    for cookie in [half.c, c] {
        find(&lives, cookie).owned_by(std::process::id(), "fd_table");
    }
    let deadline = find(&lives, orphan.c).stay("FIN_WAIT_2")["expires_mono_ns"].as_u64().unwrap();
    assert!(
        deadline >= orphaned.0 + 59_000 * MS && deadline <= orphaned.1 + 63_000 * MS,
        "{deadline} {orphaned:?}"
    );
    let deadline = find(&lives, waiting).stay("TIME_WAIT")["expires_mono_ns"].as_u64().unwrap();
    assert!(
        deadline >= waited.0 + 59_000 * MS && deadline <= waited.1 + 63_000 * MS,
        "{deadline} {waited:?}"
    );
    let life = find(&lives, l);
    life.was("LISTEN", "-").owned_by(std::process::id(), "fd_table").has("opened_by", "listen");
    drop((half, orphan.server, dying.server, halfway.server));
}

#[test]
fn what_was_sent_before_counts_for_a_life_that_a_dump_showed() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let mut pair = lab.pair();
    send(&pair.client, 1000);
    pair.server.read_exact(&mut [0; 1000]).unwrap();
    let canaries = canaries(&lab);
    let tracer = Tracer::start(&[]);
    settle(canaries, &tracer);
    drop(pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    drop(pair.server);
    tracer.life(pair.s).has("bytes_received", 1000).has("end", "fin");
    tracer.life(pair.c).has("bytes_sent", 1000).has("end", "time_wait");
}
