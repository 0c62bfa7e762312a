//! The load of `cargo xtask bench`: connections on the loopback of a network namespace of its own, opened and
//! closed as fast as possible, in ways of which the number of state changes is known beforehand.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Every address of the load begins so, and nothing else on the host does: its rows can be told apart.
pub(crate) const PREFIX: &str = "127.77.";
/// State changes of a listener's life: CLOSE → LISTEN → CLOSE.
const LISTENER: u64 = 2;

/// How many connections a client may be ahead of its server: fewer than the accept queue holds, for a SYN that
/// is dropped costs a second.
const AHEAD: usize = 64;

/// Options of the load.
#[derive(Clone, clap::Args)]
#[group(id = "load")]
pub(crate) struct Args {
    /// Threads that open connections, each against a server thread of its own.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: u16,
    /// Connections that each thread opens, one after the other.
    #[arg(long, value_name = "N", default_value_t = 30_000)]
    connections: u32,
    /// How connections end.
    #[arg(long, value_enum, default_value = "mixed")]
    close: Close,
    /// At most so many connections a second, all threads together; without it as many as can be.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
}

/// How connections end, as the client sees it.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Close {
    /// The client closes first.
    Active,
    /// The server closes first.
    Passive,
    /// The client resets.
    Reset,
    /// Each of the three in turn.
    Mixed,
}

impl Close {
    /// The way of the nth connection.
    fn nth(self, n: u32) -> Self {
        match self {
            Self::Mixed => [Self::Active, Self::Passive, Self::Reset][(n % 3) as usize],
            one => one,
        }
    }

    /// State changes of both ends together: two each to open; then three each for FINs, one each for a reset.
    fn changes(self) -> u64 {
        if self == Self::Reset { 6 } else { 10 }
    }
}

/// How fast a thread may go on.
#[derive(Clone, Copy)]
struct Pace {
    began: Instant,
    a_second: f64,
}

impl Pace {
    fn new(a_second: f64) -> Self {
        Self { began: Instant::now(), a_second }
    }

    /// Waits until the nth is due; shorter waits than a timer can keep come together.
    fn keep(self, n: u32) {
        let due = self.began + Duration::from_secs_f64(f64::from(n) / self.a_second);
        let ahead = due.saturating_duration_since(Instant::now());
        if ahead > Duration::from_millis(1) {
            thread::sleep(ahead);
        }
    }
}

/// What one run of the load did.
pub(crate) struct Done {
    /// Connections opened and closed.
    pub(crate) connections: u64,
    /// State changes that the kernel's tracepoint must have fired for them.
    pub(crate) changes: u64,
    /// Those of the connections alone: listeners have no address of the load.
    pub(crate) moves: u64,
    /// The ports of its servers, by which its sockets differ from those of a load before.
    pub(crate) ports: Vec<u16>,
    /// How long it took.
    pub(crate) seconds: f64,
}

impl Args {
    /// So many threads and connections, which end in each way in turn, as fast as can be.
    pub(crate) fn of(threads: u16, connections: u32) -> Self {
        Self { threads, connections, close: Close::Mixed, rate: None }
    }

    /// So many connections a second for so many seconds.
    pub(crate) fn at_rate(rate: u32, seconds: u32) -> Self {
        let threads = 2;
        Self {
            threads,
            connections: rate * seconds / u32::from(threads),
            close: Close::Mixed,
            rate: Some(rate),
        }
    }

    /// Runs the load in another process, in a network namespace that goes with it.
    pub(crate) fn start(&self) -> Result<Done> {
        let own = std::env::current_exe().context("cannot find xtask's own file")?;
        let close =
            clap::ValueEnum::to_possible_value(&self.close).context("a way to close without a name")?;
        let rate = self.rate.map(|rate| ["--rate".to_owned(), rate.to_string()]);
        let output = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "load"])
            .arg(own)
            .args(["load", "--threads", &self.threads.to_string()])
            .args(["--connections", &self.connections.to_string(), "--close", close.get_name()])
            .args(rate.iter().flatten())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start the load with unshare")?;
        if !output.status.success() {
            bail!("the load failed: {}: {}", output.status, String::from_utf8_lossy(&output.stdout).trim());
        }
        let done: Value = serde_json::from_slice(&output.stdout).context("the load printed no JSON")?;
        let number = |key: &str| done[key].as_u64().with_context(|| format!("the load names no {key}"));
        Ok(Done {
            connections: number("connections")?,
            changes: number("changes")?,
            moves: number("moves")?,
            ports: serde_json::from_value(done["ports"].clone()).context("the load names no ports")?,
            seconds: done["seconds"].as_f64().context("the load names no seconds")?,
        })
    }
}

/// Makes the load in this process's network namespace and prints what it did as JSON.
#[expect(clippy::print_stdout, reason = "the result goes to the process that started this one")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let Args { threads, connections, close, rate } = *args;
    let pace = rate.map(|rate| Pace::new(f64::from(rate) / f64::from(threads)));
    let start = Instant::now();
    let listeners = (0..threads)
        .map(|_| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot listen")?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        })
        .collect::<Result<Vec<_>>>()?;
    let ports: Vec<u16> = listeners.iter().map(|(_, port)| *port).collect();
    let changes = thread::scope(|scope| {
        let pairs: Vec<_> = (0_u16..)
            .zip(listeners)
            .map(|(pair, (listener, port))| {
                let (ahead, done) = sync_channel(AHEAD);
                let server = scope.spawn(move || serve(&listener, connections, &done));
                let client =
                    scope.spawn(move || open_and_close(pair, port, (connections, close, pace), &ahead));
                (server, client)
            })
            .collect();
        let mut changes = 0;
        for (server, client) in pairs {
            let Ok(opened) = client.join() else { bail!("a client thread panicked") };
            let Ok(served) = server.join() else { bail!("a server thread panicked") };
            changes += opened?;
            served?;
        }
        Ok(changes)
    })?;
    let done = json!({
        "connections": u64::from(threads) * u64::from(connections),
        "changes": changes + u64::from(threads) * LISTENER,
        "moves": changes,
        "ports": ports,
        "seconds": start.elapsed().as_secs_f64(),
    });
    println!("{done}");
    Ok(ExitCode::SUCCESS)
}

/// Opens and closes connections; returns how many state changes that made, on both sides.
fn open_and_close(
    pair: u16,
    port: u16,
    (connections, close, pace): (u32, Close, Option<Pace>),
    ahead: &SyncSender<()>,
) -> Result<u64> {
    let mut changes = 0;
    for n in 0..connections {
        if let Some(pace) = pace {
            pace.keep(n);
        }
        ahead.send(()).context("the server thread has ended")?;
        // Many server addresses, so that ports in TIME_WAIT do not run out.
        let [high, low] = pair.to_be_bytes();
        let [.., turn] = n.to_be_bytes();
        let address = Ipv4Addr::new(127, 77, high ^ low.wrapping_mul(16) ^ (turn >> 4), turn.max(1));
        let address = SocketAddr::V4(SocketAddrV4::new(address, port));
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        let close = close.nth(n);
        changes += close.changes();
        match close {
            Close::Reset => rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?,
            Close::Passive => {
                stream.write_all(b"x")?;
                let end = stream.read(&mut [0])?;
                anyhow::ensure!(end == 0, "the server sent data");
            }
            Close::Active | Close::Mixed => {}
        }
    }
    Ok(changes)
}

/// Accepts so many connections; closes at once when told so by a byte, else when the client has closed.
fn serve(listener: &TcpListener, connections: u32, done: &Receiver<()>) -> Result<()> {
    for _ in 0..connections {
        let (mut stream, _) = listener.accept().context("cannot accept")?;
        // A byte, an end and a reset alike mean: close now.
        let _ = stream.read(&mut [0]);
        drop(stream);
        done.recv().context("the client thread has ended")?;
    }
    Ok(())
}
