//! The thread that dumps, one request after the other.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

use super::{Answer, Request};
use crate::app::owners::Owners;
use crate::engine::ALL_STATES;
use crate::model::event::Event;
use crate::source::kernel::Kernel;
use crate::source::netns::Netns;
use crate::source::netstat::Netstat;
use crate::source::sock_diag::set::DiagSet;

/// Events in one message to the loop.
const BATCH: usize = 1024;

/// What the thread knows.
pub(super) struct Worker {
    tell: mpsc::Sender<Answer>,
    /// Nobody, once all that they hold has been told with them.
    owners: Arc<Owners>,
    cookies: bool,
    /// `TCPTimeWaitOverflow` of each namespace when last read.
    overflows: FxHashMap<u32, u64>,
    /// Namespaces that were asked for and not found when last looked for.
    missed: FxHashSet<u32>,
}

/// The loop is gone: nothing more to do.
struct Gone;

impl Worker {
    /// `owners` are those of sockets that were there before; `cookies`: the engine can match sockets by cookie.
    pub(super) fn new(tell: mpsc::Sender<Answer>, owners: Arc<Owners>, cookies: bool) -> Self {
        Self { tell, owners, cookies, overflows: FxHashMap::default(), missed: FxHashSet::default() }
    }

    /// Answers what is asked, until nobody asks any more.
    pub(super) fn work(mut self, todo: &Receiver<Request>) {
        let (mut set, opened) = match DiagSet::open() {
            Ok(opened) => opened,
            Err(error) => {
                let _ = self.tell.blocking_send(Answer::Note(format!(
                    "sock_diag is not available ({error}): sockets that existed before are unknown until they move"
                )));
                return;
            }
        };
        let mut refused = 0;
        for failure in &opened.unreachable {
            refused += 1;
            if refused == 1 {
                let _ = self.tell.blocking_send(Answer::Note(format!(
                    "{} of {} network namespaces cannot be entered (first: {}: {}): their older sockets are unknown until they move",
                    opened.unreachable.len(),
                    opened.unreachable.len() + set.namespaces().count(),
                    failure.netns.inode,
                    failure.why
                )));
            }
        }
        while let Ok(request) = todo.recv() {
            if self.answer(&mut set, &request).is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, set: &mut DiagSet, request: &Request) -> Result<(), Gone> {
        let began = processor_time();
        // Namespaces come and go; a failure leaves those that are known.
        let looked = Kernel::now();
        let all_found = set.refresh().is_ok_and(|refreshed| refreshed.unreadable == 0);
        // An inode number is used again, for a namespace that counts from 0.
        self.overflows.retain(|inode, _| set.diag(*inode).is_some());
        if request.states == 0 {
            return self.send(Answer::Done(processor_time().saturating_sub(began)));
        }
        let mut events: Vec<Event> = set
            .fin_timeouts()
            .into_iter()
            .map(|(netns, seconds)| Event::FinTimeout { netns, seconds })
            .collect();
        let wanted: Vec<Netns> = set
            .namespaces()
            .filter(|netns| request.netns.is_empty() || request.netns.contains(&netns.inode))
            .cloned()
            .collect();
        if all_found && request.states == ALL_STATES {
            // One that is nowhere, twice, is gone: what was in it after a loss would wait for its dump for ever. Once is not enough:
            // a process that hands over to its child while /proc is read is not seen.
            let before = std::mem::replace(&mut self.missed, gone(set, &request.netns));
            events.extend(self.missed.intersection(&before).map(|netns| Event::SnapshotDone {
                began: looked,
                at: looked,
                netns: *netns,
                states: request.states,
            }));
        }
        let mut all_told = *request == Request::everything() && set.unreachable().next().is_none();
        for netns in wanted {
            let began = Kernel::now();
            events.extend(self.overflow(&netns));
            let Some(diag) = set.diag(netns.inode) else {
                all_told = false;
                continue;
            };
            let (owners, cookies, tell) = (&self.owners, self.cookies, &self.tell);
            let dumped = diag.dump(netns.inode, request.states, &mut |mut snapshot| {
                snapshot.owner = owners.of_snapshot(&snapshot);
                if !cookies {
                    snapshot.id.socket.cookie = None;
                }
                events.push(Event::Snapshot(snapshot));
                if events.len() >= BATCH {
                    // A loop that is gone is noticed at the end of this dump.
                    let _ = tell.blocking_send(Answer::Events(std::mem::take(&mut events)));
                }
            });
            // An interrupted dump proves nothing by what it does not show.
            if dumped.is_ok_and(|stats| stats.complete) {
                events.push(Event::SnapshotDone {
                    began,
                    at: Kernel::now(),
                    netns: netns.inode,
                    states: request.states,
                });
            } else {
                all_told = false;
            }
        }
        self.send(Answer::Events(events))?;
        if all_told {
            self.owners = Arc::default();
        }
        self.send(Answer::Done(processor_time().saturating_sub(began)))
    }

    /// TIME_WAITs that were never made since the last look.
    fn overflow(&mut self, netns: &Netns) -> Option<Event> {
        let now = Netstat::read(netns).ok()?.counter("TcpExt.TCPTimeWaitOverflow")?;
        // At the first look it may have moved while we traced already: the engine doubts only what no dump shows.
        let before = self.overflows.insert(netns.inode, now).unwrap_or(0);
        (now > before).then(|| Event::TimeWaitOverflow {
            at: Kernel::now(),
            netns: netns.inode,
            count: now - before,
        })
    }

    fn send(&self, answer: Answer) -> Result<(), Gone> {
        self.tell.blocking_send(answer).map_err(|_| Gone)
    }
}

/// How long this thread has kept the processor. A busy host does not make a dump longer.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Which of `asked` no process and no name holds.
fn gone(set: &DiagSet, asked: &[u32]) -> FxHashSet<u32> {
    let known: FxHashSet<u32> = set
        .namespaces()
        .chain(set.unreachable().map(|failure| &failure.netns))
        .map(|netns| netns.inode)
        .collect();
    asked.iter().copied().filter(|netns| !known.contains(netns)).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_namespace_that_is_nowhere_twice_is_answered_for() {
        let (mut set, opened) = DiagSet::open().unwrap();
        let own = crate::source::netns::own().unwrap();
        let (tell, mut answers) = mpsc::channel(64);
        let mut worker = Worker::new(tell, Arc::default(), true);
        // No namespace has this number: the kernel's begin at 0xf0000000.
        let request = Request { netns: vec![own, 7], states: ALL_STATES };
        let mut ask = || {
            thread::scope(|scope| {
                let asked = scope.spawn(|| worker.answer(&mut set, &request).is_ok());
                let mut done = Vec::new();
                while let Some(Answer::Events(events)) = answers.blocking_recv() {
                    done.extend(events.into_iter().filter_map(|event| match event {
                        Event::SnapshotDone { netns, states, .. } => Some((netns, states)),
                        _ => None,
                    }));
                }
                assert!(asked.join().unwrap());
                done
            })
        };
        let (once, twice) = (ask(), ask());
        assert_eq!(once, [(own, ALL_STATES)]);
        // Who may not look everywhere cannot know that it is gone.
        assert_eq!(twice.contains(&(7, ALL_STATES)), opened.unreadable == 0, "{twice:?}");
        assert!(twice.contains(&(own, ALL_STATES)), "{twice:?}");
    }
}
