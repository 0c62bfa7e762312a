//! Names stacks in a thread of its own: symbols of a large binary take seconds to read, and the loop must not wait.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::engine::stuck::stack::{FAILED, NO_ROOM, NOT_ACCEPTED, NOT_KEPT};
use crate::engine::stuck::{Origin, Stuck, StuckEvent, Verdict};
use crate::model::cookie::Cookie;
use crate::model::event::Event;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::source::kernel::{Kernel, Opening};
use crate::source::stacks::Stacks;

/// A process that opens sockets is looked at so often at most.
const FRESH: Duration = Duration::from_secs(1);
/// Processes whose last look is remembered.
const PROCESSES: usize = 4_096;
/// At the end, what is not named within this time is told without names.
const PATIENCE: Duration = Duration::from_secs(10);

enum Ask {
    /// This process has opened a socket.
    Opened(u32),
    /// What was kept of the opening, or why nothing.
    Name(Box<Stuck>, Result<Opening, &'static str>),
}

/// The loop's end of the thread. What is stuck is handed out in the order in which it came.
pub(in crate::app) struct Openings {
    ask: Option<Sender<Ask>>,
    named: Receiver<Stuck>,
    /// When a process was last asked for.
    looked: FxHashMap<u32, Mono>,
    waiting: usize,
    no_room: bool,
}

impl Openings {
    pub(in crate::app) fn start() -> io::Result<Self> {
        let (ask, asked) = channel();
        let (tell, named) = channel();
        thread::Builder::new().name("stacks".into()).spawn(move || work(&asked, &tell))?;
        Ok(Self { ask: Some(ask), named, looked: FxHashMap::default(), waiting: 0, no_room: false })
    }

    /// Has the memory map of a process read that has just opened a socket: it may exit before the socket is stuck.
    pub(in crate::app) fn observe(&mut self, event: &Event) {
        let (pid, at) = match event {
            Event::StateChange(change) if change.to == TcpState::SynSent => match change.actor {
                Some(actor) => (actor.pid, change.at),
                None => return,
            },
            Event::Accepted(accepted) => (accepted.task.pid, accepted.at),
            _ => return,
        };
        let fresh = |looked: &Mono| u128::from(at.since(*looked)) < FRESH.as_nanos();
        if self.looked.get(&pid).is_some_and(fresh) {
            return;
        }
        if self.looked.len() >= PROCESSES {
            self.looked.clear();
        }
        self.looked.insert(pid, at);
        self.send(Ask::Opened(pid));
    }

    /// Stacks have been lost: what has none may be one of those.
    pub(in crate::app) fn lack_room(&mut self) {
        self.no_room = true;
    }

    /// Has the stack of `stuck` named; [`Openings::take`] hands it out.
    pub(in crate::app) fn name(&mut self, kernel: &Kernel, stuck: &Stuck) {
        let cookie = stuck.subject.socket.socket.cookie;
        let kept = cookie.and_then(|cookie| kernel.opening(cookie).ok().flatten());
        let opening = kept.ok_or(match stuck.verdict {
            Some(Verdict::NeverAccepted) => NOT_ACCEPTED,
            _ if self.no_room => NO_ROOM,
            _ => NOT_KEPT,
        });
        self.waiting += 1;
        self.send(Ask::Name(Box::new(stuck.clone()), opening));
    }

    /// Hands out what has been named since.
    pub(in crate::app) fn take(&mut self, out: &mut dyn FnMut(&Stuck)) {
        for stuck in self.named.try_iter() {
            self.waiting -= 1;
            out(&stuck);
        }
    }

    /// Hands out the rest; how many were left behind.
    pub(in crate::app) fn close(&mut self, out: &mut dyn FnMut(&Stuck)) -> usize {
        self.ask = None;
        let deadline = Instant::now() + PATIENCE;
        while self.waiting > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(stuck) = self.named.recv_timeout(left) else { break };
            self.waiting -= 1;
            out(&stuck);
        }
        self.waiting
    }

    fn send(&self, ask: Ask) {
        // The thread ends with the run only.
        let _ = self.ask.as_ref().map(|sender| sender.send(ask));
    }
}

/// Binaries are made by others: one that no reader was prepared for must not end the watch.
fn named(stacks: &mut Stacks, opening: &Opening) -> Origin {
    catch_unwind(AssertUnwindSafe(|| stacks.name(opening, Kernel::now()))).unwrap_or_else(|_| {
        *stacks = Stacks::default();
        Origin::Unknown(FAILED)
    })
}

fn work(asked: &Receiver<Ask>, tell: &Sender<Stuck>) {
    let mut stacks = Stacks::default();
    let mut origins: FxHashMap<Cookie, Origin> = FxHashMap::default();
    for ask in asked {
        match ask {
            Ask::Opened(pid) => stacks.remember(pid, Kernel::now()),
            Ask::Name(mut stuck, opening) => {
                let cookie = stuck.subject.socket.socket.cookie;
                let before = cookie.and_then(|cookie| origins.get(&cookie).cloned());
                let origin = before.unwrap_or_else(|| match opening {
                    Ok(opening) => named(&mut stacks, &opening),
                    Err(why) => Origin::Unknown(why),
                });
                match cookie {
                    Some(cookie) if stuck.event == StuckEvent::Ended => {
                        origins.remove(&cookie);
                    }
                    Some(cookie) => {
                        origins.insert(cookie, origin.clone());
                    }
                    None => {}
                }
                stuck.origin = Some(origin);
                if tell.send(*stuck).is_err() {
                    return;
                }
            }
        }
    }
}
