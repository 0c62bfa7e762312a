//! A tracing run: start, follow, finish.

mod adopt;
mod counting;
mod finish;
mod pace;
mod stacks;
mod start;

use std::io;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::{Instant, sleep_until};

use super::desk::Desk;
use super::dumps::{Answer, Dumps, Request};
use super::hist::Tally;
use super::owners::Late;
use super::say;
use super::spool::Spool;
use super::stuck::watch::Watch;
use crate::failure::{ExitCode, Failure};
use crate::model::event::Event;
use crate::model::state::TcpState;
use crate::model::time::Mono;
use crate::plan::{Format, Record, Trace};
use crate::sink::notice;
use crate::sink::record::Progress;
use crate::source::kernel::Kernel;
use crate::source::processes::Processes;
use pace::Pace;

/// Open questions are put to sock_diag so often.
const POLL: Duration = Duration::from_secs(1);

/// Reading the kernel's counters takes at most this part of the time.
const READING: u32 = 200;

/// They are read at least so often: 32 bits do not overflow in it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Events taken at once: bounds how long signals and ticks wait.
const BUDGET: usize = 4096;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// SIGINT or SIGTERM.
    Signal,
    /// `--duration` is over.
    Duration,
    /// `--count` is reached.
    Count,
    /// Nobody reads any more, or the disk is full: the writer says which.
    Writer,
    /// The processes of `--pid` and their sockets are gone.
    Gone,
    /// The recording is as large as it may be.
    Full,
}

/// What the loop does next.
enum Next {
    Stop(Stop),
    /// A tick, or something of the engine's, is due.
    Due,
    /// The writer can take output again.
    Room,
    /// A process of `--pid` has gone.
    Exited(u32),
    /// From the dumping thread.
    Answer(Answer),
    /// The ring may have events.
    Events(io::Result<()>),
}

/// Runs the plan; with `record` it takes everything down instead of printing it.
///
/// # Errors
/// Why it could not start, or what failed on the way.
pub(super) fn run(plan: &Trace, record: Option<&Record>) -> Result<ExitCode, Failure> {
    let spool = super::output::open(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Runtime, format!("starting the runtime: {error}")))?;
    runtime.block_on(async {
        let mut run = Run::start(plan, record, spool).await?;
        let stop = run.follow().await?;
        run.finish(stop).await
    })
}

/// What runs.
struct Run<'a> {
    plan: &'a Trace,
    kernel: Kernel,
    desk: Desk,
    spool: Spool,
    dumps: Option<Dumps>,
    watch: Option<Watch>,
    processes: Processes,
    lost_hints: u64,
    began: Mono,
    /// The last state change taken from the ring.
    newest: Mono,
    polled: Instant,
    /// The histograms, with `hist`.
    tally: Option<Tally>,
    /// When its counters are read next.
    counted: Instant,
    /// The kernel half counts; only what it cannot judge comes here.
    counting: bool,
    pace: Pace,
    /// What came before the loop began; `None` once it is taken.
    early: Option<Vec<Event>>,
    /// For events that came before the kernel half knew all owners.
    late: Option<Late>,
    int: Signal,
    term: Signal,
}

impl Run<'_> {
    /// Takes events, hands over output, answers signals, until it is time to stop.
    async fn follow(&mut self) -> Result<Stop, Failure> {
        let deadline = self.plan.duration.map(|duration| Instant::now() + duration);
        if let Some(stop) = self.adopt(deadline).await {
            return Ok(stop);
        }
        let mut tick = Instant::now() + self.pace.tick;
        loop {
            if self.desk.gate.is_done() {
                return Ok(Stop::Count);
            }
            if self.spool.is_broken() {
                return Ok(Stop::Writer);
            }
            if let Some(trouble) = self.desk.trouble() {
                return Err(trouble);
            }
            match self.desk.progress() {
                Progress::Going => {}
                Progress::Rotated => self.ask(Request::everything()),
                Progress::Full => return Ok(Stop::Full),
            }
            match self.wait(self.due(tick), deadline).await {
                Next::Stop(stop) => return Ok(stop),
                Next::Due => {
                    self.look_after(&mut tick);
                    if self.spool.is_unread() {
                        return Ok(Stop::Writer);
                    }
                    if self.is_over() {
                        return Ok(Stop::Gone);
                    }
                }
                Next::Room => {}
                Next::Exited(pid) => self.say_exited(pid),
                Next::Answer(answer) => self.take(answer),
                Next::Events(ready) => {
                    ready.map_err(|error| {
                        Failure::new(ExitCode::Runtime, format!("polling the ring buffer: {error}"))
                    })?;
                    self.drain();
                }
            }
            self.desk.flush();
            self.spool.hand_over();
        }
    }

    /// Waits for the next thing to do; what is more urgent comes first. While output waits for its reader no events are taken.
    async fn wait(&mut self, due: Instant, deadline: Option<Instant>) -> Next {
        let Self { kernel, spool, dumps, processes, int, term, .. } = self;
        let full = spool.is_full();
        tokio::select! {
            biased;
            _ = int.recv() => Next::Stop(Stop::Signal),
            _ = term.recv() => Next::Stop(Stop::Signal),
            () = at(deadline) => Next::Stop(Stop::Duration),
            () = sleep_until(due) => Next::Due,
            () = spool.room(), if full => Next::Room,
            pid = processes.exited() => Next::Exited(pid),
            answer = answered(dumps), if !full => Next::Answer(answer),
            ready = kernel.ready(), if !full => Next::Events(ready),
        }
    }

    /// The next moment at which something is due by itself.
    fn due(&self, tick: Instant) -> Instant {
        // While events are left in the ring the engine's time stands still.
        let engine = self.desk.engine.next_due().filter(|_| !self.spool.is_full());
        let shown = self.tally.as_ref().and_then(Tally::due);
        let now = (Instant::now(), Kernel::now());
        let at = |due: Mono| now.0 + Duration::from_nanos(due.since(now.1));
        let engine = engine.map(|due| due + self.pace.lag);
        [engine, shown].into_iter().flatten().map(at).fold(tick, Instant::min)
    }

    fn drain(&mut self) -> usize {
        let Self { kernel, desk, watch, processes, newest, late, .. } = self;
        kernel.drain(BUDGET, |event| {
            if let Some(late) = late {
                late.complete(event);
            }
            if let Some(watch) = watch {
                watch.observe(event, &desk.engine);
            }
            if let Event::StateChange(change) = &*event {
                *newest = change.at;
            }
            if let Event::Forked { child } = *event {
                desk.gate.filter_mut().pids.insert(child);
                processes.add(child);
            }
            desk.observe(event);
        })
    }

    /// Tells the engine the time, and shows what is due; once a tick also losses, polls, our own cost, and whether anybody still reads.
    fn look_after(&mut self, tick: &mut Instant) {
        if !self.spool.is_full() {
            let now = Kernel::now();
            self.catch_up(now);
            self.late.take_if(|late| late.at < now);
            self.desk.observe(&Event::Tick(now));
        }
        if Instant::now() >= *tick {
            *tick = Instant::now() + self.pace.tick;
            self.look_round();
        }
        self.tally();
    }

    /// What a tick is for.
    fn look_round(&mut self) {
        self.count_losses();
        self.take_named();
        self.kernel.sample_cost();
        self.kernel.print_log();
        if self.polled.elapsed() >= POLL {
            self.polled = Instant::now();
            self.poll();
            self.count_lost_stacks();
            self.watch();
        }
    }

    /// Reads what the kernel half has counted, and shows what is due.
    fn tally(&mut self) {
        let Self { tally: Some(tally), kernel, desk, counted, .. } = self else { return };
        let now = Kernel::now();
        let shows = tally.due().is_some_and(|due| due <= now);
        let mut done = Ok(());
        if shows || Instant::now() >= *counted {
            let began = Instant::now();
            done = tally.count(kernel);
            // Many groups on many CPUs take long: nobody shall notice. The counters have room for minutes.
            *counted = Instant::now() + (began.elapsed() * READING).clamp(POLL, PATIENCE);
        }
        if shows {
            done = done.and(tally.pass(now));
        }
        if let Err(error) = done {
            desk.fail(error);
        }
    }

    fn count_losses(&mut self) {
        for (place, count) in self.kernel.losses() {
            let lost = Event::Lost { at: Kernel::now(), count, place };
            if let Some(watch) = &mut self.watch {
                watch.observe(&lost, &self.desk.engine);
            }
            if self.plan.output.format == Format::Json {
                let total = self.desk.engine.lost() + count;
                // Nobody may read stderr.
                let _ = notice::write_lost(&mut io::stderr(), count, place, total);
            }
            self.desk.observe(&lost);
        }
        let hints = self.kernel.lost_hints();
        if hints > 0 {
            self.lost_hints += hints;
            say(&format!(
                "lost {hints} hints (who accepted, resets): some owners and causes will be missing"
            ));
        }
    }

    /// Puts the engine's open questions to sock_diag.
    fn poll(&mut self) {
        // A filter, and a kernel half that counts, leave out events: there a dump contradicts nobody. Where lives had to leave for want of
        // room it would only bring them back.
        let engine = &self.desk.engine;
        let audited =
            self.plan.filter.is_empty() && !self.counting && engine.live() > 0 && engine.evictions() == 0;
        if audited && self.dumps.as_ref().is_some_and(Dumps::is_audit_due) {
            return self.ask(Request::everything());
        }
        let questions: Vec<_> = self.desk.engine.open_questions().collect();
        if questions.is_empty() {
            drop(questions);
            if let Some(dumps) = &mut self.dumps {
                dumps.let_go();
            }
            return;
        }
        let states = questions.iter().fold(0, |all, question| all | question.states);
        let netns = questions.iter().map(|question| question.netns).collect::<Option<Vec<_>>>();
        self.ask(Request { netns: netns.unwrap_or_default(), states });
    }

    fn ask(&mut self, request: Request) {
        if let Some(dumps) = &mut self.dumps {
            dumps.ask(request);
        }
    }

    /// Looks for stuck sockets.
    fn watch(&mut self) {
        let Self { watch: Some(watch), kernel, desk, .. } = self else { return };
        let looked = desk.tell_stuck(|engine, filter, out| watch.look(kernel, engine, filter, out));
        if let Err(failure) = looked {
            say(&format!("note: {failure}"));
        }
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Events(events) => {
                // What a dump shows has happened by now: its event must not come after it.
                self.catch_up(Kernel::now());
                for event in events {
                    if let (Event::TimeWaitOverflow { netns, .. }, Some(tally)) = (&event, &self.tally) {
                        tally.overflowed(*netns);
                    }
                    if self.concerns(&event) {
                        self.desk.observe(&event);
                    }
                }
            }
            Answer::Late(late) => self.adopted(late),
            Answer::Note(note) => say(&format!("note: {note}")),
            Answer::Done(_) => {}
        }
    }

    /// Takes from the ring what happened before `moment`: what comes from elsewhere (a dump, the clock) must not overtake it.
    fn catch_up(&mut self, moment: Mono) {
        while self.newest < moment && self.drain() > 0 {}
    }

    /// Whether a socket of a dump may be shown at all; others would only fill the table.
    fn concerns(&mut self, event: &Event) -> bool {
        let Event::Snapshot(snapshot) = event else { return true };
        if self.counting {
            return self.desk.engine.knows(snapshot);
        }
        let filter = self.desk.gate.filter_mut();
        // The kernel half tells nothing of other namespaces: such a socket would stand still for ever.
        if !filter.netns.is_empty() && snapshot.id.netns.is_some_and(|netns| !filter.netns.contains(&netns)) {
            return false;
        }
        let own = snapshot.owner.is_some_and(|owner| filter.pids.contains(&owner.task.pid));
        if own
            && snapshot.state == TcpState::Listen
            && let Some(port) = snapshot.id.endpoints.local.port
        {
            self.kernel.watch_port(port);
        }
        let filter = self.desk.gate.filter_mut();
        filter.pids.is_empty() || own || self.desk.engine.knows(snapshot)
    }

    fn say_exited(&mut self, pid: u32) {
        // The moves of its death are in the ring.
        self.catch_up(Kernel::now());
        let live = self.desk.engine.live();
        let plural = if live == 1 { "socket is" } else { "sockets are" };
        let then = if live == 0 {
            "no sockets left".into()
        } else {
            format!("going on until its {live} {plural} gone")
        };
        say(&format!("process {pid} has exited: {then}"));
    }

    /// All processes of `--pid` have exited and nothing of theirs is left.
    fn is_over(&self) -> bool {
        !self.plan.filter.pids.is_empty() && self.processes.alive() == 0 && self.desk.engine.live() == 0
    }
}

/// A deadline, or never.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn answered(dumps: &mut Option<Dumps>) -> Answer {
    match dumps {
        Some(dumps) => dumps.answer().await,
        None => std::future::pending().await,
    }
}
