//! Many stuck sockets, told as a few groups.

use rustc_hash::FxHashMap;

use super::{Crowd, Stuck, Verdict};
use crate::model::evidence::Span;
use crate::model::owner::Task;
use crate::model::state::TcpState;

/// More than this many are told in groups.
pub const EACH_UP_TO: usize = 20;

/// What the sockets of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Their owner.
    pub pid: Option<u32>,
    /// Their state.
    pub state: TcpState,
    /// Their local port; `None` when they have different ones, as connections that this side opened.
    pub lport: Option<u16>,
    /// Their verdict.
    pub verdict: Option<Verdict>,
}

/// Sockets with the same owner, state, local port and verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// What they have in common.
    pub key: Key,
    /// Their owner.
    pub owner: Option<Task>,
    /// The sockets, the oldest first.
    pub sockets: Vec<&'a Stuck>,
}

impl Group<'_> {
    /// Age of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Span {
        self.sockets.iter().map(|stuck| stuck.age).max_by_key(|age| age.ns).unwrap_or(Span::UNKNOWN)
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
    let mut order: Vec<Group<'a>> = Vec::new();
    let mut places: FxHashMap<Key, usize> = FxHashMap::default();
    for (one, key) in stuck.iter().zip(keys(stuck)) {
        let place = *places.entry(key).or_insert_with(|| {
            order.push(Group { key, owner: one.subject.owner.map(|owner| owner.task), sockets: Vec::new() });
            order.len() - 1
        });
        if let Some(group) = order.get_mut(place) {
            group.sockets.push(one);
        }
    }
    order.sort_by_key(|group| std::cmp::Reverse((group.oldest().ns, group.sockets.len())));
    order
}

/// Tells each of `stuck` how large its group is; `growth` knows how fast it grows, if it does.
pub fn crowd(stuck: &mut [Stuck], growth: &dyn Fn(&Key) -> Option<i64>) {
    let of = stuck.len() as u64;
    let crowds: FxHashMap<Key, Crowd> = groups(stuck)
        .iter()
        .map(|group| {
            let key = group.key;
            let crowd = Crowd {
                key,
                count: group.sockets.len() as u64,
                of,
                oldest: group.oldest(),
                median_ns: group.median_ns(),
                growth_per_minute: growth(&key),
            };
            (key, crowd)
        })
        .collect();
    let keys = keys(&stuck.iter().collect::<Vec<_>>());
    for (one, key) in stuck.iter_mut().zip(keys) {
        one.crowd = crowds.get(&key).copied();
    }
}

/// The key of each.
fn keys(stuck: &[&Stuck]) -> Vec<Key> {
    let key = |one: &Stuck| Key {
        pid: one.subject.owner.map(|owner| owner.task.pid),
        state: one.state,
        lport: one.subject.socket.endpoints.local.port,
        verdict: one.verdict,
    };
    let mut counts: FxHashMap<Key, u32> = FxHashMap::default();
    for one in stuck {
        *counts.entry(key(one)).or_default() += 1;
    }
    stuck
        .iter()
        .map(|one| {
            let key = key(one);
            if counts.get(&key) == Some(&1) { Key { lport: None, ..key } } else { key }
        })
        .collect()
}
