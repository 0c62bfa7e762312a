//! Processes that choose names to command terminals and spreadsheets: no output passes them on as they are.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::space::Space;
use crate::support::tracer::{command, ended, lines, signal, wait_for_line};
use crate::support::wait_until;

/// Sets the title and clears the screen, by an escape sequence and by a C1 control.
const WILD: &str = "\u{1b}]0;p\u{7}\u{9b}2J";
/// A spreadsheet runs it.
const FORMULA: &str = "=1+cmd|x";

/// Nothing in it commands a terminal; it does name the wild process, visibly.
#[track_caller]
fn check_tame(what: &str, bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}: {bytes:x?}"));
    for line in text.lines() {
        let wild =
            line.chars().find(|letter| letter.is_control() || ('\u{202a}'..='\u{202e}').contains(letter));
        assert_eq!(wild, None, "{what}: {line:?}");
        if what.ends_with("-o json") {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{what}: {error}: {line}"));
        }
    }
    text.to_owned()
}

#[track_caller]
fn check_shown(what: &str, text: &str) {
    let shown = if what.ends_with("-o json") { r"\u001b]0;p\u0007\u009b2J" } else { r"\x1b]0;p\x07\x9b2J" };
    // Names are cut where columns are narrow.
    assert!(text.contains(&shown[..7]), "{what}: {text}");
}

#[test]
fn a_wild_name_is_escaped_in_every_live_output_and_in_every_replay() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rec.jsonl.zst");
    let recording = file.to_str().unwrap();
    let views: [&[&str]; 9] = [
        &[],
        &["-o", "csv"],
        &["-o", "json"],
        &["lives"],
        &["lives", "-o", "csv"],
        &["lives", "-o", "json"],
        &["hist", "--by", "comm"],
        &["hist", "--by", "comm", "-o", "csv"],
        &["hist", "--by", "comm", "-o", "json"],
    ];
    let live: [&[&str]; 3] = [
        &["record", recording],
        &["stuck", "--watch", "--rule", "CLOSE_WAIT>50ms"],
        &["stuck", "--watch", "--rule", "CLOSE_WAIT>50ms", "-o", "csv"],
    ];
    let addr = space.v4.to_string();
    let mut running: Vec<(String, Child)> = Vec::new();
    for words in views.iter().chain(&live) {
        let what = words.join(" ");
        let output = folder.path().join(format!("of {what}"));
        let output = ["--output", output.to_str().unwrap()];
        let output = if words.contains(&"record") { &[][..] } else { &output[..] };
        let mut child = command(&[words, &["--addr", &addr][..], output].concat()).spawn().unwrap();
        wait_for_line(&lines(child.stderr.take().unwrap()), &mut Vec::new(), "tcptrace: tracing ");
        running.push((what, child));
    }
    let mut wild = space.actor(WILD);
    let mut formula = space.actor(FORMULA);
    let port = wild.listen("l", space.at4(0)).port();
    formula.connect("c", space.at4(port));
    wild.must("accept l s");
    formula.must("close c");
    let printed = |what: &str| fs::read(folder.path().join(format!("of {what}"))).unwrap();
    for watch in live[1..].iter().map(|words| words.join(" ")) {
        wait_until(&watch, || String::from_utf8_lossy(&printed(&watch)).contains("CLOSE_WAIT"));
    }
    wild.all(&["close s", "close l"]);
    for (what, mut child) in running {
        signal(&child, Signal::INT);
        assert_eq!(ended(&mut child).code(), Some(0), "{what}");
        if what.starts_with("record") {
            continue;
        }
        let text = check_tame(&what, &printed(&what));
        check_shown(&what, &text);
        if what.contains("csv") && !what.contains("watch") {
            assert!(text.contains("'=1+cmd|x") && !text.contains(",=1"), "{what}: {text}");
        }
    }
    let replayed = |file: &str, words: &[&str]| {
        let output = command(&[words, &["--from", file]].concat()).output().unwrap();
        let what = format!("replayed {}", words.join(" "));
        check_tame("its messages", &output.stderr);
        (output.status.code(), check_tame(&what, &output.stdout), what)
    };
    for words in views {
        let (code, text, what) = replayed(recording, words);
        assert_eq!(code, Some(0), "{what}");
        check_shown(&what, &text);
    }
    // What somebody else has written into a recording.
    let plain = String::from_utf8(zstd::decode_all(fs::File::open(&file).unwrap()).unwrap()).unwrap();
    for (from, to) in [
        (r#""host":""#, r#""host":"\u001b[2J\u202e"#),
        (r#""tool":""#, r#""tool":"\u001b[2J\u202e"#),
        (r#""type":"accepted""#, r#""type":"\u001b[2J\u009b\u202e""#),
        (r#""how":"connect""#, r#""how":"\u001b[2J\u009b\u202e""#),
        ("{\"type\":\"state_change\"", "\u{1b}[2J{\"type\":\"state_change\""),
    ] {
        let forged = plain.replacen(from, to, 1);
        let path = folder.path().join("forged\u{1b}[2J.jsonl.zst");
        fs::write(&path, zstd::encode_all(forged.as_bytes(), 1).unwrap()).unwrap();
        for words in [views[0], views[4], views[5]] {
            replayed(path.to_str().unwrap(), words);
        }
    }
}

/// A process whose name is no UTF-8 at all, and what it holds.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_name_that_is_no_utf8_is_escaped_where_stuck_sockets_are_told() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"\xff\x1b[7m\xe2\x80\xae=q");
    let program = folder.path().join(name);
    fs::copy("/bin/sleep", &program).unwrap();
    let listener = space.inside(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let to = listener.local_addr().unwrap();
    let client = space.inside(|| TcpStream::connect(to).unwrap());
    let server = OwnedFd::from(listener.accept().unwrap().0);
    let _holder = Holder(Command::new(&program).arg("300").stdin(Stdio::from(server)).spawn().unwrap());
    drop(client);
    let rule = ["--rule", "CLOSE_WAIT>1ms", "--netns", &space.name];
    let stuck = |words: &[&str]| {
        let output = command(&[words, &rule].concat()).output().unwrap();
        check_tame("its messages", &output.stderr);
        check_tame(&words.join(" "), &output.stdout)
    };
    wait_until("the socket is stuck", || stuck(&["stuck"]).contains("CLOSE_WAIT"));
    for words in [
        &["stuck"][..],
        &["stuck", "--each"],
        &["stuck", "-o", "csv"],
        &["stuck", "--check"],
        &["kill", "--verdict", "leaked_fd,inherited_fd"],
    ] {
        let text = stuck(words);
        assert!(text.contains(r"\xff\x1b[7m\u{202e}=q"), "{words:?}: {text}");
    }
    let text = stuck(&["stuck", "-o", "json"]);
    assert!(text.contains(r"[7m\u202e=q"), "{text}");
    for words in [&["doctor", "--instant"][..], &["doctor", "--instant", "-o", "json"]] {
        let output = command(&[words, &["--netns", &space.name]].concat()).output().unwrap();
        check_tame(&words.join(" "), &output.stdout);
        check_tame("what the doctor says", &output.stderr);
    }
}

#[test]
fn a_wild_file_name_is_escaped_in_messages() {
    for words in
        [&["--from", "/no\u{1b}[2J\u{9b}m"][..], &["stuck", "--rule", "\u{1b}[2J"], &["--netns", "\u{1b}[2J"]]
    {
        let output = command(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(check_tame("its message", &output.stderr).contains(r"\x1b[2J"), "{words:?}");
    }
}
