//! From an event to the output: engine, gate, sink, and the recorder beside them.

use std::borrow::Cow;
use std::io;

use crate::engine::Engine;
use crate::engine::filter::Filter;
use crate::engine::gate::Gate;
use crate::engine::stuck::Stuck;
use crate::engine::update::Update;
use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::model::snapshot::SocketSnapshot;
use crate::model::time::Mono;
use crate::sink::Sink;
use crate::sink::record::{Progress, Recorder};

/// Takes events, whatever they come from.
pub(super) struct Desk {
    pub(super) engine: Engine,
    pub(super) gate: Gate,
    pub(super) sink: Box<dyn Sink>,
    /// Takes down what the engine is told.
    pub(super) recorder: Option<Recorder>,
    /// How far the recorder has come.
    progress: Progress,
    /// The first thing that went wrong.
    trouble: Option<Failure>,
}

impl Desk {
    pub(super) fn new(engine: Engine, gate: Gate, sink: Box<dyn Sink>, recorder: Option<Recorder>) -> Self {
        Self { engine, gate, sink, recorder, progress: Progress::Going, trouble: None }
    }

    /// Takes one event.
    pub(super) fn observe(&mut self, event: &Event) {
        let Self { engine, gate, sink, recorder, progress, trouble } = self;
        if let Some(recorder) = recorder {
            match recorder.event(&owned(event, engine)) {
                Ok(Progress::Going) => {}
                Ok(news) => *progress = news,
                Err(failure) => {
                    trouble.get_or_insert(failure);
                }
            }
        }
        engine.observe(event, &mut |update| write(gate, sink.as_mut(), trouble, &update));
        // Only now the engine knows who accepted it.
        if let Event::Accepted(accepted) = event
            && let Some(subject) = engine.subject(&accepted.socket)
        {
            gate.reconsider(&subject, &mut |update| keep(trouble, sink.update(update)));
        }
    }

    /// Settles what is held back; with `unfinished` also what still lives.
    pub(super) fn finish(&mut self, now: Mono, unfinished: bool) {
        let Self { engine, gate, sink, trouble, .. } = self;
        engine.finish(now, unfinished, &mut |update| write(gate, sink.as_mut(), trouble, &update));
    }

    /// Tells of a stuck socket, which was found beside the events.
    pub(super) fn tell_stuck(
        &mut self,
        look: impl FnOnce(&mut Engine, &Filter, &mut dyn FnMut(&Stuck)) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self { engine, gate, sink, trouble, .. } = self;
        let filter = gate.filter_mut().clone();
        look(engine, &filter, &mut |stuck| keep(trouble, sink.update(&Update::Stuck(stuck))))
    }

    /// Hands what the sink has buffered to the spool.
    pub(super) fn flush(&mut self) {
        keep(&mut self.trouble, self.sink.flush());
    }

    /// What the recorder has come to since it was last asked.
    pub(super) fn progress(&mut self) -> Progress {
        std::mem::replace(&mut self.progress, Progress::Going)
    }

    /// Says that something went wrong.
    pub(super) fn fail(&mut self, error: io::Error) {
        keep(&mut self.trouble, Err(error));
    }

    /// What went wrong, once.
    pub(super) fn trouble(&mut self) -> Option<Failure> {
        self.trouble.take()
    }
}

/// A socket of a dump with the owner that `engine` knows for it: a later file of a recording that rotates has no event of its own that tells.
/// Not a timewait socket, of which there may be a hundred thousand in each dump: it is nobody's.
fn owned<'a>(event: &'a Event, engine: &Engine) -> Cow<'a, Event> {
    match event {
        Event::Snapshot(snapshot) if snapshot.owner.is_none() && !snapshot.mini => {
            match engine.owner(snapshot) {
                owner @ Some(_) => Cow::Owned(Event::Snapshot(SocketSnapshot { owner, ..*snapshot })),
                None => Cow::Borrowed(event),
            }
        }
        _ => Cow::Borrowed(event),
    }
}

fn write(gate: &mut Gate, sink: &mut dyn Sink, trouble: &mut Option<Failure>, update: &Update<'_>) {
    gate.pass(update, &mut |update| keep(trouble, sink.update(update)));
}

/// Keeps the first error. The sink writes to memory, so it is about a value that has no form.
fn keep(trouble: &mut Option<Failure>, outcome: io::Result<()>) {
    if let Err(error) = outcome {
        trouble.get_or_insert_with(|| Failure::new(ExitCode::Runtime, format!("writing output: {error}")));
    }
}
