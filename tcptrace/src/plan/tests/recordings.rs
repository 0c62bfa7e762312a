//! Lives, and what is written and read again.

use super::*;

#[test]
fn flags_of_lives_become_its_rules() {
    let lives = lives(
        "lives --end rst-sent,TIMEOUT --min-duration 10s --min-in-state CLOSE_WAIT=1s,fin-wait-2=500ms --through-time-wait",
    );
    assert_eq!(
        lives.filter,
        LifeFilter {
            ends: vec![End::RstSent, End::Timeout],
            min_duration: Some(Duration::from_secs(10)),
            min_in_state: vec![
                (TcpState::CloseWait, Duration::from_secs(1)),
                (TcpState::FinWait2, Duration::from_millis(500)),
            ],
        }
    );
    assert!(lives.through_time_wait && !lives.unfinished);
}

#[test]
fn wrong_flags_of_lives_are_refused() {
    refused(&[
        ("lives --end exploded", "cannot end `exploded`; the words are time_wait fin"),
        ("lives --min-in-state CLOSE_WAIT", "lacks the time"),
        ("lives --min-in-state NOWHERE=1s", "not a TCP state"),
        ("lives --min-in-state CLOSE_WAIT=1", "e.g. 1s"),
        ("lives --min-duration long", "not a duration"),
        ("lives --unfinished --end fin", "contradict"),
    ]);
}

fn recording(line: &str) -> Record {
    match plan(line) {
        Ok(Plan::Record(record)) => *record,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_recording_has_a_name_limits_and_filters() {
    let record = recording(
        "--pid 1001,1002 record rec.jsonl.zst --max-size 100M --rotate 5 -4 --lport 80,443 -d 1m --exact",
    );
    assert_eq!(record.path, Path::new("rec.jsonl.zst"));
    assert_eq!((record.limits.max_bytes, record.limits.rotate), (Some(100 << 20), Some(5)));
    assert_eq!(record.filters, "--pid 1001,1002 --lport 80,443 -4");
    assert!(record.trace.exact && record.trace.filter.pids.contains(&1002) && record.trace.notes.is_empty());
    assert_eq!(record.trace.duration, Some(Duration::from_secs(60)));
    let plain = recording("record out");
    assert_eq!((plain.limits, plain.filters.as_str()), (crate::sink::record::Limits::default(), ""));
    assert!(plain.trace.notes[0].contains("does not end in .jsonl.zst"), "{:?}", plain.trace.notes);
    assert_eq!(plan("repair rec.jsonl.zst.part"), Ok(Plan::Repair("rec.jsonl.zst.part".into())));
}

#[test]
fn wrong_flags_of_record_are_refused() {
    refused(&[
        ("record x --rotate 3", "needs --max-size"),
        ("record x --max-size 1M --rotate 0", "whole number from 1"),
        ("record x --max-size 10K", "the least is 1M"),
        ("record x --max-size big", "not a size"),
        ("record x -o json", "use them with --from"),
        ("record x --columns pid --output y", "takes no output flags"),
        ("record x --raw", "anyway"),
        ("record x --state close-wait", "whole lives"),
        ("record x --count 5", "--duration or --max-size"),
        ("record x --from y", "already there"),
        ("record -", "name a file"),
    ]);
    for (line, needle) in [
        ("record there.jsonl.zst", "there.jsonl.zst exists"),
        ("record broken.jsonl.zst", "tcptrace repair"),
        ("record /none/out.json", "/none does not exist"),
        ("record", "FILE"),
        ("repair", "FILE"),
        ("repair x --pid 1001", "takes no filters"),
        ("repair x --from y", "takes no tracing flags"),
        ("schema --from y", "takes no tracing flags"),
    ] {
        let said = plan(line).unwrap_err().message;
        assert!(said.contains(needle), "{line}: {said}");
    }
}

#[test]
fn a_recording_is_read_by_every_view_and_of_another_host() {
    let trace =
        trace("--from rec.jsonl.zst --pace --pid 999999 --uid 33 --netns 12,net:[13] -d 5s -n 3 --raw");
    assert_eq!((trace.from.as_deref(), trace.pace), (Some(Path::new("rec.jsonl.zst")), true));
    assert!(trace.filter.pids.contains(&999_999), "no process of this host");
    assert_eq!((trace.filter.netns.as_slice(), trace.notes.as_slice()), (&[12, 13][..], &[][..]));
    assert!(lives("lives --from rec.jsonl.zst --unfinished").unfinished);
    refused(&[
        ("--from x --attach btf", "decided when it was recorded"),
        ("--from x --exact", "decided when it was recorded"),
        ("--from x --mptcp", "decided when it was recorded"),
        ("lives --from x --ring-size 8M", "decided when it was recorded"),
        ("--from x --uid www-data", "by number only"),
        ("--from x --netns blue", "by inode number only"),
        ("--from x --cgroup /system.slice", "does not know the paths"),
        ("--pace", "needs --from"),
    ]);
}
