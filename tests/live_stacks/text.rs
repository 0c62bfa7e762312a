//! What people see of `tcptrace stuck --stacks`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;

use crate::look::{PATIENCE, command};
use crate::space::Space;

/// `tcptrace stuck` that keeps tracing, as people see it.
pub(crate) struct Text {
    child: Child,
    lines: Receiver<String>,
}

impl Text {
    /// On return it traces.
    pub(crate) fn start(space: &Space, flags: &[&str]) -> Self {
        let netns = space.netns.inode.to_string();
        let mut command = command(&["stuck", "--netns", &netns]);
        let mut child = command.args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let (started, ready) = channel();
        spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                if line.contains("Ctrl-C ends") {
                    let _ = started.send(());
                }
            }
        });
        ready.recv_timeout(PATIENCE).unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    /// All lines up to the first that contains `word`.
    pub(crate) fn wait_for(&mut self, word: &str) -> String {
        let mut all = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            all.push_str(&line);
            all.push('\n');
            if line.contains(word) {
                return all;
            }
        }
    }

    /// Ends it; what it said since.
    pub(crate) fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
