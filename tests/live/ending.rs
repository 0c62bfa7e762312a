//! How a run ends: signals, pipes, files, full disks; and what it printed fits the schema.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::ended::{Ended, short};
use crate::support::space::Space;
use crate::support::tracer::{command, ended, lines, signal, wait_for_line};
use crate::support::wait_until;

/// A tracer of a namespace with its stdout put somewhere.
fn spawn(space: &Space, words: &[&str], out: Stdio) -> (Child, Receiver<String>, Vec<String>) {
    let scope = space.scope("btf");
    let scope = scope.iter().map(String::as_str);
    let words: Vec<&str> = scope.chain(words.iter().copied()).collect();
    let mut child = command(&words).stdout(out).spawn().unwrap();
    let (err, mut said) = (lines(child.stderr.take().unwrap()), Vec::new());
    wait_for_line(&err, &mut said, "tcptrace: tracing ");
    (child, err, said)
}

fn rest(err: &Receiver<String>, mut said: Vec<String>) -> Vec<String> {
    said.extend(err.iter());
    said
}

#[test]
fn a_signal_in_mid_burst_prints_all_that_was_received_and_the_summary_last() {
    for which in [Signal::INT, Signal::TERM] {
        let Some(space) = Space::new() else { return };
        let mut actor = space.actor("burst");
        let tracer = space.tracer("btf", &["--ring-size", "16M"]);
        let port = actor.listen("l", space.at4(0)).port();
        // Half is on its way when it falls asleep, the other half waits in the ring when the signal comes.
        actor.must("burst l 1000");
        tracer.signal(Signal::STOP);
        actor.must("burst l 1000");
        tracer.signal(which);
        tracer.signal(Signal::CONT);
        actor.must("burst l 100");
        let run = tracer.end();
        run.check();
        assert!(run.transitions().count() > 2000 * 6, "{}", run.transitions().count());
        assert_eq!(
            run.transitions().filter(|record| record["to"] == "LISTEN" && record["lport"] == port).count(),
            1
        );
        assert!(run.said.last().unwrap().contains(" events, 0 lost"), "{:?}", run.said);
    }
}

#[test]
fn a_reader_of_one_line_ends_it_silently_with_success() {
    let Some(space) = Space::new() else { return };
    let mut head =
        Command::new("head").arg("-1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let into: Stdio = head.stdin.take().unwrap().into();
    let (mut child, err, said) = spawn(&space, &["-o", "json"], into);
    let mut actor = space.actor("server");
    let port = actor.listen("l", space.at4(0)).port();
    let output = head.wait_with_output().unwrap();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["lport"], port, "{}", short(&record));
    // Nothing happens any more, and yet it ends.
    assert_eq!(ended(&mut child).code(), Some(0));
    let said = rest(&err, said);
    assert!(!said.iter().any(|line| line.contains("ipe") || line.contains("panicked")), "{said:?}");
}

#[test]
fn a_reader_that_leaves_while_nothing_happens_ends_it_too() {
    let Some(space) = Space::new() else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut child, err, said) = spawn(&space, &["-H"], writer.into());
    drop(reader);
    assert_eq!(ended(&mut child).code(), Some(0));
    let said = rest(&err, said);
    assert!(!said.iter().any(|line| line.contains("ipe") || line.contains("panicked")), "{said:?}");
}

#[test]
fn a_reader_that_does_not_read_cannot_hold_it_against_a_second_signal() {
    for which in [Signal::INT, Signal::TERM] {
        let Some(space) = Space::new() else { return };
        let (reader, writer) = std::io::pipe().unwrap();
        let (mut child, _err, _) = spawn(&space, &["-o", "json"], writer.into());
        let mut actor = space.actor("burst");
        actor.listen("l", space.at4(0));
        // More than pipe and queues can take.
        actor.must("burst l 3000");
        signal(&child, which);
        // The probes are detached first.
        let pid = child.id();
        wait_until("the probes to be detached", || {
            let fds = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
            !fds.flatten()
                .any(|fd| std::fs::read_to_string(fd.path()).is_ok_and(|info| info.contains("link_type")))
        });
        assert_eq!(child.try_wait().unwrap(), None, "it waits for its reader");
        signal(&child, which);
        assert_eq!(ended(&mut child).code(), Some(0));
        drop(reader);
    }
}

#[test]
fn a_slow_reader_gets_everything_after_the_signal() {
    let Some(space) = Space::new() else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut child, _err, _) = spawn(&space, &["-o", "json"], writer.into());
    let mut actor = space.actor("burst");
    actor.listen("l", space.at4(0));
    actor.must("burst l 1000");
    signal(&child, Signal::INT);
    let lines: Vec<String> = BufReader::new(reader).lines().map(Result::unwrap).collect();
    assert_eq!(ended(&mut child).code(), Some(0));
    assert_eq!(lines.len(), 6001 + 1);
    assert!(lines.last().unwrap().contains("\"summary\""));
}

#[test]
fn a_full_disk_is_one_sentence_and_1() {
    let Some(space) = Space::new() else { return };
    for redirected in [true, false] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (words, out): (&[&str], Stdio) = if redirected {
            (&["-H", "-o", "csv"], full.into())
        } else {
            (&["-H", "-o", "csv", "--output", "/dev/full"], Stdio::null())
        };
        let (mut child, err, said) = spawn(&space, words, out);
        let mut actor = space.actor("server");
        actor.listen("l", space.at4(0));
        assert_eq!(ended(&mut child).code(), Some(1));
        let said = rest(&err, said);
        let complaints: Vec<&String> = said.iter().filter(|line| line.contains("No space left")).collect();
        assert_eq!(complaints.len(), 1, "{said:?}");
        let place = if redirected { "stdout" } else { "/dev/full" };
        assert!(complaints[0].contains(place) && complaints[0].starts_with("tcptrace: "), "{said:?}");
    }
}

#[test]
fn a_file_gets_all_of_it() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace.json");
    std::fs::write(&file, "old").unwrap();
    let (mut child, _err, _) =
        spawn(&space, &["-o", "json", "--output", file.to_str().unwrap()], Stdio::piped());
    let mut actor = space.actor("server");
    actor.listen("l", space.at4(0));
    actor.must("burst l 50");
    signal(&child, Signal::TERM);
    assert_eq!(ended(&mut child).code(), Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 301 + 1, "{text}");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn every_line_of_real_runs_fits_the_schema() {
    let Some(space) = Space::new() else { return };
    let schema = command(&["schema"]).output().unwrap().stdout;
    let schema = jsonschema::draft202012::new(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let runs: [(&str, &[&str]); 5] = [
        ("btf", &[]),
        ("classic", &[]),
        ("btf", &["--raw", "--ring-size", "64K"]),
        ("btf", &["lives", "--unfinished"]),
        ("classic", &["lives", "--unfinished", "--ring-size", "64K"]),
    ];
    let tracers = runs.map(|(attach, words)| space.tracer(attach, words));
    let (mut server, mut client) = (space.actor("server"), space.actor("client"));
    for at in [space.at4(7001), space.at6(7001)] {
        server.listen("l", at);
        client.connect("c", at);
        server.must("accept l s");
        client.all(&["send c 10", "close c"]);
        server.all(&["recv s", "close s", "burst l 5"]);
        client.must("socket d 4");
        assert!(client.order(&format!("connect d {}", space.at4(9))).is_err());
    }
    for tracer in &tracers {
        tracer.signal(Signal::STOP);
    }
    server.must("burst l 300");
    for tracer in &tracers {
        tracer.signal(Signal::CONT);
    }
    let mut kinds = std::collections::BTreeSet::new();
    for tracer in tracers {
        let Ended { code, records, said } = tracer.stop();
        assert_eq!(code, Some(0), "{said:?}");
        for record in records {
            let faults: Vec<String> = schema.iter_errors(&record).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{faults:?}: {record}");
            kinds.insert(record["type"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["lifecycle", "lost", "summary", "transition"]);
}
