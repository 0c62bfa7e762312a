//! How long, how many, how large, and into what.

use super::*;

#[test]
fn durations_have_units() {
    for (word, millis) in [("30s", 30_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5s", 1500)] {
        assert_eq!(trace(&format!("-d {word}")).duration, Some(Duration::from_millis(millis)), "{word}");
    }
    refused(&[
        ("--duration 30", "e.g. 30s"),
        ("--duration=5parsecs", "not a duration"),
        ("--duration 0s", "no time"),
        ("--duration=-5s", "negative"),
        ("--duration=", "not a duration"),
        ("--duration 1mo", "not a duration"),
    ]);
    let spaced = parse(["tcptrace", "--duration", "5 parsecs"]).unwrap();
    let Parsed::Args(args) = spaced else { panic!("help") };
    let said = Plan::new(&args, &FakeHost).unwrap_err().message;
    assert!(said.contains("`5 parsecs` is not a duration"), "{said}");
}

#[test]
fn counts_start_at_one() {
    assert_eq!(trace("-n 5").count, Some(5));
    assert_eq!(trace("--max-connections 10").max_connections, 10);
    refused(&[
        ("--count 0", "whole number from 1"),
        ("--count=-1", "whole number"),
        ("--count many", "whole number"),
        ("--max-connections 0", "whole number from 1"),
    ]);
}

#[test]
fn a_ring_is_rounded_up_to_a_power_of_two_of_pages_and_that_is_said() {
    assert_eq!(trace("--ring-size 64K").ring_bytes, 65_536);
    assert!(trace("--ring-size 64K").notes.is_empty());
    for (word, bytes, said) in [("100KiB", 131_072, "128K"), ("1", 4096, "4K"), ("3M", 4 << 20, "4M")] {
        let trace = trace(&format!("--ring-size {word}"));
        assert_eq!(trace.ring_bytes, bytes, "{word}");
        assert!(trace.notes[0].contains(said), "{:?}", trace.notes);
    }
    assert_eq!(trace("--ring-size 2G").ring_bytes, 1 << 31);
    refused(&[
        ("--ring-size 3G", "largest"),
        ("--ring-size 0", "not a size"),
        ("--ring-size big", "not a size"),
        ("--ring-size 99999999999999G", "not a size"),
    ]);
}

#[test]
fn output_flags_agree_on_one_format() {
    for (line, format, wide) in [
        ("-o json", Format::Json, false),
        ("--json -o json", Format::Json, false),
        ("-s", Format::Csv, false),
        ("-w", Format::Text, true),
        ("-o wide -w", Format::Text, true),
        ("-o text -w", Format::Text, true),
    ] {
        let output = trace(line).output;
        assert_eq!((output.format, output.wide), (format, wide), "{line}");
    }
    refused(&[
        ("--json -o csv", "-o csv and --json contradict"),
        ("--json -s", "choose one output format"),
        ("--json -w", "choose one output format"),
        ("--json --columns pid", "--columns does not go with JSON"),
        ("--json --time utc", "fixed"),
        ("-T -t", "one time column"),
        ("--time utc -T", "one time column"),
    ]);
    assert_eq!(trace("-t").output.time, Some(TimeStyle::Delta));
    assert_eq!(trace("-T --time local").output.time, Some(TimeStyle::Local));
}

#[test]
fn columns_are_named_in_order_and_once() {
    let output = trace("--columns to,owner_how,PID").output;
    assert_eq!(output.columns, Some(vec![Column::To, Column::OwnerHow, Column::Pid]));
    refused(&[
        ("--columns pid,colour", "no column `colour`; the columns are time pid"),
        ("--columns pid,pid", "twice"),
    ]);
}

#[test]
fn a_file_is_checked_before_anything_starts() {
    assert_eq!(trace("--output out.json").output.path.as_deref(), Some(Path::new("out.json")));
    assert_eq!(trace("--output -").output.path, None);
    refused(&[
        ("--output /none/out.json", "/none does not exist"),
        ("--output /tmp", "is a folder"),
        ("--output /etc/passwd/out", "not a folder"),
        ("--output /closed/out", "permission denied"),
    ]);
}

#[test]
fn contradictions_are_refused() {
    refused(&[
        ("-4 -6", "-4 and -6 contradict"),
        ("--raw lives", "leave one out"),
        ("--raw --exact", "leave one out"),
        ("--raw --state established,time-wait", "never says TIME_WAIT"),
        ("--netns self --attach classic", "--attach btf"),
        ("--uid 0 --attach classic", "--attach btf"),
        ("--cgroup /system.slice --attach classic", "--attach btf"),
    ]);
    assert_eq!(trace("--raw --state close-wait").show(), Show::KernelEvents);
    assert_eq!(trace("-4").filter.family, Some(Family::V4));
}
