//! One story through the engine, the gate and every sink: the bytes that people and programs get. `cargo insta review`, or
//! `INSTA_UPDATE=always`, takes a change that is meant.

#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

#[path = "support/story.rs"]
mod story;

use story::{BEGIN, S};
use tcptrace::engine::filter::{Filter, LifeFilter};
use tcptrace::engine::gate::{Gate, Show};
use tcptrace::engine::{Config, Engine};
use tcptrace::model::event::Event;
use tcptrace::model::summary::Summary;
use tcptrace::model::time::{ClockAnchor, Mono};
use tcptrace::sink::Sink;
use tcptrace::sink::column::Column;
use tcptrace::sink::csv::CsvSink;
use tcptrace::sink::json::{self, JsonSink, Stream};
use tcptrace::sink::lives::LivesSink;
use tcptrace::sink::text::{TextSink, TextStyle};
use tcptrace::sink::time::TimeStyle;

/// The story begins on 2026-11-21 at 03:20:32 UTC.
const ANCHOR: ClockAnchor = ClockAnchor { mono: BEGIN, real_ns: 1_795_231_232_000_000_000 };

const WIDTHS: [(&str, Option<usize>); 3] = [("80", Some(80)), ("120", Some(120)), ("wide", None)];

fn lives() -> Show {
    Show::Lives(LifeFilter::default())
}

/// Plays the story into `sink`, as the loop of the app does.
fn play(sink: &mut dyn Sink, show: Show, filter: Filter) {
    let mut gate = Gate::new(filter, show, None);
    let mut engine = Engine::new(Config::default());
    let mut last = BEGIN;
    for event in story::story() {
        engine.observe(&event, &mut |update| {
            gate.pass(&update, &mut |update| sink.update(update).unwrap());
        });
        if let Event::Accepted(accepted) = &event
            && let Some(subject) = engine.subject(&accepted.socket)
        {
            gate.reconsider(&subject, &mut |update| sink.update(update).unwrap());
        }
        if let Event::Tick(at) = event {
            last = at;
        }
    }
    engine.finish(last, true, &mut |update| {
        gate.pass(&update, &mut |update| sink.update(update).unwrap());
    });
    sink.finish(&Summary {
        events: engine.events(),
        lost: engine.lost(),
        connections: engine.connections(),
        evictions: engine.evictions(),
        duration_ns: last.since(BEGIN),
        ..Summary::default()
    })
    .unwrap();
}

fn style(columns: &[Column], width: Option<usize>) -> TextStyle {
    let columns = columns.to_vec();
    TextStyle { columns, time: TimeStyle::Utc, anchor: ANCHOR, width, colour: false, header: true }
}

/// What went to stdout, and what to stderr.
fn both((out, notices): (Vec<u8>, Vec<u8>)) -> String {
    let [out, notices] = [out, notices].map(|bytes| String::from_utf8(bytes).unwrap());
    format!("{out}--- stderr\n{notices}")
}

fn text(style: &TextStyle, show: Show, filter: Filter) -> String {
    let mut sink = TextSink::new(Vec::new(), Vec::new(), style, show == Show::KernelEvents);
    play(&mut sink, show, filter);
    both(sink.into_inner())
}

fn assert_fits(text: &str, width: Option<usize>) {
    for line in text.lines().take_while(|line| *line != "--- stderr") {
        assert!(width.is_none_or(|width| line.chars().count() <= width), "{line}");
        assert!(!line.contains('\u{1b}'), "a name reached the terminal as it was: {line:?}");
    }
}

#[test]
fn transitions_as_text_of_every_width() {
    for (name, width) in WIDTHS {
        let shown = text(&style(Column::for_stream(width), width), Show::Transitions, Filter::default());
        assert_fits(&shown, width);
        insta::assert_snapshot!(format!("transitions_{name}"), shown);
    }
}

#[test]
fn the_kernels_own_events_as_text() {
    let style = style(Column::for_stream(Some(120)), Some(120));
    insta::assert_snapshot!("raw_120", text(&style, Show::KernelEvents, Filter::default()));
}

#[test]
fn the_transitions_of_one_process_include_those_before_its_accept() {
    let filter = Filter { pids: [501].into_iter().collect(), ..Filter::default() };
    let style = style(Column::for_stream(Some(120)), Some(120));
    insta::assert_snapshot!("transitions_of_one_process", text(&style, Show::Transitions, filter));
}

#[test]
fn lives_as_text_of_every_width() {
    for (name, width) in WIDTHS {
        let style = style(Column::for_lives(width), width);
        let mut sink = LivesSink::new(Vec::new(), Vec::new(), &style);
        play(&mut sink, lives(), Filter::default());
        let shown = both(sink.into_inner());
        assert_fits(&shown, width);
        insta::assert_snapshot!(format!("lives_{name}"), shown);
    }
}

#[test]
fn json_of_every_stream_agrees_with_the_schema() {
    let schema = json::schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (name, stream, show) in [
        ("transitions_json", Stream::Moved, Show::Transitions),
        ("raw_json", Stream::Raw, Show::KernelEvents),
        ("lives_json", Stream::Lives, lives()),
    ] {
        let mut sink = JsonSink::new(Vec::new(), stream, ANCHOR);
        play(&mut sink, show, Filter::default());
        let lines = String::from_utf8(sink.into_inner()).unwrap();
        for line in lines.lines() {
            let record = serde_json::from_str(line).unwrap();
            let errors: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?} in {line}");
        }
        insta::assert_snapshot!(name, lines);
    }
}

#[test]
fn csv_of_both_streams_has_as_many_cells_in_every_row() {
    for (name, stream, show) in
        [("transitions_csv", Stream::Moved, Show::Transitions), ("lives_csv", Stream::Lives, lives())]
    {
        let (mut rows, mut notices) = (Vec::new(), Vec::new());
        let mut sink = CsvSink::new(&mut rows, &mut notices, stream, ANCHOR, true).unwrap();
        play(&mut sink, show, Filter::default());
        drop(sink);
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(rows.as_slice());
        assert!(reader.records().all(|row| row.is_ok()));
        insta::assert_snapshot!(name, both((rows, notices)));
    }
}

#[test]
fn the_story_goes_forward_in_time() {
    let mut last = Mono(0);
    for event in story::story() {
        let at = match event {
            Event::StateChange(change) => change.at,
            Event::Accepted(accepted) => accepted.at,
            Event::Neighbour { at, .. }
            | Event::HalfOpen { at, .. }
            | Event::Lost { at, .. }
            | Event::Tick(at)
            | Event::SnapshotDone { at, .. }
            | Event::TimeWaitOverflow { at, .. } => at,
            Event::Snapshot(snapshot) => snapshot.at,
            Event::Forked { .. } | Event::FinTimeout { .. } => continue,
        };
        assert!(at >= last, "{event:?}");
        last = at;
    }
    assert!(last.since(BEGIN) > 60 * S, "long enough for TIME_WAIT to end");
}
