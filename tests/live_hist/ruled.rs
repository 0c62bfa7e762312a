//! Timewait sockets that are too many to be told one by one: the kernel half counts them, its rule ends them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::space::Space;
use crate::support::tracer::{Tracer, command};
use crate::support::wait_until;

/// TIME_WAIT, and what the kernel's timers may come early.
const MINUTE: Duration = Duration::from_secs(60);

/// Counts by evidence of the last histogram of its kind; none are zeros.
fn counts(records: &[Value], what: &str) -> [u64; 4] {
    let of = |record: &&Value| {
        record["type"] == "histogram" && (record["state"] == what || record["measure"] == what)
    };
    let record = records.iter().rfind(of);
    ["exact", "at_least", "estimated", "unknown"]
        .map(|name| record.map_or(0, |record| record["evidence_counts"][name].as_u64().unwrap()))
}

#[test]
fn live_what_is_too_much_to_be_told_is_counted_and_ended_by_the_rule() {
    let Some(space) = Space::new() else { return };
    let scope = space.scope("btf");
    let run = |how: &[&str]| {
        let words = ["hist", "-o", "json", "--aggregate", "kernel", "--of", "all"];
        let scope = scope.iter().map(String::as_str);
        let mut command =
            command(&words.into_iter().chain(how.iter().copied()).chain(scope).collect::<Vec<_>>());
        command.env("TCPTRACE_TEST_MINIS", "0");
        Tracer::of(command)
    };
    let (early, mut late) = (run(&[]), run(&["--interval", "1s", "--cumulative"]));
    let mut actor = space.actor("ruled");
    let port = actor.listen("l", space.at4(0)).port();
    // Three that keep their descriptor: the peer's FIN comes to a whole socket.
    for _ in 0..3 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "shutdown c wr", "recv s", "close s", "recv c", "close c"]);
    }
    // Two orphans: it comes to a timewait socket, and no event tells when.
    for _ in 0..2 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "close c", "recv s"]);
        wait_until("FIN_WAIT_2 of an orphan", || space.ss(&["state", "fin-wait-2"]).lines().count() == 1);
        actor.must("close s");
    }
    let began = Instant::now();
    let now = early.stop();
    assert_eq!(now.records.last().unwrap()["events"], 0, "nothing is told: {:#?}", now.records);
    // The server's five, and three of the client's.
    let found = |records: &[Value]| {
        ["ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "fin_to_fin", "lifetime", "TIME_WAIT"]
            .map(|what| counts(records, what))
    };
    let whole = [[10, 0, 0, 0], [5, 0, 0, 0], [3, 0, 0, 0], [3, 0, 0, 0], [8, 0, 0, 0], [0; 4]];
    assert_eq!(found(&now.records), whole, "{:#?}", now.records);
    sleep((MINUTE - Duration::from_secs(5)).saturating_sub(began.elapsed()));
    late.wait_for("the rule's ends", |record| {
        record["state"] == "TIME_WAIT" && record["evidence_counts"]["estimated"] == 3
    });
    assert!(began.elapsed() > MINUTE - Duration::from_secs(2), "{:?}", began.elapsed());
    let late = late.stop();
    let over = [[10, 0, 0, 0], [5, 0, 0, 0], [3, 0, 0, 2], [3, 0, 0, 0], [8, 0, 0, 2], [0, 0, 3, 0]];
    assert_eq!(found(&late.records), over, "{:#?}", late.records);
}
