//! Any view on a recording: no rights, no kernel.

use std::io;
use std::path::Path;
use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::desk::Desk;
use super::hist::Tally;
use super::spool::{Spool, judge};
use super::stuck::recorded::{RecordedWatch, notes};
use super::{output, say};
use crate::engine::gate::{Gate, Show};
use crate::engine::{Config, Engine};
use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::model::summary::Summary;
use crate::model::time::Mono;
use crate::plan::{Format, Kind, Trace};
use crate::recording::{Header, moment};
use crate::sink::notice;
use crate::source::replay::{Pace, Replay};
use crate::source::sandbox::{Needs, enter};

/// Plays the recording into the view of the plan.
///
/// # Errors
/// It cannot be read, is corrupt, or the output cannot be written.
pub(super) fn run(plan: &Trace, recording: &Path) -> Result<ExitCode, Failure> {
    let (header, replay) = Replay::open(recording)?;
    let spool = output::open(plan)?;
    output::empty(&plan.output, &spool)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Runtime, format!("starting the runtime: {error}")))?;
    runtime.block_on(play(plan, &header, replay, spool))
}

async fn play(plan: &Trace, header: &Header, mut replay: Replay, spool: Spool) -> Result<ExitCode, Failure> {
    let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
    let (mut int, mut term) =
        signals.map_err(|error| Failure::new(ExitCode::Runtime, format!("handling signals: {error}")))?;
    let sink = match &plan.kind {
        Kind::Hist(hist) => Box::new(Tally::open(plan, hist, spool.inlet(), header.anchor, true)?),
        Kind::Stream | Kind::Lives(_) | Kind::Stuck(_) => output::sink(plan, spool.inlet(), header.anchor)?,
    };
    sandbox(plan);
    let gate = Gate::new(plan.filter.clone(), plan.show(), plan.count);
    let config = Config {
        through_time_wait: matches!(&plan.kind, Kind::Lives(lives) if lives.through_time_wait),
        destroys: header.destroys && matches!(plan.kind, Kind::Lives(_)),
        kernel_events: plan.show() == Show::KernelEvents,
        transitions: plan.show() == Show::Transitions,
        lives: plan.needs_lives(),
        measures: plan.measures(),
        ..config(header, plan.max_connections)
    };
    let mut desk = Desk::new(Engine::new(config), gate, sink, None);
    let mut watch = match (&plan.kind, &plan.flag_stuck) {
        (Kind::Stuck(watch), _) | (_, Some(watch)) => {
            notes(header).for_each(|note| say(&format!("note: {note}")));
            Some(RecordedWatch::new(&watch.rules))
        }
        _ => None,
    };
    let mut pace = plan.pace.then(|| Pace::new(Instant::now()));
    let (mut events, mut first, mut last) = (Vec::new(), None, header.anchor.mono);
    'all: loop {
        let more = replay.next_batch(&mut events);
        for event in &events {
            let at = moment(event);
            if let Some(at) = at {
                first.get_or_insert(at);
                last = last.max(at);
            }
            if let (Some(pace), Some(at)) = (&mut pace, at)
                && let Some(wait) = pace.wait(at, Instant::now())
            {
                desk.flush();
                spool.hand_over();
                if stopped(&mut int, &mut term, tokio::time::sleep(wait)).await {
                    break 'all;
                }
            }
            if let Event::Forked { child } = event {
                desk.gate.filter_mut().pids.insert(*child);
            }
            desk.observe(event);
            if let (Some(watch), Some(at)) = (&mut watch, at)
                && watch.is_due(at)
            {
                look(watch, at, &mut desk)?;
            }
        }
        events.clear();
        desk.flush();
        if stopped(&mut int, &mut term, spool.room()).await {
            break;
        }
        spool.hand_over_much();
        if let Some(trouble) = desk.trouble() {
            return Err(trouble);
        }
        let over =
            plan.duration.is_some_and(|duration| first.is_some_and(|first: Mono| last > first + duration));
        if !more? || over || desk.gate.is_done() || spool.is_broken() {
            break;
        }
    }
    if let Some(warning) = replay.warning() {
        say(&warning);
    }
    if let Some(watch) = &mut watch {
        look(watch, last, &mut desk)?;
    }
    desk.finish(last, plan.wants_unfinished());
    let summary = Summary {
        events: desk.engine.events(),
        lost: desk.engine.lost(),
        connections: desk.engine.connections(),
        evictions: desk.engine.evictions(),
        duration_ns: last.since(first.unwrap_or(last)),
        ..Summary::default()
    };
    if plan.output.format == Format::Json {
        let _ = notice::write_summary(&mut io::stderr(), &summary);
    }
    if let Err(error) = desk.sink.finish(&summary) {
        desk.fail(error);
    }
    judge(spool.close().await, plan.output.path.as_deref())?;
    let code = if plan.strict && summary.lost > 0 { ExitCode::Lost } else { ExitCode::Ok };
    desk.trouble().map_or(Ok(code), Err)
}

/// Waits for `work`; true when a signal came first.
async fn stopped(int: &mut Signal, term: &mut Signal, work: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        _ = int.recv() => true,
        _ = term.recv() => true,
        () = work => false,
    }
}

/// Looks for stuck sockets at a moment of the recording.
fn look(watch: &mut RecordedWatch, at: Mono, desk: &mut Desk) -> Result<(), Failure> {
    desk.tell_stuck(|engine, filter, out| {
        watch.look(at, engine, filter, out);
        Ok(())
    })
}

/// Gives up all rights: a recording may come from anywhere, and what reads it needs none.
pub(super) fn sandbox(plan: &Trace) {
    if plan.sandbox {
        for note in enter(Needs::default()) {
            say(&format!("note: {note}"));
        }
    }
}

/// The engine as it was told what it was told.
pub(super) fn config(header: &Header, max_connections: usize) -> Config {
    Config {
        max_connections,
        through_time_wait: false,
        fin_timeout_s: header.fin_timeout_s,
        hz: header.hz,
        own_pid: header.own_pid,
        cookies: header.cookies,
        resets: header.resets,
        destroys: false,
        timers: header.exact,
        complete_since: header.complete_since,
        kernel_events: false,
        transitions: true,
        lives: true,
        measures: false,
    }
}
