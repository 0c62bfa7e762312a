//! Cookies of lives that ended: a dump that began before must not raise them from the dead.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::model::time::Mono;

/// How many we remember; a dump is done long before as many end.
const MANY: usize = 1 << 16;

/// How long a dump may take, nanoseconds.
const LONGEST_DUMP_NS: u64 = 60_000_000_000;

/// Ended lives, newest last; the index is made when a dump asks.
#[derive(Debug, Default)]
pub(crate) struct Graves {
    fresh: VecDeque<(u64, Mono)>,
    index: FxHashMap<u64, Mono>,
}

impl Graves {
    pub(crate) fn add(&mut self, cookie: u64, ended: Mono) {
        if cookie == 0 {
            return;
        }
        if self.fresh.len() == MANY {
            self.fresh.pop_front();
        }
        self.fresh.push_back((cookie, ended));
    }

    /// When the life with `cookie` ended, if we remember.
    pub(crate) fn ended(&mut self, cookie: u64) -> Option<Mono> {
        self.index.extend(self.fresh.drain(..));
        self.index.get(&cookie).copied()
    }

    /// A dump is complete: forgets what no later dump can show.
    pub(crate) fn dumped(&mut self, at: Mono) {
        self.index.retain(|_, ended| at.since(*ended) < LONGEST_DUMP_NS * 3);
        if self.index.len() > MANY {
            self.index.retain(|_, ended| at.since(*ended) < LONGEST_DUMP_NS / 10);
        }
    }
}
