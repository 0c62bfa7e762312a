//! connect() that fails, and handshakes.

use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::io::Errno;
use rustix::net::{Shutdown, bind, connect, connect_unspec, shutdown};
use tcptrace::model::state::TcpState;

use crate::support_lives::lab::send;
use crate::support_lives::packet::{Ear, SYN, icmp};
use crate::support_lives::sock::{any, cookie, nonblocking, socket};
use crate::support_lives::{Lab, last};

fn free(lab: &Lab) -> std::net::SocketAddr {
    lab.listen().local_addr().unwrap()
}

#[test]
fn a_connect_to_a_closed_port_is_refused_by_a_reset() {
    for lab in [Lab::alone(&[]), Lab::routed(&[])] {
        let Some(lab) = lab else { return };
        let to = free(&lab);
        let socket = lab.a().inside(|| socket(0));
        assert_eq!(connect(&socket, &to), Err(Errno::CONNREFUSED));
        let c = cookie(&socket);
        last(50);
        drop(socket);
        let life = lab.life(c);
        life.was("SYN_SENT", "refused rst")
            .ours("connect")
            .has("rport", to.port())
            .took("fd_held_ns", 50..500);
        assert!(life.0["lport"].is_number());
    }
}

#[test]
fn an_icmp_port_unreachable_refuses_too() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let to = free(&lab);
    let ear = Ear::new(lab.router());
    lab.refuse(true, "blackhole");
    let socket = lab.a().inside(|| socket(0));
    nonblocking(&socket);
    assert_eq!(connect(&socket, &to), Err(Errno::INPROGRESS));
    let syn = ear.hear(|segment| segment.flags == SYN);
    icmp(lab.router(), Ipv4Addr::new(10, 78, 1, 254), syn, 3, 3);
    let c = cookie(&socket);
    lab.a().until_gone(c);
    drop(socket);
    lab.life(c).was("SYN_SENT", "refused icmp").ours("connect");
}

#[test]
fn icmp_unreachable_ends_a_connect() {
    let Some(lab) = Lab::routed(&[]) else { return };
    for how in ["unreachable", "prohibit"] {
        lab.refuse(true, how);
        let socket = lab.a().inside(|| socket(0));
        let to = SocketAddrV4::new(lab.address(true), 80);
        assert_eq!(connect(&socket, &to), Err(Errno::HOSTUNREACH));
        let c = cookie(&socket);
        drop(socket);
        lab.life(c).was("SYN_SENT", "unreachable").ours("connect");
        lab.restore(true);
    }
}

#[test]
fn a_connect_into_silence_times_out() {
    let Some(lab) = Lab::routed(&[("ipv4/tcp_syn_retries", "1"), ("ipv4/tcp_syn_linear_timeouts", "0")])
    else {
        return;
    };
    lab.refuse(true, "blackhole");
    let socket = lab.a().inside(|| socket(0));
    let to = SocketAddrV4::new(lab.address(true), 80);
    assert_eq!(connect(&socket, &to), Err(Errno::TIMEDOUT));
    let c = cookie(&socket);
    drop(socket);
    let life = lab.life(c);
    life.was("SYN_SENT", "timeout syn").ours("connect").lasted("SYN_SENT", 2500..4500, "exact");
    life.has("retransmits", 1);
}

#[test]
fn a_process_that_closes_or_shuts_down_while_connecting_gave_up() {
    let Some(lab) = Lab::routed(&[]) else { return };
    lab.refuse(true, "blackhole");
    let to = SocketAddrV4::new(lab.address(true), 80);
    for close in [true, false] {
        let socket = lab.a().inside(|| socket(0));
        nonblocking(&socket);
        assert_eq!(connect(&socket, &to), Err(Errno::INPROGRESS));
        let c = cookie(&socket);
        last(100);
        if !close {
            shutdown(&socket, Shutdown::Both).unwrap();
        }
        drop(socket);
        let life = lab.life(c);
        life.was("SYN_SENT", "gave_up").ours("connect").lasted("SYN_SENT", 100..600, "exact");
        life.has("closed_by", "local");
    }
}

#[test]
fn without_a_free_port_no_packet_is_sent() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let listener = lab.listen();
    lab.a().sysctl("ipv4/ip_local_port_range", "40000 40000");
    let pair = lab.pair_of(&listener);
    let socket = lab.a().inside(|| socket(0));
    assert_eq!(connect(&socket, &listener.local_addr().unwrap()), Err(Errno::ADDRNOTAVAIL));
    let c = cookie(&socket);
    drop(socket);
    lab.life(c).was("SYN_SENT", "no_local_port").ours("connect").has("lport", serde_json::Value::Null);
    drop(pair);
}

#[test]
fn a_connect_without_a_route_is_no_life() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let socket_ = lab.a().inside(|| socket(0));
    let to = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 80);
    assert_eq!(connect(&socket_, &to), Err(Errno::NETUNREACH));
    let c = cookie(&socket_);
    drop(socket_);
    // A later life has been told, so this one never will be.
    let later = lab.a().inside(|| socket(0));
    assert_eq!(connect(&later, &free(&lab)), Err(Errno::CONNREFUSED));
    let l = cookie(&later);
    drop(later);
    lab.life(l).was("SYN_SENT", "refused rst");
    assert!(lab.tracer.so_far(c).is_empty());
}

#[test]
fn one_socket_that_connects_again_lives_twice_and_shows_no_stale_port() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let socket = lab.a().inside(|| socket(0));
    assert_eq!(connect(&socket, &free(&lab)), Err(Errno::CONNREFUSED));
    let listener = lab.listen();
    connect(&socket, &listener.local_addr().unwrap()).unwrap();
    let c = cookie(&socket);
    let port = rustix::net::getsockname(&socket).unwrap();
    let port = SocketAddrV4::try_from(port).unwrap().port();
    connect_unspec(&socket).unwrap();
    let lives = lab.tracer.lives(c, 2);
    lives[0].was("SYN_SENT", "refused rst");
    lives[1].was("SYN_SENT ESTABLISHED", "rst_sent disconnect").has("lport", port).has("closed_by", "local");
    assert_ne!(lives[0].0["id"], lives[1].0["id"]);
    // And a third time.
    connect(&socket, &listener.local_addr().unwrap()).unwrap();
    connect_unspec(&socket).unwrap();
    lab.tracer.lives(c, 3)[2].was("SYN_SENT ESTABLISHED", "rst_sent disconnect").ours("connect");
}

#[test]
fn listeners_close_shut_down_or_fail() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let listener = lab.listen();
    let c = cookie(&listener);
    let port = listener.local_addr().unwrap().port();
    last(50);
    drop(listener);
    let life = lab.life(c);
    life.was("LISTEN", "listen_closed close").ours("listen").has("lport", port).lasted(
        "LISTEN",
        50..500,
        "exact",
    );
    let (first, second) = lab.a().inside(|| (socket(0), socket(0)));
    for one in [&first, &second] {
        rustix::net::sockopt::set_socket_reuseaddr(one, true).unwrap();
    }
    bind(&first, &any()).unwrap();
    let here = SocketAddrV4::try_from(rustix::net::getsockname(&first).unwrap()).unwrap();
    bind(&second, &here).unwrap();
    rustix::net::listen(&first, 1).unwrap();
    assert_eq!(rustix::net::listen(&second, 1), Err(Errno::ADDRINUSE));
    let c = cookie(&second);
    drop(second);
    lab.life(c).was("LISTEN", "listen_closed listen_failed");
    last(50);
    shutdown(&first, Shutdown::Read).unwrap();
    let c = cookie(&first);
    drop(first);
    lab.life(c).was("LISTEN", "listen_closed shutdown");
}

#[test]
fn both_ends_of_a_short_connection_are_told_with_bytes_and_owner() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let pair = lab.pair();
    send(&pair.client, 1000);
    let mut buffer = vec![0; 1000];
    std::io::Read::read_exact(&mut &pair.server, &mut buffer).unwrap();
    send(&pair.server, 10);
    std::io::Read::read_exact(&mut &pair.client, &mut buffer[..10]).unwrap();
    last(100);
    drop(pair.client);
    lab.b().until_in(pair.s, TcpState::CloseWait);
    last(100);
    drop(pair.server);
    let client = lab.life(pair.c);
    client.was("SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT", "time_wait").ours("connect");
    client
        .has("bytes_sent", 1000)
        .has("bytes_received", 10)
        .has("closed_by", "local")
        .has("first_seen", "event");
    client.lasted("FIN_WAIT_2", 40..600, "estimated").lasted("ESTABLISHED", 100..1000, "exact");
    let server = lab.life(pair.s);
    server.was("SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK", "fin").ours("accept");
    server.has("bytes_sent", 10).has("bytes_received", 1000).has("closed_by", "remote");
    server.lasted("CLOSE_WAIT", 100..600, "exact");
    assert!(client.0["handshake_rtt_us"].is_u64(), "{:#}", client.0);
}

#[test]
fn a_handshake_with_a_syn_cookie_has_no_round_trip_time() {
    let Some(lab) = Lab::alone(&[("ipv4/tcp_syncookies", "2")]) else { return };
    let pair = lab.pair();
    drop(pair.client);
    lab.b().until_in(pair.s, TcpState::CloseWait);
    drop(pair.server);
    lab.life(pair.s).has("handshake_rtt_us", serde_json::Value::Null).has("end", "fin");
}

#[test]
fn a_final_ack_that_is_lost_until_the_first_data_gives_no_round_trip_time() {
    let Some(lab) = Lab::routed(&[]) else { return };
    let listener = lab.listen();
    let swift = lab.pair_of(&listener);
    let ear = Ear::new(lab.b());
    let port = listener.local_addr().unwrap().port();
    let late = lab.a().inside(|| socket(0));
    nonblocking(&late);
    // The SYN-ACK comes back, the answer to it does not: the way is cut while it travels.
    let to = listener.local_addr().unwrap();
    lab.refuse(false, "blackhole");
    assert_eq!(connect(&late, &to), Err(Errno::INPROGRESS));
    ear.hear(|segment| segment.to.port() == port && segment.flags == SYN);
    // The SYN is over there; its answer is lost and sent again after a second.
    lab.restore(false);
    lab.b().until("SYN_RECV", |seen| seen.state == TcpState::NewSynRecv);
    let server = listener.accept().unwrap().0;
    let s = cookie(&server);
    drop((late, server));
    lab.life(s).has("handshake_rtt_us", serde_json::Value::Null);
    drop(swift);
}
