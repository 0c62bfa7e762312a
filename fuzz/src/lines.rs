//! The lines of a recording, behind an intact header: what its events do to the engine and to every output.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::OnceLock;

use tcptrace::engine::filter::{Filter, LifeFilter};
use tcptrace::engine::gate::{Gate, Show};
use tcptrace::engine::{Config, Engine};
use tcptrace::model::event::Event;
use tcptrace::model::summary::Summary;
use tcptrace::model::time::{ClockAnchor, Mono};
use tcptrace::recording::{Header, Reader, Tape, moment};
use tcptrace::sink::Sink;
use tcptrace::sink::column::Column;
use tcptrace::sink::csv::CsvSink;
use tcptrace::sink::json::{JsonSink, Stream};
use tcptrace::sink::lives::LivesSink;
use tcptrace::sink::text::{TextSink, TextStyle};
use tcptrace::sink::time::TimeStyle;

const ANCHOR: ClockAnchor = ClockAnchor { mono: Mono(5_000_000_000), real_ns: 1_795_231_232_000_000_000 };
/// Lives in the table: few, so that some must leave.
const LIVES: usize = 8;

/// Reads the lines, records them anew, and shows them in every way.
pub fn target(bytes: &[u8]) {
    let events = read(&[begin(), frame(bytes).as_slice()].concat());
    let again = again(&events);
    assert_eq!(read(&again), events, "recorded anew they are others");

    let lives = || Show::Lives(LifeFilter::default());
    let style = |columns: &[Column]| TextStyle {
        columns: columns.to_vec(),
        time: TimeStyle::Utc,
        anchor: ANCHOR,
        width: Some(120),
        colour: false,
        header: true,
    };
    let mut sink = TextSink::new(Vec::new(), io::sink(), &style(Column::for_stream(Some(120))), false);
    play(&events, &mut sink, Show::Transitions);
    assert_harmless(&sink.into_inner().0);
    let mut sink = LivesSink::new(Vec::new(), io::sink(), &style(Column::for_lives(Some(120))));
    play(&events, &mut sink, lives());
    assert_harmless(&sink.into_inner().0);
    let mut sink = CsvSink::new(Vec::new(), io::sink(), Stream::Raw, ANCHOR, true).expect("a vector");
    play(&events, &mut sink, Show::KernelEvents);
    for (stream, show) in [(Stream::Moved, Show::Transitions), (Stream::Lives, lives())] {
        let mut sink = JsonSink::new(Lines::default(), stream, ANCHOR);
        play(&events, &mut sink, show);
    }
}

/// The events of a recording, up to what is wrong.
fn read(file: &[u8]) -> Vec<Event> {
    let (_, mut reader) = Reader::new(file).expect("our own header");
    let mut events = Vec::new();
    while let Ok(true) = reader.next_batch(&mut events) {}
    events
}

/// Plays the events into `sink`, as the app does.
fn play(events: &[Event], sink: &mut dyn Sink, show: Show) {
    let mut gate = Gate::new(Filter::default(), show, None);
    let mut engine = Engine::new(Config { max_connections: LIVES, ..Config::default() });
    let mut last = Mono(0);
    for event in events {
        last = last.max(moment(event).unwrap_or_default());
        engine.observe(event, &mut |update| {
            gate.pass(&update, &mut |update| sink.update(update).expect("a vector"));
        });
        assert!(engine.live() <= LIVES, "{} lives", engine.live());
    }
    engine.finish(last, true, &mut |update| {
        gate.pass(&update, &mut |update| sink.update(update).expect("a vector"));
    });
    sink.finish(&Summary { events: engine.events(), lost: engine.lost(), ..Summary::default() })
        .expect("a vector");
}

/// Whatever names say, a terminal is told nothing but lines.
fn assert_harmless(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("text is UTF-8");
    let odd = text.chars().find(|char| char.is_control() && *char != '\n');
    assert_eq!(odd, None, "a control character reaches the terminal: {text:?}");
}

/// Takes JSON, one value a line.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            let value: Result<serde_json::Value, _> = serde_json::from_slice(&line);
            assert!(value.is_ok_and(|value| value.is_object()), "{}", String::from_utf8_lossy(&line));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A zstd frame that holds `text` as it is (RFC 8878 §3.1.1): a magic number, the length, raw blocks.
fn frame(text: &[u8]) -> Vec<u8> {
    const SINGLE_SEGMENT_AND_FOUR_BYTES_OF_LENGTH: u8 = 0xa0;
    let length = u32::try_from(text.len()).expect("a short input");
    let mut frame = 0xfd2f_b528_u32.to_le_bytes().to_vec();
    frame.push(SINGLE_SEGMENT_AND_FOUR_BYTES_OF_LENGTH);
    frame.extend_from_slice(&length.to_le_bytes());
    let blocks: Vec<&[u8]> = if text.is_empty() { vec![&[]] } else { text.chunks(64 << 10).collect() };
    for (index, block) in blocks.iter().enumerate() {
        let last = u32::from(index + 1 == blocks.len());
        let size = u32::try_from(block.len()).expect("a block");
        frame.extend_from_slice(&(size << 3 | last).to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

/// How every recording begins.
fn begin() -> &'static [u8] {
    static BEGIN: OnceLock<Vec<u8>> = OnceLock::new();
    BEGIN.get_or_init(|| again(&[]))
}

/// A recording of the events.
fn again(events: &[Event]) -> Vec<u8> {
    thread_local! {
        // A compressor takes longer to make than all the rest.
        static TAPE: RefCell<Tape> = RefCell::new(Tape::new(&header()).expect("memory for zstd"));
    }
    TAPE.with_borrow_mut(|tape| {
        let mut out = Vec::new();
        tape.start(&header());
        for event in events {
            tape.push(event);
        }
        tape.frame(&mut out).expect("memory for zstd");
        out
    })
}

fn header() -> Header {
    Header {
        anchor: ANCHOR,
        tool: "0.1.0".to_owned(),
        host: "fuzz".to_owned(),
        boot_id: "5b6a1c1e-7d62-4a2c-8f0e-3c1d2b3a4f50".to_owned(),
        kernel: "6.12.57".to_owned(),
        hz: 250,
        attach: "btf".to_owned(),
        cookies: true,
        resets: true,
        destroys: true,
        exact: true,
        mptcp: false,
        complete_since: None,
        own_pid: 0,
        fin_timeout_s: 60,
        filters: String::new(),
        sysctls: Vec::new(),
        part: 1,
    }
}
