//! `tcptrace stuck --watch`: looks while a tracing run goes on, whose engine knows the true ages and owners.

use std::time::Duration;

use super::AGAIN;
use super::eye::Eye;
use super::picture::Picture;
use crate::engine::Engine;
use crate::engine::filter::Filter;
use crate::engine::stuck::closed::Closed;
use crate::engine::stuck::follow::Follower;
use crate::engine::stuck::survey::Survey;
use crate::engine::stuck::witness::{Known, Process, Witness};
use crate::engine::stuck::{Stuck, StuckRule};
use crate::failure::Failure;
use crate::model::event::Event;
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::source::kernel::{Kernel, Path};

/// Looks again and again.
pub(in crate::app) struct Watch {
    eye: Eye,
    rules: Vec<StuckRule>,
    follower: Follower,
    closed: Closed,
    /// No look before this: the events of the run must not wait for long.
    next: Mono,
}

/// A look may take this part of the time.
const SHARE: u64 = 10;

impl Watch {
    /// Opens every namespace.
    pub(in crate::app) fn open(rules: &[StuckRule]) -> Result<Self, Failure> {
        Ok(Self {
            eye: Eye::without_kernel()?,
            rules: rules.to_vec(),
            follower: Follower::new(AGAIN),
            closed: Closed::default(),
            next: Mono(0),
        })
    }

    /// Notes what the engine forgets: the ends of connections whose fds stay open. To be told before the engine is.
    pub(in crate::app) fn observe(&mut self, event: &Event, engine: &Engine) {
        self.closed.observe(event, || match event {
            Event::StateChange(change) => engine.subject(&change.id.socket),
            _ => None,
        });
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
        self.follower.compare(now, found.stuck, &mut || engine.number(), out);
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
