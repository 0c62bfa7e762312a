//! Fast Open and MPTCP.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::net::{SendFlags, connect, listen, sendto};
use tcptrace::model::state::TcpState;

use crate::support_lives::ability::has_member;
use crate::support_lives::sock::{cookie, nonblocking, socket};
use crate::support_lives::{Lab, Tracer, last};

/// Client and server without a cookie, every listener.
const FAST_OPEN: &[(&str, &str)] = &[("ipv4/tcp_fastopen", "1543")];
const MSG_FASTOPEN: u32 = 0x2000_0000;
const MPTCP: u32 = 262;

#[test]
fn a_fast_open_child_has_a_true_syn_recv() {
    let Some(lab) = Lab::routed(FAST_OPEN) else { return };
    let listener = lab.listen();
    let client = lab.a().inside(|| socket(0));
    nonblocking(&client);
    // What the server answers is lost, so the handshake is not over.
    lab.refuse(false, "blackhole");
    let to = listener.local_addr().unwrap();
    let flags = SendFlags::from_bits_retain(MSG_FASTOPEN);
    assert_eq!(sendto(&client, b"hello", flags, &to).unwrap(), 5);
    let mut server = listener.accept().unwrap().0;
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).unwrap();
    let (c, s) = (cookie(&client), cookie(&server));
    last(200);
    lab.restore(false);
    lab.b().until_in(s, TcpState::Established);
    drop(client);
    lab.b().until_in(s, TcpState::CloseWait);
    drop(server);
    let life = lab.life(s);
    life.was("SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK", "fin").ours("accept").has("bytes_received", 5);
    if has_member("tcp_sock.syn_fastopen_child") {
        life.lasted("SYN_RECV", 200..3000, "exact");
    } else {
        // It looks like any other child, whose SYN_RECV has no length.
        assert!(life.stay("SYN_RECV")["ns"].is_null(), "{:#}", life.0);
    }
    life.has("handshake_rtt_us", serde_json::Value::Null);
    lab.life(c).ours("connect").has("end", "time_wait");
}

#[test]
fn a_fast_open_child_that_is_closed_early_is_never_established() {
    let Some(lab) = Lab::routed(FAST_OPEN) else { return };
    let listener = lab.listen();
    let client = lab.a().inside(|| socket(0));
    nonblocking(&client);
    lab.refuse(false, "blackhole");
    let to = listener.local_addr().unwrap();
    let flags = SendFlags::from_bits_retain(MSG_FASTOPEN);
    assert_eq!(sendto(&client, b"hello", flags, &to).unwrap(), 5);
    let mut server = listener.accept().unwrap().0;
    server.read_exact(&mut [0; 5]).unwrap();
    let s = cookie(&server);
    drop(server);
    lab.restore(false);
    lab.a().until("CLOSE_WAIT", |seen| seen.state == TcpState::CloseWait);
    drop(client);
    let life = lab.life(s);
    assert!(life.path().starts_with("SYN_RECV FIN_WAIT_1"), "{:#}", life.0);
    life.ours("accept").has("closed_by", "local");
}

fn speaks_mptcp() -> Option<Lab> {
    if !std::path::Path::new("/proc/sys/net/mptcp/enabled").exists() {
        println!("skipped: this kernel has no MPTCP");
        return None;
    }
    Lab::alone(&[("mptcp/enabled", "1")])
}

fn mptcp(lab: &Lab) -> (TcpListener, TcpStream, TcpStream) {
    let listener = lab.b().inside(|| {
        let socket = socket(MPTCP);
        rustix::net::bind(&socket, &SocketAddr::from((lab.address(true), 0))).unwrap();
        listen(&socket, 8).unwrap();
        TcpListener::from(socket)
    });
    let client = lab.a().inside(|| socket(MPTCP));
    connect(&client, &listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    (listener, TcpStream::from(client), server)
}

fn talk(pair: (TcpListener, TcpStream, TcpStream)) {
    let (_listener, client, mut server) = pair;
    crate::support_lives::lab::send(&client, 100);
    let mut buffer = [0; 100];
    server.read_exact(&mut buffer).unwrap();
    drop(client);
    assert_eq!(server.read(&mut buffer).unwrap(), 0);
}

#[test]
fn mptcp_is_told_as_its_subflows_and_with_mptcp_as_the_connection_too() {
    let Some(lab) = speaks_mptcp() else { return };
    let with = Tracer::start(&["--mptcp"]);
    let pair = mptcp(&lab);
    let port = pair.1.local_addr().unwrap().port();
    talk(pair);
    let ends = |life: &serde_json::Value| {
        life["netns"] == lab.a().netns.inode && (life["lport"] == port || life["rport"] == port)
    };
    let flows = lab.tracer.wait(2, "the subflows", ends);
    for flow in &flows {
        flow.has("protocol", "tcp");
        assert!(flow.0["owner"].is_null() || flow.0["owner"]["pid"] == std::process::id(), "{:#}", flow.0);
    }
    let tcp = with.wait(2, "the subflows", |life| life["protocol"] == "tcp" && ends(life));
    assert_eq!(tcp.len(), 2);
    let all = with.stop();
    let whole: Vec<_> = all.iter().filter(|life| life.0["protocol"] == "mptcp").collect();
    assert!(whole.iter().any(|life| life.path().starts_with("SYN_SENT ESTABLISHED")), "{whole:#?}");
    assert!(lab.tracer.wait(0, "mptcp", |life| life["protocol"] == "mptcp").is_empty());
}

#[test]
fn a_plain_client_of_an_mptcp_listener_is_plain() {
    let Some(lab) = speaks_mptcp() else { return };
    let listener = lab.b().inside(|| {
        let socket = socket(MPTCP);
        rustix::net::bind(&socket, &SocketAddr::from((lab.address(true), 0))).unwrap();
        listen(&socket, 8).unwrap();
        TcpListener::from(socket)
    });
    let pair = lab.pair_of(&listener);
    drop(pair.client);
    lab.b().until_in(pair.s, TcpState::CloseWait);
    drop(pair.server);
    lab.life(pair.s).was("SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK", "fin").ours("accept");
    lab.life(pair.c).ours("connect");
}
