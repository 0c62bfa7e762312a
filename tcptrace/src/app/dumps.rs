//! Dumps of sock_diag in a thread of their own: what existed before us, and answers to the engine's open questions.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

use super::owners::{Late, Owners};
use crate::engine::ALL_STATES;
use crate::model::event::Event;
use crate::source::kernel::{Kernel, Walk};
use crate::source::netns::Netns;
use crate::source::netstat::Netstat;
use crate::source::sock_diag::set::DiagSet;

/// Namespaces are looked over so often at least: the socket that we keep in each would keep it alive when all others have left it.
const LOOK: Duration = Duration::from_secs(10);
/// Events in one message to the loop.
const BATCH: usize = 1024;

/// How many times as long as a dump kept the processor it rests at least, and how long at most: with many sockets, looking at them, and
/// taking in what was seen, which costs as much again, must not become a load of its own, nor must what only a dump shows come much later.
#[derive(Clone, Copy)]
struct Rest {
    times: u32,
    longest: Duration,
}

impl Rest {
    /// Before the next look at timewait sockets.
    const OFTEN: Self = Self { times: 39, longest: Duration::from_secs(20) };
    /// Before a dump of everything, which mends what is wrong in the table after a loss.
    const URGENT: Self = Self { times: 9, longest: Duration::from_secs(5) };

    /// Until when, after a dump that was over at `end` and `took` so much of the processor.
    fn until(self, (end, took): (Instant, Duration)) -> Instant {
        end + took.saturating_mul(self.times).min(self.longest)
    }
}

/// What to dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// These namespaces; empty for all.
    pub(super) netns: Vec<u32>,
    /// These states, a mask of `1 << kernel number`.
    pub(super) states: u32,
}

impl Request {
    /// All sockets of all namespaces.
    pub(super) fn everything() -> Self {
        Self { netns: Vec::new(), states: ALL_STATES }
    }

    /// No socket: only lets go of namespaces that are gone.
    fn nothing() -> Self {
        Self { netns: Vec::new(), states: 0 }
    }
}

/// What comes back.
#[derive(Debug)]
pub(super) enum Answer {
    /// Events in order.
    Events(Vec<Event>),
    /// The first, where the walk through open files was not over: now it is.
    Late(Late),
    /// Something to tell the user once.
    Note(String),
    /// The request is done, and has kept the processor so long.
    Done(Duration),
}

/// The dumping thread.
pub(super) struct Dumps {
    requests: Sender<Request>,
    answers: mpsc::Receiver<Answer>,
    busy: bool,
    /// When the last dump was over, and how long it had kept the processor.
    last: Option<(Instant, Duration)>,
    /// When anything was asked for last.
    looked: Instant,
    /// A dump of everything is to come as soon as may be.
    owed: bool,
}

impl Dumps {
    /// Starts it with a dump of everything. It finishes the `walk` through open files, whose owners it then knows; without one /proc is
    /// asked. Of several holders one of `pids` is taken, else that with the lowest pid. On the classic path (`cookies` false) the engine cannot match
    /// sockets by cookie.
    pub(super) fn start(walk: Option<Walk>, pids: Vec<u32>, cookies: bool) -> io::Result<Self> {
        let (requests, todo) = channel();
        let (tell, answers) = mpsc::channel(4);
        thread::Builder::new().name("sock_diag".into()).spawn(move || {
            let preferred = move |pid: u32| pids.contains(&pid);
            let late = walk.as_ref().is_some_and(|walk| !walk.is_over());
            let owners = match walk {
                Some(walk) => walk
                    .finish()
                    .map(|holders| Owners::of(holders, &preferred))
                    .map_err(|why| format!("owners of older sockets are not known: {why}")),
                None => Owners::of_proc(&preferred).map_err(|error| format!("/proc cannot be read: {error}")),
            };
            let owners = Arc::new(owners.unwrap_or_else(|why| {
                let _ = tell.blocking_send(Answer::Note(why));
                Owners::default()
            }));
            if late {
                let late = Late { at: Kernel::now(), owners: Arc::clone(&owners) };
                let _ = tell.blocking_send(Answer::Late(late));
            }
            let (overflows, missed) = (FxHashMap::default(), FxHashSet::default());
            Worker { tell, owners, cookies, overflows, missed }.work(&todo);
        })?;
        let looked = Instant::now();
        let mut dumps = Self { requests, answers, busy: false, last: None, looked, owed: false };
        dumps.ask(Request::everything());
        Ok(dumps)
    }

    /// Asks for a dump, unless one is under way or has only just been: then the caller asks again, or for everything need not.
    pub(super) fn ask(&mut self, request: Request) {
        let request = if self.owed { Request::everything() } else { request };
        let rest = if request.states == ALL_STATES { Rest::URGENT } else { Rest::OFTEN };
        let now = Instant::now();
        if self.busy || self.last.is_some_and(|last| rest.until(last) > now) {
            self.owed |= request == Request::everything();
        } else {
            self.busy = self.requests.send(request).is_ok();
            (self.owed, self.looked) = (false, now);
        }
    }

    /// There is no question: now and then it lets go of namespaces that are gone.
    pub(super) fn let_go(&mut self) {
        if self.looked.elapsed() >= LOOK {
            self.ask(Request::nothing());
        }
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(Answer::Done(took)) => {
                self.busy = false;
                self.last = Some((Instant::now(), took));
                Answer::Done(took)
            }
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

/// The thread's side.
struct Worker {
    tell: mpsc::Sender<Answer>,
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
    fn work(mut self, todo: &Receiver<Request>) {
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
        for netns in wanted {
            let began = Kernel::now();
            events.extend(self.overflow(&netns));
            let Some(diag) = set.diag(netns.inode) else { continue };
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
            }
        }
        self.send(Answer::Events(events))?;
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
    use super::*;

    #[test]
    fn a_namespace_that_is_nowhere_twice_is_answered_for() {
        let (mut set, opened) = DiagSet::open().unwrap();
        let own = crate::source::netns::own().unwrap();
        let (tell, mut answers) = mpsc::channel(64);
        let owners = Arc::default();
        let (overflows, missed) = (FxHashMap::default(), FxHashSet::default());
        let mut worker = Worker { tell, owners, cookies: true, overflows, missed };
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
