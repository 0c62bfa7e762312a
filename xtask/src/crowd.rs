//! Connections that stay: opened on the loopback of a network namespace of their own, and kept until told to go.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections to one server address, all of one process: fewer than there are local ports.
const AN_ADDRESS: u64 = 20_000;
/// Descriptors of a process beside its connections.
const OTHERS: u64 = 100;

/// Options of the crowd.
#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// How many connections.
    #[arg(long, value_name = "N")]
    connections: u64,
    /// This process is one of many: its number.
    #[arg(long, value_name = "N")]
    part: Option<u8>,
}

/// A process that is told to end by the end of its input.
struct Member(Child);

/// A crowd that stands until this is dropped.
pub(crate) struct Crowd(#[expect(dead_code, reason = "kept for its end")] Member);

impl Crowd {
    /// Opens so many connections in a network namespace of their own, each with both its ends on this host.
    pub(crate) fn open(connections: u64) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find xtask's own file")?;
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "crowd"]);
        Ok(Self(Member::start(unshare.arg(own).args(["crowd", "--connections", &connections.to_string()]))?))
    }
}

impl Member {
    /// Starts it and waits until its connections are open.
    fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut member = Self(child.context("cannot start a part of the crowd")?);
        let mut said = String::new();
        let stdout = member.0.stdout.take().context("a child without a pipe")?;
        BufReader::new(stdout).read_line(&mut said)?;
        if said.trim() != "ready" {
            bail!("a part of the crowd said {said:?} instead of being ready");
        }
        Ok(member)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Opens the connections, in as many processes as their descriptors take; says `ready`, and keeps them until its input ends.
#[expect(clippy::print_stdout, reason = "the process that started this one waits for the word")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let room = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    setrlimit(Resource::Nofile, Rlimit { current: Some(room), maximum: Some(room) })
        .with_context(|| format!("cannot have {room} descriptors"))?;
    let a_process = (room.saturating_sub(OTHERS) / 2).clamp(1, AN_ADDRESS);
    let mut members = Vec::new();
    let mut streams = Vec::new();
    match args.part {
        Some(part) => open(part, args.connections, &mut streams)?,
        None => {
            let own = std::env::current_exe().context("cannot find xtask's own file")?;
            for part in 0..args.connections.div_ceil(a_process) {
                let some = a_process.min(args.connections - part * a_process);
                members.push(Member::start(&mut part_of(&own, part, some)?)?);
            }
        }
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

fn part_of(own: &Path, part: u64, connections: u64) -> Result<Command> {
    let part = u8::try_from(part).context("more than 256 processes would be needed: raise `ulimit -Hn`")?;
    let mut command = Command::new(own);
    command.args(["crowd", "--connections", &connections.to_string(), "--part", &part.to_string()]);
    Ok(command)
}

fn open(part: u8, connections: u64, streams: &mut Vec<(TcpStream, TcpStream)>) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 77, part, 1), 0)).context("cannot listen")?;
    let port = listener.local_addr()?.port();
    let address = SocketAddrV4::new(Ipv4Addr::new(127, 77, part, 1), port);
    for n in 0..connections {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot open connection {n}"))?;
        streams.push((stream, listener.accept().context("cannot accept")?.0));
    }
    Ok(())
}
