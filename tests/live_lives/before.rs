//! Sockets that existed before tcptrace: their state, and how long they have been in it.

use std::io::Read;
use std::time::Instant;

use rustix::net::connect;
use tcptrace::model::state::TcpState;

use crate::support_lives::lab::send;
use crate::support_lives::sock::{cookie, end_writing, nonblocking, socket};
use crate::support_lives::tracer::find;
use crate::support_lives::{Lab, Life, Tracer, last};

const MS: u64 = 1_000_000;

fn now() -> u64 {
    tcptrace::source::sock_diag::now().0
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
    last(700);
    let tracer = Tracer::start(&[]);
    let told = Instant::now();
    // A socket that is born now is in the table after all that a dump has shown... once its life ends.
    settle(&lab, &tracer);
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
    let _ = told;
}

/// Waits until the first dump is in: what it shows of a socket of ours is told when that ends.
fn settle(lab: &Lab, tracer: &Tracer) {
    // Each look costs the tracer a round of dumps; a life from a dump that ends proves that it is done.
    loop {
        let pair = lab.pair();
        drop(pair.client);
        lab.b().until_in(pair.s, TcpState::CloseWait);
        drop(pair.server);
        let life = tracer.life(pair.s);
        if life.end() == "fin" {
            break;
        }
    }
    last(300);
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
    lab.cut();
    let connecting = lab.a().inside(|| socket(0));
    nonblocking(&connecting);
    let (_, sent) = during(|| {
        let _ = connect(&connecting, &listener.local_addr().unwrap());
    });
    let (_, dropped) = during(|| drop(dying.client));
    lab.a().until_in(dying.c, TcpState::FinWait1);
    last(700);
    let tracer = Tracer::start(&["--unfinished", "--through-time-wait"]);
    last(1500);
    let (c, l) = (cookie(&connecting), cookie(&listener));
    let lives = tracer.stop();
    let end = now();
    for (cookie, state, entered) in [
        (half.c, "FIN_WAIT_2", closed),
        (orphan.c, "FIN_WAIT_2", orphaned),
        (waiting, "TIME_WAIT", waited),
        (c, "SYN_SENT", sent),
        (dying.c, "FIN_WAIT_1", dropped),
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
    drop((half, orphan.server, dying.server));
}

#[test]
fn what_was_sent_before_counts_for_a_life_that_a_dump_showed() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let mut pair = lab.pair();
    send(&pair.client, 1000);
    pair.server.read_exact(&mut [0; 1000]).unwrap();
    let tracer = Tracer::start(&[]);
    settle(&lab, &tracer);
    drop(pair.client);
    lab.b().until_in(pair.s, TcpState::CloseWait);
    drop(pair.server);
    tracer.life(pair.s).has("bytes_received", 1000).has("end", "fin");
    tracer.life(pair.c).has("bytes_sent", 1000).has("end", "time_wait");
}
