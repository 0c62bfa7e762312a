//! Which sockets are counted: the filters of the stream, children of processes, MPTCP, the classic path.

use serde_json::Value;

use crate::start;
use crate::support::space::Space;
use crate::support::tracer::Tracer;

/// How many stays in ESTABLISHED were counted, with or without a length.
fn established(records: &[Value]) -> u64 {
    let of = |record: &&Value| record["type"] == "histogram" && record["state"] == "ESTABLISHED";
    let counts = records.iter().filter(of).flat_map(|record| record["evidence_counts"].as_object().unwrap());
    counts.map(|(_, count)| count.as_u64().unwrap()).sum()
}

#[test]
fn live_every_filter_counts_what_the_stream_would_show() {
    let Some(space) = Space::new() else { return };
    let (mut alpha, mut beta) = (space.actor("alpha"), space.actor("beta"));
    alpha.must("uid 1001");
    let port4 = alpha.listen("a", space.at4(0)).port();
    let port6 = alpha.listen("b", space.at6(0)).port();
    let (pid, v6) = (alpha.pid().to_string(), space.v6.to_string());
    let (port, other) = (port4.to_string(), port6.to_string());
    // Alpha accepts three of v4 and two of v6, to which beta connects: ten ends.
    let cases: [(&[&str], u64); 10] = [
        (&[], 10),
        (&["--pid", &pid], 5),
        (&["--uid", "1001"], 5),
        (&["--port", &port], 6),
        (&["--lport", &port], 3),
        (&["--rport", &other], 2),
        (&["-4"], 6),
        (&["-6"], 4),
        (&["--raddr", &v6], 4),
        (&["--comm", "beta"], 5),
    ];
    for how in ["kernel", "user"] {
        let tracers: Vec<Tracer> = cases
            .iter()
            .map(|(filter, _)| {
                let words = ["hist", "--ring-size", "1M", "--of", "all", "--aggregate", how];
                start(&[&words[..], filter].concat(), &space.scope("btf"))
            })
            .collect();
        for to in [space.at4(port4), space.at4(port4), space.at4(port4), space.at6(port6), space.at6(port6)] {
            beta.connect("c", to);
            alpha.must(if to.is_ipv4() { "accept a s" } else { "accept b s" });
            beta.must("close c");
            alpha.all(&["recv s", "close s"]);
        }
        for ((filter, expected), tracer) in cases.iter().zip(tracers) {
            let run = tracer.stop();
            assert_eq!(established(&run.records), *expected, "{how} {filter:?}: {:#?}", run.records);
            let waits = run.records.iter().filter(|record| record["measure"] == "accept_wait");
            let waits: u64 = waits.map(|record| record["count"].as_u64().unwrap()).sum();
            // Each accepted end of those has waited.
            let accepted = match filter {
                [] | ["--pid" | "--uid", _] => 5,
                ["--port" | "--lport", _] | ["-4"] => 3,
                ["-6"] | ["--raddr", _] => 2,
                _ => 0,
            };
            assert_eq!(waits, accepted, "{how} {filter:?}: {:#?}", run.records);
        }
    }
}

#[test]
fn live_children_of_a_process_are_counted_with_follow_forks() {
    let Some(space) = Space::new() else { return };
    let mut parent = space.actor("parent");
    let mut server = space.actor("server");
    let port = server.listen("l", space.at4(0)).port();
    let pid = parent.pid().to_string();
    for how in ["kernel", "user"] {
        let words = ["hist", "--aggregate", how, "--pid", &pid];
        let alone = start(&words, &space.scope("btf"));
        let followed = start(&[&words[..], &["--follow-forks"]].concat(), &space.scope("btf"));
        parent.must("fork k child");
        let to = space.at4(port);
        parent.all(&["child k socket c 4", &format!("child k connect c {to}")]);
        server.must("accept l s");
        parent.must("child k close c");
        server.all(&["recv s", "close s"]);
        assert_eq!(established(&alone.stop().records), 0, "{how}");
        assert_eq!(established(&followed.stop().records), 1, "{how}");
    }
}

#[test]
fn live_mptcp_is_counted_when_asked_for() {
    let Some(space) = Space::new() else { return };
    if !std::path::Path::new("/proc/sys/net/mptcp/enabled").exists() {
        println!("skipped: this kernel has no MPTCP");
        return;
    }
    let mut actor = space.actor("mptcp");
    for how in ["kernel", "user"] {
        let plain = start(&["hist", "--aggregate", how], &space.scope("btf"));
        let both = start(&["hist", "--aggregate", how, "--mptcp"], &space.scope("btf"));
        actor.all(&["mptcp l", &format!("bind l {}", space.at4(0)), "listen l 8"]);
        let at = actor.local("l");
        actor.all(&[
            "mptcp c",
            &format!("connect c {at}"),
            "accept l s",
            "linger0 c",
            "close c",
            "close s",
            "close l",
        ]);
        let (plain, both) = (established(&plain.stop().records), established(&both.stop().records));
        // The subflows are TCP; above each pair of them is a connection of MPTCP.
        assert!(plain >= 2 && both > plain, "{how}: {plain} {both}");
    }
}

#[test]
fn live_the_classic_path_counts_here_and_says_so() {
    let Some(space) = Space::new() else { return };
    let tracer = start(&["hist", "--of", "all"], &space.scope("classic"));
    let mut actor = space.actor("classic");
    let port = actor.listen("l", space.at4(0)).port();
    for _ in 0..3 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "close c", "recv s", "close s"]);
    }
    let run = tracer.stop();
    let says = |what: &str| run.said.iter().any(|line| line.contains(what));
    assert!(says("the classic path cannot be counted in the kernel"), "{:#?}", run.said);
    assert_eq!(established(&run.records), 6, "{:#?}", run.records);
    for (measure, count) in [("accept_wait", 3), ("reaction", 3)] {
        let found = run.records.iter().find(|record| record["measure"] == measure);
        assert_eq!(found.unwrap()["count"], count, "{:#?}", run.records);
    }
}
