//! Runs the binary and reads what it says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::space::Space;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcptrace"));
    command.args(words).env("TCPTRACE_TEST_SANDBOX", "kill");
    command
}

/// `tcptrace stuck` for one namespace.
pub(crate) struct Look {
    words: Vec<String>,
}

impl Look {
    pub(crate) fn new(space: &Space, rules: &[&str]) -> Self {
        let mut words: Vec<String> =
            ["stuck", "-o", "json", "--netns", &space.netns.inode.to_string()].map(str::to_owned).into();
        words.extend(rules.iter().flat_map(|rule| ["--rule".to_owned(), (*rule).to_owned()]));
        Self { words }
    }

    /// The `stuck` records of one look; each is valid by the schema that the binary itself prints.
    pub(crate) fn records(&self) -> Vec<Value> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let output = command(&words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(all.last().expect(&errors)["type"], "summary", "{errors}");
        let stuck: Vec<Value> = all.into_iter().filter(|record| record["type"] == "stuck").collect();
        assert_eq!(output.status.code(), Some(if stuck.is_empty() { 0 } else { 3 }), "{errors}");
        let schema = tcptrace::sink::json::schema();
        for record in &stuck {
            jsonschema::validate(&schema, record).unwrap();
        }
        stuck
    }

    /// Looks until there is a record that `fits`.
    pub(crate) fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let records = self.records();
            if let Some(found) = records.iter().find(|record| fits(record)) {
                return found.clone();
            }
            assert!(Instant::now() < deadline, "not among {records:#?}");
        }
    }

    /// Looks until the socket whose peer has this port is stuck in `state`.
    pub(crate) fn wait(&self, rport: u16, state: &str) -> Value {
        self.wait_for(|record| record["rport"] == rport && record["state"] == state)
    }
}

/// `tcptrace stuck --watch` for one namespace.
pub(crate) struct Watch {
    child: Child,
    records: Receiver<Value>,
}

impl Watch {
    /// On return it traces.
    pub(crate) fn start(space: &Space, rules: &[&str]) -> Self {
        Self::with(space, &["--watch"], rules)
    }

    /// The same with other flags.
    pub(crate) fn with(space: &Space, flags: &[&str], rules: &[&str]) -> Self {
        let netns = space.netns.inode.to_string();
        let mut words = vec!["stuck", "-o", "json", "--netns", &netns];
        words.extend(flags);
        words.extend(rules.iter().flat_map(|rule| ["--rule", rule]));
        let mut child = command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (started, ready) = channel();
        spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                if line.contains("Ctrl-C ends") {
                    let _ = started.send(());
                }
            }
        });
        ready.recv_timeout(PATIENCE).unwrap();
        let (tell, records) = channel();
        spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, records }
    }

    /// Waits for the news that `event` happened to the socket whose peer has this port.
    pub(crate) fn wait(&mut self, rport: u16, event: &str) -> Value {
        loop {
            let record = self.next();
            if record["rport"] == rport && record["event"] == event {
                return record;
            }
        }
    }

    /// Waits for the next record.
    pub(crate) fn next(&mut self) -> Value {
        self.records.recv_timeout(PATIENCE).unwrap()
    }
}

impl Watch {
    /// What it has said that nobody has waited for.
    pub(crate) fn drain(&self) -> Vec<Value> {
        self.records.try_iter().collect()
    }
}

/// `tcptrace record` of one namespace.
pub(crate) struct Recording(Child);

impl Recording {
    /// On return it traces.
    pub(crate) fn start(space: &Space, path: &Path) -> Self {
        let netns = space.netns.inode.to_string();
        let mut child =
            command(&["record", "--netns", &netns]).arg(path).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains("Ctrl-C ends")));
        spawn(move || said.for_each(drop));
        Self(child)
    }

    /// Ends it and waits until the file is closed.
    pub(crate) fn stop(mut self) {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::INT,
        )
        .unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
