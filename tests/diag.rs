//! sock_diag, namespaces, fd tables and sysctls against real sockets in namespaces of our own, with `ss` as oracle.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's numbers are small, and it fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use tcptrace::model::cookie::Cookie;
use tcptrace::model::snapshot::{SocketSnapshot, TimerKind};
use tcptrace::model::state::TcpState;
use tcptrace::model::time::Mono;
use tcptrace::source::cgroup::CgroupTree;
use tcptrace::source::clock::now;
use tcptrace::source::fd_table::FdTable;
use tcptrace::source::netns::{self, Netns, in_netns};
use tcptrace::source::netstat::Netstat;
use tcptrace::source::sock_diag::{self, ALL_STATES, Diag, set::DiagSet};
use tcptrace::source::sysctl;

const MS: u64 = 1_000_000;

/// A namespace that ends with the test.
struct Space {
    name: String,
    netns: Netns,
}

impl Space {
    fn new(purpose: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("TCPTRACE_LIVE").is_none(), "skipped: needs root");
            println!("skipped: needs root");
            return None;
        }
        let name = format!("tcptrace-diag-{purpose}-{}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let netns = Netns::at(&Path::new("/run/netns").join(&name)).unwrap();
        let space = Self { name, netns };
        space.ip(&["link", "set", "lo", "up"]);
        Some(space)
    }

    fn ip(&self, words: &[&str]) {
        run("ip", &[&["-n", &self.name], words].concat());
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_netns(&self.netns, work).unwrap()
    }

    fn diag(&self) -> Diag {
        self.inside(|| Diag::open(sysctl::fin_timeout_here())).unwrap()
    }

    fn pair(&self, listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream) {
        let client = self.inside(|| TcpStream::connect(to).unwrap());
        (client, listener.accept().unwrap().0)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn dump(diag: &mut Diag, netns: u32, states: u32) -> Vec<SocketSnapshot> {
    let mut found = Vec::new();
    let stats = diag.dump(netns, states, &mut |seen| found.push(seen)).unwrap();
    assert_eq!((stats.sockets, stats.malformed, stats.complete), (found.len() as u64, 0, true));
    found
}

/// The socket between two ports (0: any), once it is in `state`.
fn wait_for(diag: &mut Diag, space: &Space, state: TcpState, local: u16, remote: u16) -> SocketSnapshot {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let all = dump(diag, space.netns.inode, ALL_STATES);
        let found = all.iter().find(|seen| {
            let ends = seen.id.endpoints;
            seen.state == state
                && (local == 0 || ends.local.port == Some(local))
                && (remote == 0 || ends.remote.port == Some(remote))
        });
        if let Some(found) = found {
            return *found;
        }
        assert!(Instant::now() < deadline, "no {state:?} {local} {remote} in {all:#?}");
    }
}

/// The snapshot's bounds hold for a state that was entered between `from` and `to`.
fn check_age(seen: &SocketSnapshot, from: Mono, to: Mono, what: &str) {
    let (oldest, youngest) = (seen.at.since(from), seen.at.since(to));
    let age = seen.age;
    assert!(age.at_least_ns <= oldest, "{what}: {age:?}, truly at most {oldest}");
    assert!(
        age.at_most_ns.is_none_or(|most| most + MS >= youngest),
        "{what}: {age:?}, truly at least {youngest}"
    );
}

/// One line of `ss -tanoeimOH`.
#[derive(Debug)]
struct Line {
    state: String,
    receive: u32,
    send: u32,
    ends: (String, String),
    inode: Option<u64>,
    uid: Option<u32>,
    timer: Option<String>,
    cgroup: Option<String>,
    bytes_sent: u64,
    bytes_received: u64,
}

fn ss(space: &Space) -> BTreeMap<String, Line> {
    let text = run("ip", &["netns", "exec", &space.name, "ss", "-tanoeimOH"]);
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
            let number = |key: &str| value(key).map(|value| value.parse::<u64>().unwrap());
            let line = Line {
                state: words[0].to_owned(),
                receive: words[1].parse().unwrap(),
                send: words[2].parse().unwrap(),
                ends: (words[3].to_owned(), words[4].to_owned()),
                inode: number("ino:").filter(|inode| *inode != 0),
                uid: number("uid:").map(|uid| uid as u32),
                timer: value("timer:(").map(|timer| timer.split(',').next().unwrap().to_owned()),
                cgroup: value("cgroup:").map(str::to_owned),
                bytes_sent: number("bytes_sent:").unwrap_or_default()
                    - number("bytes_retrans:").unwrap_or_default(),
                bytes_received: number("bytes_received:").unwrap_or_default(),
            };
            (value("sk:").unwrap().to_owned(), line)
        })
        .collect()
}

fn endpoint_as_ss(end: tcptrace::model::endpoints::Endpoint) -> String {
    let port = end.port.map_or("*".to_owned(), |port| port.to_string());
    if end.addr.is_ipv4() { format!("{}:{port}", end.addr) } else { format!("[{}]:{port}", end.addr) }
}

fn compare(space: &Space, seen: &[SocketSnapshot]) {
    let lines = ss(space);
    let mut tree = CgroupTree::open().ok();
    assert_eq!(lines.len(), seen.len(), "{lines:#?}");
    for seen in seen {
        let cookie = seen.id.socket.cookie.unwrap().to_string();
        let line = &lines[&cookie];
        let state = match line.state.as_str() {
            "SYN-RECV" => TcpState::NewSynRecv,
            other => other.parse().unwrap(),
        };
        assert_eq!(seen.state, state, "{line:?}");
        let plain = |end: &str| {
            end.replace("[::ffff:", "").replace("]:", if end.contains("ffff:") { ":" } else { "]:" })
        };
        if state != TcpState::Listen {
            let ends = (endpoint_as_ss(seen.id.endpoints.local), endpoint_as_ss(seen.id.endpoints.remote));
            assert_eq!(ends, (plain(&line.ends.0), plain(&line.ends.1)));
        }
        assert_eq!(seen.id.inode, line.inode, "{line:?}");
        if let Some(inode) = seen.id.inode {
            assert_eq!(seen.id.uid, Some(line.uid.unwrap_or(0)), "inode {inode}");
            assert_eq!(seen.id.cgroup.is_some(), line.cgroup.is_some(), "{line:?}");
            if let (Some(tree), Some(id)) = (&mut tree, seen.id.cgroup) {
                // `ip netns exec` hides the cgroup mount from ss, which then prints the id.
                let (path, told) = (tree.path(id).unwrap(), line.cgroup.as_deref().unwrap());
                assert!(told == path || told == format!("unreachable:{id:x}"), "{id} {path} {told}");
            }
        }
        let fin_in = matches!(state, TcpState::CloseWait | TcpState::LastAck | TcpState::Closing);
        let flag_out =
            matches!(state, TcpState::SynSent | TcpState::FinWait1 | TcpState::LastAck | TcpState::Closing);
        assert_eq!(seen.receive_queue + u32::from(fin_in), line.receive.max(u32::from(fin_in)), "{line:?}");
        assert_eq!(seen.send_queue + u32::from(flag_out), line.send, "{line:?}");
        let timer = seen.timer.map(|timer| match timer.kind {
            TimerKind::Retransmit => "on",
            TimerKind::Keepalive => "keepalive",
            TimerKind::TimeWait => "timewait",
            TimerKind::Probe => "persist",
        });
        assert_eq!(timer, line.timer.as_deref(), "{line:?}");
        if let Some(counters) = seen.counters {
            assert_eq!(counters.bytes_sent, line.bytes_sent, "{line:?}");
            assert_eq!(counters.bytes_received + u64::from(fin_in), line.bytes_received, "{line:?}");
        }
    }
}

/// Starts a connect that nobody answers.
fn syn_into_the_dark(to: SocketAddr) -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    assert_eq!(rustix::net::connect(&socket, &to), Err(rustix::io::Errno::INPROGRESS));
    socket
}

/// A SYN from an address that is not there.
fn forged_syn(from: [u8; 4], to: [u8; 4], port: u16) {
    let sum = |bytes: &[u8]| {
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
    };
    let mut tcp = [0; 20];
    tcp[..2].copy_from_slice(&5555_u16.to_be_bytes());
    tcp[2..4].copy_from_slice(&port.to_be_bytes());
    tcp[7] = 1;
    (tcp[12], tcp[13], tcp[14]) = (0x50, 0x02, 0x10);
    let check = sum(&[&from[..], &to, &[0, 6, 0, 20], &tcp].concat());
    tcp[16..18].copy_from_slice(&check);
    let ip = [&[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0], &from[..], &to].concat();
    let raw = std::num::NonZero::new(255).map(rustix::net::Protocol::from_raw);
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, raw).unwrap();
    let target = SocketAddr::from((to, 0));
    rustix::net::sendto(&socket, &[&ip[..], &tcp].concat(), SendFlags::empty(), &target).unwrap();
}

#[test]
fn every_state_of_every_family_is_what_ss_says_and_as_old_as_we_measured() {
    let Some(space) = Space::new("states") else { return };
    // A cable whose far end is nobody's: what goes out reaches the wrong card and is dropped.
    space.ip(&["link", "add", "dark", "type", "veth", "peer", "name", "end"]);
    space.ip(&["link", "set", "end", "up"]);
    space.ip(&["addr", "add", "10.99.0.1/24", "dev", "dark"]);
    space.ip(&["link", "set", "dark", "up"]);
    for nobody in ["10.99.0.2", "10.99.0.3"] {
        space.ip(&["neigh", "add", nobody, "lladdr", "02:00:00:00:00:01", "dev", "dark", "nud", "permanent"]);
    }
    space.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "30").unwrap());
    let mut diag = space.diag();
    assert_eq!(diag.fin_timeout(), Some(30));
    let netns = space.netns.inode;
    let mut kept = Vec::new();
    let mut ages = Vec::new();
    for (listen, connect) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1")] {
        let listener = space.inside(|| TcpListener::bind(listen).unwrap());
        let port = listener.local_addr().unwrap().port();
        let to = SocketAddr::new(connect.parse().unwrap(), port);
        let began = now();
        let established = space.pair(&listener, to);
        let mut half = space.pair(&listener, to);
        let unread = space.pair(&listener, to);
        let orphan = space.pair(&listener, to);
        let ended = space.pair(&listener, to);
        half.1.write_all(b"hello").unwrap();
        (&unread.0).write_all(&[7; 500]).unwrap();
        // So that "last data" and "closed" are different moments.
        sleep(Duration::from_millis(100));
        let close = now();
        half.0.shutdown(Shutdown::Write).unwrap();
        unread.0.shutdown(Shutdown::Write).unwrap();
        let ports =
            [&established.0, &half.0, &unread.0, &orphan.0, &ended.0].map(|s| s.local_addr().unwrap().port());
        drop(orphan.0);
        drop(ended.0);
        wait_for(&mut diag, &space, TcpState::CloseWait, port, ports[4]);
        drop(ended.1);
        for (state, local, remote) in [
            (TcpState::FinWait2, ports[1], port),
            (TcpState::CloseWait, port, ports[1]),
            (TcpState::FinWait2, ports[2], port),
            (TcpState::CloseWait, port, ports[2]),
            (TcpState::FinWait2, ports[3], port),
            (TcpState::CloseWait, port, ports[3]),
            (TcpState::TimeWait, ports[4], port),
        ] {
            wait_for(&mut diag, &space, state, local, remote);
            ages.push((state, local, remote, close, now()));
        }
        ages.push((TcpState::Established, ports[0], port, began, close));
        let queued = space.inside(|| TcpStream::connect(to).unwrap());
        let seen =
            wait_for(&mut diag, &space, TcpState::Established, port, queued.local_addr().unwrap().port());
        assert_eq!(seen.id.inode, None, "not yet accepted");
        let unread_queue = wait_for(&mut diag, &space, TcpState::CloseWait, port, ports[2]).receive_queue;
        assert_eq!(unread_queue, 500, "the FIN does not count");
        assert_eq!(wait_for(&mut diag, &space, TcpState::Listen, port, 0).receive_queue, 1);
        kept.push((
            listener,
            vec![established.0, established.1, half.0, half.1, unread.0, unread.1, orphan.1, queued],
        ));
    }
    let target = space.inside(|| TcpListener::bind("10.99.0.1:0").unwrap());
    let port = target.local_addr().unwrap().port();
    let before = now();
    let _dark = space.inside(|| syn_into_the_dark("10.99.0.2:81".parse().unwrap()));
    space.inside(|| forged_syn([10, 99, 0, 3], [10, 99, 0, 1], port));
    let after = now();
    ages.push((TcpState::SynSent, 0, 81, before, after));
    ages.push((TcpState::NewSynRecv, port, 5555, before, after));
    for round in 0..3 {
        for &(state, local, remote, from, to) in &ages {
            let seen = wait_for(&mut diag, &space, state, local, remote);
            check_age(&seen, from, to, &format!("{state:?} {local} {remote} round {round}"));
            let idle = seen.at.since(to);
            // What kernel-facts §17 calls exact is exact to the tick; TIME_WAIT by its timer, others because nothing was sent.
            if !matches!(state, TcpState::Established | TcpState::CloseWait) {
                assert!(seen.age.at_least_ns + 300 * MS >= idle, "{state:?}: {:?} of {idle}", seen.age);
            }
        }
        if round < 2 {
            sleep(Duration::from_millis(1300));
        }
    }
    compare(&space, &dump(&mut diag, netns, ALL_STATES));

    // The filter runs in the kernel and tells request sockets from full ones.
    let minis = dump(&mut diag, netns, sock_diag::mask([TcpState::TimeWait, TcpState::FinWait2]));
    assert_eq!(minis.iter().filter(|seen| seen.mini).count(), 6);
    assert_eq!(minis.iter().filter(|seen| !seen.mini).count(), 6);
    assert_eq!(dump(&mut diag, netns, sock_diag::mask([TcpState::NewSynRecv])).len(), 1);
    assert_eq!(dump(&mut diag, netns, sock_diag::mask([TcpState::SynRecv])).len(), 0);

    // Each is found again by its ends and cookie, and by no other cookie.
    for seen in dump(&mut diag, netns, ALL_STATES) {
        let cookie = seen.id.socket.cookie;
        let found = diag.find(netns, &seen.id.endpoints, cookie).unwrap();
        // A v6 listener on :: also answers for the folded form of its own address only.
        assert_eq!(found.map(|found| found.id.socket.cookie), Some(cookie), "{seen:?}");
        let wrong = Cookie::new(cookie.unwrap().0.get() ^ 1 << 40);
        assert_eq!(diag.find(netns, &seen.id.endpoints, wrong).unwrap(), None);
    }

    // Holders by inode.
    let table = FdTable::scan(Some(&[std::process::id()])).unwrap();
    let server = &kept[0].1[3];
    let ends = (server.local_addr().unwrap().port(), server.peer_addr().unwrap().port());
    let inode = wait_for(&mut diag, &space, TcpState::CloseWait, ends.0, ends.1).id.inode.unwrap();
    assert_eq!(
        table.holders(inode).iter().map(|holder| holder.fd).collect::<Vec<_>>(),
        [server.as_raw_fd().cast_unsigned()]
    );

    // SOCK_DESTROY takes the one that is meant.
    let victim = wait_for(&mut diag, &space, TcpState::CloseWait, ends.0, ends.1);
    let destroyed = space.inside(|| diag.destroy(&victim.id.endpoints, victim.id.socket.cookie.unwrap()));
    assert!(destroyed.unwrap());
    assert_eq!(diag.find(netns, &victim.id.endpoints, victim.id.socket.cookie).unwrap(), None);
    assert!(!diag.destroy(&victim.id.endpoints, victim.id.socket.cookie.unwrap()).unwrap());
}

#[test]
fn a_fin_that_nobody_answers_is_aged_by_its_retransmissions() {
    let Some(space) = Space::new("fin") else { return };
    let mut diag = space.diag();
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let to = listener.local_addr().unwrap();
    let (client, _server) = space.pair(&listener, to);
    let (closed, passive) = space.pair(&listener, to);
    closed.shutdown(Shutdown::Write).unwrap();
    let (active, waiting) = (client.local_addr().unwrap().port(), closed.local_addr().unwrap().port());
    wait_for(&mut diag, &space, TcpState::CloseWait, to.port(), waiting);
    wait_for(&mut diag, &space, TcpState::FinWait2, waiting, to.port());
    space.ip(&["link", "set", "lo", "down"]);
    let from = now();
    client.shutdown(Shutdown::Write).unwrap();
    drop(passive);
    let until = now();
    for _ in 0..4 {
        sleep(Duration::from_millis(500));
        let one = wait_for(&mut diag, &space, TcpState::FinWait1, active, to.port());
        check_age(&one, from, until, "FIN_WAIT_1");
        let two = wait_for(&mut diag, &space, TcpState::LastAck, to.port(), waiting);
        check_age(&two, from, until, "LAST_ACK");
        println!("{:?} {:?} of {} ms", one.age, two.age, one.at.since(from) / MS);
        assert_eq!((one.send_queue, two.send_queue, two.receive_queue), (0, 0, 0));
    }
    compare(&space, &dump(&mut diag, space.netns.inode, ALL_STATES));
}

#[test]
fn sysctls_and_counters_are_those_of_the_namespace_asked() {
    let Some(one) = Space::new("sysctl1") else { return };
    let Some(two) = Space::new("sysctl2") else { return };
    one.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "17").unwrap());
    two.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "71").unwrap());
    for (space, expected) in [(&one, "17"), (&two, "71"), (&one, "17")] {
        let read = sysctl::read_all(&space.netns, &["net.ipv4.tcp_fin_timeout", "net.ipv4.no_such"]).unwrap();
        assert_eq!(read[0].as_ref().unwrap(), expected);
        assert!(read[1].is_err());
    }
    let before = (Netstat::read(&one.netns).unwrap(), Netstat::read(&two.netns).unwrap());
    let refused = one.inside(|| TcpStream::connect("127.0.0.1:9").unwrap_err());
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(Netstat::read(&one.netns).unwrap().grown(&before.0, "Tcp.ActiveOpens"), 1);
    assert_eq!(Netstat::read(&two.netns).unwrap().grown(&before.1, "Tcp.ActiveOpens"), 0);
}

#[test]
fn a_set_follows_namespaces_as_they_come_and_go_and_leaves_the_caller_where_it_was() {
    let Some(space) = Space::new("set") else { return };
    let own = netns::own().unwrap();
    let (mut set, first) = DiagSet::open().unwrap();
    assert_eq!(netns::own().unwrap(), own);
    assert!(first.opened.contains(&own) && first.opened.contains(&space.netns.inode));
    let name = set.namespaces().find(|netns| netns.inode == space.netns.inode).unwrap().name.clone();
    assert_eq!(name.as_deref(), Some(space.name.as_str()));
    let _listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut seen = Vec::new();
    let all = set.dump_all(sock_diag::mask([TcpState::Listen]), &mut |socket| seen.push(socket.id.netns));
    assert!(all.failed.is_empty());
    assert_eq!(seen.iter().filter(|netns| **netns == Some(space.netns.inode)).count(), 1);
    let gone = space.netns.inode;
    drop(space);
    assert!(set.refresh().unwrap().dropped.contains(&gone));
    assert!(set.diag(gone).is_none() && set.diag(own).is_some());
}

#[test]
fn the_request_is_the_one_that_netlink_packet_sock_diag_makes() {
    use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage};
    use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
    use netlink_packet_sock_diag::{AF_INET, IPPROTO_TCP, SockDiagMessage};
    use zerocopy::IntoBytes;

    let request = InetRequest {
        family: AF_INET,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::INFO,
        states: StateFlags::CLOSE_WAIT,
        socket_id: SocketId { cookie: [0; 8], ..SocketId::new_v4() },
    };
    let mut message = NetlinkMessage::from(SockDiagMessage::InetRequest(request));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.header.sequence_number = 9;
    message.finalize();
    let mut theirs = vec![0; message.buffer_len()];
    message.serialize(&mut theirs);
    let ours = sock_diag::request::Request::dump(9, AF_INET, sock_diag::mask([TcpState::CloseWait]));
    assert_eq!(ours.as_bytes(), theirs);
}

#[test]
fn a_hundred_thousand_sockets_and_fds_are_read_in_well_under_a_second() {
    const CONNECTIONS: usize = 100_000;
    let Some(space) = Space::new("many") else { return };
    space.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "300000").unwrap());
    // Else connect() takes the ports of TIME_WAITs older than a second.
    space.inside(|| std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "0").unwrap());
    let made = Instant::now();
    space.inside(|| {
        for host in 2..22 {
            let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, host), 0)).unwrap();
            let to = listener.local_addr().unwrap();
            for _ in 0..CONNECTIONS / 20 {
                let client = TcpStream::connect(to).unwrap();
                let server = listener.accept().unwrap().0;
                drop(client);
                drop(server);
            }
        }
    });
    println!("made in {:?}", made.elapsed());
    let mut diag = space.diag();
    let mut count = 0_u32;
    let stats = diag
        .dump(space.netns.inode, sock_diag::mask([TcpState::TimeWait, TcpState::FinWait2]), &mut |seen| {
            assert!(seen.mini);
            count += 1;
        })
        .unwrap();
    let took = Duration::from_nanos(stats.ended.since(stats.began));
    println!("{count} sockets in {took:?}: {:.0}/s", f64::from(count) / took.as_secs_f64());
    // The kernel's own count of timewait sockets.
    let sockstat = space.inside(|| std::fs::read_to_string("/proc/thread-self/net/sockstat").unwrap());
    let counted = sockstat.split(" tw ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert_eq!(counted.parse(), Ok(count), "{CONNECTIONS} were made");
    assert!(count as usize > CONNECTIONS * 9 / 10);
    assert!(took < Duration::from_secs(1), "{took:?}");

    // As many fds as this machine lets us have: raising the hard limit takes CAP_SYS_RESOURCE.
    let nofile = rustix::process::Resource::Nofile;
    let wanted = rustix::process::Rlimit { current: Some(200_000), maximum: Some(200_000) };
    let _ = rustix::process::setrlimit(nofile, wanted);
    let limit = rustix::process::getrlimit(nofile).current.unwrap_or(200_000) as usize;
    let fds = CONNECTIONS.min(limit.saturating_sub(500));
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let copies: Vec<_> = (0..fds).map(|_| listener.try_clone().unwrap()).collect();
    let began = Instant::now();
    let table = FdTable::scan(Some(&[std::process::id()])).unwrap();
    let took = began.elapsed();
    println!("{} fds in {took:?}", copies.len() + 1);
    let inode =
        wait_for(&mut diag, &space, TcpState::Listen, listener.local_addr().unwrap().port(), 0).id.inode;
    assert_eq!(table.holders(inode.unwrap()).len(), fds + 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
