//! A running `tcptrace lives -o json`, and the lives that it has told.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Life, patience};

type Told = Arc<(Mutex<Vec<Value>>, Condvar)>;

/// The process; it ends by itself when nobody reads it any more.
pub(crate) struct Tracer {
    child: Child,
    told: Told,
    reader: Option<thread::JoinHandle<()>>,
}

/// One for all tests of this binary: cookies keep their lives apart.
pub(crate) fn shared() -> &'static Tracer {
    static SHARED: OnceLock<Tracer> = OnceLock::new();
    SHARED.get_or_init(|| Tracer::start(&[]))
}

impl Tracer {
    /// Starts one more; returns when it traces.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tcptrace"))
            // Other work on this host must not push our events out.
            .args(["lives", "-o", "json", "--ring-size", "64M"])
            .args(words)
            .env("TCPTRACE_TEST_SANDBOX", "kill")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("tracing") {
            assert_ne!(errors.read_line(&mut said).unwrap(), 0, "tcptrace ended: {said}");
        }
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        let told = Told::default();
        let (out, to) = (child.stdout.take().unwrap(), Arc::clone(&told));
        let reader = thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let record: Value = serde_json::from_str(&line).unwrap();
                to.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                to.1.notify_all();
            }
        });
        Self { child, told, reader: Some(reader) }
    }

    /// Waits until `many` lives are as wanted.
    pub(crate) fn wait(&self, many: usize, what: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Life> {
        let deadline = Instant::now() + patience();
        let mut told = self.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = matching(&told, &wanted);
            assert!(found.len() <= many, "more than {many} lives of {what}: {found:#?}");
            if found.len() == many {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} lives of {what}, not {many}", found.len());
            told = self.told.1.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The only life with this cookie, once it has ended.
    pub(crate) fn life(&self, cookie: u64) -> Life {
        self.lives(cookie, 1).remove(0)
    }

    /// The lives with this cookie, once `many` have ended.
    pub(crate) fn lives(&self, cookie: u64, many: usize) -> Vec<Life> {
        let hex = format!("{cookie:x}");
        self.wait(many, &hex, |life| life["cookie"] == hex)
    }

    /// What has been told so far of this cookie.
    pub(crate) fn so_far(&self, cookie: u64) -> Vec<Life> {
        let hex = format!("{cookie:x}");
        matching(&self.told.0.lock().unwrap_or_else(PoisonError::into_inner), &|life| life["cookie"] == hex)
    }

    /// Ends it with SIGINT and gives all that it told.
    pub(crate) fn stop(mut self) -> Vec<Life> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.reader.take().unwrap().join().unwrap();
        matching(&self.told.0.lock().unwrap_or_else(PoisonError::into_inner), &|_| true)
    }
}

fn matching(told: &[Value], wanted: &dyn Fn(&Value) -> bool) -> Vec<Life> {
    let lives = told.iter().filter(|record| record["type"] == "lifecycle" && wanted(record));
    lives.cloned().map(Life).collect()
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The life with this cookie among `lives`.
pub(crate) fn find(lives: &[Life], cookie: u64) -> &Life {
    let hex = format!("{cookie:x}");
    let found: Vec<&Life> = lives.iter().filter(|life| life.0["cookie"] == hex).collect();
    assert_eq!(found.len(), 1, "{hex} in {lives:#?}");
    found[0]
}
