//! A stuck socket as a row.

use std::io::{self, Write};

use super::super::words;
use super::Rows;
use crate::engine::stuck::Stuck;

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
        self.end_row()
    }
}
