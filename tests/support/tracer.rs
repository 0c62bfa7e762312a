//! The built tracer, running.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::ended::Ended;
use super::{patience, wait_until};

/// The program under test.
pub(crate) const TCPTRACE: &str = env!("CARGO_BIN_EXE_tcptrace");

/// A tracer of JSON that has said that it traces; it is killed with this.
pub(crate) struct Tracer {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    records: Vec<Value>,
    said: Vec<String>,
}

/// The lines of a stream, as they come.
pub(crate) fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if tell.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

/// The command, with its streams piped.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(TCPTRACE);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("RUST_BACKTRACE", "1");
    // A system call that the sandbox does not know ends the tracer, and fails the test.
    command.env("TCPTRACE_TEST_SANDBOX", "kill");
    command
}

/// A tracer of JSON whose second program hears everything twice, and whose main one hears nothing.
pub(crate) fn second_twice(words: &[&str]) -> Command {
    let mut command = command(&[words, &["-o", "json"]].concat());
    command.env("TCPTRACE_TEST_HEARS", "second-twice");
    command
}

/// Whether the kernel attaches one program to a tracepoint twice (Linux 5.10 does not); else says so.
pub(crate) fn attaches_twice() -> bool {
    let tried = second_twice(&["-d", "1ms"]).output().unwrap();
    let said = String::from_utf8(tried.stderr).unwrap();
    if said.contains("File exists") {
        println!("skipped: this kernel attaches no program twice");
        return false;
    }
    assert!(tried.status.success(), "{said}");
    true
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits for the end.
pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("the tracer's end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// The next line that `fits`; those before it are `kept` too.
pub(crate) fn wait_for_line(lines: &Receiver<String>, kept: &mut Vec<String>, what: &str) {
    let deadline = Instant::now() + patience();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                kept.push(line);
                if kept.last().is_some_and(|line| line.contains(what)) {
                    return;
                }
            }
            Err(trouble) => panic!("never said `{what}` ({trouble}), but: {kept:#?}"),
        }
    }
}

impl Tracer {
    /// Starts it with `-o json` and waits until it traces.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::of(command(&[&["-o", "json"], words].concat()))
    }

    /// Starts this command, which prints JSON.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let mut tracer = Self { child, out, err, records: Vec::new(), said: Vec::new() };
        tracer.wait_said("tcptrace: tracing ");
        tracer
    }

    /// Waits for a line on stderr.
    pub(crate) fn wait_said(&mut self, what: &str) {
        wait_for_line(&self.err, &mut self.said, what);
    }

    /// Waits for a record, from the first on.
    pub(crate) fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(record) = self.records.iter().find(|record| fits(record)) {
            return record.clone();
        }
        let deadline = Instant::now() + patience();
        loop {
            match self.out.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let record: Value = serde_json::from_str(&line).unwrap();
                    self.records.push(record.clone());
                    if fits(&record) {
                        return record;
                    }
                }
                Err(trouble) => {
                    let seen: Vec<String> = self.records.iter().map(super::ended::short).collect();
                    panic!("{what}: never seen ({trouble}); seen {seen:#?}; said {:#?}", self.said)
                }
            }
        }
    }

    /// Waits for a state change of the socket between two ports.
    pub(crate) fn wait_move(&mut self, lport: u16, rport: u16, moved: &str) -> Value {
        let (from, to) = moved.split_once('>').unwrap();
        self.wait_for(&format!("{moved} of {lport}-{rport}"), |record| {
            (&record["lport"], &record["rport"]) == (&lport.into(), &rport.into())
                && record["from"] == from
                && record["to"] == to
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, which: Signal) {
        signal(&self.child, which);
    }

    /// Ends it by SIGINT and takes all that is left.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::INT);
        self.end()
    }

    /// Waits for its own end and takes all that is left.
    pub(crate) fn end(mut self) -> Ended {
        let status = ended(&mut self.child);
        let rest = |stream: &Receiver<String>, kept: &mut dyn FnMut(String)| {
            loop {
                match stream.recv_timeout(patience()) {
                    Ok(line) => kept(line),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => panic!("somebody holds the ended tracer's output"),
                }
            }
        };
        let (records, said) = (&mut self.records, &mut self.said);
        rest(&self.out, &mut |line| records.push(serde_json::from_str(&line).unwrap()));
        rest(&self.err, &mut |line| said.push(line));
        let (records, said) = (std::mem::take(records), std::mem::take(said));
        assert!(!said.iter().any(|line| line.contains("panicked")), "{said:#?}");
        Ended { code: status.code(), records, said }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
