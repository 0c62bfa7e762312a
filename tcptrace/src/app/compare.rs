//! `tcptrace hist --from NOW --against BEFORE`: what has changed between two recordings.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::path::Path;
use std::rc::Rc;

use super::desk::Desk;
use super::spool::judge;
use super::{output, replay};
use crate::engine::gate::Gate;
use crate::engine::histogram::book::{Book, Row};
use crate::engine::histogram::group::By;
use crate::engine::histogram::shift::Shift;
use crate::engine::update::Update;
use crate::engine::{Config, Engine};
use crate::failure::{ExitCode, Failure};
use crate::model::measure::Measure;
use crate::model::summary::Summary;
use crate::model::time::{ClockAnchor, Mono};
use crate::plan::{Format, Hist, Kind, Trace};
use crate::recording::{Header, moment};
use crate::sink::comparison::{self, Compared, Comparison};
use crate::sink::json::{JsonSink, Stream};
use crate::sink::{Sink, notice};
use crate::source::replay::Replay;

/// Counts what a recording tells.
struct Counter {
    book: Rc<RefCell<Book>>,
    by_life: bool,
}

impl Sink for Counter {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        let mut book = self.book.borrow_mut();
        match update {
            Update::Moved(moved, subject) if !self.by_life => book.moved(moved, subject),
            Update::Measured(measured, subject) if !self.by_life => book.measured(measured, subject),
            Update::Closed(life) | Update::Unfinished(life) if self.by_life => book.life(life),
            // What is missing may be what has changed.
            Update::Lost { count, place, total, .. } => {
                notice::write_lost(&mut io::stderr(), *count, *place, *total)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

/// A recording, counted.
struct Counted {
    book: Book,
    anchor: ClockAnchor,
    end: Mono,
    summary: Summary,
}

/// Compares the recording `now` with the one `before`.
///
/// # Errors
/// One cannot be read, is corrupt, or the output cannot be written.
pub(super) fn run(plan: &Trace, before: &Path, now: &Path) -> Result<ExitCode, Failure> {
    let Kind::Hist(hist) = &plan.kind else { return Ok(ExitCode::Ok) };
    let (before, now) = (Replay::open(before)?, Replay::open(now)?);
    let spool = output::open(plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Runtime, format!("starting the runtime: {error}")))?;
    replay::sandbox(plan);
    let (before, now) = (counted(plan, hist, before)?, counted(plan, hist, now)?);
    output::empty(&plan.output, &spool)?;
    let rows = rows(hist, &before.book, &now.book);
    let page = Comparison { at: now.end, by: now.book.by(), rows: &rows };
    let summary = sum(&before.summary, &now.summary);
    let written = match plan.output.format {
        Format::Json => {
            let mut sink = JsonSink::new(spool.inlet(), Stream::Moved, now.anchor);
            let shown = sink.compare(&page).and_then(|()| sink.finish(&summary));
            shown.and_then(|()| notice::write_summary(&mut io::stderr(), &summary))
        }
        Format::Text | Format::Csv => {
            let header = plan.output.header;
            let shown = comparison::write(&mut spool.inlet(), &page, header);
            shown.and_then(|()| notice::write_summary(&mut io::stderr(), &summary))
        }
    };
    written.map_err(|error| Failure::new(ExitCode::Runtime, format!("writing output: {error}")))?;
    runtime.block_on(async {
        spool.hand_over();
        judge(spool.close().await, plan.output.path.as_deref())
    })?;
    Ok(if plan.strict && summary.lost > 0 { ExitCode::Lost } else { ExitCode::Ok })
}

fn counted(plan: &Trace, hist: &Hist, (header, mut replay): (Header, Replay)) -> Result<Counted, Failure> {
    let most = usize::try_from(hist.max_groups).unwrap_or(usize::MAX);
    let book = Book::new(hist.by.clone(), hist.asked.clone(), most).with_samples();
    let book = Rc::new(RefCell::new(book));
    let counter = Counter { book: Rc::clone(&book), by_life: hist.by.contains(&By::End) };
    let gate = Gate::new(plan.filter.clone(), plan.show(), None);
    let config = Config { measures: plan.measures(), ..replay::config(&header, plan.max_connections) };
    let mut desk = Desk::new(Engine::new(config), gate, Box::new(counter), None);
    let (mut events, mut first, mut last) = (Vec::new(), None, header.anchor.mono);
    let mut more = true;
    while more {
        more = replay.next_batch(&mut events)?;
        for event in events.drain(..) {
            if let Some(at) = moment(&event) {
                first.get_or_insert(at);
                last = last.max(at);
            }
            desk.observe(&event);
        }
        more &= plan.duration.is_none_or(|length| first.is_none_or(|first: Mono| last <= first + length));
    }
    if let Some(warning) = replay.warning() {
        // Nobody may read stderr.
        let _ = writeln!(io::stderr(), "tcptrace: {warning}");
    }
    desk.finish(last, plan.wants_unfinished());
    if let Some(trouble) = desk.trouble() {
        return Err(trouble);
    }
    let summary = Summary {
        events: desk.engine.events(),
        lost: desk.engine.lost(),
        connections: desk.engine.connections(),
        evictions: desk.engine.evictions(),
        duration_ns: last.since(first.unwrap_or(last)),
        ..Summary::default()
    };
    drop(desk);
    let empty = Book::new(Vec::new(), hist.asked.clone(), 0);
    let book = book.replace(empty);
    Ok(Counted { book, anchor: header.anchor, end: last, summary })
}

/// What either has, in order, at each percentile.
fn rows(hist: &Hist, before: &Book, now: &Book) -> Vec<Compared> {
    let (old, new) = (before.whole(), now.whole());
    let has = |rows: &[Row], wanted: &Row| rows.iter().any(|row| (row.0, row.1) == (wanted.0, wanted.1));
    let gone = old.iter().filter(|row| !has(&new, row));
    let all: Vec<&Row> = new.iter().chain(gone).collect();
    let mut rows = Vec::new();
    for measure in Measure::all() {
        for (group, _, _) in all.iter().filter(|row| row.1 == measure) {
            let (before, now) = (before.sample(*group, measure), now.sample(*group, measure));
            if before.is_none() && now.is_none() {
                continue;
            }
            let shifts = hist.percentiles.iter().map(|percent| Shift::of(*percent, before, now)).collect();
            rows.push(Compared { group: *group, measure, shifts });
        }
    }
    rows
}

/// Both runs together.
fn sum(one: &Summary, other: &Summary) -> Summary {
    Summary {
        events: one.events + other.events,
        lost: one.lost + other.lost,
        lost_hints: one.lost_hints + other.lost_hints,
        connections: one.connections + other.connections,
        evictions: one.evictions + other.evictions,
        duration_ns: one.duration_ns + other.duration_ns,
        kernel: None,
    }
}
