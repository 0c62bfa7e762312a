//! Dumps of sock_diag in a thread of their own: what existed before us, and answers to the engine's open questions.

mod worker;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::owners::{Late, Owners};
use crate::engine::ALL_STATES;
use crate::model::event::Event;
use crate::source::kernel::{Kernel, Walk};
use worker::Worker;

/// Namespaces are looked over so often at least: the socket that we keep in each would keep it alive when all others have left it.
const LOOK: Duration = Duration::from_secs(10);
/// All is looked at so often at least: events that were never told, and that nobody counted, show in no other way.
const AUDIT: Duration = Duration::from_secs(30);
/// How many times as long as a dump kept the processor it rests at least, and how long at most: with many sockets, looking at them, and
/// taking in what was seen, which costs as much again, must not become a load of its own, nor must what only a dump shows come much later.
#[derive(Clone, Copy)]
struct Rest {
    times: u32,
    longest: Duration,
}

impl Rest {
    /// Before the next look at timewait sockets.
    const OFTEN: Self = Self { times: 99, longest: Duration::from_secs(20) };
    /// The same where the ends that it shows are counted and nothing else.
    const SELDOM: Self = Self { times: 399, longest: Duration::from_secs(30) };
    /// Before a dump of everything, which mends what is wrong in the table after a loss.
    const URGENT: Self = Self { times: 9, longest: Duration::from_secs(5) };
    /// Before one for which there is no reason.
    const AUDIT: Self = Self { times: 399, longest: Duration::MAX };

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
    /// The same of the last one of everything.
    whole: Option<(Instant, Duration)>,
    /// The one under way is of everything.
    is_whole: bool,
    /// How long it rests from looks at timewait sockets.
    rest: Rest,
    /// When anything was asked for last.
    looked: Instant,
    /// A dump of everything is to come as soon as may be.
    owed: bool,
}

impl Dumps {
    /// Starts it with a dump of everything. It finishes the `walk` through open files, whose owners it then knows; without one /proc is
    /// asked. Of several holders one of `pids` is taken, else that with the lowest pid. On the classic path (`cookies` false) the engine cannot match
    /// sockets by cookie. Where the kernel half is `counting` there is less to see.
    pub(super) fn start(
        walk: Option<Walk>,
        pids: Vec<u32>,
        cookies: bool,
        counting: bool,
    ) -> io::Result<Self> {
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
            Worker::new(tell, owners, cookies).work(&todo);
        })?;
        let looked = Instant::now();
        let rest = if counting { Rest::SELDOM } else { Rest::OFTEN };
        let mut dumps = Self {
            requests,
            answers,
            busy: false,
            last: None,
            whole: None,
            is_whole: false,
            rest,
            looked,
            owed: false,
        };
        dumps.ask(Request::everything());
        Ok(dumps)
    }

    /// Asks for a dump, unless one is under way or has only just been: then the caller asks again, or for everything need not.
    pub(super) fn ask(&mut self, request: Request) {
        let request = if self.owed { Request::everything() } else { request };
        let rest = if request.states == ALL_STATES { Rest::URGENT } else { self.rest };
        let now = Instant::now();
        if self.busy || self.last.is_some_and(|last| rest.until(last) > now) {
            self.owed |= request == Request::everything();
        } else {
            self.is_whole = request == Request::everything();
            self.busy = self.requests.send(request).is_ok();
            (self.owed, self.looked) = (false, now);
        }
    }

    /// Whether all should be looked at again, though nothing asks for it.
    pub(super) fn is_audit_due(&self) -> bool {
        let due = |whole: (Instant, Duration)| {
            whole.0.elapsed() >= AUDIT && Rest::AUDIT.until(whole) <= Instant::now()
        };
        !self.busy && self.whole.is_some_and(due)
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
                self.whole = if self.is_whole { self.last } else { self.whole };
                Answer::Done(took)
            }
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}
