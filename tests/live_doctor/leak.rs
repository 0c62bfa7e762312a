//! Connections that nobody closes, by culprit.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::near;
use crate::space::{Space, find, number};

/// Tells the test binary to leak instead of testing.
const LEAK: &str = "TCPTRACE_TEST_LEAK";

#[test]
fn a_leaking_process_is_named_and_its_time_to_emfile_comes_true() {
    let Some(space) = Space::new("leak") else { return };
    let exe = std::env::current_exe().unwrap();
    let mut leaker = space.inside(|| {
        Command::new(exe)
            .args(["--exact", "leak::a_process_that_is_told_to_leak_leaks", "--nocapture"])
            .env(LEAK, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut said = BufReader::new(leaker.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("leaking")));
    let pid = leaker.id();
    let records = space.examine(&["-d", "3s", "--pid", &pid.to_string()]);
    let told = Instant::now();
    let found = find(&records, "close_wait");
    assert!(said.any(|line| line.contains("EMFILE")));
    let truly = told.elapsed();
    leaker.wait().unwrap();
    let observed = &found["observed"];
    assert_eq!((number(&observed["pid"]), number(&observed["fd_limit"])), (u64::from(pid), 400), "{found:#}");
    assert_eq!(found["severity"], "critical", "{found:#}");
    let expected = Duration::from_secs(number(&observed["seconds_to_emfile"]));
    println!("told {expected:?}, truly {truly:?}");
    assert!(near(expected, truly), "told {expected:?}, truly {truly:?}: {found:#}");
    assert!(number(&observed["sockets"]) >= 50, "{found:#}");
}

/// Not a test of its own: the process that the test above looks at. Leaks 20 accepted connections a second out of 400 fds.
#[test]
fn a_process_that_is_told_to_leak_leaks() {
    if std::env::var_os(LEAK).is_none() {
        return;
    }
    let limit = rustix::process::Rlimit { current: Some(400), maximum: Some(400) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let mut leaked = Vec::new();
    let mut next = Instant::now();
    println!("\nleaking");
    loop {
        let accepted = TcpStream::connect(to).and_then(|_client| listener.accept());
        match accepted {
            Ok((server, _)) => leaked.push(server),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(24), "EMFILE");
                println!("EMFILE");
                return;
            }
        }
        next += Duration::from_millis(50);
        sleep(next.saturating_duration_since(Instant::now()));
    }
}

#[test]
fn connections_never_accepted_are_the_listeners_and_half_closed_ones_are_their_holders() {
    let Some(space) = Space::new("never") else { return };
    let listener = space.inside(|| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap());
    let to = listener.local_addr().unwrap();
    let half: Vec<TcpStream> = (0..3).map(|_| space.connect(to)).collect();
    half.iter().for_each(|client| client.shutdown(Shutdown::Write).unwrap());
    (0..2).for_each(|_| drop(space.connect(to)));
    let me = std::process::id().to_string();
    let records = space.examine(&["--instant", "--pid", &me]);
    let unheld = find(&records, "close_wait");
    assert_eq!(
        (number(&unheld["observed"]["sockets"]), number(&unheld["observed"]["not_accepted"])),
        (5, 5),
        "{unheld:#}"
    );
    let half_closed = &find(&records, "fin_wait_2")["observed"];
    assert_eq!((number(&half_closed["held"]), number(&half_closed["orphaned"])), (3, 2), "{half_closed:#}");
    let last = records.last().unwrap();
    assert_eq!(
        (&last["check"], &last["observed"]["first"][0]["check"]),
        (&"conclusion".into(), &"close_wait".into())
    );
    // Of a stranger there is nothing to see here.
    let records = space.examine(&["--instant", "--pid", "1"]);
    assert_eq!(find(&records, "close_wait")["severity"], "ok");
    drop((half, listener));
}
