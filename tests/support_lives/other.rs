//! Another process: this test binary once more, which does what it is told over its standard input and output.

use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

const ROLE: &str = "TCPTRACE_TEST_OTHER";

/// A process that holds a socket as its standard input, or gets one over a unix socket.
pub(crate) struct Other {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) pid: u32,
}

impl Other {
    /// Starts one with `stdin` in the given role: `hold`, `accept`, `receive`.
    pub(crate) fn start(role: &str, stdin: impl Into<Stdio>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hands::another_process_does_what_a_test_tells_it", "--nocapture"])
            .env(ROLE, role)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut other = Self { pid: child.id(), child, out };
        other.hear("ready");
        other
    }

    /// Waits until it says `word`.
    pub(crate) fn hear(&mut self, word: &str) {
        let mut line = String::new();
        while !line.trim_end().ends_with(&format!("other: {word}")) {
            line.clear();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended before it said {word}");
        }
    }

    /// Ends it as SIGKILL does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

fn say(word: &str) {
    println!("other: {word}");
    std::io::stdout().flush().unwrap();
}

/// The other process's side; nothing where this is no other process.
pub(crate) fn act() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    match role.as_str() {
        // Holds it until the peer closes, and never reads.
        "hold" => {
            say("ready");
            loop {
                std::thread::park();
            }
        }
        // Reads until the peer has closed, then shuts it down and leaves.
        "finish" => {
            let mut stream = TcpStream::from(stdin);
            say("ready");
            stream.read_to_end(&mut Vec::new()).unwrap();
            stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
        // Accepts one, reads until the peer has closed, and leaves.
        "accept" => {
            let listener = TcpListener::from(stdin);
            say("ready");
            let mut stream = listener.accept().unwrap().0;
            say("accepted");
            stream.read_to_end(&mut Vec::new()).unwrap();
        }
        // Is given one over a unix socket, reads until the peer has closed, and leaves.
        "receive" => {
            say("ready");
            let mut stream = TcpStream::from(received(&UnixStream::from(stdin)));
            say("received");
            stream.read_to_end(&mut Vec::new()).unwrap();
        }
        role => panic!("no role {role}"),
    }
}

fn received(from: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let fds = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.unwrap()
}

/// Passes `fd` over a unix socket.
pub(crate) fn pass(over: &UnixStream, fd: &impl AsFd) {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(over, &[std::io::IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
}
