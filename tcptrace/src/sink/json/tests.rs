//! Real lines against the schema that is generated from their types.

use serde_json::Value;

use super::*;
use crate::engine::histogram::Histogram;
use crate::engine::histogram::group::{By, Group};
use crate::engine::histogram::sample::Sample;
use crate::engine::histogram::shift::Shift;
use crate::engine::stuck::stack::{NOT_ACCEPTED, SHORT};
use crate::engine::stuck::{Origin, Stuck};
use crate::model::evidence::{Evidence, Span};
use crate::model::life::{Detail, End, Ending, Subject};
use crate::model::measure::Measure;
use crate::model::state::TcpState;
use crate::model::summary::KernelCost;
use crate::model::transition::SeenBy;
use crate::sink::comparison::{Compared, Comparison};
use crate::sink::sample::{self, ANCHOR, MS, S};

fn finish(mut sink: JsonSink<Vec<u8>>, summary: &summary::Summary) -> Vec<Value> {
    sink.finish(summary).unwrap();
    let text = String::from_utf8(sink.into_inner()).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn printed(stream: Stream, updates: &[Update<'_>]) -> Vec<Value> {
    let mut sink = JsonSink::new(Vec::new(), stream, ANCHOR);
    for update in updates {
        sink.update(update).unwrap();
    }
    finish(sink, &summary::Summary::default())
}

fn assert_valid(records: &[Value]) {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for record in records {
        let errors: Vec<String> = validator.iter_errors(record).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {record}");
    }
}

fn subjects() -> Vec<Subject> {
    vec![
        sample::v4(),
        sample::unknown(),
        sample::subject(("::ffff:10.0.0.1", 8_080), ("::ffff:10.0.0.2", 5_555)),
        sample::subject(("2001:db8::1", 443), ("fe80::1", 0)),
        Subject {
            owner: sample::v4()
                .owner
                .map(|owner| crate::model::owner::Owner { task: sample::task(1, "\u{1b}[2J\"\\"), ..owner }),
            ..sample::v4()
        },
    ]
}

#[test]
fn a_histogram_agrees_with_the_schema_and_says_null_for_what_is_not_known() {
    let by = By::ALL.into_iter().filter(|key| *key != By::State).collect::<Vec<_>>();
    let mut full = Histogram::default();
    (1..1000).for_each(|ms| full.count(Some(ms * MS), Evidence::Exact));
    let mut bare = Histogram::default();
    bare.count(None, Evidence::Unknown);
    let group =
        Group { pid: Some(7), raddr: "10.0.0.1".parse().ok(), end: Some(End::Fin), ..Group::default() };
    let rows = [
        (group, Measure::State(TcpState::CloseWait), full),
        (Group::default(), Measure::Reaction, bare.clone()),
        (Group::OTHER, Measure::State(TcpState::Listen), bare),
    ];
    let mut sink = JsonSink::new(Vec::new(), Stream::Moved, ANCHOR).with_hdr(true);
    sink.show(&Page { from: Mono(0), to: Mono(5 * S), by: &by, rows: &rows }).unwrap();
    let lines = String::from_utf8(sink.into_inner()).unwrap();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_valid(&records);
    assert_eq!((&records[0]["count"], &records[0]["group"]["pid"]), (&999.into(), &7.into()));
    assert!(
        records[0]["hdr"].is_string() && records[1]["p50"].is_null() && records[1]["group"]["pid"].is_null()
    );
    assert_eq!(records[2]["group"], serde_json::json!({"other": true}));
    assert_eq!((&records[0]["measure"], &records[0]["state"]), (&"state".into(), &"CLOSE_WAIT".into()));
    assert_eq!((&records[1]["measure"], &records[1]["state"]), (&"reaction".into(), &Value::Null));
}

#[test]
fn a_comparison_agrees_with_the_schema_and_says_null_where_there_are_too_few() {
    let mut many = Sample::default();
    (1..1000).for_each(|ms| many.add(ms * MS));
    let shifts = [Some(&many), None].map(|now| Shift::of(50.0, Some(&many), now)).to_vec();
    let rows = [Compared { group: Group::default(), measure: Measure::Reaction, shifts }];
    let mut sink = JsonSink::new(Vec::new(), Stream::Moved, ANCHOR);
    sink.compare(&Comparison { at: Mono(5 * S), by: &[], rows: &rows }).unwrap();
    let lines = String::from_utf8(sink.into_inner()).unwrap();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_valid(&records);
    assert_eq!((&records[0]["verdict"], &records[0]["shift"]), (&"none_shown".into(), &0.into()));
    assert_eq!((&records[1]["verdict"], &records[1]["shift_low"]), (&"too_few".into(), &Value::Null));
}

#[test]
fn every_variant_agrees_with_the_schema() {
    let spans = [Span::exact(1), Span::at_least(1, Some(2)), Span::estimated(1, Some(2)), Span::UNKNOWN];
    let mut moves = Vec::new();
    for (from, to) in TcpState::ALL.into_iter().zip(TcpState::ALL.into_iter().rev()) {
        for in_from in spans {
            for seen_by in [SeenBy::Tracepoint, SeenBy::Timer, SeenBy::SockDiag, SeenBy::Rule] {
                let mut moved = sample::moved(from, to, in_from);
                moved.seen_by = seen_by;
                moved.kernel = (seen_by == SeenBy::Tracepoint).then_some((from, to));
                moves.push(moved);
            }
        }
    }
    for end in End::ALL {
        for detail in [None, Some(Detail::Word("unread_data")), sample::killed().detail] {
            let mut moved = sample::moved(TcpState::LastAck, TcpState::Closed, Span::exact(MS));
            moved.ending = Some(Ending { end, detail });
            moves.push(moved);
        }
    }
    let subjects = subjects();
    let updates: Vec<Update<'_>> = moves
        .iter()
        .flat_map(|moved| subjects.iter().map(move |subject| Update::Moved(moved, subject)))
        .collect();
    let records = printed(Stream::Moved, &updates);
    assert_eq!(records.len(), updates.len() + 1);
    assert_valid(&records);

    let changes = [
        sample::change(TcpState::Closed, TcpState::SynSent, None),
        sample::change(TcpState::FinWait2, TcpState::FinWait2, Some(Mono(5 * S))),
        sample::change(TcpState::NewSynRecv, TcpState::Established, None),
    ];
    let raw: Vec<_> = changes.iter().map(|change| Update::Seen(change, &subjects[0])).collect();
    assert_valid(&printed(Stream::Raw, &raw));

    let (life, dim) = (sample::life(), sample::dim_life());
    assert_valid(&printed(Stream::Lives, &[Update::Closed(&life), Update::Unfinished(&dim)]));
}

#[test]
fn the_schema_refuses_what_the_contract_forbids() {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let (moved, subject) = (sample::moved(TcpState::Closed, TcpState::SynSent, Span::UNKNOWN), sample::v4());
    let good = printed(Stream::Moved, &[Update::Moved(&moved, &subject)]).remove(0);
    assert!(validator.is_valid(&good));
    for (field, wrong) in [("from", "SYN"), ("evidence", "sure"), ("cookie", "0x2a"), ("type", "move")] {
        let mut bad = good.clone();
        bad[field] = wrong.into();
        assert!(!validator.is_valid(&bad), "{field}: {wrong}");
    }
    for field in good.as_object().unwrap().keys() {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(field);
        assert!(!validator.is_valid(&bad), "without {field}");
    }
}

#[test]
fn a_transition_is_as_the_contract_says() {
    let mut moved = sample::moved(TcpState::Established, TcpState::Closed, Span::exact(5 * S));
    moved.ending = Some(sample::killed());
    let mut sink = JsonSink::new(Vec::new(), Stream::Moved, ANCHOR);
    sink.update(&Update::Moved(&moved, &sample::v4())).unwrap();
    sink.flush().unwrap();
    insta::assert_snapshot!(String::from_utf8(sink.into_inner()).unwrap(), @r#"{"type":"transition","time":"2026-11-21T03:20:32.012345678Z","mono_ns":5012345678,"from":"ESTABLISHED","to":"CLOSED","in_from_ns":5000000000,"evidence":"exact","at_most_ns":null,"error_ns":null,"seen_by":"tracepoint","kernel_from":"ESTABLISHED","kernel_to":"CLOSE","id":7,"cookie":"2a1f","netns":4026531840,"family":4,"laddr":"10.0.0.1","lport":50000,"raddr":"93.184.216.34","rport":443,"protocol":"tcp","owner":{"pid":1234,"comm":"curl","uid":1000,"how":"connect","cgroup":null,"cgroup_id":4242,"container":null},"end":"aborted","detail":{"pid":99,"comm":"ss"}}"#);
}

#[test]
fn what_is_unknown_is_null() {
    let moved = sample::moved(TcpState::Closed, TcpState::SynSent, Span::UNKNOWN);
    let subject = sample::unknown();
    let record = &printed(Stream::Moved, &[Update::Moved(&moved, &subject)])[0];
    for field in
        ["in_from_ns", "cookie", "netns", "lport", "owner", "end", "detail", "at_most_ns", "error_ns"]
    {
        assert_eq!(record.get(field), Some(&Value::Null), "{field}");
    }
}

#[test]
fn raw_prints_the_kernels_names_and_its_self_transitions() {
    let change = sample::change(TcpState::FinWait2, TcpState::FinWait2, Some(Mono(5 * S)));
    let subject = sample::v4();
    let moved = sample::moved(TcpState::FinWait2, TcpState::TimeWait, Span::exact(1));
    let records = printed(Stream::Raw, &[Update::Moved(&moved, &subject), Update::Seen(&change, &subject)]);
    assert_eq!(records.len(), 2);
    assert_eq!((&records[0]["from"], &records[0]["to"]), (&"FIN_WAIT2".into(), &"FIN_WAIT2".into()));
    assert_eq!(records[0]["in_from_ns"], 12_345_678);
}

#[test]
fn a_life_is_as_the_contract_says() {
    let mut sink = JsonSink::new(Vec::new(), Stream::Lives, ANCHOR);
    sink.update(&Update::Closed(&sample::life())).unwrap();
    sink.flush().unwrap();
    insta::assert_snapshot!(String::from_utf8(sink.into_inner()).unwrap(), @r#"{"type":"lifecycle","time":"2026-11-21T03:20:40.200300000Z","mono_ns":13200300000,"id":7,"cookie":"2a1f","netns":4026531840,"family":4,"laddr":"10.0.0.1","lport":50000,"raddr":"93.184.216.34","rport":443,"protocol":"tcp","owner":{"pid":1234,"comm":"curl","uid":1000,"how":"connect","cgroup":null,"cgroup_id":4242,"container":null},"last_seen":null,"opened_by":"connect","closed_by":"local","first_seen":"event","states":[{"state":"SYN_SENT","entered_mono_ns":5000000000,"ns":200000,"evidence":"exact","at_most_ns":null,"error_ns":null,"expires_mono_ns":null},{"state":"ESTABLISHED","entered_mono_ns":5000200000,"ns":5200000000,"evidence":"exact","at_most_ns":null,"error_ns":null,"expires_mono_ns":null},{"state":"FIN_WAIT_1","entered_mono_ns":10200200000,"ns":100000,"evidence":"exact","at_most_ns":null,"error_ns":null,"expires_mono_ns":null},{"state":"FIN_WAIT_2","entered_mono_ns":10200300000,"ns":3000000000,"evidence":"exact","at_most_ns":null,"error_ns":null,"expires_mono_ns":null},{"state":"TIME_WAIT","entered_mono_ns":13200300000,"ns":null,"evidence":"estimated","at_most_ns":null,"error_ns":null,"expires_mono_ns":73200300000}],"duration_ns":8200300000,"duration_evidence":"exact","handshake_rtt_us":190,"end":"time_wait","detail":null,"bytes_sent":1234,"bytes_received":3400000,"segments_out":20,"segments_in":30,"retransmits":2,"srtt_us":12300,"orphaned":true,"fd_held_ns":null}"#);
}

#[test]
fn the_counts_of_losses_add_up_to_the_total() {
    let lost = |count, place, total| Update::Lost { at: Mono(6 * S), count, place, total };
    let mut sink = JsonSink::new(Vec::new(), Stream::Lives, ANCHOR);
    sink.update(&lost(3, LossPlace::RingBuffer, 3)).unwrap();
    sink.update(&lost(4, LossPlace::Map, 7)).unwrap();
    let told = summary::Summary { lost: 9, duration_ns: 10 * S, ..summary::Summary::default() };
    let records = finish(sink, &told);
    assert_valid(&records);
    let sum: u64 = records.iter().filter_map(|record| record["count"].as_u64()).sum();
    assert_eq!((records.len(), sum), (4, 9));
    assert_eq!((&records[2]["where"], &records[2]["total"]), (&Value::Null, &9.into()));
    assert_eq!(records[3]["mono_ns"], 15 * S);
    assert_eq!((&records[3]["type"], &records[3]["lost"]), (&"summary".into(), &9.into()));
    assert_eq!(records[3]["kernel_ns_total"], Value::Null);
}

#[test]
fn the_summary_tells_the_cost_where_it_is_known() {
    let kernel = Some(KernelCost { runs: 3, ns: 1_000 });
    let sink = JsonSink::new(Vec::new(), Stream::Moved, ANCHOR);
    let records = finish(sink, &summary::Summary { kernel, ..summary::Summary::default() });
    assert_valid(&records);
    assert_eq!(records[0]["kernel_ns_per_event"], 333.3);
}

#[test]
fn a_closed_pipe_passes_up() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sink = JsonSink::new(Closed, Stream::Moved, ANCHOR);
    let error = sink.finish(&summary::Summary::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn names_of_cgroups_come_from_whoever_knows_them() {
    struct Known;
    impl Names for Known {
        fn cgroup(&self, id: u64) -> Option<Cgroup<'_>> {
            (id == 4_242).then_some(Cgroup { path: "/system.slice", container: Some(("abc", "docker")) })
        }
    }
    let mut sink = JsonSink::new(Vec::new(), Stream::Moved, ANCHOR).with_names(Box::new(Known));
    let moved = sample::moved(TcpState::Closed, TcpState::SynSent, Span::UNKNOWN);
    sink.update(&Update::Moved(&moved, &sample::v4())).unwrap();
    let records = finish(sink, &summary::Summary::default());
    assert_valid(&records);
    assert_eq!(records[0]["owner"]["cgroup"], "/system.slice");
    assert_eq!(records[0]["owner"]["container"]["runtime"], "docker");
}

#[test]
fn a_stuck_socket_has_every_field_of_the_contract_and_fits_the_schema() {
    let dim = Stuck {
        subject: sample::unknown(),
        since: None,
        age: Span::UNKNOWN,
        receive_queue: None,
        send_queue: None,
        keepalive: None,
        holders: Some(Vec::new()),
        peer: None,
        verdict: None,
        ..sample::stuck()
    };
    let records = printed(Stream::Stuck, &[Update::Stuck(&sample::stuck()), Update::Stuck(&dim)]);
    assert_valid(&records);
    let record = &records[0];
    for field in [
        "type",
        "time",
        "mono_ns",
        "cookie",
        "netns",
        "family",
        "laddr",
        "lport",
        "raddr",
        "rport",
        "protocol",
        "id",
        "owner",
        "state",
        "since_mono_ns",
        "age_ns",
        "evidence",
        "rule",
        "event",
        "recv_queue",
        "send_queue",
        "timer",
        "timer_expires_ns",
        "keepalive",
        "holders",
        "verdict",
        "explanation",
        "advice",
    ] {
        assert!(record.get(field).is_some(), "{field}");
    }
    assert_eq!((&record["rule"], &record["timer"]), (&"CLOSE_WAIT>30s".into(), &"none".into()));
    assert_eq!(
        record["holders"][1],
        serde_json::json!({"pid": 1235, "comm": "server", "fd": 7, "opened_it": false})
    );
    assert_eq!((&records[1]["age_ns"], &records[1]["verdict"]), (&Value::Null, &Value::Null));
}

#[test]
fn where_a_socket_was_opened_is_told_frame_by_frame_or_with_the_reason() {
    let opened = Stuck { origin: Some(sample::origin()), ..sample::stuck() };
    let unknown = Stuck { origin: Some(Origin::Unknown(NOT_ACCEPTED)), ..sample::stuck() };
    let all = [sample::stuck(), opened, unknown];
    let records = printed(Stream::Stuck, &all.each_ref().map(Update::Stuck));
    assert_valid(&records);
    let origin = |record: &Value| ["stack", "stack_id", "stack_note"].map(|field| record[field].clone());
    assert_eq!(origin(&records[0]), [Value::Null, Value::Null, Value::Null]);
    assert_eq!(origin(&records[2]), [Value::Null, Value::Null, NOT_ACCEPTED.into()]);
    let [stack, id, note] = origin(&records[1]);
    assert_eq!((id, note.as_str()), (3.into(), Some(SHORT)));
    assert_eq!(
        stack[0],
        serde_json::json!({
            "address": "0x550000001010", "symbol": "leak\u{1b}[31m", "offset": null, "module": "/usr/bin/shop",
            "module_offset": 16, "file": "shop.c", "line": 31, "inlined": true, "why": null
        })
    );
    assert_eq!((&stack[1]["offset"], &stack[1]["inlined"]), (&16.into(), &false.into()));
    assert_eq!((&stack[2]["symbol"], &stack[2]["why"]), (&Value::Null, &"no symbols".into()));
}
