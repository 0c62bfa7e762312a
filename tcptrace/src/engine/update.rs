//! What the engine tells sinks and views.

use super::stuck::Stuck;
use crate::model::event::{LossPlace, StateChange};
use crate::model::life::{Lifecycle, Subject};
use crate::model::measure::Measured;
use crate::model::time::Mono;
use crate::model::transition::Transition;

/// One piece of news.
#[derive(Clone, Copy, Debug)]
pub enum Update<'a> {
    /// The kernel's event as it came, self-transitions included: what `--raw` shows. Comes before the [`Update::Moved`] that
    /// it causes. The id is 0 where the event belongs to no connection, e.g. CLOSE>CLOSE of a dead socket.
    Seen(&'a StateChange, &'a Subject),
    /// A true transition.
    Moved(&'a Transition, &'a Subject),
    /// A length beside stays has become known; only where the engine was asked for them.
    Measured(&'a Measured, &'a Subject),
    /// A connection is over: at CLOSED, or on entering TIME_WAIT.
    Closed(&'a Lifecycle),
    /// A connection that still lived when tracing ended.
    Unfinished(&'a Lifecycle),
    /// A socket is stuck, is so still, or no longer is.
    Stuck(&'a Stuck),
    /// Events were lost.
    Lost {
        /// When we noticed.
        at: Mono,
        /// How many now.
        count: u64,
        /// Where.
        place: LossPlace,
        /// How many at this place in this run.
        total: u64,
    },
}
