//! `tcptrace hist`: what is counted, here or in the kernel, and when it is shown.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::rc::Rc;

use super::aside::Aside;
use super::names::CgroupNames;
use super::output;
use super::spool::Inlet;
use crate::engine::histogram::book::Book;
use crate::engine::histogram::group::By;
use crate::engine::histogram::ruled::Ruled;
use crate::engine::update::Update;
use crate::failure::{ExitCode, Failure};
use crate::model::state::TcpState;
use crate::model::summary::Summary;
use crate::model::time::{ClockAnchor, Mono};
use crate::model::transition::SeenBy;
use crate::plan::{Format, Hist, Trace};
use crate::sink::histogram::csv::Csv;
use crate::sink::histogram::hdr::Log;
use crate::sink::histogram::table::Table;
use crate::sink::histogram::{Page, Show, svg};
use crate::sink::json::{JsonSink, Names, Stream};
use crate::sink::{Sink, notice};
use crate::source::kernel::Kernel;

/// The histograms of a run; a sink for the engine's news, and a place for the kernel's counts.
#[derive(Clone)]
pub(super) struct Tally(Rc<RefCell<State>>);

/// Where pages go.
enum Out {
    /// With losses and the summary as records beside them.
    Json(Box<JsonSink<Inlet>>),
    /// What else there is to say goes to stderr.
    Shown(Box<dyn Show>),
}

struct State {
    plan: Hist,
    book: Book,
    /// What the kernel half has counted and is not over yet.
    ruled: Ruled,
    out: Out,
    log: Option<Log<BufWriter<File>>>,
    picture: Option<File>,
    /// Stays are counted at the end of their connection.
    by_life: bool,
    /// The kernel half counts: only the stays that end with a timewait socket are told.
    counted: bool,
    /// Nobody tells the time but the events.
    replayed: bool,
    began: Mono,
    /// Begin of what is shown next.
    from: Mono,
    latest: Mono,
}

impl Tally {
    /// Opens what it writes into; `replayed` when there is no clock but the events'.
    ///
    /// # Errors
    /// A file cannot be made.
    pub(super) fn open(
        trace: &Trace,
        plan: &Hist,
        into: Inlet,
        anchor: ClockAnchor,
        replayed: bool,
    ) -> Result<Self, Failure> {
        let make = |flag: &str, path: &Path| {
            File::create(path)
                .map_err(|error| Failure::new(ExitCode::Usage, format!("{flag} {}: {error}", path.display())))
        };
        // Cgroups of a recording are those of another host, or of another time.
        let names = || -> Option<Box<dyn Names>> {
            if replayed {
                return None;
            }
            CgroupNames::open().map(|names| Box::new(names) as Box<dyn Names>)
        };
        let (percentiles, header) = (plan.percentiles.clone(), trace.output.header);
        let out = match trace.output.format {
            Format::Json => {
                let sink = JsonSink::new(into, Stream::Moved, anchor).with_hdr(plan.hdr.is_some());
                Out::Json(Box::new(match names() {
                    Some(names) => sink.with_names(names),
                    None => sink,
                }))
            }
            Format::Csv => Out::Shown(Box::new(Csv::new(into, anchor, percentiles, header, names()))),
            Format::Text => {
                let width = output::width(&trace.output).unwrap_or(output::WIDTH);
                Out::Shown(Box::new(Table::new(into, anchor, percentiles, width, header, names())))
            }
        };
        let log = plan.hdr.as_deref().map(|path| make("--hdr", path)).transpose()?;
        let picture = plan.svg.as_deref().map(|path| make("--svg", path)).transpose()?;
        let max_groups = usize::try_from(plan.max_groups).unwrap_or(usize::MAX);
        Ok(Self(Rc::new(RefCell::new(State {
            book: Book::new(plan.by.clone(), plan.asked.clone(), max_groups),
            ruled: Ruled::default(),
            out,
            log: log.map(|file| Log::new(BufWriter::new(file), anchor, names())),
            picture,
            by_life: plan.by.contains(&By::End),
            counted: false,
            replayed,
            plan: plan.clone(),
            began: anchor.mono,
            from: anchor.mono,
            latest: anchor.mono,
        }))))
    }

    /// The kernel half counts all but what it tells.
    pub(super) fn leave_to_kernel(&self) {
        self.0.borrow_mut().counted = true;
    }

    /// Takes in what the kernel half has counted since the last time.
    ///
    /// # Errors
    /// The counters cannot be read.
    pub(super) fn count(&self, kernel: &mut Kernel) -> io::Result<()> {
        let State { book, ruled, .. } = &mut *self.0.borrow_mut();
        let now = Kernel::now();
        ruled.settle(now, book);
        kernel.counted(&mut |counted| {
            ruled.keep(now, &counted);
            book.count(&counted);
        })
    }

    /// The kernel has not made some timewait sockets of a namespace.
    pub(super) fn overflowed(&self, netns: u32) {
        self.0.borrow_mut().ruled.overflowed(netns);
    }

    /// When something is to be shown next.
    pub(super) fn due(&self) -> Option<Mono> {
        self.0.borrow().due()
    }

    /// Shows what is due by `now`.
    ///
    /// # Errors
    /// What writing says.
    pub(super) fn pass(&self, now: Mono) -> io::Result<()> {
        self.0.borrow_mut().pass(now)
    }
}

impl State {
    fn due(&self) -> Option<Mono> {
        self.plan.interval.map(|interval| self.from + interval)
    }

    fn pass(&mut self, now: Mono) -> io::Result<()> {
        self.latest = self.latest.max(now);
        while let Some(due) = self.due().filter(|due| *due <= self.latest) {
            // What comes late belongs to what is shown next; of a long pause one page is enough.
            let to = if self.replayed { due } else { self.latest };
            self.show(to)?;
        }
        Ok(())
    }

    fn show(&mut self, to: Mono) -> io::Result<()> {
        let recent = self.book.take_recent();
        let from = std::mem::replace(&mut self.from, to);
        let whole = if self.plan.cumulative { self.book.whole() } else { Vec::new() };
        let by = self.book.by();
        // A log is of intervals in any case: its readers add them up.
        let page = Page { from, to, by, rows: &recent };
        if let Some(log) = &mut self.log {
            log.show(&page)?;
        }
        let page = if self.plan.cumulative { Page { from: self.began, to, by, rows: &whole } } else { page };
        match &mut self.out {
            Out::Json(sink) => sink.show(&page),
            Out::Shown(shown) => shown.show(&page),
        }
    }
}

impl Sink for Tally {
    fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        match update {
            Update::Moved(moved, subject) if !state.by_life => {
                if state.replayed {
                    state.pass(moved.at)?;
                }
                let told = matches!(moved.from, TcpState::FinWait2 | TcpState::Closing | TcpState::TimeWait);
                if state.counted && !told {
                    return Ok(());
                }
                state.book.moved(moved, subject);
            }
            Update::Measured(measured, subject) if !state.by_life => {
                if state.replayed {
                    state.pass(measured.at)?;
                }
                // Where a kernel event marks the end, the kernel half has counted it.
                if !state.counted || measured.seen_by != SeenBy::Tracepoint {
                    state.book.measured(measured, subject);
                }
            }
            Update::Closed(life) | Update::Unfinished(life) if state.by_life => {
                if state.replayed {
                    state.pass(life.at)?;
                }
                state.book.life(life);
            }
            Update::Lost { count, place, total, .. } => match &mut state.out {
                Out::Json(sink) => {
                    sink.update(update)?;
                    sink.flush()?;
                }
                Out::Shown(_) => notice::write_lost(&mut Aside, *count, *place, *total)?,
            },
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let end = Mono(state.began.0.saturating_add(summary.duration_ns)).max(state.latest);
        state.show(end)?;
        if let Some(picture) = &mut state.picture {
            let rows = state.book.whole();
            let page = Page { from: state.began, to: end, by: state.book.by(), rows: &rows };
            svg::write(&mut BufWriter::new(picture), &page)?;
        }
        let other = state.book.other();
        match &mut state.out {
            Out::Json(sink) => sink.finish(summary),
            Out::Shown(_) => {
                if other > 0 {
                    let most = state.plan.max_groups;
                    notice::write_other(&mut Aside, other, most)?;
                }
                notice::write_summary(&mut Aside, summary)
            }
        }
    }
}
