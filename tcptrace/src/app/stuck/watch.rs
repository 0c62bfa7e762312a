//! `tcptrace stuck --watch`: looks while a tracing run goes on, whose engine knows the true ages and owners.

use std::time::Duration;

use rustc_hash::FxHashSet;

use super::AGAIN;
use super::eye::Eye;
use super::openings::Openings;
use super::picture::Picture;
use crate::engine::Engine;
use crate::engine::filter::Filter;
use crate::engine::stuck::closed::Closed;
use crate::engine::stuck::follow::Follower;
use crate::engine::stuck::survey::Survey;
use crate::engine::stuck::witness::{Known, Process, Witness};
use crate::engine::stuck::{Stuck, StuckRule};
use crate::failure::{ExitCode, Failure};
use crate::model::cookie::Cookie;
use crate::model::event::Event;
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::plan;
use crate::source::kernel::{Kernel, Path};

/// Looks again and again.
pub(in crate::app) struct Watch {
    eye: Eye,
    rules: Vec<StuckRule>,
    follower: Follower,
    closed: Closed,
    /// No look before this: the events of the run must not wait for long.
    next: Mono,
    /// With `--stacks`.
    openings: Option<Openings>,
    /// Stacks were lost for lack of room since the last look.
    full: bool,
}

/// A look may take this part of the time.
const SHARE: u64 = 10;

impl Watch {
    /// Opens every namespace.
    pub(in crate::app) fn open(plan: &plan::Watch) -> Result<Self, Failure> {
        let openings = plan.stacks.then(Openings::start).transpose().map_err(|error| {
            Failure::new(ExitCode::Runtime, format!("starting the thread that names stacks: {error}"))
        })?;
        Ok(Self {
            eye: Eye::without_kernel()?,
            rules: plan.rules.clone(),
            follower: Follower::new(AGAIN),
            closed: Closed::default(),
            next: Mono(0),
            openings,
            full: false,
        })
    }

    /// Sees who opens sockets, and notes what the engine forgets: the ends of connections whose fds stay open. To be told before the
    /// engine is.
    pub(in crate::app) fn observe(&mut self, event: &Event, engine: &Engine) {
        if let Some(openings) = &mut self.openings {
            openings.observe(event);
        }
        self.closed.observe(event, || match event {
            Event::StateChange(change) => engine.subject(&change.id.socket),
            _ => None,
        });
    }

    /// Says that so many stacks were not kept for lack of room.
    pub(in crate::app) fn lack_room(&mut self) {
        self.full = true;
        if let Some(openings) = &mut self.openings {
            openings.lack_room();
        }
    }

    /// Hands on what has been named since the last call.
    pub(in crate::app) fn take(&mut self, out: &mut dyn FnMut(&Stuck)) {
        if let Some(openings) = &mut self.openings {
            openings.take(out);
        }
    }

    /// Hands on the rest; how many were left behind, because naming them takes too long.
    pub(in crate::app) fn close(&mut self, out: &mut dyn FnMut(&Stuck)) -> usize {
        self.openings.as_mut().map_or(0, |openings| openings.close(out))
    }

    /// Looks, unless the last look was long and not long ago, and hands on what changed.
    pub(in crate::app) fn look(
        &mut self,
        kernel: &mut Kernel,
        engine: &mut Engine,
        filter: &Filter,
        out: &mut dyn FnMut(&Stuck),
    ) -> Result<(), Failure> {
        let began = Kernel::now();
        if began < self.next {
            return Ok(());
        }
        // Namespaces come and go; a failure leaves those that are known.
        let _ = self.eye.set().refresh();
        let btf = kernel.path() == Path::Btf;
        let mut walk = || kernel.holdings();
        let mut picture = self.eye.look_with(btf.then_some(&mut walk), &self.rules)?;
        let now = Kernel::now();
        self.closed.look(began, picture.sockets.iter());
        picture.sockets.retain(|socket| self.closed.is_settled(socket, began));
        let survey = Survey {
            sockets: &picture.sockets,
            holdings: &picture.holdings,
            rules: &self.rules,
            filter,
            own_pid: std::process::id(),
        };
        let traced = Traced { picture: &picture, engine, closed: &self.closed, now };
        let found = survey.findings(&traced);
        match &mut self.openings {
            Some(openings) => {
                let mut name = |stuck: &Stuck| openings.name(kernel, stuck);
                self.follower.compare(now, found.stuck, &mut || engine.number(), &mut name);
                openings.take(out);
            }
            None => self.follower.compare(now, found.stuck, &mut || engine.number(), out),
        }
        if self.full && picture.holdings.complete {
            // Ends that the kernel half has missed.
            let there = picture.sockets.iter().filter_map(|socket| socket.id.socket.cookie);
            let there: FxHashSet<Cookie> = there.chain(picture.holdings.by_cookie.keys().copied()).collect();
            kernel.sweep_openings(began, &|cookie| there.contains(&cookie));
            self.full = false;
        }
        let took = Kernel::now().since(began);
        self.next = began + Duration::from_nanos(took.saturating_mul(SHARE));
        Ok(())
    }
}

/// A picture, and what the engine knows.
struct Traced<'a> {
    picture: &'a Picture,
    engine: &'a Engine,
    closed: &'a Closed,
    now: Mono,
}

impl Witness for Traced<'_> {
    fn process(&self, pid: u32) -> Option<Process> {
        self.picture.process(pid)
    }

    fn known(&self, socket: &SocketSnapshot) -> Option<Known> {
        if socket.state == TcpState::Closed {
            return self.closed.known(socket, self.now);
        }
        let standing = self.engine.standing(&socket.id.socket, self.now)?;
        Some(Known {
            subject: standing.subject,
            since: standing.since,
            state: standing.state,
            age: standing.age,
        })
    }

    fn fin_timeout(&self, netns: u32) -> Option<u32> {
        self.picture.fin_timeout(netns)
    }
}
