//! What is recorded is what is replayed: any event, any cut, any damage; and other programs can read it.
#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

#[path = "recording/any.rs"]
mod any;

use std::fs;
use std::process::Command;

use any::event;
use proptest::prelude::*;
use tcptrace::model::comm::Comm;
use tcptrace::model::cookie::Cookie;
use tcptrace::model::endpoints::Endpoints;
use tcptrace::model::event::{Event, LossPlace, StateChange};
use tcptrace::model::owner::{Owner, OwnerHow, Task};
use tcptrace::model::socket::{Counters, Protocol, SocketFacts, SocketId, SocketRef};
use tcptrace::model::state::TcpState;
use tcptrace::model::time::{ClockAnchor, Mono};
use tcptrace::recording::{Cut, Damage, Header, Reader, Sysctl, Tape};

fn header() -> Header {
    Header {
        anchor: ClockAnchor { mono: Mono(5_000_000_000), real_ns: 1_795_231_232_123_456_789 },
        tool: "0.1.0".to_owned(),
        host: "web-1".to_owned(),
        boot_id: "5b6a1c1e-7d62-4a2c-8f0e-3c1d2b3a4f50".to_owned(),
        kernel: "6.12.57".to_owned(),
        hz: 250,
        attach: "btf".to_owned(),
        cookies: true,
        resets: true,
        destroys: true,
        exact: false,
        mptcp: false,
        complete_since: Some(Mono(4_000_000_000)),
        own_pid: 77,
        fin_timeout_s: 60,
        filters: "--lport 443".to_owned(),
        sysctls: vec![Sysctl {
            netns: 4_026_531_840,
            name: "net.ipv4.tcp_fin_timeout".to_owned(),
            value: "60".to_owned(),
        }],
        part: 1,
    }
}

/// The recording of `events`, and where its frames end.
fn record(events: &[Event], end: bool) -> (Vec<u8>, Vec<usize>) {
    let mut tape = Tape::new(&header()).unwrap();
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    tape.frame(&mut out).unwrap();
    ends.push(out.len());
    for event in events {
        if tape.push(event) {
            tape.frame(&mut out).unwrap();
            ends.push(out.len());
        }
    }
    if end {
        tape.end(&mut out).unwrap();
        ends.push(out.len());
    }
    (out, ends)
}

/// All that can be read, and how it ended.
fn replay(bytes: &[u8]) -> (Vec<Event>, Result<Option<Cut>, Damage>) {
    let mut events = Vec::new();
    let outcome = Reader::new(bytes).and_then(|(_, mut reader)| {
        while reader.next_batch(&mut events)? {}
        Ok(reader.cut())
    });
    (events, outcome)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_recorded_is_replayed(events in prop::collection::vec(event(), 0..60)) {
        let (bytes, _) = record(&events, true);
        let (replayed, outcome) = replay(&bytes);
        prop_assert_eq!(replayed, events);
        prop_assert!(matches!(outcome, Ok(None)));
    }

    #[test]
    fn every_line_is_json_that_the_slow_reader_understands_alike(events in prop::collection::vec(event(), 1..20)) {
        let (bytes, _) = record(&events, true);
        let text = zstd::stream::decode_all(bytes.as_slice()).unwrap();
        let mut spaced = Vec::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).unwrap();
            // Another order, and a space: nothing of it is as tcptrace writes it.
            spaced.push(b' ');
            serde_json::to_writer(&mut spaced, &object).unwrap();
            spaced.push(b'\n');
        }
        let (replayed, outcome) = replay(&zstd::bulk::compress(&spaced, 1).unwrap());
        prop_assert!(matches!(outcome, Ok(None)), "{outcome:?}");
        prop_assert_eq!(replayed, events);
    }

    #[test]
    fn a_cut_anywhere_costs_nothing_but_its_frame(
        events in prop::collection::vec(event(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let (bytes, ends) = record(&events, true);
        let cut = cut.index(bytes.len());
        let (replayed, outcome) = replay(&bytes[..cut]);
        match ends.iter().copied().take_while(|end| *end <= cut).last() {
            None => prop_assert!(matches!(outcome, Err(Damage::Empty))),
            Some(whole) => {
                prop_assert_eq!(outcome.unwrap(), Some(Cut { ignored: (cut - whole) as u64 }));
                prop_assert_eq!(&replayed[..], &events[..replayed.len()]);
                let (again, _) = replay(&bytes[..whole]);
                prop_assert_eq!(replayed, again);
            }
        }
    }

    #[test]
    fn damage_anywhere_is_noticed_or_harmless(
        events in prop::collection::vec(event(), 1..20),
        at in any::<prop::sample::Index>(),
        with in 1..=255_u8,
    ) {
        let (mut bytes, _) = record(&events, true);
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        let (replayed, outcome) = replay(&bytes);
        // A checksum of 32 bit guards each frame: what is given at all is right.
        prop_assert_eq!(&replayed[..], &events[..replayed.len()]);
        if replayed.len() < events.len() {
            prop_assert!(!matches!(outcome, Ok(None)), "events are missing and nobody says so");
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = replay(&bytes);
        let _ = replay(&zstd::bulk::compress(&bytes, 1).unwrap());
        let (mut head, _) = record(&[], false);
        head.extend_from_slice(&zstd::bulk::compress(&bytes, 1).unwrap());
        let _ = replay(&head);
    }
}

#[test]
fn the_header_is_read_as_it_was_written() {
    let (bytes, _) = record(&[], true);
    let (read, _) = Reader::new(bytes.as_slice()).unwrap();
    assert_eq!(read, header());
}

#[test]
fn zeros_of_a_crashed_host_count_as_cut_off() {
    let (mut bytes, _) = record(&[Event::Tick(Mono(1))], true);
    bytes.extend_from_slice(&vec![0; 3_000_000]);
    let (events, outcome) = replay(&bytes);
    assert_eq!((events.len(), outcome.unwrap()), (1, Some(Cut { ignored: 3_000_000 })));
    bytes.push(1);
    assert!(matches!(replay(&bytes).1, Err(Damage::Corrupt { .. })));
}

#[test]
fn parts_put_together_are_a_recording_unless_they_are_of_different_boots() {
    let (first, _) = record(&[Event::Tick(Mono(1))], true);
    let (second, _) = record(&[Event::Tick(Mono(2))], true);
    let (events, outcome) = replay(&[first.clone(), second].concat());
    assert_eq!(events, [Event::Tick(Mono(1)), Event::Tick(Mono(2))]);
    assert_eq!(outcome.unwrap(), None);
    let mut tape = Tape::new(&Header { boot_id: "another".to_owned(), ..header() }).unwrap();
    let mut other = Vec::new();
    tape.end(&mut other).unwrap();
    assert!(matches!(replay(&[first, other].concat()).1, Err(Damage::OtherBoot)));
}

/// Of a life of five changes, number `number`.
fn typical(number: u64) -> Event {
    let life = number / 5;
    let [from, to] = [
        [TcpState::Closed, TcpState::SynSent],
        [TcpState::SynSent, TcpState::Established],
        [TcpState::Established, TcpState::FinWait1],
        [TcpState::FinWait1, TcpState::FinWait2],
        [TcpState::FinWait2, TcpState::Closed],
    ][usize::try_from(number % 5).unwrap()];
    let at = 123_456_789_012_345 + number * 10_007;
    let task = Task { pid: 4_000 + u32::try_from(life % 50).unwrap(), comm: Comm::from("nginx") };
    let port = 32_768 + u16::try_from(life % 28_000).unwrap();
    Event::StateChange(StateChange {
        at: Mono(at),
        id: SocketId {
            socket: SocketRef {
                address: 0xffff_8881_0000_0000 + life.wrapping_mul(0x9e37_79b9) % 4096 * 2304,
                cookie: Cookie::new(0x10_0000 + life),
            },
            protocol: Protocol::Tcp,
            endpoints: Endpoints::new(([10, 1, 2, 3].into(), port), ([10, 9, 8, 7].into(), 443)),
            netns: Some(4_026_531_840),
            uid: Some(33),
            cgroup: Some(8_421),
            inode: (number % 5 < 3).then_some(9_000_000 + life),
        },
        from,
        to,
        since: matches!(number % 5, 1..).then_some(Mono(at - 10_007)),
        owner: Some(Owner { task, how: OwnerHow::Connect }),
        actor: matches!(number % 5, 0 | 2).then_some(task),
        facts: Some(SocketFacts {
            attached: number % 5 < 3,
            locked: true,
            dead: number % 5 > 2,
            ..Default::default()
        }),
        counters: Some(Counters {
            bytes_sent: life * 7 % 5_000,
            bytes_received: life * 13 % 100_000,
            segments_out: 7,
            segments_in: 6,
            retransmits: 0,
            srtt_us: 180,
        }),
    })
}

#[test]
fn duckdb_reads_a_recording_as_it_is() {
    let python = |script: &str| Command::new("python3").args(["-c", script]).output();
    if !python("import duckdb").is_ok_and(|ran| ran.status.success()) {
        println!("skipped: needs python3 with the package duckdb");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rec.jsonl.zst");
    // The loss comes after all lines that DuckDB samples.
    let mut events: Vec<Event> = (0..30_000).map(typical).collect();
    events.push(Event::Lost { at: Mono(u64::MAX >> 1), count: 5, place: LossPlace::RingBuffer });
    fs::write(&path, record(&events, true).0).unwrap();
    let script = format!(
        "import duckdb
q = lambda sql: duckdb.sql(sql.replace('REC', \"read_json('{}')\")).fetchall()
print(q(\"select count(*), count(distinct cookie), min(lport), max(since_ns) from REC where type = 'change'\"))
print(q(\"select count, \\\"where\\\", mono_ns from REC where type = 'lost'\"))
print(q(\"select events, lost from REC where type = 'footer'\"))
print(q(\"select kernel, real_ns from REC where type = 'header'\"))",
        path.display()
    );
    let ran = python(&script).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            // The last change of state has been entered one step before.
            "[(30000, 6000, 32768, 123457089202331)]",
            "[(5, 'ring_buffer', 9223372036854775807)]",
            "[(30001, 5)]",
            "[('6.12.57', 1795231232123456789)]",
        ]
    );
}
