//! A stuck socket as a row.

use std::io::{self, Write};

use super::super::words;
use super::Rows;
use crate::engine::stuck::stack::Frame;
use crate::engine::stuck::{Origin, Stuck};

/// Behind time, socket and owner.
pub(super) const COLUMNS: &[&str] = &[
    "event",
    "state",
    "since_mono_ns",
    "age_ns",
    "evidence",
    "at_most_ns",
    "error_ns",
    "rule",
    "recv_queue",
    "send_queue",
    "timer",
    "timer_expires_ns",
    "keepalive",
    "holders",
    "verdict",
    "alternative",
    "explanation",
    "advice",
    "stack",
    "stack_note",
];

impl<W: Write> Rows<W> {
    pub(super) fn stuck(&mut self, stuck: &Stuck, time: &str) -> io::Result<()> {
        self.text(time)?;
        self.number(stuck.at.0)?;
        self.socket(stuck.subject.id, &stuck.subject.socket)?;
        self.owner(stuck.subject.owner.as_ref(), &stuck.subject.socket)?;
        self.text(stuck.event.name())?;
        self.text(stuck.state.name())?;
        self.known(stuck.since.map(|since| since.0))?;
        self.known(stuck.age.ns)?;
        self.text(words::evidence(stuck.age.evidence))?;
        self.known(stuck.age.at_most_ns)?;
        self.known(stuck.age.error_ns)?;
        self.text(&stuck.rule.to_string())?;
        self.known(stuck.receive_queue)?;
        self.known(stuck.send_queue)?;
        self.text(words::timer(stuck.timer.map(|timer| timer.kind)))?;
        self.known(stuck.timer.map(|timer| timer.expires_ns))?;
        self.text(stuck.keepalive.map_or("", |on| if on { "true" } else { "false" }))?;
        // `pid:fd:comm;…`
        let holders: Vec<String> = stuck
            .holders
            .iter()
            .flatten()
            .map(|holder| format!("{}:{}:{}", holder.task.pid, holder.fd, holder.task.comm.as_str()))
            .collect();
        self.text(&holders.join(";"))?;
        self.text(stuck.verdict.map_or("", |verdict| verdict.name()))?;
        self.text(stuck.alternative.map_or("", |verdict| verdict.name()))?;
        self.text(&stuck.explanation)?;
        self.text(&stuck.advice)?;
        let (stack, note) = stuck.origin.as_ref().map(folded).unwrap_or_default();
        self.text(&stack)?;
        self.text(&note)?;
        self.end_row()
    }
}

/// The stack from the outermost function to the innermost, `main;serve;accept4`, as flame graphs take it; and what there is to say.
fn folded(origin: &Origin) -> (String, String) {
    match origin {
        Origin::Unknown(why) => (String::new(), (*why).to_owned()),
        Origin::Stack(stack) => {
            let name = |frame: &Frame| match &frame.symbol {
                Some(symbol) => symbol.replace(';', ":"),
                None => format!("{:#x}", frame.address),
            };
            let names: Vec<String> = stack.frames.iter().rev().map(name).collect();
            (names.join(";"), stack.notes.join("; "))
        }
    }
}
