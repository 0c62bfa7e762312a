//! `--check` and `kill`.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::look::{Look, command};
use crate::space::Space;

#[test]
fn a_check_is_one_line_and_kill_closes_only_what_it_is_told_to() {
    let Some(space) = Space::new("check") else { return };
    let look = Look::new(&space, &["CLOSE_WAIT>1s"]);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let (client, server) = space.pair(&listener);
    let port = client.local_addr().unwrap().port();
    drop(client);
    look.wait(port, "CLOSE_WAIT");
    let netns = space.netns.inode.to_string();
    let run = |words: &[&str]| {
        let output = command(words).args(["--netns", &netns, "--rule", "CLOSE_WAIT>1s"]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    for (limits, code, word) in [
        (&["--warning", "5"][..], 0, "OK"),
        (&[], 1, "WARNING"),
        (&["--critical", "age>1s"], 2, "CRITICAL"),
        (&["--critical", "soon"], 3, "UNKNOWN"),
    ] {
        let (status, text) = run(&[&["stuck", "--check"], limits].concat());
        assert_eq!((status, text.lines().count()), (code, 1), "{text}");
        assert!(text.starts_with(&format!("TCPTRACE {word}")), "{text}");
        assert!(code == 3 || text.contains("| stuck=1;"), "{text}");
    }
    let (status, text) = run(&["kill", "--verdict", "unread_data", "--yes"]);
    assert_eq!((status, text.as_str()), (0, ""));
    let (status, text) = run(&["kill", "--verdict", "leaked_fd"]);
    assert!(status == 0 && text.starts_with("would close CLOSE_WAIT leaked_fd"), "{text}");
    assert!(text.contains("RST"), "{text}");
    look.wait(port, "CLOSE_WAIT");
    let (status, text) = run(&["kill", "--verdict", "leaked_fd", "--yes"]);
    assert!(status == 0 && text.starts_with("closed CLOSE_WAIT"), "{status} {text}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while look.records().iter().any(|record| record["state"] == "CLOSE_WAIT") {
        assert!(Instant::now() < deadline, "it is still there");
    }
    drop(server);
}
