//! Lives as a terminal shows them.

use super::*;
use crate::model::evidence::Span;
use crate::model::life::ClosedBy;
use crate::sink::sample::{self, ANCHOR, S};
use crate::sink::time::TimeStyle;

fn style(width: Option<usize>) -> TextStyle {
    TextStyle {
        columns: Column::for_lives(width).to_vec(),
        time: TimeStyle::Utc,
        anchor: ANCHOR,
        width,
        colour: false,
        header: true,
    }
}

fn shown(style: &TextStyle) -> String {
    let mut passive = sample::life();
    passive.states.truncate(2);
    passive.closed_by = Some(ClosedBy::Remote);
    passive.ending = Some(sample::killed());
    passive.socket = sample::subject(("2001:db8::1", 443), ("2001:db8:1:2:3:4:5:6", 65_535)).socket;
    let mut open = sample::life();
    (open.ending, open.closed_by, open.duration) = (None, None, Span::at_least(9 * S, None));
    open.states.truncate(2);
    open.states[1].stay = Span::UNKNOWN;
    let mut sink = LivesSink::new(Vec::new(), Vec::new(), style);
    for life in [sample::life(), passive, sample::dim_life()] {
        sink.update(&Update::Closed(&life)).unwrap();
    }
    sink.update(&Update::Unfinished(&open)).unwrap();
    sink.flush().unwrap();
    let text = String::from_utf8(sink.into_inner().0).unwrap();
    for line in text.lines() {
        assert!(!line.ends_with(' '), "{line:?}");
        assert!(style.width.is_none_or(|width| layout::cells(line.as_bytes()) <= width), "{line}");
    }
    format!("\n{text}")
}

#[test]
fn a_terminal_of_120_columns() {
    insta::assert_snapshot!(shown(&style(Some(120))), @r#"
    TIME(UTC)        PID COMM            LOCAL                    REMOTE                      FOR   SENT   RECV RETR     RTT
    03:20:40.200    1234 curl            10.0.0.1:50000           93.184.216.34:443          8.2s   1.2k   3.4M    2  12.3ms
        connected, we closed first: SYN_SENT 0.2ms → ESTABLISHED 5.2s → FIN_WAIT_1 0.1ms → FIN_WAIT_2 3.0s → TIME_WAIT 60s*
    03:20:40.200    1234 curl            [2001:db8::1]:443        [2001:db8:1…:5:6]:65535    8.2s   1.2k   3.4M    2  12.3ms
        connected, peer closed first, killed by ss[99]: SYN_SENT 0.2ms → ESTABLISHED 5.2s
    03:20:36.000       ? ?               10.0.0.1:?               10.0.0.2:80                 ≥1s      ?      ?    ?       ?
        there before, still open: ESTABLISHED ≥1s → CLOSE_WAIT ?
    03:20:40.200    1234 curl            10.0.0.1:50000           93.184.216.34:443           ≥9s   1.2k   3.4M    2  12.3ms
        connected, still open: SYN_SENT 0.2ms → ESTABLISHED ≥8.2s
    "#);
}

#[test]
fn a_terminal_of_80_columns() {
    insta::assert_snapshot!(shown(&style(Some(80))), @r#"
    TIME(UTC)        PID LPORT REMOTE                         FOR   SENT   RECV RETR
    03:20:40.200    1234 50000 93.184.216.34:443             8.2s   1.2k   3.4M    2
        connected, we closed first: SYN_SENT 0.2ms → ESTABLISHED 5.2s
        → FIN_WAIT_1 0.1ms → FIN_WAIT_2 3.0s → TIME_WAIT 60s*
    03:20:40.200    1234   443 [2001:db8:1:…:4:5:6]:65535    8.2s   1.2k   3.4M    2
        connected, peer closed first, killed by ss[99]: SYN_SENT 0.2ms
        → ESTABLISHED 5.2s
    03:20:36.000       ?     ? 10.0.0.2:80                    ≥1s      ?      ?    ?
        there before, still open: ESTABLISHED ≥1s → CLOSE_WAIT ?
    03:20:40.200    1234 50000 93.184.216.34:443              ≥9s   1.2k   3.4M    2
        connected, still open: SYN_SENT 0.2ms → ESTABLISHED ≥8.2s
    "#);
}

#[test]
fn wide_keeps_one_line_a_connection() {
    insta::assert_snapshot!(shown(&style(None)), @r#"
    TIME(UTC)           PID COMM            LOCAL                  REMOTE                     FOR   SENT   RECV RETR     RTT
    03:20:40.200300    1234 curl            10.0.0.1:50000         93.184.216.34:443         8.2s   1.2k   3.4M    2  12.3ms  connected, we closed first: SYN_SENT 0.2ms → ESTABLISHED 5.2s → FIN_WAIT_1 0.1ms → FIN_WAIT_2 3.0s → TIME_WAIT 60s*
    03:20:40.200300    1234 curl            [2001:db8::1]:443      [2001:db8:1:2:3:4:5:6]:65535    8.2s   1.2k   3.4M    2  12.3ms  connected, peer closed first, killed by ss[99]: SYN_SENT 0.2ms → ESTABLISHED 5.2s
    03:20:36.000000       ? ?               10.0.0.1:?             10.0.0.2:80                      ≥1s      ?      ?    ?       ?  there before, still open: ESTABLISHED ≥1s → CLOSE_WAIT ?
    03:20:40.200300    1234 curl            10.0.0.1:50000         93.184.216.34:443                ≥9s   1.2k   3.4M    2  12.3ms  connected, still open: SYN_SENT 0.2ms → ESTABLISHED ≥8.2s
    "#);
}

#[test]
fn columns_are_chosen() {
    use Column::{Closed, End, Opened, Timeline};
    let columns = vec![Timeline, Opened, Closed, End];
    insta::assert_snapshot!(shown(&TextStyle { columns, time: TimeStyle::None, ..style(Some(80)) }), @r#"
    OPENED   CLOSED END
    connect  local  time_wait
        SYN_SENT 0.2ms → ESTABLISHED 5.2s → FIN_WAIT_1 0.1ms → FIN_WAIT_2 3.0s
        → TIME_WAIT 60s*
    connect  remote aborted:ss[99]
        SYN_SENT 0.2ms → ESTABLISHED 5.2s
    unknown  -      -
        ESTABLISHED ≥1s → CLOSE_WAIT ?
    connect  -      -
        SYN_SENT 0.2ms → ESTABLISHED ≥8.2s
    "#);
}

#[test]
fn amounts_keep_their_cell() {
    for (amount, text) in
        [(0, "0"), (999, "999"), (1_234, "1.2k"), (99_999, "99.9k"), (999_999, "999k"), (3_400_000, "3.4M")]
    {
        let mut out = Vec::new();
        story::push_amount(&mut out, amount);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
    let mut out = Vec::new();
    story::push_amount(&mut out, u64::MAX);
    assert_eq!(String::from_utf8(out).unwrap(), "18446P");
}
