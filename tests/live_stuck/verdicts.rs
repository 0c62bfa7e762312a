//! Every verdict of a socket whose peer is there, with holders and age, for both families.

use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::Value;

use crate::look::Look;
use crate::space::Space;
use crate::{Holder, me, opened, pids, reset};

const RULES: [&str; 3] = ["CLOSE_WAIT>1s", "FIN_WAIT_2>1s", "CLOSED>0s"];

/// Holds `socket` as its fd 0, inherited through fork and exec.
fn sleeper(socket: TcpStream) -> Holder {
    let fd = OwnedFd::from(socket);
    Holder(Command::new("sleep").arg("300").stdin(Stdio::from(fd)).spawn().unwrap())
}

fn pass(socket: &TcpStream, over: &UnixStream) {
    let mut room = [MaybeUninit::uninit(); 64];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    let fds = [socket.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    rustix::net::sendmsg(over, &[IoSlice::new(b"x")], &mut ancillary, SendFlags::empty()).unwrap();
}

/// `age_ns` lies below the true age and its bound above; `since` is when the state was entered, about.
fn check_age(record: &Value, since: Instant) {
    let truly = u64::try_from(since.elapsed().as_nanos()).unwrap();
    let age = record["age_ns"].as_u64().unwrap();
    assert!(age <= truly + 50_000_000, "{age} of at most {truly}: {record}");
    assert_eq!(record["evidence"], "at_least", "{record}");
}

fn verdicts(host: &str, name: &str) {
    let Some(space) = Space::new(name) else { return };
    let look = Look::new(&space, &RULES);
    let listener = space.inside(|| TcpListener::bind((host, 0)).unwrap());
    let queue = space.inside(|| TcpListener::bind((host, 0)).unwrap());
    let pair = || space.pair(&listener);
    let port = |socket: &TcpStream| socket.peer_addr().unwrap().port();

    let (leaked_peer, leaked) = pair();
    let (unread_peer, unread) = pair();
    let (draining_peer, draining) = pair();
    let (inherited_peer, inherited) = pair();
    let (kept_peer, kept) = pair();
    let (flying_peer, flying) = pair();
    let (dead_peer, dead) = pair();
    let inherited_port = port(&inherited);
    let flying_port = port(&flying);
    // Who begins after a socket cannot have opened it: the clock of processes has 10 ms.
    sleep(Duration::from_millis(100));
    let child = sleeper(inherited);
    let twin = sleeper(kept.try_clone().unwrap());
    let (sender, _receiver) = UnixStream::pair().unwrap();
    pass(&flying, &sender);
    drop(flying);

    draining.set_nonblocking(true).unwrap();
    let since = Instant::now();
    drop(leaked_peer);
    (&unread_peer).write_all(&[7; 500]).unwrap();
    drop(unread_peer);
    draining_peer.shutdown(Shutdown::Write).unwrap();
    while (&draining).write(&[7; 65536]).is_ok() {}
    drop((inherited_peer, kept_peer, flying_peer));
    reset(dead_peer);
    let never = space.inside(|| TcpStream::connect(queue.local_addr().unwrap()).unwrap());
    let never_port = never.local_addr().unwrap().port();
    drop(never);

    let one = look.wait(port(&leaked), "CLOSE_WAIT");
    assert_eq!((&one["verdict"], pids(&one)), (&"leaked_fd".into(), vec![me()]), "{one}");
    assert_eq!((&one["owner"]["pid"], &one["rule"]), (&me().into(), &"CLOSE_WAIT>1s".into()), "{one}");
    assert_eq!(
        (&one["recv_queue"], &one["keepalive"], &one["event"]),
        (&0.into(), &false.into(), &"began".into())
    );
    check_age(&one, since);
    assert!(one["at_most_ns"].as_u64().is_some(), "{one}");

    let one = look.wait(port(&unread), "CLOSE_WAIT");
    assert_eq!((&one["verdict"], &one["recv_queue"]), (&"unread_data".into(), &500.into()), "{one}");
    check_age(&one, since);

    let one = look.wait(port(&draining), "CLOSE_WAIT");
    assert_eq!(one["verdict"], "draining", "{one}");
    assert!(one["send_queue"].as_u64().unwrap() > 0, "{one}");
    // Both ends are here, and each names the other.
    assert_eq!(
        (&one["peer"]["state"], &one["peer"]["owner"]["pid"]),
        (&"FIN_WAIT_2".into(), &me().into()),
        "{one}"
    );
    let server = listener.local_addr().unwrap().port();
    let other = look.wait_for(|record| {
        record["rport"] == server && record["lport"] == port(&draining) && record["state"] == "FIN_WAIT_2"
    });
    assert_eq!(other["verdict"], "peer_not_closing", "{other}");
    assert_eq!((&other["peer"]["state"], pids(&other)), (&"CLOSE_WAIT".into(), vec![me()]), "{other}");
    assert_eq!(other["peer"]["cookie"], one["cookie"]);

    let one = look.wait(inherited_port, "CLOSE_WAIT");
    assert_eq!((&one["verdict"], pids(&one)), (&"inherited_fd".into(), vec![child.pid()]), "{one}");
    assert_eq!(opened(&one, child.pid()), Some(false));
    assert_eq!(one["holders"][0]["comm"], "sleep");

    let one = look.wait(port(&kept), "CLOSE_WAIT");
    assert_eq!(one["verdict"], "leaked_fd", "{one}");
    assert_eq!((opened(&one, me()), opened(&one, twin.pid())), (Some(true), Some(false)), "{one}");
    assert_eq!(one["owner"]["pid"], me());

    let one = look.wait(never_port, "CLOSE_WAIT");
    assert_eq!((&one["verdict"], pids(&one)), (&"never_accepted".into(), vec![]), "{one}");
    assert_eq!(one["listener"]["lport"], queue.local_addr().unwrap().port(), "{one}");
    assert_eq!(
        (&one["listener"]["owner"]["pid"], &one["owner"]["how"]),
        (&me().into(), &"listener".into()),
        "{one}"
    );

    let one = look.wait(flying_port, "CLOSE_WAIT");
    assert_eq!(
        (&one["verdict"], pids(&one), &one["owner"]),
        (&"in_flight".into(), vec![], &Value::Null),
        "{one}"
    );

    let one = look.wait(port_of_dead(&dead, &look, server), "CLOSED");
    assert_eq!((&one["verdict"], pids(&one)), (&"dead_fd".into(), vec![me()]), "{one}");
    assert!(one["explanation"].as_str().unwrap().contains("reset by the peer"), "{one}");
}

/// A dead socket no longer tells its peer; the record does.
fn port_of_dead(_: &TcpStream, look: &Look, server: u16) -> u16 {
    let one = look.wait_for(|record| record["state"] == "CLOSED" && record["lport"] == server);
    u16::try_from(one["rport"].as_u64().unwrap()).unwrap()
}

#[test]
fn each_verdict_of_ipv4_is_told_with_its_holders() {
    verdicts("127.0.0.1", "v4");
}

#[test]
fn each_verdict_of_ipv6_is_told_with_its_holders() {
    verdicts("::1", "v6");
}

#[test]
fn an_orphan_tells_when_it_ends_by_the_timeout_of_its_namespace() {
    let Some(space) = Space::new("orphan") else { return };
    space.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "30").unwrap());
    let look = Look::new(&space, &["FIN_WAIT_2>1s"]);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let (client, server) = space.pair(&listener);
    let since = Instant::now();
    let port = client.local_addr().unwrap().port();
    drop(client);
    let one = look.wait_for(|record| record["lport"] == port);
    assert_eq!((&one["verdict"], &one["timer"]), (&"orphan_waiting".into(), &"time_wait".into()), "{one}");
    let left = one["timer_expires_ns"].as_u64().unwrap();
    assert!((20_000_000_000..=30_000_000_000).contains(&left), "{one}");
    assert!(one["explanation"].as_str().unwrap().contains("tcp_fin_timeout is 30 s"), "{one}");
    assert!(u128::from(one["age_ns"].as_u64().unwrap()) <= since.elapsed().as_nanos() + 50_000_000, "{one}");
    drop(server);
}
