//! From the plan of an output to a sink.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;

use super::aside::Aside;
use super::names::CgroupNames;
use super::spool::{Inlet, Spool};
use crate::engine::update::Update;
use crate::failure::{ExitCode, Failure};
use crate::model::summary::Summary;
use crate::model::time::{ClockAnchor, Mono};
use crate::plan::{Color, Format, Kind, Output, Trace};
use crate::sink::column::Column;
use crate::sink::csv::CsvSink;
use crate::sink::json::{JsonSink, Stream};
use crate::sink::lives::LivesSink;
use crate::sink::stuck::{StuckSink, Telling};
use crate::sink::text::{TextSink, TextStyle};
use crate::sink::time::{Clock, TimeStyle};
use crate::sink::{Sink, notice};
use crate::source::kernel::Kernel;

/// Width of a line when nobody says: what most terminals show.
pub(super) const WIDTH: usize = 120;

/// Opens the output of a run; an existing file is kept until [`empty`].
///
/// # Errors
/// The file cannot be made.
pub(super) fn open(plan: &Trace) -> Result<Spool, Failure> {
    Spool::start(file(&plan.output)?, plan.sandbox)
        .map_err(|error| Failure::new(ExitCode::Runtime, format!("starting the writer: {error}")))
}

/// The file behind an output, or stdout; an existing file is replaced.
///
/// # Errors
/// The file cannot be made.
pub(super) fn file(output: &Output) -> Result<File, Failure> {
    match &output.path {
        Some(path) => {
            File::options().write(true).create(true).truncate(false).open(path).map_err(|error| {
                Failure::new(ExitCode::Usage, format!("--output {}: {error}", path.display()))
            })
        }
        None => io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map(File::from)
            .map_err(|error| Failure::new(ExitCode::Runtime, format!("stdout is not open: {error}"))),
    }
}

/// Both clocks at `mono`'s moment, as near as two readings can be.
pub(super) fn anchor(mono: Mono) -> ClockAnchor {
    let real = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let real_ns = i128::from(real.tv_sec) * 1_000_000_000 + i128::from(real.tv_nsec);
    let since = i128::from(Kernel::now().0) - i128::from(mono.0);
    ClockAnchor { mono, real_ns: real_ns - since }
}

/// Empties the output's file of what it had before.
///
/// # Errors
/// What the file system says.
pub(super) fn empty(output: &Output, spool: &Spool) -> Result<(), Failure> {
    let Some(path) = &output.path else { return Ok(()) };
    spool
        .empty()
        .map_err(|error| Failure::new(ExitCode::Runtime, format!("--output {}: {error}", path.display())))
}

/// The sink that the plan asks for.
///
/// # Errors
/// Its header cannot be written.
pub(super) fn sink(plan: &Trace, into: Inlet, anchor: ClockAnchor) -> Result<Box<dyn Sink>, Failure> {
    let output = &plan.output;
    let stream = match plan.kind {
        Kind::Lives(_) => Stream::Lives,
        Kind::Stuck(_) => Stream::Stuck,
        Kind::Stream if plan.raw => Stream::Raw,
        // Its sink is made elsewhere.
        Kind::Stream | Kind::Hist(_) => Stream::Moved,
    };
    Ok(match output.format {
        Format::Json => {
            let sink = JsonSink::new(into, stream, anchor);
            match CgroupNames::open() {
                Some(names) => Box::new(sink.with_names(Box::new(names))),
                None => Box::new(sink),
            }
        }
        Format::Csv => Box::new(
            CsvSink::new(into, Aside, stream, anchor, output.header)
                .map_err(|error| Failure::new(ExitCode::Runtime, format!("writing the header: {error}")))?,
        ),
        Format::Text => {
            let style = style(plan, anchor);
            match stream {
                Stream::Stuck => {
                    let clock = Clock::new(style.time, anchor, output.wide);
                    let each = matches!(&plan.kind, Kind::Stuck(watch) if watch.each);
                    let telling = match () {
                        () if plan.takes_stacks() => Telling::Sites,
                        () if each => Telling::LiveEach,
                        () => Telling::Live,
                    };
                    Box::new(StuckSink::<Inlet, Aside>::new(into, Aside, telling, clock, false))
                }
                Stream::Lives => Box::new(LivesSink::<Inlet, Aside>::new(into, Aside, &style)),
                _ => Box::new(TextSink::<Inlet, Aside>::new(into, Aside, &style, plan.raw)),
            }
        }
    })
}

/// Prints nothing but what people must be told: while everything is recorded.
pub(super) fn quiet() -> Box<dyn Sink> {
    struct Quiet;

    impl Sink for Quiet {
        fn update(&mut self, update: &Update<'_>) -> io::Result<()> {
            match update {
                Update::Lost { count, place, total, .. } => {
                    notice::write_lost(&mut Aside, *count, *place, *total)
                }
                _ => Ok(()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self, summary: &Summary) -> io::Result<()> {
            notice::write_summary(&mut Aside, summary)
        }
    }

    Box::new(Quiet)
}

fn style(plan: &Trace, anchor: ClockAnchor) -> TextStyle {
    let output = &plan.output;
    let (on_terminal, width) = (is_on_terminal(output), width(output));
    let columns = output.columns.clone().unwrap_or_else(|| match plan.kind {
        Kind::Lives(_) => Column::for_lives(width).to_vec(),
        Kind::Stream | Kind::Hist(_) | Kind::Stuck(_) => Column::for_stream(width).to_vec(),
    });
    TextStyle {
        columns,
        time: output.time.unwrap_or(TimeStyle::Local),
        anchor,
        width,
        colour: match output.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => on_terminal && anstream::stdout().current_choice() != anstream::ColorChoice::Never,
        },
        header: output.header,
    }
}

fn is_on_terminal(output: &Output) -> bool {
    output.path.is_none() && io::stdout().is_terminal()
}

/// What lines must fit into; `None` when nothing is to be cut.
pub(super) fn width(output: &Output) -> Option<usize> {
    (!output.wide).then(|| if is_on_terminal(output) { terminal_width() } else { WIDTH })
}

fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(WIDTH)
}
