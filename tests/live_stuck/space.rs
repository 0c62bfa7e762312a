//! A network namespace of our own, and ways to make it dark.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use tcptrace::source::netns::{Netns, in_netns};

/// A namespace that ends with the test.
pub(crate) struct Space {
    name: String,
    pub(crate) netns: Netns,
}

impl Space {
    pub(crate) fn new(purpose: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("TCPTRACE_LIVE").is_none(), "skipped: needs root");
            println!("skipped: needs root");
            return None;
        }
        let name = format!("tcptrace-stuck-{purpose}-{}", std::process::id());
        run(&["netns", "add", &name]);
        let netns = Netns::at(&Path::new("/run/netns").join(&name)).unwrap();
        let space = Self { name, netns };
        space.ip(&["link", "set", "lo", "up"]);
        Some(space)
    }

    fn ip(&self, words: &[&str]) {
        run(&[&["-n", &self.name], words].concat());
    }

    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_netns(&self.netns, work).unwrap()
    }

    /// A client and the server's end of its connection.
    pub(crate) fn pair(&self, listener: &TcpListener) -> (TcpStream, TcpStream) {
        let to = listener.local_addr().unwrap();
        let client = self.inside(|| TcpStream::connect(to).unwrap());
        (client, listener.accept().unwrap().0)
    }

    /// A cable: 10.98.0.1 here, 10.98.0.2 there.
    pub(crate) fn cable_to(&self, far: &Self) {
        self.ip(&["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &far.name]);
        for (space, addr) in [(self, "10.98.0.1/24"), (far, "10.98.0.2/24")] {
            space.ip(&["addr", "add", addr, "dev", "cable"]);
            space.ip(&["link", "set", "cable", "up"]);
        }
    }

    /// What is sent to `addr` from now on reaches a card that is not its, and is dropped.
    pub(crate) fn darken(&self, addr: &str) {
        let wrong = "02:00:00:00:00:99";
        self.ip(&["neigh", "replace", addr, "lladdr", wrong, "dev", "cable", "nud", "permanent"]);
    }
}

impl Space {
    /// Replaces the packet filter of the namespace.
    pub(crate) fn nft(&self, rules: &str) {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "nft", &format!("flush ruleset; {rules}")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{rules}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn run(words: &[&str]) {
    let output = Command::new("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A SYN whose sender will never answer.
pub(crate) fn forged_syn(from: [u8; 4], to: [u8; 4], port: u16) {
    let sum = |bytes: &[u8]| {
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        (!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap()).to_be_bytes()
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
    let target = std::net::SocketAddr::from((to, 0));
    rustix::net::sendto(&socket, &[&ip[..], &tcp].concat(), SendFlags::empty(), &target).unwrap();
}
