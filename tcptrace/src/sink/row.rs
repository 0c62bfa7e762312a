//! One line of the live stream before any format: a true transition, or the kernel's own event.

use crate::engine::update::Update;
use crate::model::evidence::Span;
use crate::model::life::{Ending, Subject};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::SeenBy;

/// What every format prints of a transition.
pub(super) struct Row<'a> {
    pub(super) at: Mono,
    pub(super) from: TcpState,
    pub(super) to: TcpState,
    /// Print the kernel's names of `from` and `to`.
    pub(super) raw: bool,
    pub(super) in_from: Span,
    pub(super) seen_by: SeenBy,
    pub(super) kernel: Option<(TcpState, TcpState)>,
    pub(super) ending: Option<&'a Ending>,
    pub(super) subject: &'a Subject,
}

impl<'a> Row<'a> {
    /// The row that `update` makes in a stream of true transitions, or in a raw one; `None` for other news.
    pub(super) fn of(update: &Update<'a>, raw: bool) -> Option<Self> {
        match *update {
            Update::Moved(moved, subject) if !raw => Some(Self {
                at: moved.at,
                from: moved.from,
                to: moved.to,
                raw,
                in_from: moved.in_from,
                seen_by: moved.seen_by,
                kernel: moved.kernel,
                ending: moved.ending.as_ref(),
                subject,
            }),
            Update::Seen(change, subject) if raw => Some(Self {
                at: change.at,
                from: change.from,
                to: change.to,
                raw,
                in_from: change.since.map_or(Span::UNKNOWN, |since| Span::exact(change.at.since(since))),
                seen_by: SeenBy::Tracepoint,
                kernel: Some((change.from, change.to)),
                ending: None,
                subject,
            }),
            _ => None,
        }
    }

    /// The name to print for `state`.
    pub(super) const fn name(&self, state: TcpState) -> &'static str {
        if self.raw { state.kernel_name() } else { state.name() }
    }
}
