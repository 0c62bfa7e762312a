//! Two recordings of real connections, compared.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::start;
use crate::support::space::Space;
use crate::support::tracer::command;

/// Records connections whose server takes `ms` to close.
fn record(space: &Space, file: &Path, ms: u64) {
    let path = file.to_str().unwrap();
    let mut recorder = command(
        &[&["record", path], &space.scope("btf").iter().map(String::as_str).collect::<Vec<_>>()[..]].concat(),
    )
    .spawn()
    .unwrap();
    let said = crate::support::tracer::lines(recorder.stderr.take().unwrap());
    crate::support::tracer::wait_for_line(&said, &mut Vec::new(), "tcptrace: tracing ");
    let mut actor = space.actor("deployed");
    let port = actor.listen("l", space.at4(0)).port();
    for number in 0..12 {
        actor.connect("c", space.at4(port));
        actor.all(&["accept l s", "close c", "recv s"]);
        std::thread::sleep(Duration::from_millis(ms + number % 3));
        actor.must("close s");
    }
    crate::support::tracer::signal(&recorder, rustix::process::Signal::INT);
    assert!(crate::support::tracer::ended(&mut recorder).success());
}

#[test]
fn live_a_slower_close_is_found_and_an_equal_one_is_not() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let files = ["before", "same", "slower"].map(|name| folder.path().join(format!("{name}.jsonl.zst")));
    for (file, ms) in files.iter().zip([30, 30, 120]) {
        record(&space, file, ms);
    }
    let [before, same, slower] = files.map(|file| file.to_str().unwrap().to_owned());
    let compared = |now: &str, more: &[&str]| -> Vec<Value> {
        let words = ["hist", "--from", now, "--against", &before, "--of", "all", "-o", "json"];
        let output = command(&[&words[..], more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let of = |records: &[Value], what: &str, percent: f64| -> Value {
        let fits = |record: &&Value| {
            record["type"] == "comparison"
                && (record["measure"] == what || record["state"] == what)
                && record["percentile"] == percent
        };
        records.iter().find(fits).unwrap_or_else(|| panic!("no {what} in {records:#?}")).clone()
    };
    let slow = compared(&slower, &[]);
    for what in ["reaction", "CLOSE_WAIT"] {
        let p50 = of(&slow, what, 50.0);
        assert_eq!((&p50["verdict"], &p50["before"]["count"]), (&"longer".into(), &12.into()), "{p50}");
        let [low, shift, high] = ["shift_low", "shift", "shift_high"].map(|name| p50[name].as_i64().unwrap());
        assert!(low <= shift && shift <= high && low > 0 && shift > 60_000_000, "{p50}");
        let p99 = of(&slow, what, 99.0);
        assert_eq!((&p99["verdict"], &p99["needed"]), (&"too_few".into(), &437.into()), "{p99}");
        assert!(p99["shift_low"].is_null() && p99["shift"].is_i64(), "{p99}");
    }
    assert_eq!(of(&compared(&before, &[]), "reaction", 50.0)["verdict"], "none_shown");
    // The same twice gives the same, to the byte.
    assert_eq!(slow, compared(&slower, &[]));
    let grouped = compared(&same, &["--by", "role", "--percentiles", "50"]);
    let p50 = of(&grouped, "reaction", 50.0);
    assert_eq!((&p50["group"]["role"], &p50["now"]["count"]), (&"accept".into(), &12.into()), "{p50}");
    assert_eq!(grouped.last().unwrap()["type"], "summary");
}

#[test]
fn live_a_recording_is_counted_as_the_load_was() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("load.jsonl.zst");
    let live = start(&["hist", "--aggregate", "user", "--of", "all"], &space.scope("btf"));
    record(&space, &file, 20);
    let live = live.stop().records;
    let output =
        command(&["hist", "--from", file.to_str().unwrap(), "--of", "all", "-o", "json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let replayed: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for what in ["CLOSE_WAIT", "reaction", "accept_wait", "handshake", "lifetime"] {
        let of = |records: &[Value]| {
            let fits = |record: &&Value| record["state"] == what || record["measure"] == what;
            let record = records.iter().find(fits).unwrap_or_else(|| panic!("no {what} in {records:#?}"));
            record["evidence_counts"].clone()
        };
        assert_eq!(of(&live), of(&replayed), "{what}");
    }
}
