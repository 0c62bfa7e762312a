//! The last line of a recording, and the counting for it.

use serde::{Deserialize, Serialize};

use super::moment;
use crate::model::event::Event;

/// What a recording amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// Events in it, the passing of time not counted.
    pub events: u64,
    /// State changes among them.
    pub changes: u64,
    /// Events lost on the way.
    pub lost: u64,
    /// From the first moment in it to the last, nanoseconds.
    pub duration_ns: u64,
    /// The last moment in it; `None` when it holds none.
    pub mono_ns: Option<u64>,
    /// False when `tcptrace repair` has written it: the recording was cut.
    pub complete: bool,
}

/// Counts while events go by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    events: u64,
    changes: u64,
    lost: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Tick(_) => {}
            Event::Lost { count, .. } => {
                self.events += 1;
                self.lost = self.lost.saturating_add(*count);
            }
            Event::StateChange(_) => {
                self.events += 1;
                self.changes += 1;
            }
            _ => self.events += 1,
        }
        if let Some(at) = moment(event) {
            self.first = Some(self.first.map_or(at.0, |first| first.min(at.0)));
            self.last = Some(self.last.map_or(at.0, |last| last.max(at.0)));
        }
    }

    pub(super) fn footer(&self, complete: bool) -> Footer {
        let Self { events, changes, lost, first, last } = *self;
        let duration_ns = first.zip(last).map_or(0, |(first, last)| last - first);
        Footer { events, changes, lost, duration_ns, mono_ns: last, complete }
    }
}

/// The line of `footer`.
pub(super) fn line(footer: &Footer) -> Vec<u8> {
    tagged("footer", footer)
}

/// `{"type":KIND, fields of value}` and a line end.
pub(super) fn tagged(kind: &'static str, value: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        r#type: &'static str,
        #[serde(flatten)]
        value: &'a T,
    }
    // Maps with text keys can always be written as JSON.
    let mut line = serde_json::to_vec(&Tagged { r#type: kind, value }).unwrap_or_default();
    line.push(b'\n');
    line
}
