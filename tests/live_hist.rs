//! `tcptrace hist` against connections whose dwell times are known, in network namespaces of their own. Needs root;
//! TCPTRACE_LIVE=1 makes the skip a failure.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skipped"
)]
#![expect(dead_code, reason = "the support serves other tests too")]

#[path = "live_hist/beside.rs"]
mod beside;
#[path = "live_hist/dwell.rs"]
mod dwell;
#[path = "live_hist/log.rs"]
mod log;
#[path = "live_hist/ruled.rs"]
mod ruled;
#[path = "live_hist/scope.rs"]
mod scope;
#[path = "live_hist/shift.rs"]
mod shift;
mod support;
#[path = "live_hist/truth.rs"]
mod truth;

use serde_json::Value;
use support::space::Space;
use support::tracer::Tracer;

const MS: u64 = 1_000_000;

/// A tracer with flags behind its command.
fn start(command: &[&str], flags: &[String]) -> Tracer {
    let flags = flags.iter().map(String::as_str);
    Tracer::start(&command.iter().copied().chain(flags).collect::<Vec<_>>())
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
