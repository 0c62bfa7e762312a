//! What `tcptrace stuck` says of sockets that are stuck for real, most of them before it starts, read back from its JSON.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

#[path = "live_stuck/check.rs"]
mod check;
#[path = "live_stuck/hands.rs"]
mod hands;
#[path = "live_stuck/hidden.rs"]
mod hidden;
#[path = "live_stuck/look.rs"]
mod look;
#[path = "live_stuck/recorded.rs"]
mod recorded;
#[path = "live_stuck/silence.rs"]
mod silence;
#[path = "live_stuck/space.rs"]
mod space;
#[path = "live_stuck/verdicts.rs"]
mod verdicts;
#[path = "live_stuck/watching.rs"]
mod watching;

use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

/// A process that ends with the test.
struct Holder(Child);

impl Holder {
    fn pid(&self) -> u64 {
        self.0.id().into()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn me() -> u64 {
    std::process::id().into()
}

fn reset(socket: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
    drop(socket);
}

fn pids(record: &Value) -> Vec<u64> {
    record["holders"].as_array().unwrap().iter().map(|holder| holder["pid"].as_u64().unwrap()).collect()
}

fn opened(record: &Value, pid: u64) -> Option<bool> {
    let holders = record["holders"].as_array().unwrap();
    holders.iter().find(|holder| holder["pid"] == pid).unwrap()["opened_it"].as_bool()
}
