//! Stuck sockets by where they were opened: the sites of a leak.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::stack::Stack;
use super::{Stuck, StuckEvent};
use crate::model::cookie::Cookie;
use crate::model::evidence::Span;
use crate::model::owner::Task;
use crate::model::time::Mono;

/// One site.
#[derive(Clone, Debug)]
pub struct Site {
    /// The way to it.
    pub stack: Arc<Stack>,
    /// Whose sockets these are.
    pub owner: Option<Task>,
    /// Of each socket that is stuck now, how long it had been when it was last told of.
    sockets: FxHashMap<Cookie, (Mono, Span)>,
}

impl Site {
    /// How many are stuck now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sockets.len()
    }

    /// How long the oldest of them has been in its state at `now`.
    #[must_use]
    pub fn oldest(&self, now: Mono) -> Span {
        let grown = self.sockets.values().map(|(at, age)| {
            let passed = now.since(*at);
            let grow = |ns: Option<u64>| ns.map(|ns| ns.saturating_add(passed));
            Span { ns: grow(age.ns), at_most_ns: grow(age.at_most_ns), ..*age }
        });
        grown.max_by_key(|age| age.ns).unwrap_or(Span::UNKNOWN)
    }
}

/// All sites that stuck sockets were told of.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// By the number of the stack.
    sites: FxHashMap<u32, Site>,
}

impl Sites {
    /// Takes what was told of one socket.
    pub fn take(&mut self, stuck: &Stuck) {
        let Some(stack) = stuck.origin.as_ref().and_then(|origin| origin.stack()) else { return };
        let Some(cookie) = stuck.subject.socket.socket.cookie else { return };
        let site = self.sites.entry(stack.id).or_insert_with(|| Site {
            stack: Arc::clone(stack),
            owner: stuck.subject.owner.map(|owner| owner.task),
            sockets: FxHashMap::default(),
        });
        match stuck.event {
            StuckEvent::Began | StuckEvent::Still => {
                site.sockets.insert(cookie, (stuck.at, stuck.age));
            }
            StuckEvent::Ended => {
                site.sockets.remove(&cookie);
            }
        }
    }

    /// The site with this stack.
    #[must_use]
    pub fn of(&self, stack: u32) -> Option<&Site> {
        self.sites.get(&stack)
    }

    /// Those with stuck sockets, the one with most first.
    #[must_use]
    pub fn worst_first(&self) -> Vec<&Site> {
        let mut sites: Vec<&Site> = self.sites.values().filter(|site| site.count() > 0).collect();
        sites.sort_by_key(|site| (std::cmp::Reverse(site.count()), site.stack.id));
        sites
    }
}
