//! A network namespace with a doctor looking at it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;
use tcptrace::source::netns::{Netns, in_netns};

use super::DOCTOR;

/// A namespace that ends with the test.
pub(super) struct Space {
    pub(super) name: String,
    pub(super) netns: Netns,
}

impl Space {
    pub(super) fn new(purpose: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("TCPTRACE_LIVE").is_none(), "skipped: needs root");
            println!("skipped: needs root");
            return None;
        }
        let name = format!("tcptrace-doctor-{purpose}-{}", std::process::id());
        ip(&["netns", "add", &name]);
        let netns = Netns::at(&Path::new("/run/netns").join(&name)).unwrap();
        let space = Self { name, netns };
        ip(&["-n", &space.name, "link", "set", "lo", "up"]);
        Some(space)
    }

    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_netns(&self.netns, work).unwrap()
    }

    pub(super) fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.inside(|| std::fs::write(&path, value).unwrap());
    }

    pub(super) fn listen(&self, backlog: i32) -> (TcpListener, SocketAddr) {
        let listener = self.inside(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        rustix::net::listen(&listener, backlog).unwrap();
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    pub(super) fn connect(&self, to: SocketAddr) -> TcpStream {
        self.inside(|| TcpStream::connect(to).unwrap())
    }

    /// What the doctor finds in this namespace.
    pub(super) fn examine(&self, words: &[&str]) -> Vec<Value> {
        self.examine_while(words, || ())
    }

    /// The same, with `work` done while it watches.
    pub(super) fn examine_while(&self, words: &[&str], work: impl FnOnce()) -> Vec<Value> {
        let mut doctor = Command::new(DOCTOR)
            .args(["doctor", "-o", "json", "--netns", &self.name])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if !words.contains(&"--instant") {
            wait_for_watch(&mut doctor);
        }
        work();
        let output = doctor.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!([Some(0), Some(3)].contains(&output.status.code()), "{said}");
        let schema = tcptrace::sink::json::schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| {
                let record: Value = serde_json::from_str(line).unwrap();
                assert!(validator.is_valid(&record), "{line}");
                record
            })
            .collect()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

pub(super) fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns when the first picture is taken; what else it says goes on to our stderr.
fn wait_for_watch(doctor: &mut Child) {
    let mut said = BufReader::new(doctor.stderr.take().unwrap());
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "the doctor ended early: {all}");
        all += &line;
        assert!(!line.contains("nothing is traced"), "{line}");
        if line.contains("watching for") {
            break;
        }
    }
    thread::spawn(move || {
        let mut rest = String::new();
        let _ = said.read_to_string(&mut rest);
        let _ = std::io::stderr().write_all(rest.as_bytes());
    });
}

/// The worst finding of a check.
pub(super) fn find<'a>(records: &'a [Value], check: &str) -> &'a Value {
    records
        .iter()
        .find(|record| record["check"] == check)
        .unwrap_or_else(|| panic!("no finding of {check} in {records:#?}"))
}

pub(super) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}
