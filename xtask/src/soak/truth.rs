//! What `ss` says of the sockets in a namespace, and what tcptrace says of them.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::crowd::Crowd;
use crate::workspace::output_of;

/// Sockets by their cookie, in hex, with their states in tcptrace's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table(pub(super) BTreeMap<String, String>);

/// What `ss` says of the crowds' namespaces. Half-open connections are left out: before the last ACK there is no event of them.
pub(super) fn look(crowds: &[&Crowd]) -> Result<Table> {
    let mut table = Table::default();
    for crowd in crowds {
        let inside = format!("--net=/proc/{}/ns/net", crowd.pid());
        let text = output_of(Command::new("nsenter").arg(inside).args(["ss", "-tanHe"]))?;
        table.0.extend(text.lines().filter_map(of_ss));
    }
    Ok(table)
}

/// A line of `ss -tanHe`: `ESTAB 0 0 127.0.0.1:1 127.0.0.1:2 ino:77 sk:1a cgroup:/ <->`.
fn of_ss(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let state = match words.next()? {
        "ESTAB" => "ESTABLISHED",
        "FIN-WAIT-1" => "FIN_WAIT_1",
        "FIN-WAIT-2" => "FIN_WAIT_2",
        "UNCONN" | "SYN-RECV" => return None,
        "SYN-SENT" => "SYN_SENT",
        "TIME-WAIT" => "TIME_WAIT",
        "CLOSE-WAIT" => "CLOSE_WAIT",
        "LAST-ACK" => "LAST_ACK",
        other => other,
    };
    let cookie = words.find_map(|word| word.strip_prefix("sk:"))?;
    Some((cookie.to_owned(), state.to_owned()))
}

impl Table {
    /// Takes a `lifecycle` record; false when it is none.
    pub(super) fn add_life(&mut self, line: &str) -> bool {
        let Ok(life) = serde_json::from_str::<Value>(line) else { return false };
        let state = life["states"].as_array().and_then(|states| states.last()).map(|last| &last["state"]);
        let (Some(state), Some(cookie)) = (state.and_then(Value::as_str), life["cookie"].as_str()) else {
            return false;
        };
        if state != "SYN_RECV" {
            self.0.insert(cookie.to_owned(), state.to_owned());
        }
        true
    }

    /// How many there are in each state.
    pub(super) fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for state in self.0.values() {
            *counts.entry(state.as_str()).or_default() += 1;
        }
        counts
    }

    /// The state of a socket.
    pub(super) fn state(&self, cookie: &str) -> Option<&str> {
        self.0.get(cookie).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ss_is_a_cookie_and_a_state() {
        let line = "TIME-WAIT 0 0 127.0.0.1:80 127.0.0.1:5000 timer:(timewait,52sec,0) ino:0 sk:2f";
        assert_eq!(of_ss(line), Some(("2f".to_owned(), "TIME_WAIT".to_owned())));
        assert_eq!(of_ss("SYN-RECV 0 0 127.0.0.1:80 127.0.0.1:5000 ino:0 sk:2f"), None);
    }

    #[test]
    fn a_life_is_in_the_last_of_its_states() {
        let life =
            r#"{"netns":7,"cookie":"1a","end":null,"states":[{"state":"SYN_SENT"},{"state":"ESTABLISHED"}]}"#;
        let mut table = Table::default();
        assert!(table.add_life(life) && !table.add_life("{}"));
        assert_eq!(table.state("1a"), Some("ESTABLISHED"));
    }
}
