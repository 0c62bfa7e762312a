//! All lives that we hold: found by cookie or by address, the longest idle at hand for eviction.

use rustc_hash::FxHashMap;

use super::chunks::Chunks;
use super::ends::{Ends, EndsIndex};
use super::index::CookieIndex;
use super::life::Life;
use crate::model::socket::SocketRef;
use crate::model::state::TcpState;

/// Where a life is; reused after it is gone, so whoever keeps one keeps the id beside it.
pub(crate) type Slot = u32;

/// No slot.
pub(crate) const NOWHERE: Slot = Slot::MAX;

/// Head and tail of a queue in order of the last move.
#[derive(Clone, Copy, Debug)]
struct Queue {
    head: Slot,
    tail: Slot,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    lives: Chunks<Life>,
    by_cookie: CookieIndex,
    by_address: FxHashMap<u64, Slot>,
    /// Cookies come late or never: every life is found by its address too.
    late_cookies: bool,
    /// Lives whose 4-tuple matters: timewait sockets, and everything on the classic path.
    by_ends: EndsIndex,
    /// ESTABLISHED lives, and all others.
    queues: [Queue; 2],
}

impl Table {
    pub(crate) fn new(late_cookies: bool) -> Self {
        Self {
            lives: Chunks::default(),
            by_cookie: CookieIndex::default(),
            by_address: FxHashMap::default(),
            late_cookies,
            by_ends: EndsIndex::default(),
            queues: [Queue { head: NOWHERE, tail: NOWHERE }; 2],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lives.len()
    }

    pub(crate) fn life(&self, slot: Slot) -> &Life {
        self.lives.at(slot)
    }

    pub(crate) fn life_mut(&mut self, slot: Slot) -> &mut Life {
        self.lives.at_mut(slot)
    }

    /// The life `id`, if it is still in `slot`.
    pub(crate) fn still(&self, slot: Slot, id: u64) -> bool {
        self.lives.slots().contains(&slot) && self.life(slot).id == id
    }

    pub(crate) fn find(&self, socket: &SocketRef) -> Option<Slot> {
        if let Some(cookie) = socket.cookie
            && let Some(slot) = self.by_cookie.find(cookie.0.get(), |slot| self.life(slot).cookie)
        {
            return Some(slot);
        }
        // Without a cookie only the address tells; with one it tells of MPTCP, which shares cookies.
        if self.by_address.is_empty() || socket.address == 0 {
            return None;
        }
        self.by_address.get(&socket.address).copied().filter(|slot| {
            let life = self.life(*slot);
            socket.cookie.is_none_or(|cookie| {
                life.keyed_by_address() && life.cookie == cookie.0.get()
                    || self.late_cookies && life.cookie == 0
            })
        })
    }

    /// Whether `slot` is what is found by its cookie.
    pub(crate) fn has_cookie(&self, slot: Slot) -> bool {
        self.by_cookie.find(self.life(slot).cookie, |slot| self.life(slot).cookie) == Some(slot)
    }

    pub(crate) fn insert(&mut self, life: Life) -> Slot {
        let slot = self.lives.put(life);
        self.index(slot);
        self.enqueue(slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Life {
        self.unindex(slot);
        self.forget_ends(slot);
        self.dequeue(slot);
        self.lives.take(slot, Life::vacant())
    }

    /// Makes `slot` found by its cookie, or by its address where it has none of its own or it came late.
    pub(crate) fn index(&mut self, slot: Slot) {
        let life = self.life(slot);
        let (cookie, address) = (life.cookie, life.address);
        if cookie != 0 && !life.keyed_by_address() {
            let lives = &self.lives;
            self.by_cookie.insert(slot, |slot| lives.at(slot).cookie);
            if !self.late_cookies {
                return;
            }
        }
        if address != 0 {
            self.by_address.insert(address, slot);
        }
    }

    /// Makes `slot` no longer found by cookie or address: a later life has them now.
    pub(crate) fn unindex(&mut self, slot: Slot) {
        let life = self.life(slot);
        let (cookie, address) = (life.cookie, life.address);
        if cookie != 0 {
            let lives = &self.lives;
            self.by_cookie.remove(slot, |slot| lives.at(slot).cookie);
        }
        if address != 0 && self.by_address.get(&address) == Some(&slot) {
            self.by_address.remove(&address);
        }
    }

    /// Makes `slot` found by these from now on. An address that a later life has taken over stays with that.
    pub(crate) fn rekey(&mut self, slot: Slot, cookie: u64, address: u64) {
        let known = self.life(slot).address == address;
        let later = self.by_address.get(&address).copied().filter(|holder| known && *holder != slot);
        self.unindex(slot);
        let life = self.life_mut(slot);
        (life.cookie, life.address) = (cookie, address);
        self.index(slot);
        if let Some(later) = later {
            self.by_address.insert(address, later);
        }
    }

    /// Makes `slot` found by its two ends as well.
    pub(crate) fn index_ends(&mut self, slot: Slot) {
        if !std::mem::replace(&mut self.life_mut(slot).in_ends, true) {
            let lives = &self.lives;
            self.by_ends.insert(slot, |slot| lives.at(slot).ends);
        }
    }

    /// Undoes [`Self::index_ends`]; to be called before the ends change.
    pub(crate) fn forget_ends(&mut self, slot: Slot) {
        let life = self.life_mut(slot);
        if std::mem::replace(&mut life.in_ends, false) {
            let ends = life.ends;
            self.by_ends.remove(slot, &ends);
        }
    }

    /// The lives with these ends that are indexed by them, in any namespace.
    pub(crate) fn with_ends(&self, ends: &Ends) -> impl Iterator<Item = Slot> + '_ {
        self.by_ends.with(ends, |slot| self.life(slot).ends)
    }

    /// All lives that are indexed by their ends.
    pub(crate) fn indexed_by_ends(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_ends.slots()
    }

    /// All slots in use.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.lives.slots().filter(|slot| self.life(*slot).id != 0)
    }

    /// Notes that a life has just moved: it is the least idle of its queue now.
    pub(crate) fn touch(&mut self, slot: Slot) {
        self.dequeue(slot);
        self.enqueue(slot);
    }

    /// The one to lose when the table is full: the longest idle ESTABLISHED one, else the longest idle of all.
    pub(crate) fn longest_idle(&self) -> Option<Slot> {
        self.queues.iter().map(|queue| queue.head).find(|slot| *slot != NOWHERE)
    }

    fn enqueue(&mut self, slot: Slot) {
        let which = u8::from(self.life(slot).state() != TcpState::Established);
        let tail = self.queues[usize::from(which)].tail;
        let life = self.life_mut(slot);
        (life.queue, life.older, life.newer) = (which, tail, NOWHERE);
        if tail == NOWHERE {
            self.queues[usize::from(which)].head = slot;
        } else {
            self.life_mut(tail).newer = slot;
        }
        self.queues[usize::from(which)].tail = slot;
    }

    fn dequeue(&mut self, slot: Slot) {
        let life = self.life(slot);
        let (which, older, newer) = (usize::from(life.queue), life.older, life.newer);
        if older == NOWHERE {
            self.queues[which].head = newer;
        } else {
            self.life_mut(older).newer = newer;
        }
        if newer == NOWHERE {
            self.queues[which].tail = older;
        } else {
            self.life_mut(newer).older = older;
        }
    }
}
