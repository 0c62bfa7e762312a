//! Watching: a picture, then tracing for a while. Without eBPF only time passes, and that is said.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::{gather, say};
use crate::engine::doctor::facts::Picture;
use crate::engine::doctor::traffic::Traffic;
use crate::engine::filter::Filter;
use crate::engine::update::Update;
use crate::engine::{Config, Engine};
use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::model::owner::Owner;
use crate::model::time::Mono;
use crate::plan::{Doctor, RING_BYTES};
use crate::source::kernel::{Attach, Hears, Kernel, Options, Scope, Want};
use crate::source::sock_diag::set::DiagSet;

/// Losses and the engine's clock are looked after so often.
const TICK: Duration = Duration::from_millis(100);
/// Events taken at once.
const BUDGET: usize = 4096;
/// And so often, before something else has its turn.
const ROUNDS: u32 = 64;

/// The picture at the beginning, and what moved in the `watch` after it. A signal ends it early.
///
/// # Errors
/// The runtime does not start.
pub(super) fn run(
    plan: &Doctor,
    set: &mut DiagSet,
    watch: Duration,
) -> Result<(Picture, Option<Traffic>), Failure> {
    let failed = |error| Failure::new(ExitCode::Runtime, format!("starting the runtime: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(failed)?;
        let filter = Filter {
            pids: plan.pids.iter().copied().collect(),
            netns: plan.netns.iter().copied().collect(),
            ..Filter::default()
        };
        let mut tracer = match Tracer::start(&filter).await {
            Ok(tracer) => Some(tracer),
            Err(why) => {
                say(&format!("note: nothing is traced, rates come from two looks alone: {why}"));
                None
            }
        };
        let before = gather::picture(set, &plan.netns, &mut |seen| {
            if let Some(tracer) = &mut tracer {
                // A look must not overtake the events before it.
                tracer.catch_up();
                tracer.observe(&Event::Snapshot(*seen));
            }
        });
        let deadline = Instant::now() + watch;
        say(&format!("watching for {}; Ctrl-C ends it early", shown(watch)));
        let traffic = match tracer {
            Some(mut tracer) => {
                tracer.traffic = Traffic::default();
                let began = Kernel::now();
                tracer.follow(deadline, &mut signals).await;
                Some(tracer.finish(began))
            }
            None => {
                tokio::select! { () = sleep_until(deadline) => {}, () = signals.any() => {} }
                None
            }
        };
        Ok((before, traffic))
    })
}

/// `10 s`, `250 ms`.
fn shown(span: Duration) -> String {
    let ms = span.as_millis();
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! { _ = self.int.recv() => {}, _ = self.term.recv() => {} }
    }
}

struct Tracer {
    kernel: Kernel,
    engine: Engine,
    traffic: Traffic,
    pids: BTreeSet<u32>,
    netns: BTreeSet<u32>,
}

impl Tracer {
    /// On return events are being collected; else why not.
    async fn start(filter: &Filter) -> Result<Self, String> {
        let options = Options {
            attach: Attach::Auto,
            want: Want { resets: true, ..Want::default() },
            mptcp: false,
            ring_bytes: RING_BYTES,
            measure: false,
            scope: Scope::of(filter),
            counting: None,
            patience: None,
            hears: Hears::default(),
        };
        let mut kernel = Kernel::attach(&options).map_err(|error| error.to_string())?;
        let began = Kernel::now();
        let attached = |name: &str| kernel.attached().iter().any(|attached| attached.starts_with(name));
        let config = Config {
            own_pid: std::process::id(),
            cookies: kernel.cookies(),
            resets: attached("reset_sent"),
            destroys: attached("destroyed"),
            complete_since: filter.is_empty().then_some(began),
            ..Config::default()
        };
        let mut early: Vec<Event> = Vec::new();
        kernel.self_test(|event| early.push(event)).await.map_err(|error| error.to_string())?;
        for note in kernel.notes() {
            say(&format!("note: {note}"));
        }
        let mut tracer = Self {
            kernel,
            engine: Engine::new(config),
            traffic: Traffic::default(),
            pids: filter.pids.iter().copied().collect(),
            netns: filter.netns.iter().copied().collect(),
        };
        early.iter().for_each(|event| tracer.observe(event));
        Ok(tracer)
    }

    fn observe(&mut self, event: &Event) {
        let Self { engine, traffic, pids, netns, .. } = self;
        engine.observe(event, &mut |update| count(traffic, pids, netns, &update));
    }

    async fn follow(&mut self, deadline: Instant, signals: &mut Signals) {
        let mut tick = Instant::now() + TICK;
        loop {
            tokio::select! {
                biased;
                () = signals.any() => return,
                () = sleep_until(deadline) => return,
                () = sleep_until(tick) => {
                    tick = Instant::now() + TICK;
                    self.tick();
                }
                ready = self.kernel.ready() => {
                    if let Err(error) = ready {
                        say(&format!("note: tracing ended early: polling the ring buffer: {error}"));
                        sleep_until(deadline).await;
                        return;
                    }
                    self.drain();
                }
            }
        }
    }

    /// Takes what is in the ring now; bounded, for a ring that is filled as fast.
    fn catch_up(&mut self) {
        let _ = (0..ROUNDS).find(|_| self.drain() < BUDGET);
    }

    fn tick(&mut self) {
        self.catch_up();
        self.observe(&Event::Tick(Kernel::now()));
        for (place, count) in self.kernel.losses() {
            self.observe(&Event::Lost { at: Kernel::now(), count, place });
        }
        // Who accepted, resets: without them some causes are missing.
        self.traffic.lost += self.kernel.lost_hints();
    }

    fn drain(&mut self) -> usize {
        let Self { kernel, engine, traffic, pids, netns } = self;
        kernel.drain(BUDGET, |event| {
            engine.observe(event, &mut |update| count(traffic, pids, netns, &update));
        })
    }

    /// Detaches, and takes what is still in the ring.
    fn finish(mut self, began: Mono) -> Traffic {
        let now = Kernel::now();
        self.kernel.detach();
        while self.drain() > 0 {}
        self.tick();
        let Self { engine, traffic, pids, netns, .. } = &mut self;
        engine.finish(now, false, &mut |update| count(traffic, pids, netns, &update));
        self.traffic.watched_ms = (now.since(began) / 1_000_000).max(1);
        self.traffic
    }
}

/// Counts what belongs to the processes and namespaces asked for.
pub(super) fn count(traffic: &mut Traffic, pids: &BTreeSet<u32>, netns: &BTreeSet<u32>, update: &Update<'_>) {
    let (owner, space): (Option<Owner>, Option<u32>) = match update {
        Update::Moved(_, subject) | Update::Seen(_, subject) => (subject.owner, subject.socket.netns),
        Update::Closed(life) | Update::Unfinished(life) => (life.owner, life.socket.netns),
        Update::Lost { .. } => return traffic.observe(update),
        // No rules run here, and nothing beside stays is asked for.
        Update::Stuck(_) | Update::Measured(..) => return,
    };
    let ours = pids.is_empty() || owner.is_some_and(|owner| pids.contains(&owner.task.pid));
    if ours && (netns.is_empty() || space.is_some_and(|space| netns.contains(&space))) {
        traffic.observe(update);
    }
}
