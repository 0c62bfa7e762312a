//! What one state change costs on its way from the ring buffer to a line: `cargo bench --bench hot`, or as part of
//! `cargo xtask bench`. Items are state changes; the load is many connections at once, opened and closed in every way.

use std::hint::black_box;
use std::io;

use divan::Bencher;
use divan::counter::ItemsCount;
use tcptrace::engine::update::Update;
use tcptrace::engine::{Config, Engine};
use tcptrace::model::event::Event;
use tcptrace::model::time::{ClockAnchor, Mono};
use tcptrace::sink::Sink as _;
use tcptrace::sink::json::{JsonSink, Stream};
use tcptrace::source::kernel::{Reasons, convert};
use tcptrace_ebpf::wire::{Record, StateChange, flag, how, kind};

/// Connections that are open at once; each has two ends on this host.
const AT_ONCE: u64 = 1_000;
/// Connections in all.
const CONNECTIONS: u64 = 10_000;
/// 2026-11-21T03:20:27Z at boot.
const ANCHOR: ClockAnchor = ClockAnchor { mono: Mono(0), real_ns: 1_795_231_227_000_000_000 };

// Linux `include/net/tcp_states.h`.
const CLIENT: [u8; 6] = [7, 2, 1, 4, 5, 7];
const SERVER: [u8; 6] = [10, 3, 1, 8, 9, 7];

fn main() {
    divan::main();
}

/// The records of the load as the kernel writes them.
fn records() -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut now = 1_000_000_000;
    for batch in 0..CONNECTIONS / AT_ONCE {
        for step in 0..CLIENT.len() - 1 {
            for connection in 0..AT_ONCE {
                for (side, states) in [(0, CLIENT), (1, SERVER)] {
                    now += 700;
                    let cookie = 1 + 2 * (batch * AT_ONCE + connection) + side;
                    records
                        .push(record(now, cookie, side, (states[step], states[step + 1])).encode().to_vec());
                }
            }
        }
    }
    records
}

fn record(at_ns: u64, cookie: u64, side: u64, (from, to): (u8, u8)) -> StateChange {
    let mapped = |last: u8| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
    let client = 10_000 + u16::try_from(cookie / 2 % 50_000).unwrap_or(0);
    let ports = if side == 0 { (client, 443) } else { (443, client) };
    let addresses = if side == 0 { (mapped(1), mapped(2)) } else { (mapped(2), mapped(1)) };
    let comm = *b"nginx\0\0\0\0\0\0\0\0\0\0\0";
    StateChange {
        kind: kind::STATE_CHANGE,
        from,
        to,
        shutdown: if to == 7 { 3 } else { 0 },
        // What close() leaves: no process has it any more.
        flags: flag::FACTS | flag::COUNTERS | if to == 7 { flag::DEAD } else { flag::ATTACHED },
        lport: ports.0,
        rport: ports.1,
        protocol: 6,
        error: 0,
        error_soft: 0,
        at_ns,
        sk: 0xffff_8880_0000_0000 + cookie * 0x1000,
        cookie,
        since_ns: if from == 7 || from == 10 { 0 } else { at_ns - 1_400_000 },
        cgroup: 4_242,
        inode: cookie,
        laddr: addresses.0,
        raddr: addresses.1,
        netns: 4_026_531_840,
        uid: 33,
        owner_pid: 1_234,
        actor_pid: 0,
        owner_comm: comm,
        actor_comm: [0; 16],
        owner_how: how::ACCEPT,
        unanswered: 0,
        role: 0,
        pad: 0,
        linger2: 0,
        srtt_us: 180,
        retransmits: 0,
        segments_out: 5,
        segments_in: 5,
        unacked: 0,
        pad2: 0,
        bytes_sent: 512,
        bytes_received: 4_096,
    }
}

fn events() -> Vec<Event> {
    records().iter().filter_map(|bytes| decoded(bytes)).collect()
}

fn decoded(bytes: &[u8]) -> Option<Event> {
    convert::event(&Record::decode(bytes)?, &Reasons::default(), false)
}

/// From a record to an event.
#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let records = records();
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        for bytes in &records {
            black_box(decoded(black_box(bytes)));
        }
    });
}

/// From an event to what it means.
#[divan::bench]
fn engine(bencher: Bencher<'_, '_>) {
    let events = events();
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(|| Engine::new(Config::default()))
        .bench_local_values(|mut engine| {
            for event in &events {
                engine.observe(event, &mut |update| {
                    black_box(update);
                });
            }
            engine
        });
}

/// From a record to the line of `-o json`.
#[divan::bench]
fn stream(bencher: Bencher<'_, '_>) {
    to_lines(bencher, Stream::Moved);
}

/// From a record to the line of `lives -o json`.
#[divan::bench]
fn lives(bencher: Bencher<'_, '_>) {
    to_lines(bencher, Stream::Lives);
}

fn to_lines(bencher: Bencher<'_, '_>, stream: Stream) {
    let records = records();
    let start = || (Engine::new(Config::default()), JsonSink::new(io::sink(), stream, ANCHOR));
    bencher.counter(ItemsCount::new(records.len())).with_inputs(start).bench_local_values(
        |(mut engine, mut sink)| {
            for bytes in &records {
                if let Some(event) = decoded(bytes) {
                    engine.observe(&event, &mut |update| put(&mut sink, &update));
                }
            }
            engine
        },
    );
}

/// One transition into its line.
#[divan::bench]
fn json(bencher: Bencher<'_, '_>) {
    let (mut engine, mut moved) = (Engine::new(Config::default()), Vec::new());
    for event in events() {
        engine.observe(&event, &mut |update| {
            if let Update::Moved(transition, subject) = update {
                moved.push((*transition, *subject));
            }
        });
    }
    bencher
        .counter(ItemsCount::new(moved.len()))
        .with_inputs(|| JsonSink::new(io::sink(), Stream::Moved, ANCHOR))
        .bench_local_values(|mut sink| {
            for (transition, subject) in &moved {
                put(&mut sink, &Update::Moved(transition, subject));
            }
            sink
        });
}

fn put(sink: &mut JsonSink<io::Sink>, update: &Update<'_>) {
    // Into nothing: it does not fail.
    let _ = sink.update(update);
}
