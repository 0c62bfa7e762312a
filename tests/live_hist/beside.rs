//! What is not exact is counted beside, never among the lengths.

use serde_json::Value;

use crate::start;
use crate::support::space::Space;
use crate::support::tracer::Tracer;
use crate::support::wait_until;

/// Counts by evidence of a histogram, and its lengths.
fn counts(records: &[Value], what: &str) -> [u64; 4] {
    let of = |record: &&Value| {
        record["type"] == "histogram" && (record["state"] == what || record["measure"] == what)
    };
    // Each showing is of the whole run.
    let Some(record) = records.iter().rfind(of) else { panic!("no {what} in {records:#?}") };
    let beside = |name: &str| record["evidence_counts"][name].as_u64().unwrap();
    let lengths = record["buckets"].as_array().unwrap().iter().map(|bucket| bucket[1].as_u64().unwrap());
    assert_eq!(record["count"], lengths.sum::<u64>(), "{record}");
    assert_eq!(record["count"], beside("exact"), "{record}");
    assert_eq!(record["beyond_range"], 0, "{record}");
    if record["count"] == 0 {
        for figure in ["min", "max", "mean", "stdev", "p50", "p99_9"] {
            assert!(record[figure].is_null(), "{record}");
        }
    }
    ["exact", "at_least", "estimated", "unknown"].map(beside)
}

#[test]
fn live_what_began_before_and_what_is_estimated_stays_outside_of_the_buckets() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("beside");
    let port = actor.listen("l", space.at4(0)).port();
    actor.connect("old", space.at4(port));
    actor.must("accept l t");
    let mut tracers = ["kernel", "user"].map(|how| {
        start(
            &["hist", "--aggregate", how, "--of", "all", "--interval", "200ms", "--cumulative"],
            &space.scope("btf"),
        )
    });
    // The first dump must have seen it, or here nothing at all is known of it.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    // It was established before: how long cannot be said. Its closing is seen whole.
    actor.all(&["shutdown old wr", "recv t", "close t", "recv old", "close old"]);
    // An orphan in FIN_WAIT_2: no event tells when its peer's FIN comes.
    actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close c", "recv s"]);
    let mut orphan = String::new();
    wait_until("FIN_WAIT_2 of an orphan", || {
        orphan = space.ss(&["-o", "state", "fin-wait-2"]);
        orphan.lines().count() == 1
    });
    // Where the acknowledgement of its FIN came while close() still had it (Linux `tcp_rcv_state_process`) it is no timewait socket, and an
    // event tells of its peer's FIN: that end is exact.
    let whole = u64::from(!orphan.contains("timewait"));
    actor.must("close s");
    // A dump finds it in TIME_WAIT, whenever there is one: only then is the end of FIN_WAIT_2 estimated.
    for tracer in &mut tracers {
        tracer.wait_for("the orphan's end", |record| {
            let ends = &record["evidence_counts"];
            record["measure"] == "lifetime"
                && (&ends["exact"], &ends["estimated"]) == (&(1 + whole).into(), &(1 - whole).into())
        });
    }
    for (how, run) in ["kernel", "user"].into_iter().zip(tracers.map(Tracer::stop)) {
        let found = |what| counts(&run.records, what);
        // Two old ends, and two that were seen from their birth.
        assert_eq!(found("ESTABLISHED"), [2, 2, 0, 0], "{how}");
        assert_eq!(found("CLOSE_WAIT"), [2, 0, 0, 0], "{how}");
        assert_eq!(found("reaction"), [2, 0, 0, 0], "{how}");
        assert_eq!(found("FIN_WAIT_2"), [1 + whole, 0, 1 - whole, 0], "{how}");
        assert_eq!(found("fin_to_fin"), [1 + whole, 0, 1 - whole, 0], "{how}");
        assert_eq!(found("accept_wait"), [1, 0, 0, 0], "{how}");
        // The orphan's end is estimated, so its life is; both old ones began before.
        assert_eq!(found("lifetime"), [1 + whole, 2, 1 - whole, 0], "{how}");
        let [exact, at_least, estimated, unknown] = found("handshake");
        assert_eq!((exact + unknown, at_least, estimated), (2, 0, 0), "{how}");
    }
}
