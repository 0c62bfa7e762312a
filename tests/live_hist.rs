//! `tcptrace hist` against connections whose dwell times are known, in a network namespace of their own, counted in the kernel and
//! here at once. Needs root; TCPTRACE_LIVE=1 makes the skip a failure.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and it fails by panicking"
)]
#![expect(dead_code, reason = "the support serves other tests too")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::space::Space;
use support::tracer::Tracer;

/// How long a connection stays in which state, measured by who makes it.
type Stays = BTreeMap<(&'static str, &'static str), Vec<u64>>;

const MS: u64 = 1_000_000;

/// A tracer with flags behind its command.
fn start(command: &[&str], flags: &[String]) -> Tracer {
    let flags = flags.iter().map(String::as_str);
    Tracer::start(&command.iter().copied().chain(flags).collect::<Vec<_>>())
}

/// Connections to a listener of one's own: ESTABLISHED for a while, then our FIN, and the peer answers after another while.
fn churn(space: &Space, count: u64) -> Stays {
    let mut actor = space.actor("dweller");
    let port = actor.listen("l", space.at4(0)).port();
    let mut stays = Stays::new();
    let sleep = |ms: u64| std::thread::sleep(Duration::from_millis(ms));
    for number in 0..count {
        actor.connect("c", space.at4(port));
        actor.must("accept l s");
        let open = Instant::now();
        sleep(20 + number % 5 * 20);
        actor.must("close c");
        let closed = Instant::now();
        sleep(10 + number % 4 * 30);
        actor.must("close s");
        let done = Instant::now();
        let ns = |span: Duration| span.as_nanos() as u64;
        stays.entry(("connect", "ESTABLISHED")).or_default().push(ns(closed - open));
        stays.entry(("accept", "ESTABLISHED")).or_default().push(ns(closed - open));
        stays.entry(("accept", "CLOSE_WAIT")).or_default().push(ns(done - closed));
    }
    actor.must("close l");
    stays
}

fn percentile(sorted: &[u64], percent: f64) -> u64 {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil().max(1.0) as usize;
    sorted[rank - 1]
}

fn near(found: u64, right: u64, what: &str) {
    // Orders take a part of a millisecond to arrive and to be answered, on a loaded machine more.
    let room = right as f64 * 0.03 + 2.0 * MS as f64;
    assert!((found as f64 - right as f64).abs() <= room, "{what}: {found} for {right}");
}

/// By role and state.
fn histograms(records: &[Value]) -> BTreeMap<(String, String), Value> {
    records
        .iter()
        .filter(|record| record["type"] == "histogram")
        .map(|record| {
            let role = record["group"]["role"].as_str().unwrap_or("none").to_owned();
            ((role, record["state"].as_str().unwrap().to_owned()), record.clone())
        })
        .collect()
}

#[test]
fn live_both_ways_of_counting_find_the_dwell_times() {
    let Some(space) = Space::new() else { return };
    let tracers = ["kernel", "user"]
        .map(|how| start(&["hist", "--aggregate", how, "--by", "role"], &space.scope("btf")));
    let stays = churn(&space, 40);
    let [kernel, user] = tracers.map(Tracer::stop);
    for run in [&kernel, &user] {
        assert_eq!(run.code, Some(0), "{:#?}", run.said);
        assert!(!run.said.iter().any(|line| line.contains("cannot count")), "{:#?}", run.said);
    }
    let (kernel, user) = (histograms(&kernel.records), histograms(&user.records));
    for ((role, state), mut truth) in stays {
        truth.sort_unstable();
        let key = (role.to_owned(), state.to_owned());
        for (how, found) in [("kernel", &kernel[&key]), ("user", &user[&key])] {
            assert_eq!(found["count"], truth.len(), "{how} {role} {state}");
            for (name, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0)] {
                let what = format!("{how} {role} {state} {name}");
                near(found[name].as_u64().unwrap(), percentile(&truth, percent), &what);
            }
            near(found["min"].as_u64().unwrap(), truth[0], &format!("{how} {role} {state} min"));
            let mean = truth.iter().sum::<u64>() / truth.len() as u64;
            near(found["mean"].as_u64().unwrap(), mean, &format!("{how} {role} {state} mean"));
        }
    }
    same(&kernel, &user);
}

/// The same stays in the same buckets, give or take one bucket: each program reads the clock for itself.
fn same(kernel: &BTreeMap<(String, String), Value>, user: &BTreeMap<(String, String), Value>) {
    let keys = |of: &BTreeMap<(String, String), Value>| of.keys().cloned().collect::<Vec<_>>();
    let of_connections = |key: &(String, String)| key.1 != "TIME_WAIT" && key.1 != "FIN_WAIT_2";
    let of = |all: Vec<(String, String)>| all.into_iter().filter(of_connections).collect::<Vec<_>>();
    assert_eq!(of(keys(kernel)), of(keys(user)));
    for (key, one) in kernel.iter().filter(|(key, _)| user.contains_key(*key)) {
        let other = &user[key];
        assert_eq!(one["count"], other["count"], "{key:?}");
        if key.1 == "FIN_WAIT_2" || key.1 == "TIME_WAIT" {
            // Their ends come from polls; only the stream sees the peer's end on the same host, which tells at once.
            let estimated = |record: &Value| record["evidence_counts"]["estimated"].as_u64().unwrap();
            assert!(estimated(one) <= estimated(other), "{key:?}");
        } else {
            assert_eq!(one["evidence_counts"], other["evidence_counts"], "{key:?}");
        }
        let expand = |record: &Value| -> Vec<f64> {
            let buckets = record["buckets"].as_array().unwrap();
            let index = |bound: &Value| (bound.as_f64().unwrap()).log2() * 16.0;
            buckets
                .iter()
                .flat_map(|bucket| {
                    std::iter::repeat_n(index(&bucket[0]), bucket[1].as_u64().unwrap() as usize)
                })
                .collect()
        };
        let (one, other) = (expand(one), expand(other));
        // Short stays differ by the time that one program runs before the other.
        let near = |(one, other): (&f64, &f64)| {
            (one - other).abs() <= 1.1 || (one.max(*other) / 16.0).exp2() < MS as f64
        };
        assert!(one.iter().zip(&other).all(near), "{key:?}: {one:?} {other:?}");
    }
}

#[test]
fn live_every_key_groups_and_the_rest_is_other() {
    let Some(space) = Space::new() else { return };
    let by = ["pid,lport,netns,cgroup,role", "comm,raddr", "end"];
    let tracers = by.map(|by| start(&["hist", "--by", by, "--max-groups", "2"], &space.scope("btf")));
    let mut actor = space.actor("grouped");
    let port = actor.listen("l", space.at4(0)).port();
    for _ in 0..6 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "linger0 c", "close c", "close s"]);
    }
    let [keys, names, ends] = tracers.map(|tracer| tracer.stop().records);
    let of = |records: &[Value], state: &str| -> Vec<Value> {
        let wanted = |record: &&Value| record["type"] == "histogram" && record["state"] == state;
        records.iter().filter(wanted).cloned().collect()
    };
    let all = |records: &[Value]| {
        of(records, "ESTABLISHED").iter().map(|one| one["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((all(&keys), all(&names), all(&ends)), (12, 12, 12), "{keys:#?}");
    let server = of(&keys, "ESTABLISHED").into_iter().find(|one| one["group"]["lport"] == port);
    let Some(server) = server else { panic!("{keys:#?}") };
    assert_eq!((&server["group"]["pid"], &server["count"]), (&actor.pid().into(), &6.into()));
    assert_eq!(server["group"]["netns"], space.netns.inode);
    assert!(of(&keys, "ESTABLISHED").iter().any(|one| one["group"]["other"] == true));
    let named = of(&names, "ESTABLISHED");
    assert_eq!(named[0]["group"]["comm"], "grouped", "{named:#?}");
    assert_eq!(named[0]["group"]["raddr"], space.v4.to_string(), "{named:#?}");
    let ended: Vec<_> = of(&ends, "ESTABLISHED").iter().map(|one| one["group"]["end"].clone()).collect();
    assert_eq!(ended, ["rst_received", "rst_sent"]);
}

#[test]
fn live_the_log_is_read_by_hdrhistogram_itself() {
    let Some(space) = Space::new() else { return };
    let has = Command::new("python3").args(["-c", "import hdrh.log"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: needs python3 with the package hdrhistogram");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.hlog");
    let path = log.to_str().unwrap();
    let tracer = start(&["hist", "--hdr", path], &space.scope("btf"));
    churn(&space, 10);
    let run = tracer.stop();
    let script = "import sys; from hdrh.log import HistogramLogReader; from hdrh.histogram import HdrHistogram as H\n\
                  r = HistogramLogReader(sys.argv[1], H(1, 1 << 62, 3))\n\
                  while True:\n h = r.get_next_interval_histogram()\n if h is None: break\n \
                  print(h.get_tag(), h.get_total_count(), h.get_value_at_percentile(50))";
    let printed = support::run("python3", &["-c", script, path]);
    let histograms =
        run.records.iter().filter(|record| record["count"].as_u64().is_some_and(|count| count > 0));
    let mut seen = 0;
    for record in histograms.filter(|record| record["type"] == "histogram") {
        let state = record["state"].as_str().unwrap();
        let line = printed.lines().find(|line| line.starts_with(&format!("{state} ")));
        let Some(line) = line else { panic!("{state} is not in {printed}") };
        let words: Vec<f64> = line.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
        let p50 = record["p50"].as_f64().unwrap();
        assert_eq!(words[0], record["count"].as_f64().unwrap(), "{line}");
        assert!((words[1] / p50 - 1.0).abs() < 0.025, "{line}: {p50}");
        assert!(record["hdr"].is_string());
        seen += 1;
    }
    assert!(seen >= 4, "{printed}");
}
