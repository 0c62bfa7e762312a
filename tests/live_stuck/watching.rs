//! `--watch`: what gets stuck, stays so and no longer is, with exact ages, and how fast groups grow.

use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::look::{Watch, command};
use crate::space::Space;
use crate::{me, opened, pids, reset};

#[test]
fn a_watch_tells_when_a_socket_gets_stuck_and_when_no_longer() {
    let Some(space) = Space::new("watch") else { return };
    let mut watch = Watch::start(&space, &["CLOSE_WAIT>1s"]);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let (client, server) = space.pair(&listener);
    let port = client.local_addr().unwrap().port();
    drop(client);
    let began = watch.wait(port, "began");
    assert_eq!((&began["verdict"], &began["evidence"]), (&"leaked_fd".into(), &"exact".into()), "{began}");
    assert_eq!((&began["owner"]["how"], opened(&began, me())), (&"accept".into(), Some(true)), "{began}");
    drop(server);
    let ended = watch.wait(port, "ended");
    assert!(ended["age_ns"].as_u64() >= began["age_ns"].as_u64(), "{ended}");
    assert_eq!(ended["id"], began["id"]);
}

#[test]
fn a_dead_fd_is_as_old_as_the_reset_that_was_seen_and_an_older_one_at_least_as_old_as_the_watch() {
    let Some(space) = Space::new("dead") else { return };
    for host in ["127.0.0.1", "::1"] {
        let listener = space.inside(|| TcpListener::bind((host, 0)).unwrap());
        let (before_peer, before) = space.pair(&listener);
        let before_port = before_peer.local_addr().unwrap().port();
        reset(before_peer);
        let mut watch = Watch::start(&space, &["CLOSED>2s"]);
        let old = watch.wait(before_port, "began");
        assert_eq!(
            (&old["verdict"], &old["evidence"], pids(&old)),
            (&"dead_fd".into(), &"at_least".into(), vec![me()]),
            "{old}"
        );
        let (peer, dead) = space.pair(&listener);
        let port = peer.local_addr().unwrap().port();
        // A process that is not watched can be slow: both moments bound the true one.
        let earliest = Instant::now();
        reset(peer);
        let latest = Instant::now();
        let began = watch.wait(port, "began");
        let (most, least) = (earliest.elapsed().as_nanos(), latest.elapsed().as_nanos());
        assert_eq!((&began["verdict"], &began["evidence"]), (&"dead_fd".into(), &"exact".into()), "{began}");
        assert_eq!((&began["owner"]["pid"], opened(&began, me())), (&me().into(), Some(true)), "{began}");
        let age = u128::from(began["age_ns"].as_u64().unwrap());
        assert!(age > 2_000_000_000 && age <= most, "{age} of {least} to {most}: {began}");
        // It is told within a look or two of the moment at which it crosses the threshold.
        assert!(age < 10_000_000_000, "{began}");
        assert_ne!(began["id"], old["id"]);
        drop((before, dead));
        watch.wait(port, "ended");
    }
}

#[test]
fn what_was_stuck_before_the_watch_is_told_at_once_with_both_bounds_of_its_age() {
    let Some(space) = Space::new("before") else { return };
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let (client, server) = space.pair(&listener);
    let port = client.local_addr().unwrap().port();
    drop(client);
    let since = Instant::now();
    sleep(Duration::from_millis(1500));
    let mut watch = Watch::start(&space, &["CLOSE_WAIT>1s"]);
    let began = watch.wait(port, "began");
    let age = began["age_ns"].as_u64().unwrap();
    assert_eq!((&began["verdict"], pids(&began)), (&"leaked_fd".into(), vec![me()]), "{began}");
    assert!(age >= 1_000_000_000 && u128::from(age) <= since.elapsed().as_nanos() + 50_000_000, "{began}");
    drop(server);
    watch.wait(port, "ended");
}

/// Leaks an accepted connection every 100 ms, until told to stop.
fn leak(space: &Space, listener: &TcpListener, until: &dyn Fn() -> bool) -> Vec<TcpStream> {
    let mut leaked = Vec::new();
    let mut next = Instant::now();
    while !until() {
        leaked.push(space.pair(listener).1);
        next += Duration::from_millis(100);
        sleep(next.saturating_duration_since(Instant::now()));
    }
    leaked
}

#[test]
fn a_group_that_leaks_ten_a_second_grows_by_six_hundred_a_minute() {
    let Some(space) = Space::new("growth") else { return };
    let watch = Watch::start(&space, &["CLOSE_WAIT>100ms"]);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let began = Instant::now();
    let mut all = Vec::new();
    let grown = |record: &Value| !record["group"]["growth_per_minute"].is_null();
    let leaked = {
        let seen = std::cell::RefCell::new(&mut all);
        leak(&space, &listener, &|| {
            assert!(began.elapsed() < Duration::from_secs(60), "{:#?}", seen.borrow().last());
            seen.borrow_mut().extend(watch.drain());
            seen.borrow().iter().any(grown)
        })
    };
    assert!(!grown(&all[0]), "{}", all[0]);
    let last = &all.iter().find(|record| grown(record)).unwrap()["group"];
    // The first second or two of the history were empty.
    assert!((300..=660).contains(&last["growth_per_minute"].as_i64().unwrap()), "{last}");
    let count = last["count"].as_u64().unwrap();
    assert!(count > 50 && count <= leaked.len() as u64, "{last}");
    assert!(last["oldest_ns"].as_u64() >= last["median_ns"].as_u64(), "{last}");
}

#[test]
fn a_check_of_growth_looks_twice() {
    let Some(space) = Space::new("twice") else { return };
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let netns = space.netns.inode.to_string();
    let check = |words: &[&str]| {
        let output = command(&["stuck", "--check", "--netns", &netns, "--rule", "CLOSE_WAIT>0s"])
            .args(words)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = check(&["--critical", "growth>0", "--interval", "1s"]);
    assert!(code == 0 && text.contains("growth_per_minute=0;;0"), "{text}");
    std::thread::scope(|scope| {
        let checking = scope
            .spawn(|| check(&["--warning", "growth>100", "--critical", "growth>100000", "--interval", "4s"]));
        let leaked = leak(&space, &listener, &|| checking.is_finished());
        let (code, text) = checking.join().unwrap();
        assert_eq!(code, 1, "{text}");
        assert!(text.starts_with("TCPTRACE WARNING") && text.contains(";100;100000"), "{text}");
        let told: f64 =
            text.split("growth_per_minute=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
        assert!((300.0..=700.0).contains(&told), "{text}");
        drop(leaked);
    });
}
