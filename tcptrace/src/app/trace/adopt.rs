//! The owners of older sockets, where the walk through all open files outlasts the start.

use std::time::Duration;

use tokio::time::Instant;

use super::{Run, Stop, answered, at};
use crate::app::owners::Late;
use crate::plan::Trace;

/// So much longer nobody notices a start; most hosts have been walked by then.
const UNNOTICED: Duration = Duration::from_millis(30);

/// How long the walk through all open files may keep the start.
pub(super) fn patience(plan: &Trace, counting: bool) -> Option<Duration> {
    // Where the kernel half decides by owners it must know them all before anything is promised, and without dumps nobody goes on.
    let whole = counting || plan.raw || !plan.filter.pids.is_empty();
    let late = std::env::var_os("TCPTRACE_TEST_LATE").is_some();
    (!whole).then_some(if late { Duration::ZERO } else { UNNOTICED })
}

impl Run<'_> {
    /// Until the walk is over, events wait in the ring: then it is known who held the sockets that they are about.
    pub(super) async fn adopt(&mut self, deadline: Option<Instant>) -> Option<Stop> {
        while self.early.is_some() {
            let Self { dumps, int, term, .. } = self;
            let answer = tokio::select! {
                biased;
                _ = int.recv() => return Some(Stop::Signal),
                _ = term.recv() => return Some(Stop::Signal),
                () = at(deadline) => return Some(Stop::Duration),
                answer = answered(dumps) => answer,
            };
            self.take(answer);
        }
        None
    }

    /// The walk is over.
    pub(super) fn adopted(&mut self, late: Late) {
        self.late = Some(late);
        self.take_early();
    }

    /// Takes the events that came before there was a loop.
    pub(super) fn take_early(&mut self) {
        for mut event in self.early.take().unwrap_or_default() {
            if let Some(late) = &self.late {
                late.complete(&mut event);
            }
            self.desk.observe(&event);
        }
    }
}
