//! Half-open connections that only a request socket holds: when each began (`--exact`).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::ends::Ends;
use crate::model::time::Mono;

/// How many are remembered: a SYN flood must not fill our memory.
const MANY: usize = 1 << 16;

/// Longer than any handshake that still succeeds (`tcp_synack_retries` up to 7), nanoseconds.
const LONGEST_NS: u64 = 300_000_000_000;

/// The moments of SYNs whose handshake is not over, by namespace and both ends.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    began: FxHashMap<(u32, Ends), Mono>,
    order: VecDeque<(u32, Ends, Mono)>,
}

impl HalfOpen {
    /// A SYN came.
    pub(crate) fn add(&mut self, netns: u32, ends: Ends, at: Mono) {
        while self.order.len() >= MANY
            || self.order.front().is_some_and(|(.., oldest)| at.since(*oldest) > LONGEST_NS)
        {
            let Some((netns, ends, oldest)) = self.order.pop_front() else { break };
            if self.began.get(&(netns, ends)) == Some(&oldest) {
                self.began.remove(&(netns, ends));
            }
        }
        // The first SYN of this handshake has gone and come again: the newer request is the one that lives.
        self.began.insert((netns, ends), at);
        self.order.push_back((netns, ends, at));
    }

    /// The child has appeared: when its SYN came, if we saw it.
    pub(crate) fn take(&mut self, netns: u32, ends: Ends) -> Option<Mono> {
        if self.began.is_empty() {
            return None;
        }
        self.began.remove(&(netns, ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoints::Endpoints;

    fn ends(port: u16) -> Ends {
        let here = "10.0.0.1".parse().unwrap();
        Ends::pack(&Endpoints::new((here, 80), (here, port)))
    }

    #[test]
    fn a_flood_forgets_the_oldest_and_a_child_is_answered_once() {
        let mut half_open = HalfOpen::default();
        half_open.add(1, ends(7), Mono(1));
        assert_eq!(half_open.take(2, ends(7)), None);
        assert_eq!(half_open.take(1, ends(7)), Some(Mono(1)));
        assert_eq!(half_open.take(1, ends(7)), None);
        half_open.add(1, ends(7), Mono(2));
        for at in 0..MANY as u64 {
            half_open.add(9, ends(8), Mono(3 + at));
        }
        assert_eq!(half_open.take(1, ends(7)), None);
        assert!(half_open.order.len() <= MANY && half_open.began.len() <= MANY);
    }
}
