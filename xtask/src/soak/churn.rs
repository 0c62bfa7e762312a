//! Namespaces that come and go, in which connections end in every way there is, and processes that are killed in the middle of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::net::sockopt;

use super::crowd::{SPACE, connecting};

/// Namespaces at a time.
const AT_ONCE: u64 = 2;
/// How long one lives.
const LIFE: Duration = Duration::from_secs(4);

/// The processes, one after the other.
pub(super) struct Churn {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Churned>>>,
}

/// What they did.
#[derive(Clone, Debug, Default)]
pub(super) struct Churned {
    /// Namespaces that came and went.
    pub(super) namespaces: u64,
    /// Processes that were killed.
    pub(super) killed: u64,
    /// Connections, at least.
    pub(super) connections: u64,
}

impl Churn {
    pub(super) fn start() -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..AT_ONCE)
            .map(|number| {
                let over = Arc::clone(&over);
                thread::spawn(move || one_after_another(number, &over))
            })
            .collect();
        Ok(Self { over, threads })
    }

    pub(super) fn end(self) -> Result<Churned> {
        self.over.store(true, Ordering::Release);
        let mut all = Churned::default();
        for thread in self.threads {
            let Ok(churned) = thread.join() else { bail!("a thread of the churn panicked") };
            let Churned { namespaces, killed, connections } = churned?;
            all.namespaces += namespaces;
            all.killed += killed;
            all.connections += connections;
        }
        Ok(all)
    }
}

fn one_after_another(number: u64, over: &AtomicBool) -> Result<Churned> {
    let own = std::env::current_exe().context("cannot find xtask's own file")?;
    let mut churned = Churned::default();
    while !over.load(Ordering::Acquire) {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", SPACE, "churn"])
            .arg(&own)
            .arg("soak-churn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the churn with unshare")?;
        let out = child.stdout.take().context("no pipe")?;
        let counted = thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            lines.filter_map(|line| line.parse::<u64>().ok()).last().unwrap_or_default()
        });
        // Every other one dies with all that it holds.
        thread::sleep(LIFE / 2);
        if (churned.namespaces + number).is_multiple_of(2) {
            child.kill()?;
            churned.killed += 1;
            child.wait()?;
        } else if !child.wait()?.success() {
            bail!("the churn failed: it says why above");
        }
        churned.connections += counted.join().unwrap_or_default();
        churned.namespaces += 1;
    }
    Ok(churned)
}

/// The hidden task: ends connections in every way, round after round, and says how many.
#[expect(clippy::print_stdout, reason = "the count goes to the process that started this one")]
pub(crate) fn run() -> Result<ExitCode> {
    let deadline = Instant::now() + LIFE;
    let (mut connections, mut kept) = (0_u64, Vec::new());
    for number in 0_u64.. {
        if Instant::now() > deadline {
            break;
        }
        connections += round(number, &mut kept)?;
        println!("{connections}");
        // Orphans and leaks of the last rounds stay, older ones end.
        if kept.len() > 64 {
            kept.drain(..32);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(ExitCode::SUCCESS)
}

/// One connection of each kind.
fn round(number: u64, kept: &mut Vec<TcpStream>) -> Result<u64> {
    let mut made = 0_u64;
    let listeners =
        [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?];
    for listener in &listeners {
        let address = listener.local_addr()?;
        let mut pair = || -> Result<(TcpStream, TcpStream)> {
            made += 1;
            Ok((TcpStream::connect(address)?, listener.accept()?.0))
        };
        // The client closes first, the server does.
        let (near, far) = pair()?;
        drop(near);
        drop(far);
        let (near, far) = pair()?;
        drop(far);
        drop(near);
        // Data both ways, half closed, then closed.
        let (mut near, mut far) = pair()?;
        near.write_all(b"question")?;
        near.shutdown(Shutdown::Write)?;
        let mut question = Vec::new();
        far.read_to_end(&mut question)?;
        far.write_all(b"answer")?;
        drop(far);
        near.read_to_end(&mut question)?;
        // Both at once.
        let (near, far) = pair()?;
        thread::scope(|scope| {
            scope.spawn(|| near.shutdown(Shutdown::Both));
            let _ = far.shutdown(Shutdown::Both);
        });
        // Reset by linger, by unread data, by data after close.
        let (near, _far) = pair()?;
        sockopt::set_socket_linger(&near, Some(Duration::ZERO))?;
        drop(near);
        let (mut near, far) = pair()?;
        near.write_all(b"unread")?;
        drop(far);
        let (near, mut far) = pair()?;
        drop(near);
        let _ = far.write_all(b"too late");
        let _ = far.write_all(b"again");
        // Leaked by the server, left as an orphan by the client.
        let (near, far) = pair()?;
        near.shutdown(Shutdown::Write)?;
        kept.extend([near, far]);
        let (near, far) = pair()?;
        drop(near);
        kept.push(far);
        // Never accepted: the listener closes over it.
        let waiting = TcpListener::bind(SocketAddr::new(address.ip(), 0))?;
        let _unaccepted = TcpStream::connect(waiting.local_addr()?)?;
        drop(waiting);
        made += 1;
    }
    // Refused; into the void, and given up.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let _ = TcpStream::connect(nobody);
    drop(connecting(SocketAddr::from(([10, 99, 0, 9], 9)))?);
    made += 2;
    // Aborted from outside, as an administrator does.
    let [listener, _] = &listeners;
    let address = listener.local_addr()?;
    let (_near, _far) = (TcpStream::connect(address)?, listener.accept()?);
    made += 1;
    if number.is_multiple_of(4) {
        let port = address.port().to_string();
        let mut ss = Command::new("ss");
        ss.args(["-K", "-tn", "dport", "=", &port]).stdout(Stdio::null()).stderr(Stdio::null());
        ss.status().context("cannot start ss")?;
    }
    Ok(made)
}
