//! Sockets that change hands: nobody is accused falsely.

use std::os::unix::net::UnixStream;

use tcptrace::model::state::TcpState;

use crate::support_lives::Lab;
use crate::support_lives::other::{Other, act, pass};
use crate::support_lives::sock::cookie;

const ACCEPTED: &str = "SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK";

#[test]
fn another_process_does_what_a_test_tells_it() {
    act();
}

#[test]
fn a_child_that_inherits_a_connection_closes_it_and_does_not_own_it() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    let other = Other::start("finish", std::os::fd::OwnedFd::from(pair.server));
    drop(pair.client);
    let pid = other.pid;
    other.wait();
    let life = lab.life(pair.s);
    life.was(ACCEPTED, "fin").ours("accept");
    assert_eq!(life.0["last_seen"]["pid"], pid, "{:#}", life.0);
}

#[test]
fn a_copy_that_is_closed_elsewhere_ends_nothing() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    let other = Other::start("hold", std::os::fd::OwnedFd::from(pair.server.try_clone().unwrap()));
    drop(pair.server);
    drop(pair.client);
    lab.b().until_in(pair.s, TcpState::CloseWait);
    assert!(lab.tracer.so_far(pair.s).is_empty());
    let pid = other.pid;
    other.kill();
    let life = lab.life(pair.s);
    life.was(ACCEPTED, "fin").ours("accept");
    assert_eq!(life.0["last_seen"]["pid"], pid, "{:#}", life.0);
}

#[test]
fn a_connection_passed_over_a_unix_socket_stays_its_acceptors() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    let (mine, theirs) = UnixStream::pair().unwrap();
    let mut other = Other::start("receive", std::os::fd::OwnedFd::from(theirs));
    pass(&mine, &pair.server);
    drop(pair.server);
    other.hear("received");
    drop(pair.client);
    let pid = other.pid;
    other.wait();
    let life = lab.life(pair.s);
    life.was(ACCEPTED, "fin").ours("accept");
    assert_eq!(life.0["last_seen"]["pid"], pid, "{:#}", life.0);
}

#[test]
fn a_connection_that_nobody_holds_but_a_unix_socket_is_still_its_acceptors() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    let (mine, theirs) = UnixStream::pair().unwrap();
    pass(&mine, &pair.server);
    drop((pair.server, pair.client));
    lab.b().until_in(pair.s, TcpState::CloseWait);
    assert!(lab.tracer.so_far(pair.s).is_empty());
    drop((mine, theirs));
    lab.life(pair.s).was(ACCEPTED, "fin").ours("accept");
}

#[test]
fn a_worker_that_accepts_from_an_inherited_listener_owns_what_it_accepts() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let listener = lab.listen();
    let l = cookie(&listener);
    let to = listener.local_addr().unwrap();
    let mut other = Other::start("accept", std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
    let client = lab.connect(to);
    let port = client.local_addr().unwrap().port();
    other.hear("accepted");
    drop(client);
    let pid = other.pid;
    other.wait();
    let life = lab.accepted(to, port);
    life.was(ACCEPTED, "fin").owned_by(pid, "accept");
    drop(listener);
    lab.life(l).was("LISTEN", "listen_closed close").ours("listen");
}

#[test]
fn a_killed_process_is_the_one_that_closed() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let listener = lab.listen();
    let mut other = Other::start("accept", std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
    let to = listener.local_addr().unwrap();
    let client = lab.connect(to);
    let (c, port) = (cookie(&client), client.local_addr().unwrap().port());
    other.hear("accepted");
    let pid = other.pid;
    other.kill();
    lab.a().until_in(c, TcpState::CloseWait);
    drop(client);
    let life = lab.accepted(to, port);
    life.owned_by(pid, "accept").has("closed_by", "local").has("orphaned", true);
    assert_eq!(life.end(), "time_wait", "{:#}", life.0);
}
