//! Two hosts with a router between them, or one host alone: network namespaces that end with the test.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::Value;
use tcptrace::model::snapshot::SocketSnapshot;
use tcptrace::model::state::TcpState;
use tcptrace::source::netns::{Netns, in_netns};
use tcptrace::source::sock_diag::{ALL_STATES, Diag};

use super::sock::cookie;
use super::{Life, Tracer, patience, ready, tracer};

/// A namespace.
pub(crate) struct Space {
    name: String,
    pub(crate) netns: Netns,
}

impl Space {
    fn new(role: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tcptrace-lives-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let netns = Netns::at(&Path::new("/run/netns").join(&name)).unwrap();
        let space = Self { name, netns };
        space.ip(&["link", "set", "lo", "up"]);
        space
    }

    pub(crate) fn ip(&self, words: &[&str]) {
        ip(&[&["-n", &self.name], words].concat());
    }

    /// Does `work` in this namespace; sockets made there stay in it.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_netns(&self.netns, work).unwrap()
    }

    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        self.inside(|| std::fs::write(Path::new("/proc/sys/net").join(name), value)).unwrap();
    }

    /// `ss` with these words, e.g. `-K`; its output.
    pub(crate) fn ss(&self, words: &[&str]) -> String {
        ip(&[&["netns", "exec", &self.name, "ss"], words].concat())
    }

    /// All sockets here.
    pub(crate) fn sockets(&self) -> Vec<SocketSnapshot> {
        let mut found = Vec::new();
        let mut diag = self.inside(|| Diag::open(None)).unwrap();
        diag.dump(self.netns.inode, ALL_STATES, &mut |seen| found.push(seen)).unwrap();
        found
    }

    /// Waits until a socket here is as wanted.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&SocketSnapshot) -> bool) -> SocketSnapshot {
        let deadline = Instant::now() + patience();
        loop {
            let all = self.sockets();
            if let Some(found) = all.iter().find(|seen| wanted(seen)) {
                return *found;
            }
            assert!(Instant::now() < deadline, "no {what} in {all:#?}");
        }
    }

    /// Waits until the socket with this cookie is in `state`.
    pub(crate) fn until_in(&self, cookie: u64, state: TcpState) -> SocketSnapshot {
        self.until(&format!("{state} of {cookie:x}"), |seen| has(seen, cookie) && seen.state == state)
    }

    /// Waits until no socket has this cookie.
    pub(crate) fn until_gone(&self, cookie: u64) {
        let deadline = Instant::now() + patience();
        while self.sockets().iter().any(|seen| has(seen, cookie)) {
            assert!(Instant::now() < deadline, "{cookie:x} is still there");
        }
    }
}

fn has(seen: &SocketSnapshot, cookie: u64) -> bool {
    seen.id.socket.cookie.is_some_and(|known| known.0.get() == cookie)
}

impl Drop for Space {
    fn drop(&mut self) {
        // A test may have deleted it: what ip says of that is nobody's business.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// A client's namespace, a server's, and a router between; alone, they are one and there is no router.
pub(crate) struct Lab {
    spaces: Vec<Space>,
    pub(crate) tracer: &'static Tracer,
}

/// A connection with both ends in our hands.
pub(crate) struct Pair {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
    /// Cookies.
    pub(crate) c: u64,
    pub(crate) s: u64,
}

impl Lab {
    /// One namespace: client and server talk over its loopback.
    pub(crate) fn alone(sysctls: &[(&str, &str)]) -> Option<Self> {
        if !ready() {
            return None;
        }
        let lab = Self { spaces: vec![Space::new("lo")], tracer: tracer::shared() };
        lab.configure(sysctls);
        Some(lab)
    }

    /// Two hosts and a router.
    pub(crate) fn routed(sysctls: &[(&str, &str)]) -> Option<Self> {
        if !ready() {
            return None;
        }
        let [a, r, b] = ["a", "r", "b"].map(Space::new);
        for (host, net) in [(&a, 1), (&b, 2)] {
            let (inner, outer) = ("eth0", format!("eth{net}"));
            host.ip(&["link", "add", inner, "type", "veth", "peer", "name", &outer, "netns", &r.name]);
            host.ip(&["addr", "add", &format!("10.78.{net}.1/24"), "dev", inner]);
            r.ip(&["addr", "add", &format!("10.78.{net}.254/24"), "dev", &outer]);
            host.ip(&["link", "set", inner, "up"]);
            r.ip(&["link", "set", &outer, "up"]);
            host.ip(&["route", "add", "default", "via", &format!("10.78.{net}.254")]);
        }
        r.sysctl("ipv4/ip_forward", "1");
        // Every ICMP error is sent, at once.
        r.sysctl("ipv4/icmp_ratemask", "0");
        let lab = Self { spaces: vec![a, b, r], tracer: tracer::shared() };
        lab.configure(sysctls);
        Some(lab)
    }

    fn configure(&self, sysctls: &[(&str, &str)]) {
        for space in self.spaces.iter().take(2) {
            for (name, value) in sysctls {
                // Before Linux 6.5 a SYN that nobody answers waits twice as long each time, as with 0.
                let as_ever = (*name, *value) == ("ipv4/tcp_syn_linear_timeouts", "0");
                if !as_ever || Path::new("/proc/sys/net").join(name).exists() {
                    space.sysctl(name, value);
                }
            }
        }
    }

    pub(crate) fn a(&self) -> &Space {
        &self.spaces[0]
    }

    pub(crate) fn b(&self) -> &Space {
        self.spaces.get(1).unwrap_or(&self.spaces[0])
    }

    pub(crate) fn router(&self) -> &Space {
        &self.spaces[2]
    }

    /// The client's address, or the server's.
    pub(crate) fn address(&self, server: bool) -> Ipv4Addr {
        match (self.spaces.len(), server) {
            (1, _) => Ipv4Addr::LOCALHOST,
            (_, false) => Ipv4Addr::new(10, 78, 1, 1),
            (_, true) => Ipv4Addr::new(10, 78, 2, 1),
        }
    }

    /// What the router does with packets for the server, or for the client: `blackhole`, `unreachable`, `prohibit`.
    pub(crate) fn refuse(&self, for_server: bool, how: &str) {
        let to = format!("{}/32", self.address(for_server));
        self.router().ip(&["route", "replace", how, &to]);
    }

    /// Packets flow again.
    pub(crate) fn restore(&self, for_server: bool) {
        let to = format!("{}/32", self.address(for_server));
        self.router().ip(&["route", "del", &to]);
    }

    /// No packet passes the router in either direction.
    pub(crate) fn cut(&self) {
        self.refuse(true, "blackhole");
        self.refuse(false, "blackhole");
    }

    pub(crate) fn listen(&self) -> TcpListener {
        let to = SocketAddr::new(IpAddr::V4(self.address(true)), 0);
        self.b().inside(|| TcpListener::bind(to)).unwrap()
    }

    pub(crate) fn connect(&self, to: SocketAddr) -> TcpStream {
        self.a().inside(|| TcpStream::connect(to)).unwrap()
    }

    pub(crate) fn pair(&self) -> Pair {
        self.pair_of(&self.listen())
    }

    pub(crate) fn pair_of(&self, listener: &TcpListener) -> Pair {
        let client = self.connect(listener.local_addr().unwrap());
        let server = listener.accept().unwrap().0;
        let (c, s) = (cookie(&client), cookie(&server));
        // Established on both sides, the accept() behind us.
        self.b().until_in(s, TcpState::Established);
        Pair { client, server, c, s }
    }

    /// The life that `listener` accepted from the client's `port`, once it has ended. Both ports: another test's namespace may have had
    /// the number of this one.
    pub(crate) fn accepted(&self, listener: SocketAddr, port: u16) -> Life {
        let netns = self.b().netns.inode;
        let wanted = |life: &Value| {
            life["netns"] == netns
                && (&life["lport"], &life["rport"]) == (&listener.port().into(), &port.into())
                && life["opened_by"] == "accept"
        };
        self.tracer.wait(1, "the child", wanted).remove(0)
    }

    /// The life of the socket with this cookie, once it has ended.
    pub(crate) fn life(&self, cookie: u64) -> Life {
        self.tracer.life(cookie)
    }
}

fn ip(words: &[&str]) -> String {
    let output = Command::new("ip").args(words).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Writes so many bytes.
pub(crate) fn send(mut to: &TcpStream, bytes: usize) {
    to.write_all(&vec![b'x'; bytes]).unwrap();
}
