//! Tests only: writes events as they are said, and keeps what the engine answers.

use super::update::Update;
use super::{Config, Engine};
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;
use crate::model::event::{Accepted, Event, LossPlace, Neighbour, ResetReason, StateChange};
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{Detail, Lifecycle};
use crate::model::measure::Measure;
use crate::model::owner::Task;
use crate::model::snapshot::{Age, SocketSnapshot, Timer, TimerKind};
use crate::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::model::transition::Transition;

/// A millisecond, in nanoseconds.
pub(super) const MS: u64 = 1_000_000;

/// What the engine said.
#[derive(Debug)]
pub(super) enum Said {
    Seen,
    Moved(Transition),
    Closed(Lifecycle),
    Unfinished(Lifecycle),
    Lost(u64, LossPlace, u64),
    Measured(Measure, Span),
}

/// A socket of the scene: `local -> remote` ports on 127.0.0.1.
pub(super) fn socket(cookie: u64, local: u16, remote: u16) -> SocketId {
    let lo = "127.0.0.1".parse().unwrap();
    SocketId {
        socket: SocketRef { address: 0xffff_8880_0000_0000 + cookie, cookie: Cookie::new(cookie) },
        protocol: Protocol::Tcp,
        endpoints: Endpoints::new((lo, local), (lo, remote)),
        netns: Some(1),
        uid: Some(0),
        cgroup: None,
        inode: None,
    }
}

pub(super) fn task(pid: u32) -> Task {
    Task { pid, comm: "proc".into() }
}

pub(super) fn state(name: &str) -> TcpState {
    name.parse().unwrap()
}

pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) now: u64,
    pub(super) log: Vec<Said>,
    /// No facts, counters, cookies or namespaces.
    pub(super) classic: bool,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let classic = !config.cookies;
        Self { engine: Engine::new(config), now: 1_000_000 * MS, log: Vec::new(), classic }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        let log = &mut self.log;
        self.engine.observe(event, &mut |update| log.push(keep(&update)));
    }

    pub(super) fn finish(&mut self, unfinished: bool) {
        let log = &mut self.log;
        self.engine.finish(Mono(self.now), unfinished, &mut |update| log.push(keep(&update)));
    }

    /// Lets milliseconds pass without a word.
    pub(super) fn wait(&mut self, ms: u64) -> &mut Self {
        self.now += ms * MS;
        self
    }

    pub(super) fn tick(&mut self) -> &mut Self {
        self.observe(&Event::Tick(Mono(self.now)));
        self
    }

    pub(super) fn event(&self, of: &SocketId, what: &str) -> StateChange {
        let (from, to) = what.split_once('>').unwrap();
        let mut id = *of;
        if self.classic {
            (id.socket.cookie, id.netns, id.uid) = (None, None, None);
        }
        let facts = SocketFacts { attached: true, ..SocketFacts::default() };
        StateChange {
            at: Mono(self.now),
            id,
            from: state(from),
            to: state(to),
            since: None,
            owner: None,
            actor: None,
            facts: (!self.classic).then_some(facts),
            counters: None,
        }
    }

    /// The tracepoint fires once for each `OLD>NEW`, a millisecond apart.
    pub(super) fn goes(&mut self, of: &SocketId, path: &str) -> &mut Self {
        for what in path.split_whitespace() {
            self.goes_with(of, what, |_| {});
        }
        self
    }

    pub(super) fn goes_with(
        &mut self,
        of: &SocketId,
        what: &str,
        change: impl FnOnce(&mut StateChange),
    ) -> &mut Self {
        self.now += MS;
        let mut event = self.event(of, what);
        change(&mut event);
        self.observe(&Event::StateChange(event));
        self
    }

    /// The tracepoint fires with these facts.
    pub(super) fn goes_as(
        &mut self,
        of: &SocketId,
        what: &str,
        change: impl FnOnce(&mut SocketFacts),
    ) -> &mut Self {
        self.goes_with(of, what, |event| {
            if let Some(facts) = &mut event.facts {
                change(facts);
            }
        })
    }

    pub(super) fn neighbour(&mut self, of: &SocketId, what: Neighbour) -> &mut Self {
        self.now += 1000;
        let mut socket = of.socket;
        if self.classic {
            socket.cookie = None;
        }
        self.observe(&Event::Neighbour { at: Mono(self.now), socket, what });
        self
    }

    pub(super) fn reset(&mut self, of: &SocketId, reason: ResetReason) -> &mut Self {
        self.neighbour(of, Neighbour::ResetSent(Some(reason)))
    }

    pub(super) fn accepted(&mut self, of: &SocketId, pid: u32) -> &mut Self {
        let event = Accepted { at: Mono(self.now), socket: of.socket, task: task(pid) };
        self.observe(&Event::Accepted(event));
        self
    }

    /// A dump shows one socket; `left_ms` is its timewait timer.
    pub(super) fn shown(&mut self, of: &SocketId, name: &str, left_ms: Option<u64>) -> &mut Self {
        self.shown_with(of, name, left_ms, |_| {})
    }

    pub(super) fn shown_with(
        &mut self,
        of: &SocketId,
        name: &str,
        left_ms: Option<u64>,
        change: impl FnOnce(&mut SocketSnapshot),
    ) -> &mut Self {
        let mut id = *of;
        id.socket.address = 0;
        let timer = left_ms.map(|ms| Timer {
            kind: TimerKind::TimeWait,
            expires_ns: ms * MS,
            late_ns: 0,
            retransmits: 0,
        });
        let mut snapshot = SocketSnapshot {
            at: Mono(self.now),
            id,
            state: state(name),
            mini: left_ms.is_some(),
            owner: None,
            age: Age::default(),
            existed_ns: 0,
            timer,
            receive_queue: 0,
            send_queue: 0,
            counters: None,
        };
        change(&mut snapshot);
        self.observe(&Event::Snapshot(snapshot));
        self
    }

    /// A dump of all states is complete; it began now.
    pub(super) fn dumped(&mut self) -> &mut Self {
        let began = Mono(self.now);
        self.now += MS;
        self.dumped_since(began)
    }

    pub(super) fn dumped_since(&mut self, began: Mono) -> &mut Self {
        let states = super::dump::ALL_STATES;
        self.observe(&Event::SnapshotDone { began, at: Mono(self.now), netns: 1, states });
        self
    }

    pub(super) fn lose(&mut self) -> &mut Self {
        self.now += MS;
        self.observe(&Event::Lost { at: Mono(self.now), count: 1, place: LossPlace::RingBuffer });
        self
    }

    /// Lives reported as closed.
    pub(super) fn closed(&self) -> Vec<&Lifecycle> {
        self.log
            .iter()
            .filter_map(|said| if let Said::Closed(life) = said { Some(life) } else { None })
            .collect()
    }

    pub(super) fn unfinished(&self) -> Vec<&Lifecycle> {
        self.log
            .iter()
            .filter_map(|said| if let Said::Unfinished(life) = said { Some(life) } else { None })
            .collect()
    }

    pub(super) fn moves(&self) -> Vec<&Transition> {
        self.log.iter().filter_map(|said| if let Said::Moved(t) = said { Some(t) } else { None }).collect()
    }

    /// `end detail` of the only life closed.
    pub(super) fn end(&self) -> String {
        let closed = self.closed();
        assert_eq!(closed.len(), 1, "{:#?}", self.log);
        ending(closed[0])
    }
}

/// `end` or `end detail`, a killer as its pid.
pub(super) fn ending(life: &Lifecycle) -> String {
    let ending = life.ending.unwrap();
    match ending.detail {
        None => ending.end.name().to_owned(),
        Some(Detail::Word(word)) => format!("{} {word}", ending.end.name()),
        Some(Detail::Killer(task)) => format!("{} {}", ending.end.name(), task.pid),
    }
}

/// The states of a life in one line, each with its length in ms where known: `=` exact, `~` estimated, `>` at least.
pub(super) fn path(life: &Lifecycle) -> String {
    let words: Vec<String> = life
        .states
        .iter()
        .map(|stay| {
            let mark = match stay.stay.evidence {
                Evidence::Exact => "=",
                Evidence::AtLeast => ">",
                Evidence::Estimated => "~",
                Evidence::Unknown => "?",
            };
            stay.stay.ns.map_or_else(
                || format!("{}{}", stay.state, if mark == "?" { "?" } else { "" }),
                |ns| format!("{}{mark}{}", stay.state, ns / MS),
            )
        })
        .collect();
    words.join(" ")
}

fn keep(update: &Update<'_>) -> Said {
    match update {
        Update::Seen(..) => Said::Seen,
        Update::Moved(transition, _) => Said::Moved(**transition),
        Update::Closed(life) => Said::Closed((*life).clone()),
        Update::Unfinished(life) => Said::Unfinished((*life).clone()),
        Update::Lost { count, place, total, .. } => Said::Lost(*count, *place, *total),
        Update::Measured(measured, _) => Said::Measured(measured.measure, measured.span),
        Update::Stuck(_) => panic!("the engine itself judges nothing as stuck"),
    }
}

/// Counters with a handshake's round-trip time.
pub(super) fn measured(srtt_us: u32, retransmits: u32) -> Option<Counters> {
    Some(Counters { srtt_us, retransmits, ..Counters::default() })
}
