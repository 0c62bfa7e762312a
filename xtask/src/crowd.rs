//! Connections that stay: opened on the loopback of a network namespace of their own, and kept until told to go.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Both ends of a connection take a descriptor, of which a process has a million at most.
const A_PROCESS: u32 = 250_000;
/// Connections to one server address: fewer than there are local ports.
const AN_ADDRESS: u32 = 20_000;

/// Options of the crowd.
#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// How many connections.
    #[arg(long, value_name = "N")]
    connections: u32,
}

/// A crowd that stands until this is dropped.
pub(crate) struct Crowd(Vec<(Child, Option<ChildStdin>)>);

impl Crowd {
    /// Opens so many connections in a network namespace of their own, each with both its ends on this host.
    pub(crate) fn open(connections: u32) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find xtask's own file")?;
        let mut crowd = Self(Vec::new());
        let mut left = connections;
        while left > 0 {
            let some = left.min(A_PROCESS);
            let mut child = Command::new("unshare")
                .args(["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "crowd"])
                .arg(&own)
                .args(["crowd", "--connections", &some.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start the crowd with unshare")?;
            let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
            crowd.0.push((child, stdin));
            let mut said = String::new();
            BufReader::new(stdout.context("no pipe")?).read_line(&mut said)?;
            if said.trim() != "ready" {
                bail!("the crowd said {said:?} instead of being ready");
            }
            left -= some;
        }
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for (child, stdin) in &mut self.0 {
            // The end of its input ends it.
            drop(stdin.take());
            let _ = child.wait();
        }
    }
}

/// Opens the connections in this process, says `ready`, and keeps them until its input ends.
#[expect(clippy::print_stdout, reason = "the process that started this one waits for the word")]
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let room = getrlimit(Resource::Nofile);
    let wanted = u64::from(args.connections) * 2 + 100;
    let maximum = Some(room.maximum.map_or(wanted, |maximum| maximum.max(wanted)));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .with_context(|| format!("cannot have {wanted} descriptors"))?;
    let mut open = Vec::new();
    for n in 0..args.connections {
        let [.., high, low] = (n / AN_ADDRESS + 1).to_be_bytes();
        let address = Ipv4Addr::new(127, 77, high, low);
        if n % AN_ADDRESS == 0 {
            open.push((TcpListener::bind((address, 0)).context("cannot listen")?, Vec::new()));
        }
        let Some((listener, streams)) = open.last_mut() else { bail!("no listener") };
        let port = listener.local_addr()?.port();
        let stream = TcpStream::connect(SocketAddrV4::new(address, port))
            .with_context(|| format!("cannot open connection {n}"))?;
        streams.push((stream, listener.accept().context("cannot accept")?.0));
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}
