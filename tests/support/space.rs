//! A network namespace of a test's own, with addresses that no other test has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tcptrace::source::netns::{Netns, in_netns};

use super::actor::Actor;
use super::run;
use super::tracer::Tracer;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The namespace ends with it. Its addresses are on its loopback: the classic path, which knows no namespaces, is filtered by them.
pub(crate) struct Space {
    pub(crate) name: String,
    pub(crate) netns: Netns,
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

impl Space {
    /// `None` where live tests cannot run, which must be earned.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("TCPTRACE_LIVE").is_none(), "skipped: needs root");
            println!("skipped: needs root");
            return None;
        }
        let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Even, so that a network of two addresses is a test's own.
        let key = (pid & 0x1_ffff) << 7 | (count & 0x3f) << 1;
        let v4 = Ipv4Addr::from_bits(10 << 24 | key);
        let v6 = Ipv6Addr::from_bits(0xfd54 << 112 | u128::from(key));
        let name = format!("tcptrace-live-{pid}-{count}");
        run("ip", &["netns", "add", &name]);
        let netns = Netns::at(&Path::new("/run/netns").join(&name)).unwrap();
        let space = Self { name, netns, v4, v6 };
        space.ip(&["link", "set", "lo", "up"]);
        space.ip(&["addr", "add", &format!("{v4}/32"), "dev", "lo"]);
        space.ip(&["addr", "add", &format!("{v6}/128"), "dev", "lo", "nodad"]);
        Some(space)
    }

    pub(crate) fn ip(&self, words: &[&str]) -> String {
        run("ip", &[&["-n", &self.name], words].concat())
    }

    /// Makes the wire so slow that what is sent within tens of milliseconds crosses what comes: the first packet goes at once, the
    /// next ones wait in line.
    pub(crate) fn slow(&self) {
        let tbf =
            ["qdisc", "add", "dev", "lo", "root", "tbf", "rate", "2kbit", "burst", "100", "latency", "60s"];
        run("tc", &[&["-n", &self.name], &tbf[..]].concat());
    }

    /// Does `work` on a thread inside.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_netns(&self.netns, work).unwrap()
    }

    pub(crate) fn at4(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.v4), port)
    }

    pub(crate) fn at6(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self.v6), port)
    }

    /// The v4 address as an IPv6 socket names it.
    pub(crate) fn mapped(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self.v4.to_ipv6_mapped()), port)
    }

    /// A process inside.
    pub(crate) fn actor(&self, comm: &str) -> Actor {
        self.inside(|| Actor::start(comm))
    }

    /// The flags that confine a tracer to this namespace on an attach path.
    pub(crate) fn scope(&self, attach: &str) -> Vec<String> {
        let scope = if attach == "btf" {
            ["--netns".to_owned(), self.netns.inode.to_string()]
        } else {
            // Listeners on all addresses are left out.
            ["--addr".to_owned(), format!("{},{}", self.v4, self.v6)]
        };
        ["--attach".to_owned(), attach.to_owned()].into_iter().chain(scope).collect()
    }

    /// A tracer (of JSON) confined to this namespace.
    pub(crate) fn tracer(&self, attach: &str, words: &[&str]) -> Tracer {
        let scope = self.scope(attach);
        let scope = scope.iter().map(String::as_str);
        Tracer::start(&scope.chain(words.iter().copied()).collect::<Vec<_>>())
    }

    /// `ss` inside, one line a socket.
    pub(crate) fn ss(&self, words: &[&str]) -> String {
        run("ip", &[&["netns", "exec", &self.name, "ss", "-tanoeiOH"], words].concat())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // A test may have deleted it: what ip says of that is nobody's business.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}
