//! Both ways of counting against dwell times that are known, and against each other, on one and the same load.

use crate::dwell::{Dwells, Histograms};
use crate::start;
use crate::support::space::Space;
use crate::support::tracer::{Tracer, command, ended, lines, signal, wait_for_line};

#[test]
fn live_both_ways_of_counting_find_the_dwell_times() {
    let Some(space) = Space::new() else { return };
    let tracers = ["kernel", "user"].map(|how| {
        // The port of who connects is of no matter: all of them are one group.
        let words = ["hist", "--aggregate", how, "--of", "all"];
        let grouped = [&words[..], &["--by", "role,lport", "--lport", "1-65535"]].concat();
        (
            start(&grouped, &space.scope("btf")),
            start(&[&words[..], &["--by", "role"]].concat(), &space.scope("btf")),
        )
    });
    let dwells = Dwells::of_services(&space, 9);
    let [kernel, user] = tracers.map(|(by_port, by_role)| [by_port, by_role].map(Tracer::stop));
    let mut found = Vec::new();
    for (how, runs) in [("kernel", kernel), ("user", user)] {
        for run in &runs {
            assert_eq!(run.code, Some(0), "{:#?}", run.said);
            assert!(!run.said.iter().any(|line| line.contains("cannot")), "{:#?}", run.said);
        }
        let [by_port, by_role] = runs;
        let accepted = |record: &&serde_json::Value| record["group"]["role"] == "accept";
        let connected = |record: &&serde_json::Value| record["group"]["role"] == "connect";
        let mut records: Vec<_> = by_port.records.iter().filter(accepted).cloned().collect();
        records.extend(by_role.records.iter().filter(connected).cloned());
        let histograms = Histograms::of(&records);
        dwells.check(how, &histograms);
        found.push(histograms);
    }
    let [kernel, user] = &found[..] else { panic!("two ways") };
    kernel.check_same(user);
    // A handshake of each end, and no SYN_RECV: that of an accepted connection has no length.
    for role in ["accept", "connect"] {
        let shakes = kernel.0.iter().filter(|(key, _)| key.0 == role && key.2 == "handshake");
        let counted = |record: &serde_json::Value| {
            record["count"].as_u64().unwrap() + record["evidence_counts"]["unknown"].as_u64().unwrap()
        };
        assert_eq!(shakes.map(|(_, record)| counted(record)).sum::<u64>(), 27, "{role}");
    }
    assert!(kernel.0.keys().all(|key| key.2 != "SYN_RECV"));
}

#[test]
fn live_counters_read_one_by_one_are_the_same() {
    let Some(space) = Space::new() else { return };
    // As on kernels that have no batches.
    let runs = ["", "TCPTRACE_TEST_SINGLY"].map(|singly| {
        let scope = space.scope("btf");
        let words = ["hist", "--aggregate", "kernel", "--of", "all", "--by", "role", "-o", "json"];
        let mut command =
            command(&words.into_iter().chain(scope.iter().map(String::as_str)).collect::<Vec<_>>());
        if !singly.is_empty() {
            command.env(singly, "1");
        }
        let mut child = command.spawn().unwrap();
        let (out, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        wait_for_line(&said, &mut Vec::new(), "tcptrace: tracing ");
        (child, out)
    });
    Dwells::of_services(&space, 2);
    let [batches, singly] = runs.map(|(mut child, out)| {
        signal(&child, rustix::process::Signal::INT);
        assert!(ended(&mut child).success());
        Histograms::of(&out.iter().map(|line| serde_json::from_str(&line).unwrap()).collect::<Vec<_>>())
    });
    assert!(batches.0.len() > 12, "{:?}", batches.0.keys());
    batches.check_same(&singly);
}

#[test]
fn live_only_what_is_asked_for_is_counted() {
    let Some(space) = Space::new() else { return };
    let tracers = ["kernel", "user"]
        .map(|how| start(&["hist", "--aggregate", how, "--of", "reaction,accept-wait"], &space.scope("btf")));
    let mut actor = space.actor("asked");
    let port = actor.listen("l", space.at4(0)).port();
    for _ in 0..3 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "close c", "recv s", "close s"]);
    }
    // Reset, not closed: no reaction.
    actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close c", "recv s", "linger0 s", "close s"]);
    // Reset while it waits: no wait for accept().
    actor.connect("c", space.at4(port));
    actor.all(&["linger0 c", "close c", "accept l s"]);
    for run in tracers.map(Tracer::stop) {
        let found: Vec<_> = run.records.iter().filter(|record| record["type"] == "histogram").collect();
        let words: Vec<_> = found.iter().map(|one| (&one["measure"], &one["state"], &one["count"])).collect();
        let null = serde_json::Value::Null;
        let expected = [(&"accept_wait".into(), &null, &4.into()), (&"reaction".into(), &null, &3.into())];
        assert_eq!(words, expected, "{found:#?}");
    }
}
