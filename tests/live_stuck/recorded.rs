//! `--from`: what a recording tells of sockets that got stuck while it was made, and what it leaves open.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::look::{Recording, command};
use crate::me;
use crate::space::Space;

/// The JSON of a command that must end with `code`, and its words on stderr.
fn told(words: &[&str], path: &Path, code: i32) -> (Vec<Value>, String) {
    let output = command(words).args(["-o", "json", "--from"]).arg(path).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    let schema = tcptrace::sink::json::schema();
    let text = String::from_utf8(output.stdout).unwrap();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &all {
        jsonschema::validate(&schema, record).unwrap();
    }
    (all, errors)
}

#[test]
fn a_recording_tells_who_did_not_close_and_leaves_open_what_it_does_not_hold() {
    let Some(space) = Space::new("recorded") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec.jsonl.zst");
    let recording = Recording::start(&space, &path);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let server_port = listener.local_addr().unwrap().port();
    let mut leaked = Vec::new();
    for _ in 0..12 {
        leaked.push(space.pair(&listener).1);
        std::thread::sleep(Duration::from_millis(100));
    }
    let (half, kept) = space.pair(&listener);
    half.shutdown(Shutdown::Write).unwrap();
    let queue = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    drop(space.inside(|| TcpStream::connect(queue.local_addr().unwrap()).unwrap()));
    let (closed_peer, closed) = space.pair(&listener);
    let closed_port = closed_peer.local_addr().unwrap().port();
    drop(closed_peer);
    std::thread::sleep(Duration::from_millis(2_500));
    drop(closed);
    std::thread::sleep(Duration::from_millis(1_500));
    recording.stop();

    let rules = ["--rule", "CLOSE_WAIT>1s", "--rule", "FIN_WAIT_2>1s"];
    let (all, errors) = told(&[&["stuck", "--each"][..], &rules].concat(), &path, 3);
    assert!(errors.contains("verdicts that need them are left open"), "{errors}");
    assert!(errors.contains("was recorded with --netns"), "{errors}");
    let of = |lport: u16, state: &str| -> Vec<&Value> {
        all.iter().filter(|one| one["lport"] == lport && one["state"] == state).collect()
    };
    let close_wait = of(server_port, "CLOSE_WAIT");
    // Those that leaked, and the one whose peer is half closed.
    assert_eq!(close_wait.len(), 13, "{close_wait:#?}");
    for one in &close_wait {
        assert_eq!((&one["verdict"], &one["evidence"]), (&Value::Null, &"exact".into()), "{one}");
        assert_eq!((&one["owner"]["pid"], &one["owner"]["how"]), (&me().into(), &"accept".into()), "{one}");
        assert_eq!((&one["holders"], &one["recv_queue"]), (&Value::Null, &Value::Null), "{one}");
        assert!(one["explanation"].as_str().unwrap().contains("is not in the recording"), "{one}");
    }
    let one = of(half.local_addr().unwrap().port(), "FIN_WAIT_2")[0];
    assert_eq!(
        (&one["verdict"], &one["alternative"]),
        (&"peer_not_closing".into(), &"half_closed_by_us".into())
    );
    assert_eq!(
        (&one["peer"]["state"], &one["peer"]["recv_queue"]),
        (&"CLOSE_WAIT".into(), &Value::Null),
        "{one}"
    );
    let one = of(queue.local_addr().unwrap().port(), "CLOSE_WAIT")[0];
    assert_eq!(
        (&one["verdict"], &one["owner"]["how"]),
        (&"never_accepted".into(), &"listener".into()),
        "{one}"
    );

    // In its own time the recording also tells of what was stuck and is no longer.
    let (news, _) = told(&[&["stuck", "--watch"][..], &rules].concat(), &path, 0);
    let of_closed = |event: &str| {
        news.iter()
            .find(|one| one["rport"] == closed_port && one["event"] == event && one["state"] == "CLOSE_WAIT")
    };
    let (began, ended) = (of_closed("began").unwrap(), of_closed("ended").unwrap());
    assert!(began["age_ns"].as_u64() < ended["age_ns"].as_u64(), "{began} {ended}");
    assert_eq!(began["id"], ended["id"]);
    assert!(news.iter().any(|one| one["group"]["count"].as_u64() >= Some(12)), "{news:#?}");

    doctor(&path);
    drop((leaked, half, kept));
}

fn doctor(path: &Path) {
    let (findings, _) = told(&["doctor"], path, 3);
    let find = |check: &str| -> Vec<&Value> { findings.iter().filter(|one| one["check"] == check).collect() };
    let leak = find("close_wait");
    let ours = leak.iter().find(|one| one["observed"]["pid"] == me()).unwrap();
    assert_eq!(
        (
            &ours["severity"],
            &ours["observed"]["sockets"],
            &ours["observed"]["fds"],
            &ours["observed"]["unread"]
        ),
        (&"warning".into(), &13.into(), &Value::Null, &Value::Null),
        "{ours}"
    );
    assert!(ours["observed"]["leaked_while_watching"].as_u64() >= Some(1), "{ours}");
    for check in ["backlog", "retransmission", "fds", "keepalive"] {
        let missing = find(check);
        assert_eq!((missing.len(), &missing[0]["severity"]), (1, &"info".into()), "{missing:#?}");
        assert!(missing[0]["explanation"].as_str().unwrap().contains("not in a recording"), "{missing:#?}");
    }
    assert_eq!(findings.last().unwrap()["check"], "conclusion");
    let (narrowed, _) = told(&["doctor", "--pid", "1"], path, 0);
    assert!(narrowed.iter().all(|one| one["observed"]["pid"] != me()), "{narrowed:#?}");
    let text =
        Command::new(env!("CARGO_BIN_EXE_tcptrace")).args(["doctor", "--from"]).arg(path).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("Do first:") && text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
