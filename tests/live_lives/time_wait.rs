//! TIME_WAIT: how it is entered, and what ends it.

use std::io::Read;
use std::net::SocketAddrV4;

use rustix::io::Errno;
use rustix::net::connect;
use tcptrace::model::state::TcpState;

use crate::support_lives::packet::{ACK, Ear, FIN, RST, SYN, Segment, inject};
use crate::support_lives::sock::{cookie, end_writing, nonblocking, socket};
use crate::support_lives::{Lab, Tracer, last};

const CLOSER: &str = "SYN_SENT ESTABLISHED FIN_WAIT_1 FIN_WAIT_2";

#[test]
fn a_socket_in_time_wait_whose_fd_stays_open_says_how_long() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let mut pair = lab.pair();
    end_writing(&pair.client);
    lab.a().until_in(pair.c, TcpState::FinWait2);
    drop(pair.server);
    assert_eq!(pair.client.read(&mut [0]).unwrap(), 0);
    last(300);
    drop(pair.client);
    let life = lab.life(pair.c);
    life.was(&format!("{CLOSER} TIME_WAIT"), "time_wait").took("fd_held_ns", 290..700).has("orphaned", false);
}

#[test]
fn fin_and_acknowledgement_in_one_segment_is_no_fin_wait_2() {
    let Some(lab) = Lab::routed(&[]) else { return };
    // A peer that acknowledges and closes in one: a kernel may send the one before the other.
    let ear = Ear::new(lab.router());
    lab.refuse(true, "blackhole");
    let socket = lab.a().inside(|| socket(0));
    nonblocking(&socket);
    let to = SocketAddrV4::new(lab.address(true), 4000);
    assert_eq!(connect(&socket, &to), Err(Errno::INPROGRESS));
    let answer = |segment: Segment, seq: u32, flags: u8| {
        let (from, to, ack) = (segment.to, segment.from, segment.seq.wrapping_add(1));
        inject(lab.router(), Segment { from, to, seq, ack, flags });
    };
    answer(ear.hear(|segment| segment.flags == SYN), 77, SYN | ACK);
    let c = cookie(&socket);
    lab.a().until_in(c, TcpState::Established);
    drop(socket);
    answer(ear.hear(|segment| segment.flags & FIN != 0), 78, FIN | ACK);
    lab.life(c).was("SYN_SENT ESTABLISHED FIN_WAIT_1 TIME_WAIT", "time_wait");
}

#[test]
fn time_wait_is_seen_through_to_what_ends_it() {
    let Some(lab) = Lab::alone(&[("ipv4/tcp_tw_reuse", "1")]) else { return };
    let through = Tracer::start(&["--through-time-wait"]);
    let finish = |port: Option<&str>| {
        if let Some(port) = port {
            lab.a().sysctl("ipv4/ip_local_port_range", port);
        }
        lab.pair()
    };
    // connect() takes the only port again.
    let listener = lab.listen();
    lab.a().sysctl("ipv4/ip_local_port_range", "40000 40000");
    let first = lab.pair_of(&listener);
    end(&lab, first.client, first.server, first.c);
    last(1200);
    let second = lab.pair_of(&listener);
    let life = through.life(first.c);
    life.was(&format!("{CLOSER} TIME_WAIT"), "recycled reuse").lasted("TIME_WAIT", 1100..2500, "estimated");
    drop((second.client, second.server));
    // A SYN comes for the server's TIME_WAIT.
    let _ = finish(Some("32768 60999"));
    let one = lab.pair_of(&listener);
    let from = one.client.local_addr().unwrap();
    drop(one.server);
    lab.b().until_in(one.s, TcpState::FinWait2);
    drop(one.client);
    lab.b().until("TIME_WAIT", |seen| {
        seen.state == TcpState::TimeWait && seen.id.endpoints.remote.port == Some(from.port())
    });
    let again = lab.a().inside(|| {
        let socket = socket(0);
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        rustix::net::bind(&socket, &from).unwrap();
        connect(&socket, &listener.local_addr().unwrap()).unwrap();
        socket
    });
    let life = through.life(one.s);
    life.was("SYN_RECV ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT", "recycled new_syn");
    drop(again);
}

fn end(lab: &Lab, client: std::net::TcpStream, server: std::net::TcpStream, c: u64) {
    drop(client);
    lab.a().until_in(c, TcpState::FinWait2);
    drop(server);
    lab.a().until_in(c, TcpState::TimeWait);
}

#[test]
fn a_time_wait_that_a_reset_or_a_killer_ends_early_is_recycled() {
    let Some(lab) = Lab::alone(&[]) else { return };
    let through = Tracer::start(&["--through-time-wait"]);
    for kill in [false, true] {
        let ear = Ear::new(lab.a());
        let pair = lab.pair();
        let port = pair.client.local_addr().unwrap().port();
        drop(pair.client);
        lab.a().until_in(pair.c, TcpState::FinWait2);
        drop(pair.server);
        lab.a().until_in(pair.c, TcpState::TimeWait);
        // The final ACK names what the RST has to say.
        let fin = ear.hear(|segment| segment.from.port() != port && segment.flags & FIN != 0);
        last(1500);
        if kill {
            let own = format!(":{port}");
            let killed = lab.a().ss(&["-K", "state", "time-wait", "sport", "=", &own]);
            if !killed.contains(&own) {
                // Older kernels kill no timewait socket: it goes on, and nothing is told.
                lab.a().until_in(pair.c, TcpState::TimeWait);
                assert!(through.so_far(pair.c).is_empty());
                continue;
            }
        } else {
            inject(lab.a(), Segment { seq: fin.seq.wrapping_add(1), flags: RST, ..fin });
        }
        lab.a().until_gone(pair.c);
        let life = through.life(pair.c);
        assert!(life.end().starts_with("recycled"), "{:#}", life.0);
        life.lasted("TIME_WAIT", 1300..5000, "estimated");
    }
}

#[test]
fn a_time_wait_that_the_kernel_had_no_room_for_has_no_length() {
    let Some(lab) = Lab::alone(&[("ipv4/tcp_max_tw_buckets", "1")]) else { return };
    let through = Tracer::start(&["--through-time-wait"]);
    let listener = lab.listen();
    for _ in 0..3 {
        let mut pair = lab.pair_of(&listener);
        drop(pair.client);
        assert_eq!(pair.server.read(&mut [0]).unwrap(), 0);
        drop(pair.server);
    }
    let lives = through
        .wait(2, "no room", |life| life["netns"] == lab.a().netns.inode && life["opened_by"] == "connect");
    for life in &lives {
        // A server that is kept waiting acknowledges the FIN before it sends its own: then there is no room for an orphan in FIN_WAIT_2.
        let last = if life.path().ends_with("FIN_WAIT_2") { "FIN_WAIT_2" } else { "TIME_WAIT" };
        let end = if last == "TIME_WAIT" { "time_wait" } else { "unknown" };
        life.was(&format!("SYN_SENT ESTABLISHED FIN_WAIT_1 {last}"), end);
        assert_eq!(life.stay(last)["evidence"], "unknown", "{:#}", life.0);
    }
}
