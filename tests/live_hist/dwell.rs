//! Connections whose dwell times are known, from the clock of who makes them: each at least and at most.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::actor::Actor;
use crate::support::patience::slowness;
use crate::support::space::Space;

/// What a length is of: role of the socket, its local port or 0 where it does not matter, and the measure.
pub(crate) type Key = (String, u16, String);

/// Lengths, nanoseconds: the true one lies between the two.
#[derive(Default)]
pub(crate) struct Dwells(pub(crate) BTreeMap<Key, Vec<(u64, u64)>>);

/// An order to a process, which was carried out at a moment between the two.
#[derive(Clone, Copy)]
struct Done(Instant, Instant);

fn order(actor: &mut Actor, order: &str) -> Done {
    let before = Instant::now();
    actor.must(order);
    Done(before, Instant::now())
}

impl Dwells {
    fn add(&mut self, (role, port, what): (&str, u16, &str), from: Done, to: Done) {
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap();
        let bounds = (ns(to.0.saturating_duration_since(from.1)), ns(to.1 - from.0));
        self.0.entry((role.to_owned(), port, what.to_owned())).or_default().push(bounds);
    }

    /// Three services, whose reaction to a FIN takes 50, 100 and 200 ms. The client keeps its descriptor, so that every state of both
    /// ends is marked by events.
    pub(crate) fn of_services(space: &Space, count: u32) -> Self {
        let (mut server, mut client) = (space.actor("server"), space.actor("client"));
        let mut dwells = Self::default();
        let sleep = |ms: u32| std::thread::sleep(Duration::from_millis(ms.into()));
        for (service, reaction) in ["a", "b", "c"].into_iter().zip([50, 100, 200]) {
            let port = server.listen(service, space.at4(0)).port();
            for number in 0..count {
                client.must("socket c 4");
                let opened = order(&mut client, &format!("connect c {}", space.at4(port)));
                sleep(30 + number % 3 * 10);
                let accepted = order(&mut server, &format!("accept {service} s"));
                sleep(40);
                let closed = order(&mut client, "shutdown c wr");
                sleep(reaction + number % 4);
                let answered = order(&mut server, "close s");
                client.must("close c");
                for (key, from, to) in [
                    (("accept", port, "accept_wait"), opened, accepted),
                    (("accept", port, "ESTABLISHED"), opened, closed),
                    (("connect", 0, "ESTABLISHED"), opened, closed),
                    (("accept", port, "CLOSE_WAIT"), closed, answered),
                    (("accept", port, "reaction"), closed, answered),
                    (("connect", 0, "fin_to_fin"), closed, answered),
                    (("accept", port, "lifetime"), opened, answered),
                    (("connect", 0, "lifetime"), opened, answered),
                ] {
                    dwells.add(key, from, to);
                }
            }
        }
        dwells
    }

    /// Holds a histogram's figures against them.
    pub(crate) fn check(&self, how: &str, found: &Histograms) {
        for (key, bounds) in &self.0 {
            let record =
                found.0.get(key).unwrap_or_else(|| panic!("{how}: no {key:?} in {:?}", found.0.keys()));
            assert_eq!(record["count"], bounds.len(), "{how} {key:?}: {record}");
            let (mut least, mut most): (Vec<_>, Vec<_>) = bounds.iter().copied().unzip();
            least.sort_unstable();
            most.sort_unstable();
            for (name, percent) in [("p50", 50), ("p90", 90), ("p99", 99), ("min", 0), ("max", 100)] {
                let rank = (bounds.len() * percent).div_ceil(100).max(1) - 1;
                let found = record[name].as_u64().unwrap() as f64;
                let (low, high) = (least[rank] as f64 * 0.97, most[rank] as f64 * 1.03);
                assert!((low..=high).contains(&found), "{how} {key:?} {name}: {found}, not {low} to {high}");
            }
        }
    }
}

/// Histograms of a run.
pub(crate) struct Histograms(pub(crate) BTreeMap<Key, Value>);

impl Histograms {
    /// Grouped by role and lport; the port of who connects is left out, and its histograms are one.
    pub(crate) fn of(records: &[Value]) -> Self {
        let mut all: BTreeMap<Key, Value> = BTreeMap::new();
        for record in records.iter().filter(|record| record["type"] == "histogram") {
            let group = &record["group"];
            let role = group["role"].as_str().unwrap_or("none").to_owned();
            let port = group["lport"].as_u64().and_then(|port| u16::try_from(port).ok());
            let port = port.filter(|_| role != "connect").unwrap_or(0);
            let what = record["state"].as_str().or_else(|| record["measure"].as_str()).unwrap().to_owned();
            let before = all.insert((role, port, what), record.clone());
            assert!(before.is_none(), "twice: {record}");
        }
        Self(all)
    }

    /// The same lengths in the same buckets as another's, give or take one bucket: each program reads the clock for itself.
    pub(crate) fn check_same(&self, other: &Self) {
        // The ends of TIME_WAIT come from polls, each tracer's own, and have no exact length.
        let exact = |of: &Self| of.0.keys().filter(|key| key.2 != "TIME_WAIT").cloned().collect::<Vec<_>>();
        assert_eq!(exact(self), exact(other));
        for (key, one) in self.0.iter().filter(|(key, _)| key.2 != "TIME_WAIT") {
            let other = &other.0[key];
            assert_eq!(one["count"], other["count"], "{key:?}: {one} {other}");
            assert_eq!(one["evidence_counts"], other["evidence_counts"], "{key:?}: {one} {other}");
            let (one, other) = (buckets(one), buckets(other));
            // Short lengths differ by the time that one program runs before the other, and interrupts between the two; where that is
            // slow, as in an emulator that does something else in between, others do too.
            let slow = (crate::MS / 2 + 5 * crate::MS * u64::from(slowness() - 1)) as f64;
            let near = |(one, other): (&f64, &f64)| {
                let [one_ns, other_ns] = [one, other].map(|number| (number / 16.0).exp2());
                (one - other).abs() <= 1.1
                    || one_ns.max(other_ns) < crate::MS as f64
                    || (one_ns - other_ns).abs() < slow
            };
            assert!(one.iter().zip(&other).all(near), "{key:?}: {one:?} {other:?}");
        }
    }
}

/// The numbers of the buckets of all lengths, in order.
fn buckets(record: &Value) -> Vec<f64> {
    let buckets = record["buckets"].as_array().unwrap().iter();
    let number = |bound: &Value| bound.as_f64().unwrap().log2() * 16.0;
    buckets
        .flat_map(|bucket| {
            std::iter::repeat_n(number(&bucket[0]), usize::try_from(bucket[1].as_u64().unwrap()).unwrap())
        })
        .collect()
}
