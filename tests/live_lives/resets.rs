//! Resets, ours and the peer's.

use std::io::Read;
use std::time::Duration;

use rustix::net::{connect_unspec, sockopt};
use tcptrace::model::state::TcpState;

use crate::support_lives::ability::has;
use crate::support_lives::lab::send;
use crate::support_lives::sock::{cookie, end_writing, keepalive, linger};
use crate::support_lives::{Lab, last};

const OPENED: &str = "SYN_SENT ESTABLISHED";
const ACCEPTED: &str = "SYN_RECV ESTABLISHED";

/// Until a RST has reached the socket: an error is pending.
fn until_reset(socket: &impl std::os::fd::AsFd) {
    let deadline = std::time::Instant::now() + crate::support_lives::patience();
    while sockopt::socket_error(socket).unwrap().is_ok() {
        assert!(std::time::Instant::now() < deadline, "no RST came");
    }
}

#[test]
fn linger_0_resets_and_the_peer_holds_a_dead_fd() {
    for lab in [Lab::alone(&[]), Lab::routed(&[])] {
        let Some(lab) = lab else { return };
        let pair = lab.pair();
        linger(&pair.client, Duration::ZERO);
        last(100);
        drop(pair.client);
        let life = lab.life(pair.c);
        life.was(OPENED, "rst_sent linger_0")
            .ours("connect")
            .has("closed_by", "local")
            .has("orphaned", false);
        life.lasted("ESTABLISHED", 100..1000, "exact");
        until_reset(&pair.server);
        last(200);
        drop(pair.server);
        let peer = lab.life(pair.s);
        peer.was(ACCEPTED, "rst_received")
            .ours("accept")
            .has("closed_by", "remote")
            .took("fd_held_ns", 190..900);
        peer.has("orphaned", false);
    }
}

#[test]
fn unread_data_at_close_is_a_reset() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    send(&pair.client, 500);
    lab.b().until("500 bytes", |seen| seen.receive_queue == 500);
    drop(pair.server);
    lab.life(pair.s).was(ACCEPTED, "rst_sent unread_data").has("bytes_received", 500).ours("accept");
    until_reset(&pair.client);
    drop(pair.client);
    lab.life(pair.c).was(OPENED, "rst_received").has("bytes_sent", 500);
}

#[test]
fn unread_data_at_close_in_close_wait_is_a_reset_too() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    send(&pair.client, 500);
    end_writing(&pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    drop(pair.server);
    lab.life(pair.s)
        .was("SYN_RECV ESTABLISHED CLOSE_WAIT", "rst_sent unread_data")
        .has("closed_by", "remote");
    drop(pair.client);
    lab.life(pair.c)
        .was("SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2", "rst_received")
        .has("closed_by", "local");
}

#[test]
fn a_disconnect_resets() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    connect_unspec(&pair.client).unwrap();
    let life = lab.life(pair.c);
    life.was(OPENED, "rst_sent disconnect").ours("connect").has("orphaned", false);
}

#[test]
fn a_listener_that_closes_resets_what_nobody_accepted() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let listener = lab.listen();
    let l = cookie(&listener);
    let to = listener.local_addr().unwrap();
    let client = lab.connect(to);
    let port = client.local_addr().unwrap().port();
    lab.b().until("the child", |seen| {
        seen.state == TcpState::Established && seen.id.endpoints.remote.port == Some(port)
    });
    drop(listener);
    let child = lab.accepted(to, port);
    child.was(ACCEPTED, "rst_sent listener_closed");
    if has("socket_cookies") {
        child.owned_by(std::process::id(), "listener");
    } else {
        child.has("owner", serde_json::Value::Null);
    }
    lab.life(l).was("LISTEN", "listen_closed close");
}

#[test]
fn data_that_comes_after_close_is_answered_by_our_reset() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    // Our FIN does not arrive, so the peer still sends.
    lab.refuse(true, "blackhole");
    drop(pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait1);
    send(&pair.server, 100);
    let life = lab.life(pair.c);
    life.was("SYN_SENT ESTABLISHED FIN_WAIT_1", "rst_sent data_after_close").has("orphaned", true);
    drop(pair.server);
}

#[test]
fn a_destroyed_socket_names_its_killer_and_not_as_owner() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    let port = format!(":{}", pair.client.local_addr().unwrap().port());
    lab.a().ss(&["-K", "state", "established", "sport", "=", &port]);
    until_reset(&pair.client);
    drop(pair.client);
    let life = lab.life(pair.c);
    assert_eq!((life.path().as_str(), &life.0["end"]), (OPENED, &"aborted".into()), "{:#}", life.0);
    assert_eq!(life.0["detail"]["comm"], "ss");
    life.ours("connect");
    until_reset(&pair.server);
    drop(pair.server);
    lab.life(pair.s).was(ACCEPTED, "rst_received");
}

#[test]
fn a_destroyed_listener_is_a_life_that_ended_once() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let listener = lab.listen();
    let c = cookie(&listener);
    let port = format!(":{}", listener.local_addr().unwrap().port());
    lab.a().ss(&["-K", "state", "listening", "sport", "=", &port]);
    lab.a().until_gone(c);
    drop(listener);
    let life = lab.life(c);
    assert_eq!(life.path(), "LISTEN");
    assert_eq!(life.0["end"], "listen_closed");
    life.ours("listen");
}

/// The client is brought to a state, then the server resets.
fn reset_in(state: TcpState, path: &str) {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    linger(&pair.server, Duration::ZERO);
    match state {
        TcpState::FinWait1 => {
            lab.refuse(true, "blackhole");
            drop(pair.client);
            lab.a().until_in(pair.c, state);
        }
        TcpState::FinWait2 => {
            end_writing(&pair.client);
            lab.a().until_in(pair.c, state);
            drop(pair.server);
            return check(&lab, pair.c, path, Some(pair.client));
        }
        _ => {}
    }
    drop(pair.server);
    check(&lab, pair.c, path, None);
}

fn check(lab: &Lab, cookie: u64, path: &str, held: Option<std::net::TcpStream>) {
    lab.a().until_gone(cookie);
    drop(held);
    lab.life(cookie).was(path, "rst_received");
}

#[test]
fn a_reset_in_fin_wait_1_is_received() {
    reset_in(TcpState::FinWait1, "SYN_SENT ESTABLISHED FIN_WAIT_1");
}

#[test]
fn a_reset_in_fin_wait_2_is_received() {
    reset_in(TcpState::FinWait2, "SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2");
}

#[test]
fn a_reset_in_closing_is_received() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    lab.cut();
    drop(pair.client);
    end_writing(&pair.server);
    lab.a().until_in(pair.c, TcpState::FinWait1);
    // The server's FIN arrives, ours does not.
    lab.restore(false);
    lab.a().until_in(pair.c, TcpState::Closing);
    linger(&pair.server, Duration::ZERO);
    drop(pair.server);
    let life = lab.life(pair.c);
    life.was("SYN_SENT ESTABLISHED FIN_WAIT_1 CLOSING", "rst_received").has("closed_by", "both");
}

#[test]
fn a_reset_in_close_wait_is_received_though_the_process_sees_epipe() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let pair = lab.pair();
    end_writing(&pair.server);
    lab.a().until_in(pair.c, TcpState::CloseWait);
    linger(&pair.server, Duration::ZERO);
    drop(pair.server);
    until_reset(&pair.client);
    drop(pair.client);
    lab.life(pair.c).was("SYN_SENT ESTABLISHED CLOSE_WAIT", "rst_received").has("closed_by", "remote");
}

#[test]
fn a_reset_in_last_ack_is_received() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let mut pair = lab.pair();
    end_writing(&pair.server);
    assert_eq!(pair.client.read(&mut [0]).unwrap(), 0);
    lab.refuse(true, "blackhole");
    drop(pair.client);
    lab.a().until_in(pair.c, TcpState::LastAck);
    linger(&pair.server, Duration::ZERO);
    drop(pair.server);
    lab.life(pair.c).was("SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK", "rst_received").has("orphaned", true);
}

#[test]
fn a_peer_that_answers_no_keepalive_is_a_timeout_though_we_reset() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    keepalive(&pair.client);
    lab.cut();
    // Not by its error: what the cut network says of each probe is one too.
    lab.a().until_gone(pair.c);
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was(OPENED, "timeout keepalive").lasted("ESTABLISHED", 2500..6000, "exact");
}
