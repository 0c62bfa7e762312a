//! Nothing is lost silently: what is printed and what is reported lost add up to what was fired.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::ended::Ended;
use crate::support::space::Space;

const CONNECTIONS: u64 = 1500;

/// Six state changes a connection, two of the listener.
const FIRED: u64 = CONNECTIONS * 6 + 2;

/// Lets a tracer sleep through a burst, or not.
fn burst(attach: &str, words: &[&str], asleep: bool) -> Option<Ended> {
    let space = Space::new()?;
    let mut actor = space.actor("burst");
    let tracer = space.tracer(attach, words);
    if asleep {
        tracer.signal(Signal::STOP);
    }
    actor.listen("l", space.at4(0));
    actor.must(&format!("burst l {CONNECTIONS}"));
    actor.must("close l");
    tracer.signal(Signal::INT);
    tracer.signal(Signal::CONT);
    Some(tracer.end())
}

fn lost_records(run: &Ended) -> impl Iterator<Item = &Value> {
    run.records.iter().filter(|record| record["type"] == "lost")
}

#[test]
fn a_small_ring_loses_and_says_how_many_exactly() {
    for attach in ["btf", "classic"] {
        for asleep in [true, false] {
            let words = ["--raw", "--ring-size", "64K"];
            let Some(run) = burst(attach, &words, asleep) else { return };
            let lost = run.summary()["lost"].as_u64().unwrap();
            let printed = run.transitions().count() as u64;
            assert_eq!(printed + lost, FIRED, "{attach}, {printed} printed, {lost} lost: {:?}", run.said);
            assert_eq!(run.code, Some(0));
            let told: u64 = lost_records(&run).map(|record| record["count"].as_u64().unwrap()).sum();
            assert_eq!(told, lost);
            if asleep {
                assert!(lost > 0 && printed > 0, "{printed} printed, {lost} lost");
                let last = lost_records(&run).last().unwrap();
                assert_eq!(last["total"], lost, "{last}");
                assert!(run.said.iter().any(|line| line.starts_with("lost ")), "{:?}", run.said);
            }
        }
    }
}

#[test]
fn the_default_ring_holds_what_a_sleeping_tracer_did_not_read() {
    for attach in ["btf", "classic"] {
        let Some(run) = burst(attach, &["--raw"], true) else { return };
        run.check();
        assert_eq!(run.transitions().count() as u64, FIRED, "{attach}");
        assert_eq!(lost_records(&run).count(), 0);
    }
}

#[test]
fn strict_ends_with_4_when_events_were_lost_and_only_then() {
    let Some(run) = burst("btf", &["--strict", "--ring-size", "64K"], true) else { return };
    assert_eq!(run.code, Some(4), "{:#?}", run.said);
    let Some(run) = burst("btf", &["--strict"], true) else { return };
    run.check();
}

#[test]
fn two_tracers_at_once_both_see_everything() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("burst");
    let tracers = [space.tracer("btf", &[]), space.tracer("classic", &[])];
    actor.listen("l", space.at4(0));
    actor.must(&format!("burst l {CONNECTIONS}"));
    actor.must("close l");
    for tracer in tracers {
        let run = tracer.stop();
        run.check();
        assert_eq!(run.transitions().count() as u64, FIRED, "{:?}", run.said);
    }
}

#[test]
fn a_deaf_probe_is_found_out_before_anything_is_said_to_be_traced() {
    use crate::support::tracer::command;
    let Some(_) = Space::new() else { return };
    for attach in ["btf", "classic"] {
        let output = command(&["--attach", attach]).env("TCPTRACE_TEST_HEARS", "nobody").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{attach}: {said}");
        assert!(
            said.contains("deaf") && !said.contains("tracing sock") && said.lines().count() == 1,
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_two_programs_see_is_told_and_counted_once() {
    use crate::support::tracer::{Tracer, attaches_twice, second_twice};
    let Some(space) = Space::new() else { return };
    if !attaches_twice() {
        return;
    }
    let scope = space.scope("btf");
    let start = |words: &[&str]| {
        Tracer::of(second_twice(
            &words.iter().copied().chain(scope.iter().map(String::as_str)).collect::<Vec<_>>(),
        ))
    };
    let stream = start(&["--raw"]);
    let counts = [&["hist"][..], &["hist", "--by", "comm"]].map(start);
    let mut actor = space.actor("twice");
    let port = actor.listen("l", space.at4(0)).port();
    for _ in 0..20 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "close c", "recv s", "close s"]);
    }
    actor.must("close l");
    let run = stream.stop();
    run.check();
    assert_eq!(run.transitions().count(), 20 * 10 + 2, "{:?}", run.said);
    for run in counts.map(Tracer::stop) {
        for state in ["SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "CLOSE_WAIT", "LAST_ACK", "LISTEN"] {
            let records = run.records.iter().filter(|record| record["state"] == state);
            let all: u64 = records.clone().map(|record| record["count"].as_u64().unwrap()).sum();
            let expected = match state {
                "ESTABLISHED" => 40,
                "LISTEN" => 1,
                _ => 20,
            };
            assert_eq!(all, expected, "{state}: {:#?}", run.records);
            let unknown = records.map(|record| record["evidence_counts"]["unknown"].as_u64().unwrap());
            assert_eq!(unknown.sum::<u64>(), 0, "{state}: {:#?}", run.records);
        }
    }
}

#[test]
fn a_ring_that_never_empties_does_not_hold_up_the_end() {
    let Some(space) = Space::new() else { return };
    // More than a slow reader takes.
    let mut actors = [space.actor("burst-1"), space.actor("burst-2")];
    for actor in &mut actors {
        actor.listen("l", space.at4(0));
    }
    std::thread::scope(|scope| {
        for actor in &mut actors {
            scope.spawn(|| actor.must("burst l 40000"));
        }
        // Waits for it, but not for minutes.
        let run = space.tracer("btf", &["--raw", "-d", "300ms"]).end();
        assert_eq!(run.code, Some(0), "{:#?}", run.said);
    });
}
