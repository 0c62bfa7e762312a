//! The peer vanishes.

use std::net::{SocketAddr, SocketAddrV4};

use rustix::io::Errno;
use rustix::net::{bind, connect, sockopt};
use tcptrace::model::state::TcpState;

use crate::support_lives::lab::send;
use crate::support_lives::packet::{Ear, SYN, Segment, inject};
use crate::support_lives::sock::{cookie, end_writing, nonblocking, socket};
use crate::support_lives::{Lab, last};

const OPENED: &str = "SYN_SENT ESTABLISHED";

fn impatient() -> Option<Lab> {
    Lab::routed(&[
        ("ipv4/tcp_retries2", "3"),
        ("ipv4/tcp_orphan_retries", "2"),
        ("ipv4/tcp_syn_retries", "1"),
        ("ipv4/tcp_syn_linear_timeouts", "0"),
    ])
}

#[test]
fn data_that_nobody_acknowledges_is_a_retransmission_timeout() {
    let Some(lab) = impatient() else { return };
    let pair = lab.pair();
    lab.cut();
    send(&pair.client, 10);
    lab.a().until_gone(pair.c);
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was(OPENED, "timeout retransmission").ours("connect").has("bytes_sent", 10);
    assert!(life.0["retransmits"].as_u64().unwrap() >= 3, "{:#}", life.0);
}

#[test]
fn a_user_timeout_is_told_as_one() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    sockopt::set_tcp_user_timeout(&pair.client, 1500).unwrap();
    lab.cut();
    send(&pair.client, 10);
    lab.a().until_gone(pair.c);
    drop(pair.client);
    lab.life(pair.c).was(OPENED, "timeout user_timeout").lasted("ESTABLISHED", 1400..3500, "exact");
}

#[test]
fn an_orphan_in_fin_wait_1_times_out() {
    let Some(lab) = impatient() else { return };
    let pair = lab.pair();
    lab.cut();
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was("SYN_SENT ESTABLISHED FIN_WAIT_1", "timeout orphan")
        .has("orphaned", true)
        .has("closed_by", "local");
    life.lasted("FIN_WAIT_1", 600..8000, "exact");
}

#[test]
fn a_held_socket_in_fin_wait_1_times_out_by_retransmission() {
    let Some(lab) = impatient() else { return };
    let pair = lab.pair();
    lab.cut();
    end_writing(&pair.client);
    lab.a().until_gone(pair.c);
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was("SYN_SENT ESTABLISHED FIN_WAIT_1", "timeout retransmission").has("orphaned", false);
}

#[test]
fn orphans_in_last_ack_and_closing_time_out() {
    let Some(lab) = impatient() else { return };
    let pair = lab.pair();
    end_writing(&pair.server);
    lab.a().until_in(pair.c, TcpState::CloseWait);
    lab.cut();
    drop(pair.client);
    lab.life(pair.c)
        .was("SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK", "timeout orphan")
        .has("closed_by", "remote");
    lab.restore(true);
    lab.restore(false);
    let pair = lab.pair();
    lab.cut();
    drop((pair.client, pair.server));
    lab.a().until_in(pair.c, TcpState::FinWait1);
    // The server's FIN arrives, ours never.
    lab.restore(false);
    lab.life(pair.c)
        .was("SYN_SENT ESTABLISHED FIN_WAIT_1 CLOSING", "timeout orphan")
        .has("closed_by", "both");
}

#[test]
fn a_window_that_stays_shut_is_told_as_one() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    sockopt::set_tcp_user_timeout(&pair.client, 2000).unwrap();
    nonblocking(&pair.client);
    // Until the peer takes no more.
    let chunk = vec![0; 65536];
    let mut idle = 0;
    while idle < 20 {
        match std::io::Write::write(&mut &pair.client, &chunk) {
            Ok(_) => idle = 0,
            Err(_) => {
                idle += 1;
                last(10);
            }
        }
    }
    let life = {
        lab.a().until_gone(pair.c);
        drop(pair.client);
        lab.life(pair.c)
    };
    life.was(OPENED, "timeout zero_window");
    drop(pair.server);
}

#[test]
fn a_simultaneous_open_that_nobody_completes_times_out_in_syn_recv() {
    let Some(lab) = impatient() else { return };
    let ear = Ear::new(lab.router());
    lab.refuse(true, "blackhole");
    let socket = lab.a().inside(|| socket(0));
    nonblocking(&socket);
    let to = SocketAddrV4::new(lab.address(true), 4000);
    assert_eq!(connect(&socket, &to), Err(Errno::INPROGRESS));
    let syn = ear.hear(|segment| segment.flags == SYN);
    inject(lab.router(), Segment { from: syn.to, to: syn.from, seq: 77, ack: 0, flags: SYN });
    let c = cookie(&socket);
    lab.a().until_in(c, TcpState::SynRecv);
    lab.a().until_gone(c);
    drop(socket);
    let life = lab.life(c);
    life.was("SYN_SENT SYN_RECV", "timeout synack").has("opened_by", "simultaneous");
    life.lasted("SYN_RECV", 500..20_000, "exact");
}

#[test]
fn two_that_connect_to_each_other_at_once_open_simultaneously() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let ends = [false, true].map(|server| SocketAddr::from((lab.address(server), 4000)));
    let [one, two] = [lab.a(), lab.b()].map(|space| space.inside(|| socket(0)));
    lab.cut();
    for (socket, from, to) in [(&one, ends[0], ends[1]), (&two, ends[1], ends[0])] {
        bind(socket, &from).unwrap();
        nonblocking(socket);
        assert_eq!(connect(socket, &to), Err(Errno::INPROGRESS));
    }
    lab.restore(true);
    lab.restore(false);
    let (a, b) = (cookie(&one), cookie(&two));
    lab.a().until_in(a, TcpState::Established);
    lab.b().until_in(b, TcpState::Established);
    drop(one);
    lab.b().until_in(b, TcpState::CloseWait);
    drop(two);
    let lives = [lab.life(a), lab.life(b)];
    let both = lives.iter().filter(|life| life.0["opened_by"] == "simultaneous").count();
    assert_ne!(both, 0, "{lives:#?}");
    for life in &lives {
        assert!(life.0["owner"]["how"] == "connect", "{:#}", life.0);
    }
}

#[test]
fn one_that_connects_to_itself_is_one_life() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let socket = lab.a().inside(|| socket(0));
    let here = SocketAddr::from((lab.address(true), 4000));
    bind(&socket, &here).unwrap();
    connect(&socket, &here).unwrap();
    let c = cookie(&socket);
    drop(socket);
    let life = lab.life(c);
    life.was("SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT_1 CLOSING TIME_WAIT", "time_wait");
    life.has("opened_by", "simultaneous").has("lport", 4000).has("rport", 4000);
}

#[test]
fn icmp_while_retransmitting_is_a_timeout_and_no_failed_connect() {
    let Some(lab) = impatient() else { return };
    let pair = lab.pair();
    lab.refuse(true, "unreachable");
    send(&pair.client, 10);
    lab.a().until_gone(pair.c);
    drop(pair.client);
    lab.life(pair.c).was(OPENED, "timeout retransmission");
}
