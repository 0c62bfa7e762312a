//! Listeners that do not accept, and listeners that are flooded.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::num::NonZeroU32;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType};

use crate::space::{Space, find, ip, number};

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
