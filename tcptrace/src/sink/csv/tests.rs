//! Tables as a spreadsheet and a CSV reader take them.

use std::collections::HashMap;

use super::*;
use crate::model::owner::Owner;
use crate::model::state::TcpState;
use crate::sink::sample::{self, ANCHOR, S};

fn table(stream: Stream, updates: &[Update<'_>]) -> Vec<HashMap<String, String>> {
    let mut bytes = Vec::new();
    let mut sink = CsvSink::new(&mut bytes, Vec::new(), stream, ANCHOR, true).unwrap();
    for update in updates {
        sink.update(update).unwrap();
    }
    sink.finish(&Summary::default()).unwrap();
    drop(sink);
    // The reader refuses rows of another length than the header.
    ::csv::Reader::from_reader(&*bytes).deserialize().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_transition_has_the_names_of_the_json_fields() {
    let mut moved = sample::moved(TcpState::Established, TcpState::Closed, Span::at_least(S, Some(2 * S)));
    moved.ending = Some(sample::killed());
    let (known, unknown) = (sample::v4(), sample::unknown());
    let rows = table(Stream::Moved, &[Update::Moved(&moved, &known), Update::Moved(&moved, &unknown)]);
    for (field, value) in [
        ("time", "2026-11-21T03:20:32.012345678Z"),
        ("mono_ns", "5012345678"),
        ("from", "ESTABLISHED"),
        ("in_from_ns", "1000000000"),
        ("evidence", "at_least"),
        ("at_most_ns", "2000000000"),
        ("error_ns", ""),
        ("kernel_to", "CLOSE"),
        ("cookie", "2a1f"),
        ("laddr", "10.0.0.1"),
        ("rport", "443"),
        ("pid", "1234"),
        ("how", "connect"),
        ("end", "aborted"),
        ("detail", "ss[99]"),
    ] {
        assert_eq!(rows[0][field], value, "{field}");
    }
    for field in ["cookie", "netns", "lport", "pid", "comm", "uid", "how"] {
        assert_eq!(rows[1][field], "", "{field}");
    }
}

#[test]
fn a_life_is_one_row() {
    let (life, dim) = (sample::life(), sample::dim_life());
    let rows = table(Stream::Lives, &[Update::Closed(&life), Update::Unfinished(&dim)]);
    assert_eq!(
        rows[0]["states"],
        "SYN_SENT:200000:exact;ESTABLISHED:5200000000:exact;FIN_WAIT_1:100000:exact;\
         FIN_WAIT_2:3000000000:exact;TIME_WAIT::estimated"
    );
    assert_eq!(
        (&*rows[0]["end"], &*rows[0]["srtt_us"], &*rows[0]["orphaned"]),
        ("time_wait", "12300", "true")
    );
    assert_eq!((&*rows[1]["end"], &*rows[1]["bytes_sent"], &*rows[1]["fd_held_ns"]), ("", "", "5000000"));
}

#[test]
fn no_name_becomes_a_formula() {
    let moved = sample::moved(TcpState::Closed, TcpState::SynSent, Span::UNKNOWN);
    for (comm, cell) in [
        ("=cmd|' /C x'", "'=cmd|' /C x'"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("\tx", "\\x09x"),
        ("a,\"b\"\n", "a,\"b\"\\x0a"),
    ] {
        let mut subject = sample::v4();
        subject.owner = subject.owner.map(|owner| Owner { task: sample::task(1, comm), ..owner });
        assert_eq!(table(Stream::Moved, &[Update::Moved(&moved, &subject)])[0]["comm"], cell);
    }
}

#[test]
fn raw_has_the_kernels_names() {
    let change = sample::change(TcpState::FinWait2, TcpState::FinWait2, None);
    let subject = sample::v4();
    let rows = table(Stream::Raw, &[Update::Seen(&change, &subject)]);
    assert_eq!((&*rows[0]["from"], &*rows[0]["in_from_ns"]), ("FIN_WAIT2", ""));
}

#[test]
fn a_closed_pipe_keeps_its_kind() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sink = CsvSink::new(Closed, Vec::new(), Stream::Moved, ANCHOR, true).unwrap();
    assert_eq!(sink.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_stuck_socket_is_a_row_with_its_holders_in_one_cell() {
    let stuck = sample::stuck();
    let rows = table(Stream::Stuck, &[Update::Stuck(&stuck)]);
    for (field, value) in [
        ("verdict", "leaked_fd"),
        ("holders", "1234:7:server;1235:7:server"),
        ("rule", "CLOSE_WAIT>30s"),
        ("age_ns", "31000000000"),
        ("keepalive", "false"),
        ("timer", "none"),
    ] {
        assert_eq!(rows[0][field], value, "{field}");
    }
    let opened = crate::engine::stuck::Stuck { origin: Some(sample::origin()), ..sample::stuck() };
    let rows = table(Stream::Stuck, &[Update::Stuck(&stuck), Update::Stuck(&opened)]);
    assert_eq!((rows[0]["stack"].as_str(), rows[0]["stack_note"].as_str()), ("", ""));
    assert_eq!(rows[1]["stack"], "0x550000001030;serve;leak\\x1b[31m");
    assert!(rows[1]["stack_note"].starts_with("short because"));
}
