//! Peers that do not answer, and those that answer but do not read.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde_json::Value;

use crate::look::Look;
use crate::space::{Space, forged_syn};
use crate::{me, pids, reset};

#[test]
fn silence_is_told_from_a_peer_that_does_not_close() {
    let Some(space) = Space::new("dark") else { return };
    let far = Space::new("far").unwrap();
    space.cable_to(&far);
    let look =
        Look::new(&space, &["FIN_WAIT_1>1s", "FIN_WAIT_2>1s", "SYN_SENT>1s", "SYN_RECV>1s", "LAST_ACK>1s"]);
    let listener = far.inside(|| TcpListener::bind("10.98.0.2:0").unwrap());
    let to = listener.local_addr().unwrap();
    let connect = || {
        let client = space.inside(|| TcpStream::connect(to).unwrap());
        (client, listener.accept().unwrap().0)
    };
    let (half, half_peer) = connect();
    let (gone, _gone_peer) = connect();
    let (last, last_peer) = connect();
    half.shutdown(Shutdown::Write).unwrap();
    drop(last_peer);
    let dump = Look::new(&space, &["FIN_WAIT_2>0s", "CLOSE_WAIT>0s"]);
    let lport = |socket: &TcpStream| socket.local_addr().unwrap().port();
    let (half_port, last_port) = (lport(&half), lport(&last));
    dump.wait_for(|record| record["lport"] == half_port && record["state"] == "FIN_WAIT_2");
    dump.wait_for(|record| record["lport"] == last_port && record["state"] == "CLOSE_WAIT");
    // From here on nothing that is sent arrives.
    space.darken("10.98.0.2");
    far.darken("10.98.0.1");
    reset(half_peer);
    gone.shutdown(Shutdown::Write).unwrap();
    drop(last);
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let _syn = space.inside(|| {
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        assert_eq!(rustix::net::connect(&socket, &to), Err(rustix::io::Errno::INPROGRESS));
        socket
    });
    let server = space.inside(|| TcpListener::bind("10.98.0.1:0").unwrap());
    space.inside(|| forged_syn([10, 98, 0, 2], [10, 98, 0, 1], server.local_addr().unwrap().port()));

    let gone_port = lport(&gone);
    let one = look.wait_for(|record| record["lport"] == half_port);
    assert_eq!(
        (&one["verdict"], &one["peer"], pids(&one)),
        (&"half_closed_by_us".into(), &Value::Null, vec![me()]),
        "{one}"
    );
    let one = look.wait_for(|record| record["lport"] == gone_port);
    assert_eq!((&one["verdict"], &one["state"]), (&"peer_gone".into(), &"FIN_WAIT_1".into()), "{one}");
    assert_eq!((&one["timer"], pids(&one)), (&"retransmit".into(), vec![me()]), "{one}");
    let one = look.wait_for(|record| record["lport"] == last_port);
    assert_eq!((&one["verdict"], &one["state"]), (&"peer_gone".into(), &"LAST_ACK".into()), "{one}");
    let one = look.wait_for(|record| record["state"] == "SYN_SENT");
    assert_eq!((&one["verdict"], pids(&one)), (&"peer_gone".into(), vec![me()]), "{one}");
    let one = look.wait_for(|record| record["state"] == "SYN_RECV");
    assert_eq!((&one["verdict"], &one["owner"]["how"]), (&"half_open".into(), &"listener".into()), "{one}");
}

#[test]
fn a_peer_with_a_closed_window_is_not_gone_and_one_that_falls_silent_then_is() {
    let Some(space) = Space::new("window") else { return };
    let far = Space::new("reader").unwrap();
    space.cable_to(&far);
    // Without it (before Linux 6.15) the probes of a slow machine are soon half a minute apart.
    space.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_rto_max_ms", "1000").unwrap_or_default());
    let look = Look::new(&space, &["FIN_WAIT_1>1s"]);
    let listener = far.inside(|| TcpListener::bind("10.98.0.2:0").unwrap());
    let to = listener.local_addr().unwrap();
    let client = space.inside(|| TcpStream::connect(to).unwrap());
    let (server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    // Until the window is shut: what does not fit any more is what the peer does not read.
    let mut full = 0;
    while full < 5 {
        match (&client).write(&[7; 65536]) {
            Ok(1..) => full = 0,
            Ok(0) | Err(_) => {
                full += 1;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }
    client.shutdown(Shutdown::Write).unwrap();
    let port = client.local_addr().unwrap().port();
    let one = look.wait_for(|record| record["lport"] == port && record["timer"] == "probe");
    assert_eq!((&one["verdict"], &one["state"]), (&Value::Null, &"FIN_WAIT_1".into()), "{one}");
    let said = one["explanation"].as_str().unwrap();
    assert!(said.contains("its window is closed: it does not read"), "{one}");
    assert!(one["send_queue"].as_u64().unwrap() > 0, "{one}");
    space.darken("10.98.0.2");
    far.darken("10.98.0.1");
    let one = look.wait_for(|record| record["lport"] == port && record["verdict"] == "peer_gone");
    let said = one["explanation"].as_str().unwrap();
    assert!(said.contains("probes are not answered"), "{one}");
    drop(server);
}

#[test]
fn a_handshake_whose_final_ack_is_dropped_is_half_open() {
    let Some(space) = Space::new("ack") else { return };
    for host in ["127.0.0.1", "::1"] {
        let listener = space.inside(|| TcpListener::bind((host, 0)).unwrap());
        let to = listener.local_addr().unwrap();
        // An ACK and nothing else, to the listener: the SYN passes, the answer to the SYN-ACK does not.
        space.nft(&format!(
            "add table inet t; add chain inet t in {{ type filter hook input priority 0; }}; \
             add rule inet t in tcp dport {} tcp flags & (syn | ack) == ack drop",
            to.port()
        ));
        let client = space.inside(|| TcpStream::connect(to).unwrap());
        let port = client.local_addr().unwrap().port();
        let look = Look::new(&space, &["SYN_RECV>1s"]);
        let one = look.wait_for(|record| record["rport"] == port);
        assert_eq!((&one["verdict"], &one["state"]), (&"half_open".into(), &"SYN_RECV".into()), "{one}");
        assert_eq!((&one["owner"]["pid"], &one["owner"]["how"]), (&me().into(), &"listener".into()), "{one}");
        assert_eq!(pids(&one), Vec::<u64>::new());
        assert!(one["age_ns"].as_u64().unwrap() >= 1_000_000_000, "{one}");
        assert!(one["explanation"].as_str().unwrap().contains("final ACK is missing"), "{one}");
        drop(client);
    }
}
