//! The doctor's findings about troubles that are made for real, each in a network namespace of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it was skipped"
)]

#[path = "live_doctor/space.rs"]
mod space;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType};
use space::{Space, find, ip, number};

const DOCTOR: &str = env!("CARGO_BIN_EXE_tcptrace");
/// Tells the test binary to leak at this address instead of testing.
const LEAK: &str = "TCPTRACE_TEST_LEAK";

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

/// Within 20 %.
fn near(told: Duration, truly: Duration) -> bool {
    told.abs_diff(truly) <= truly / 5
}

#[test]
fn a_full_accept_queue_is_a_slow_acceptor_named_with_its_process() {
    let Some(space) = Space::new("slow") else { return };
    let (listener, to) = space.listen(4);
    // One more than the backlog fits in.
    let queued: Vec<TcpStream> = (0..5).map(|_| space.connect(to)).collect();
    let records = space.examine_while(&["-d", "2s"], || {
        for _ in 0..3 {
            let refused = space.inside(|| TcpStream::connect_timeout(&to, Duration::from_millis(200)));
            assert!(refused.is_err(), "the queue should be full");
        }
    });
    let found = find(&records, "backlog");
    let observed = &found["observed"];
    assert_eq!(
        (&found["severity"], &observed["verdict"]),
        (&"critical".into(), &"slow_accept".into()),
        "{found:#}"
    );
    assert_eq!((number(&observed["accept_queue"]), number(&observed["effective_limit"])), (5, 4));
    assert!(number(&observed["listen_overflows_while_watching"]) >= 3, "{found:#}");
    let me = format!("({})", std::process::id());
    assert!(observed["owners"][0].as_str().unwrap().contains(&me), "{found:#}");
    drop((queued, listener));
}

#[test]
fn a_small_flood_of_spoofed_syns_is_told_from_a_slow_acceptor() {
    let Some(space) = Space::new("flood") else { return };
    let (listener, to) = space.listen(8);
    // SYN-ACKs go out on loopback, where nobody has the address, and are never answered.
    ip(&["-n", &space.name, "route", "add", "10.77.0.0/16", "dev", "lo"]);
    let records = space.examine_while(&["-d", "2s"], || space.inside(|| flood(to, 100)));
    let found = find(&records, "backlog");
    let observed = &found["observed"];
    assert_eq!(
        (&found["severity"], &observed["verdict"]),
        (&"critical".into(), &"syn_flood".into()),
        "{found:#}"
    );
    assert!(number(&observed["cookies_sent_while_watching"]) >= 80, "{found:#}");
    assert_eq!(observed["cookies_valid_while_watching"], 0);
    assert!(number(&observed["half_open"]) >= 8 && number(&observed["accept_queue"]) == 0, "{found:#}");
    assert_eq!(observed["half_open"], observed["distinct_peers"]);
    drop(listener);
}

/// Sends SYNs to `to` from as many addresses of 10.77.0.0/16.
fn flood(to: SocketAddr, count: u8) {
    let SocketAddr::V4(to) = to else { panic!("v4 only") };
    let raw = Protocol::from_raw(NonZeroU32::new(255).unwrap());
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(raw)).unwrap();
    for peer in 1..=count {
        let packet = syn(SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, peer), 5_000), to);
        rustix::net::sendto(&socket, &packet, SendFlags::empty(), &to).unwrap();
    }
}

/// An IPv4 packet with a TCP SYN; the kernel fills in the checksum of the IP header.
fn syn(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(from.port().to_be_bytes());
    tcp.extend(to.port().to_be_bytes());
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo = [&from.ip().octets()[..], &to.ip().octets(), &[0, 6, 0, 20], &tcp].concat();
    let sum: u32 = pseudo.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0];
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(tcp);
    packet
}

#[test]
fn time_waits_that_found_no_room_are_counted() {
    let Some(space) = Space::new("buckets") else { return };
    space.sysctl("net.ipv4.tcp_max_tw_buckets", "2");
    let (listener, to) = space.listen(8);
    let records = space.examine_while(&["-d", "2s"], || {
        for _ in 0..6 {
            let client = space.connect(to);
            let server = listener.accept().unwrap().0;
            drop(client);
            drop(server);
        }
    });
    let found = find(&records, "time_wait_buckets");
    let observed = &found["observed"];
    assert_eq!(found["severity"], "critical", "{found:#}");
    assert_eq!(
        (number(&observed["tcp_max_tw_buckets"]), number(&observed["overflowed_while_watching"])),
        (2, 4)
    );
    let sysctl =
        records.iter().find(|record| record["observed"]["name"] == "net.ipv4.tcp_max_tw_buckets").unwrap();
    assert_eq!((&sysctl["severity"], &sysctl["observed"]["value"]), (&"warning".into(), &"2".into()));
}

#[test]
fn resets_while_watching_are_counted_by_cause_and_peer() {
    let Some(space) = Space::new("resets") else { return };
    let (listener, to) = space.listen(8);
    let records = space.examine_while(&["-d", "2s"], || {
        for _ in 0..12 {
            let client = space.connect(to);
            let server = listener.accept().unwrap().0;
            rustix::net::sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
            drop(server);
            drop(client);
        }
    });
    let ended = |end: &str| records.iter().find(|record| record["observed"]["end"] == end).unwrap();
    assert_eq!(number(&ended("rst_sent")["observed"]["count"]), 12);
    let received = ended("rst_received");
    assert_eq!((number(&received["observed"]["count"]), &received["severity"]), (12, &"warning".into()));
    assert!(received["observed"]["peers"][0].as_str().unwrap().starts_with(&to.to_string()), "{received:#}");
}

#[test]
fn a_leaking_process_is_named_and_its_time_to_emfile_comes_true() {
    let Some(space) = Space::new("leak") else { return };
    let exe = std::env::current_exe().unwrap();
    let mut leaker = space.inside(|| {
        Command::new(exe)
            .args(["--exact", "a_process_that_is_told_to_leak_leaks", "--nocapture"])
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

#[test]
fn a_sysctl_file_is_judged_line_by_line_and_nothing_is_applied() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(
        b"# from the web\nnet.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_fin_timeout = 30\ngarbage\n\xff\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let output = Command::new(DOCTOR).args(["doctor", "--sysctl", path]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for needle in [
        ":2 net.ipv4.tcp_tw_recycle",
        "4.12",
        ":3 ",
        "TIME_WAITs are affected",
        ":4",
        "`garbage`",
        ":5",
        "3 of 4 lines",
    ] {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(needle), "{needle}: {text}");
    }
    for missing in ["/nowhere/sysctl.conf", "/"] {
        let output = Command::new(DOCTOR).args(["doctor", "--sysctl", missing]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{missing}");
    }
}
