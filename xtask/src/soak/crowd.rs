//! A process in a network namespace of its own that holds sockets in many states until the end: the truth to compare with.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// Loopback is up, an interface swallows what is sent to 10.99.0.0/24, and many TIME_WAITs fit.
pub(super) const SPACE: &str = "ip link set lo up && ip link add dev hole type veth peer name abyss && \
     ip link set dev hole arp off up && ip link set dev abyss arp off up && ip addr add 10.99.0.1/24 dev hole && \
     echo 1000000 > /proc/sys/net/ipv4/tcp_max_tw_buckets && \
     echo '2000 65001' > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"";
/// Connections of each kind that one growth adds.
const EACH: usize = 20;
/// Connected sockets that it holds at most.
const MOST: usize = 600;
/// Connections a client may be ahead of its server.
const AHEAD: usize = 64;

/// The process.
pub(super) struct Crowd {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Crowd {
    pub(super) fn start() -> Result<Self> {
        let own = std::env::current_exe().context("cannot find xtask's own file")?;
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", SPACE, "crowd"])
            .arg(own)
            .arg("soak-crowd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a crowd with unshare")?;
        let (to, from) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
        let mut crowd = Self { child, to, from: BufReader::new(from) };
        crowd.hear()?;
        Ok(crowd)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Inode of its namespace.
    pub(super) fn netns(&self) -> u64 {
        fs::metadata(format!("/proc/{}/ns/net", self.pid())).map_or(0, |about| about.ino())
    }

    /// Some more of each kind.
    pub(super) fn grow(&mut self) -> Result<()> {
        writeln!(self.to, "grow")?;
        self.hear().map(|_| ())
    }

    /// So many TIME_WAITs more, if they can be made within `time`; how many there are then.
    pub(super) fn burst(&mut self, number: u32, time: Duration) -> Result<u32> {
        writeln!(self.to, "burst {number} {}", time.as_secs())?;
        self.hear()?.parse().context("the crowd answers with no number")
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            bail!("a crowd has ended: {}", self.child.wait()?);
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it holds.
#[derive(Default)]
struct Held {
    listeners: Vec<TcpListener>,
    streams: Vec<TcpStream>,
    connecting: Vec<OwnedFd>,
}

/// The hidden task: does what its standard input says, until that ends.
#[expect(clippy::print_stdout, reason = "the answers go to the process that started this one")]
pub(crate) fn run() -> Result<ExitCode> {
    let mut held = Held::default();
    println!("ready");
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["grow"] => {
                held.grow()?;
                println!("grown");
            }
            ["burst", number, seconds] => {
                println!("{}", bursts(number.parse()?, Duration::from_secs(seconds.parse()?))?);
            }
            _ => bail!("a crowd is told `{line}`"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Held {
    /// LISTEN; ESTABLISHED; CLOSE_WAIT with FIN_WAIT_2; SYN_SENT; TIME_WAIT.
    fn grow(&mut self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        for number in 0..EACH * 3 {
            let near = TcpStream::connect(address)?;
            let (far, _) = listener.accept()?;
            match number % 3 {
                0 => self.streams.extend([near, far]),
                1 => {
                    near.shutdown(std::net::Shutdown::Write)?;
                    self.streams.extend([near, far]);
                }
                _ => {
                    drop(near);
                    drop(far);
                }
            }
        }
        self.listeners.push(listener);
        // The oldest go, so that descriptors last.
        self.streams.drain(..self.streams.len().saturating_sub(MOST));
        self.listeners.drain(..self.listeners.len().saturating_sub(MOST / 100));
        self.connecting.drain(..self.connecting.len().saturating_sub(MOST / 100));
        for last in 0..3 {
            self.connecting.push(connecting(SocketAddr::from(([10, 99, 0, 2 + last], 80)))?);
        }
        Ok(())
    }
}

/// A socket that connects to `address` and does not wait.
pub(super) fn connecting(address: SocketAddr) -> Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::CONNREFUSED) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// TIME_WAITs in this namespace.
fn time_waits() -> Result<u32> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let mut words = text.split_whitespace().skip_while(|word| *word != "tw").skip(1);
    words.next().and_then(|word| word.parse().ok()).context("sockstat without TIME_WAITs")
}

/// Bursts until there are so many TIME_WAITs, or the time is over; how many there are then. On a busy host a few end early.
fn bursts(number: u32, time: Duration) -> Result<u32> {
    let deadline = Instant::now() + time;
    loop {
        let there = time_waits()?;
        if there >= number || Instant::now() > deadline {
            return Ok(there);
        }
        burst(number - there, deadline)?;
    }
}

/// Opens and closes, the client first, as fast as it can.
fn burst(number: u32, deadline: Instant) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = listener.local_addr()?.port();
    let (ahead, done) = sync_channel::<()>(AHEAD);
    thread::scope(|scope| {
        let client = scope.spawn(move || -> Result<()> {
            for made in 0..number {
                if Instant::now() > deadline {
                    return Ok(());
                }
                ahead.send(()).context("the server thread has ended")?;
                let [.., high, low] = made.to_be_bytes();
                let to = Ipv4Addr::new(127, 78, high, low.max(1));
                drop(TcpStream::connect((to, port)).with_context(|| format!("cannot connect to {to}"))?);
            }
            Ok(())
        });
        while done.recv().is_ok() {
            use std::io::Read as _;
            let (mut stream, _) = listener.accept()?;
            // Its end: the client closes first.
            let _ = stream.read(&mut [0]);
        }
        client.join().unwrap_or_else(|_| bail!("the client thread panicked"))
    })
}
