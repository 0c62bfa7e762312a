//! A second process that makes socket calls when told: this test binary again, with its own pid and name.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};

use super::patience::slowness;

/// In the environment of an actor.
const ROLE: &str = "TCPTRACE_TEST_ACTOR";

/// Before an answer: the test harness prints lines of its own.
const ANSWER: &str = "=> ";

/// A process that waits for orders; it dies with this.
pub(crate) struct Actor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Actor {
    /// Starts one in the calling thread's namespace.
    pub(crate) fn start(comm: &str) -> Self {
        let place = module_path!().split_once("::").unwrap().1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{place}::an_actor_answers"), "--nocapture", "--test-threads=1"])
            .env(ROLE, comm)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut actor = Self { orders: child.stdin.take(), child, answers };
        actor.must("hello");
        actor
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order; its answer, or the name of the error.
    pub(crate) fn order(&mut self, order: &str) -> Result<String, String> {
        writeln!(self.orders.as_ref().unwrap(), "{order}").unwrap();
        for line in self.answers.by_ref() {
            let line = line.unwrap();
            if let Some(answer) = line.strip_prefix(ANSWER) {
                let (verdict, text) = answer.split_once(' ').unwrap();
                return if verdict == "ok" { Ok(text.to_owned()) } else { Err(text.to_owned()) };
            }
        }
        panic!("the actor died of `{order}`");
    }

    /// Gives an order that must succeed.
    pub(crate) fn must(&mut self, order: &str) -> String {
        self.order(order).unwrap_or_else(|error| panic!("{order}: {error}"))
    }

    /// Several.
    pub(crate) fn all(&mut self, orders: &[&str]) {
        for order in orders {
            self.must(order);
        }
    }

    /// Makes `handle` listen at `at`; where it does.
    pub(crate) fn listen(&mut self, handle: &str, at: SocketAddr) -> SocketAddr {
        let family = if at.is_ipv4() { 4 } else { 6 };
        self.all(&[
            &format!("socket {handle} {family}"),
            &format!("bind {handle} {at}"),
            &format!("listen {handle} 128"),
        ]);
        self.local(handle)
    }

    /// Connects a new socket; its own port.
    pub(crate) fn connect(&mut self, handle: &str, to: SocketAddr) -> u16 {
        let family = if to.is_ipv4() { 4 } else { 6 };
        self.must(&format!("socket {handle} {family}"));
        self.must(&format!("connect {handle} {to}"));
        self.local(handle).port()
    }

    /// The address of a socket's own end.
    pub(crate) fn local(&mut self, handle: &str) -> SocketAddr {
        self.must(&format!("local {handle}")).parse().unwrap()
    }

    /// The kernel's cookie, as tcptrace and ss print it.
    pub(crate) fn cookie(&mut self, handle: &str) -> String {
        self.must(&format!("cookie {handle}"))
    }

    /// The process ends as by SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The actor's side.
#[derive(Default)]
struct Stage {
    sockets: BTreeMap<String, OwnedFd>,
    children: BTreeMap<String, Actor>,
}

fn made(family: &str) -> io::Result<OwnedFd> {
    let family = if family == "4" { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // accept and connect too: a test must not hang.
    for which in [Timeout::Recv, Timeout::Send] {
        sockopt::set_socket_timeout(&socket, which, Some(Duration::from_secs(20) * slowness()))?;
    }
    Ok(socket)
}

impl Stage {
    fn obey(&mut self, order: &str) -> io::Result<String> {
        let words: Vec<&str> = order.split(' ').collect();
        let socket = words.get(1).and_then(|handle| self.sockets.get(*handle));
        let socket = || socket.ok_or_else(|| io::Error::other("no such socket"));
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        let address = |at: usize| words[at].parse::<SocketAddr>().unwrap();
        let backlog = |at: usize| i32::try_from(number(at)).unwrap();
        match words[0] {
            "hello" => {}
            "comm" => {
                rustix::thread::set_name(&CString::new(words[1]).unwrap())?;
                std::fs::write("/proc/self/comm", words[1])?;
            }
            "uid" => rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(number(1)))?,
            "cgroup" => std::fs::write(words[1], std::process::id().to_string())?,
            "socket" => {
                let socket = made(words[2])?;
                self.sockets.insert(words[1].to_owned(), socket);
            }
            "mptcp" => {
                let (flags, protocol) = (SocketFlags::CLOEXEC, Some(net::ipproto::MPTCP));
                let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, protocol)?;
                self.sockets.insert(words[1].to_owned(), socket);
            }
            "reuseaddr" => sockopt::set_socket_reuseaddr(socket()?, true)?,
            "reuseport" => sockopt::set_socket_reuseport(socket()?, true)?,
            "dual" => sockopt::set_ipv6_v6only(socket()?, false)?,
            "linger0" => sockopt::set_socket_linger(socket()?, Some(Duration::ZERO))?,
            "bind" => net::bind(socket()?, &address(2))?,
            "listen" => net::listen(socket()?, backlog(2))?,
            "connect" => net::connect(socket()?, &address(2))?,
            "connect_nb" => {
                rustix::io::ioctl_fionbio(socket()?, true)?;
                match net::connect(socket()?, &address(2)) {
                    Ok(()) | Err(Errno::INPROGRESS) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            "accept" => {
                let accepted = net::accept_with(socket()?, SocketFlags::CLOEXEC)?;
                self.sockets.insert(words[2].to_owned(), accepted);
            }
            "close" => drop(self.sockets.remove(words[1])),
            "shutdown" => {
                let how = match words[2] {
                    "rd" => Shutdown::Read,
                    "wr" => Shutdown::Write,
                    _ => Shutdown::Both,
                };
                net::shutdown(socket()?, how)?;
            }
            "send" => {
                net::send(socket()?, &vec![7; number(2) as usize], SendFlags::empty())?;
            }
            // Up to the end, or once.
            "recv" => {
                let mut bytes = [0; 4096];
                return Ok(net::recv(socket()?, &mut bytes, RecvFlags::empty())?.0.to_string());
            }
            "cookie" => return Ok(format!("{:x}", sockopt::socket_cookie(socket()?)?)),
            "inode" => return Ok(rustix::fs::fstat(socket()?)?.st_ino.to_string()),
            "local" => return Ok(SocketAddr::try_from(net::getsockname(socket()?)?)?.to_string()),
            "burst" => return burst(socket()?, number(2)),
            "fork" => drop(self.children.insert(words[1].to_owned(), Actor::start(words[2]))),
            "child_pid" => return Ok(self.children[words[1]].pid().to_string()),
            "child" => {
                let order = words[2..].join(" ");
                return self.children.get_mut(words[1]).unwrap().order(&order).map_err(io::Error::other);
            }
            unknown => return Err(io::Error::other(format!("no order `{unknown}`"))),
        }
        Ok(String::new())
    }
}

/// Connections to a listener of one's own, each reset by the client: six state changes each.
fn burst(listener: &OwnedFd, count: u32) -> io::Result<String> {
    let to = SocketAddr::try_from(net::getsockname(listener)?)?;
    let mut last = 0;
    for _ in 0..count {
        let client = made(if to.is_ipv4() { "4" } else { "6" })?;
        net::connect(&client, &to)?;
        let server = net::accept_with(listener, SocketFlags::CLOEXEC)?;
        last = SocketAddr::try_from(net::getsockname(&client)?)?.port();
        sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        drop(client);
        // Until the RST is there: a close() before it is a state change more.
        let _ = net::recv(&server, &mut [0], RecvFlags::empty());
        drop(server);
    }
    Ok(last.to_string())
}

#[test]
fn an_actor_answers() {
    let Some(role) = std::env::var_os(ROLE) else {
        // The other side of this very test.
        assert_eq!(Actor::start("actor").order("jump"), Err("no order `jump`".to_owned()));
        return;
    };
    let mut stage = Stage::default();
    stage.obey(&format!("comm {}", role.to_str().unwrap())).unwrap();
    for order in io::stdin().lines() {
        let answer = match stage.obey(&order.unwrap()) {
            Ok(text) => format!("ok {text}"),
            // The kernel's errors by their kind, ours by their text.
            Err(error) if error.raw_os_error().is_some() => format!("err {:?}", error.kind()),
            Err(error) => format!("err {error}"),
        };
        println!("\n{ANSWER}{answer}");
    }
}
