//! When an event happened.

use crate::model::event::Event;
use crate::model::time::Mono;

/// The moment of `event`; `None` for one that has none.
#[must_use]
pub fn moment(event: &Event) -> Option<Mono> {
    match event {
        Event::StateChange(change) => Some(change.at),
        Event::Accepted(accepted) => Some(accepted.at),
        Event::Snapshot(socket) => Some(socket.at),
        Event::Neighbour { at, .. }
        | Event::HalfOpen { at, .. }
        | Event::SnapshotDone { at, .. }
        | Event::TimeWaitOverflow { at, .. }
        | Event::Lost { at, .. }
        | Event::Tick(at) => Some(*at),
        Event::FinTimeout { .. } | Event::Forked { .. } => None,
    }
}
