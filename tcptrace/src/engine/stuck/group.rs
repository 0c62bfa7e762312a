//! Many stuck sockets, told as a few groups.

use rustc_hash::FxHashMap;

use super::{Stuck, Verdict};
use crate::model::owner::Task;
use crate::model::state::TcpState;

/// More than this many are told in groups.
pub const EACH_UP_TO: usize = 20;

/// Sockets with the same owner, state, local port and verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Their owner.
    pub owner: Option<Task>,
    /// Their state.
    pub state: TcpState,
    /// Their local port; `None` when they have different ones, as connections that this side opened.
    pub lport: Option<u16>,
    /// Their verdict.
    pub verdict: Option<Verdict>,
    /// The sockets, the oldest first.
    pub sockets: Vec<&'a Stuck>,
}

impl Group<'_> {
    /// Age of the oldest, nanoseconds, where known.
    #[must_use]
    pub fn oldest_ns(&self) -> Option<u64> {
        self.sockets.iter().filter_map(|stuck| stuck.age.ns).max()
    }

    /// Median age, nanoseconds, of those whose age is known.
    #[must_use]
    pub fn median_ns(&self) -> Option<u64> {
        let mut ages: Vec<u64> = self.sockets.iter().filter_map(|stuck| stuck.age.ns).collect();
        ages.sort_unstable();
        ages.get(ages.len() / 2).copied()
    }
}

/// Groups `stuck`, the one with the oldest socket first. Local ports of connections that this side opened are all different: where each
/// port has one socket, they are one group.
#[must_use]
pub fn groups(stuck: &[Stuck]) -> Vec<Group<'_>> {
    groups_of(&stuck.iter().collect::<Vec<_>>())
}

/// The same of some.
#[must_use]
pub fn groups_of<'a>(stuck: &[&'a Stuck]) -> Vec<Group<'a>> {
    type Key = (Option<u32>, TcpState, Option<u16>, Option<Verdict>);
    let key = |one: &Stuck, port: bool| -> Key {
        let lport = one.subject.socket.endpoints.local.port.filter(|_| port);
        (one.subject.owner.map(|owner| owner.task.pid), one.state, lport, one.verdict)
    };
    let mut counts: FxHashMap<Key, u32> = FxHashMap::default();
    for one in stuck {
        *counts.entry(key(one, true)).or_default() += 1;
    }
    let mut order: Vec<Group<'a>> = Vec::new();
    let mut places: FxHashMap<Key, usize> = FxHashMap::default();
    for one in stuck {
        let alone = counts.get(&key(one, true)) == Some(&1);
        let key = key(one, !alone);
        let place = *places.entry(key).or_insert_with(|| {
            let (_, state, lport, verdict) = key;
            let owner = one.subject.owner.map(|owner| owner.task);
            order.push(Group { owner, state, lport, verdict, sockets: Vec::new() });
            order.len() - 1
        });
        if let Some(group) = order.get_mut(place) {
            group.sockets.push(one);
        }
    }
    order.sort_by_key(|group| std::cmp::Reverse((group.oldest_ns(), group.sockets.len())));
    order
}
