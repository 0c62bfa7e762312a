//! Local ports that run out.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::near;
use crate::space::{Space, find, number};

#[test]
fn ninety_percent_of_the_ports_toward_one_destination_is_critical() {
    let Some(space) = Space::new("pool") else { return };
    space.sysctl("net.ipv4.ip_local_port_range", "40000 40109");
    space.sysctl("net.ipv4.ip_local_reserved_ports", "40100-40109");
    let (listener, to) = {
        let listener = space.inside(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 8_000)).unwrap());
        let to = listener.local_addr().unwrap();
        (listener, to)
    };
    let held: Vec<(TcpStream, TcpStream)> =
        (0..90).map(|_| (space.connect(to), listener.accept().unwrap().0)).collect();
    let records = space.examine(&["--instant"]);
    let found = find(&records, "local_ports");
    assert_eq!(found["severity"], "critical", "{found:#}");
    let observed = &found["observed"];
    assert_eq!((number(&observed["size"]), number(&observed["in_use"])), (100, 90), "{found:#}");
    assert_eq!((&observed["destination"], number(&observed["port"])), (&"127.0.0.1".into(), 8_000));
    assert_eq!(number(&observed["reserved"]), 10);
    drop(held);
}

#[test]
fn the_time_to_eaddrnotavail_comes_true() {
    let Some(space) = Space::new("pace") else { return };
    space.sysctl("net.ipv4.ip_local_port_range", "40000 40299");
    let listener = space.inside(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 8_000)).unwrap());
    let to = listener.local_addr().unwrap();
    let mut held = Vec::new();
    // One connection every 40 ms, by the clock; true once no port is free.
    let mut keep_pace = |until: &dyn Fn() -> bool| {
        let mut next = Instant::now();
        while !until() {
            match space.inside(|| TcpStream::connect(to)) {
                Ok(client) => held.push((client, listener.accept().unwrap().0)),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(99), "EADDRNOTAVAIL");
                    return true;
                }
            }
            next += Duration::from_millis(40);
            sleep(next.saturating_duration_since(Instant::now()));
        }
        false
    };
    let done = AtomicBool::new(false);
    let (told, failed) = thread::scope(|scope| {
        let doctor = scope.spawn(|| {
            let records = space.examine(&["-d", "3s"]);
            let at = Instant::now();
            done.store(true, Ordering::Relaxed);
            (records, at)
        });
        keep_pace(&|| done.load(Ordering::Relaxed));
        let told = doctor.join().unwrap();
        assert!(keep_pace(&|| false));
        (told, Instant::now())
    });
    let found = find(&told.0, "local_ports");
    let expected = Duration::from_secs(number(&found["observed"]["seconds_to_eaddrnotavail"]));
    let truly = failed.duration_since(told.1);
    println!("told {expected:?}, truly {truly:?}");
    assert!(near(expected, truly), "told {expected:?}, truly {truly:?}: {found:#}");
    let pace = found["observed"]["connects_per_second"].as_f64().unwrap();
    assert!((20.0..30.0).contains(&pace), "{pace}");
}
