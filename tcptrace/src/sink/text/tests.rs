//! Lines as a terminal shows them.

use super::*;
use crate::model::event::LossPlace;
use crate::model::evidence::Span;
use crate::model::life::Subject;
use crate::model::owner::Owner;
use crate::model::state::TcpState;
use crate::model::transition::Transition;
use crate::sink::sample::{self, ANCHOR, MS, S};

fn style(width: Option<usize>) -> TextStyle {
    TextStyle {
        columns: Column::for_stream(width).to_vec(),
        time: TimeStyle::Utc,
        anchor: ANCHOR,
        width,
        colour: false,
        header: true,
    }
}

fn shown(style: &TextStyle, raw: bool, updates: &[Update<'_>]) -> String {
    let mut sink = TextSink::new(Vec::new(), Vec::new(), style, raw);
    for update in updates {
        sink.update(update).unwrap();
    }
    sink.flush().unwrap();
    String::from_utf8(sink.into_inner().0).unwrap()
}

fn named(comm: &str) -> Subject {
    let v4 = sample::v4();
    Subject { owner: v4.owner.map(|owner| Owner { task: sample::task(4_194_304, comm), ..owner }), ..v4 }
}

fn story() -> Vec<(Transition, Subject)> {
    use TcpState::{CloseWait, Closed, Established, FinWait2, LastAck, Listen, SynSent, TimeWait};
    let mut ended = sample::moved(LastAck, Closed, Span::exact(MS / 10));
    ended.ending = Some(sample::killed());
    let mut rule = sample::moved(TimeWait, Closed, Span::estimated(60 * S, None));
    rule.kernel = None;
    vec![
        (sample::moved(Closed, SynSent, Span::UNKNOWN), sample::unknown()),
        (sample::moved(SynSent, Established, Span::exact(12_345_678)), sample::v4()),
        (
            sample::moved(Established, CloseWait, Span::at_least(1_200 * MS, None)),
            sample::subject(("::ffff:10.0.0.1", 8_080), ("::ffff:192.168.100.200", 65_535)),
        ),
        (
            sample::moved(FinWait2, TimeWait, Span::exact(3 * S)),
            sample::subject(("2001:db8::1", 443), ("2001:db8:1111:2222:3333:4444:5555:6666", 65_535)),
        ),
        (sample::moved(Closed, Listen, Span::UNKNOWN), sample::subject(("::", 80), ("::", 0))),
        (rule, named("a\u{1b}[31mred\\")),
        (ended, named("名前は長いです")),
    ]
}

fn story_shown(style: &TextStyle) -> String {
    let story = story();
    let updates: Vec<_> = story.iter().map(|(moved, subject)| Update::Moved(moved, subject)).collect();
    let text = shown(style, false, &updates);
    for line in text.lines() {
        assert!(!line.ends_with(' '), "{line:?}");
        if let Some(width) = style.width {
            assert!(layout::cells(line.as_bytes()) <= width, "{line}");
        }
    }
    format!("\n{text}")
}

#[test]
fn a_terminal_of_120_columns() {
    insta::assert_snapshot!(story_shown(&style(Some(120))), @r#"
    TIME(UTC)        PID COMM            LOCAL                    REMOTE                   FROM        → TO              FOR
    03:20:32.012       ? ?               10.0.0.1:?               10.0.0.2:80              CLOSED      → SYN_SENT          ?
    03:20:32.012    1234 curl            10.0.0.1:50000           93.184.216.34:443        SYN_SENT    → ESTABLISHED  12.3ms
    03:20:32.012    1234 curl            10.0.0.1:8080            192.168.100.200:65535    ESTABLISHED → CLOSE_WAIT    ≥1.2s
    03:20:32.012    1234 curl            [2001:db8::1]:443        [2001:db8:1…:6666]:65535 FIN_WAIT_2  → TIME_WAIT      3.0s
    03:20:32.012    1234 curl            [::]:80                  *                        CLOSED      → LISTEN            ?
    03:20:32.012 4194304 a\x1b[31mred\\  10.0.0.1:50000           93.184.216.34:443        TIME_WAIT   → CLOSED         ~60s
    03:20:32.012 4194304 名前は長い      10.0.0.1:50000           93.184.216.34:443        LAST_ACK    → CLOSED        0.1ms
    "#);
}

#[test]
fn a_terminal_of_80_columns() {
    insta::assert_snapshot!(story_shown(&style(Some(80))), @r#"
    TIME(UTC)        PID LPORT REMOTE              FROM        → TO              FOR
    03:20:32.012       ?     ? 10.0.0.2:80         CLOSED      → SYN_SENT          ?
    03:20:32.012    1234 50000 93.184.216.34:443   SYN_SENT    → ESTABLISHED  12.3ms
    03:20:32.012    1234  8080 192.168.1…200:65535 ESTABLISHED → CLOSE_WAIT    ≥1.2s
    03:20:32.012    1234   443 [2001:db8…66]:65535 FIN_WAIT_2  → TIME_WAIT      3.0s
    03:20:32.012    1234    80 *                   CLOSED      → LISTEN            ?
    03:20:32.012 4194304 50000 93.184.216.34:443   TIME_WAIT   → CLOSED         ~60s
    03:20:32.012 4194304 50000 93.184.216.34:443   LAST_ACK    → CLOSED        0.1ms
    "#);
}

#[test]
fn a_terminal_of_200_columns() {
    insta::assert_snapshot!(story_shown(&style(Some(200))), @r#"
    TIME(UTC)        PID COMM            LOCAL                                           REMOTE                                          FROM        → TO              FOR
    03:20:32.012       ? ?               10.0.0.1:?                                      10.0.0.2:80                                     CLOSED      → SYN_SENT          ?
    03:20:32.012    1234 curl            10.0.0.1:50000                                  93.184.216.34:443                               SYN_SENT    → ESTABLISHED  12.3ms
    03:20:32.012    1234 curl            10.0.0.1:8080                                   192.168.100.200:65535                           ESTABLISHED → CLOSE_WAIT    ≥1.2s
    03:20:32.012    1234 curl            [2001:db8::1]:443                               [2001:db8:1111:2222:3333:4444:5555:6666]:65535  FIN_WAIT_2  → TIME_WAIT      3.0s
    03:20:32.012    1234 curl            [::]:80                                         *                                               CLOSED      → LISTEN            ?
    03:20:32.012 4194304 a\x1b[31mred\\  10.0.0.1:50000                                  93.184.216.34:443                               TIME_WAIT   → CLOSED         ~60s
    03:20:32.012 4194304 名前は長い      10.0.0.1:50000                                  93.184.216.34:443                               LAST_ACK    → CLOSED        0.1ms
    "#);
}

#[test]
fn wide_cuts_nothing() {
    insta::assert_snapshot!(story_shown(&style(None)), @r#"
    TIME(UTC)           PID COMM            HOW         UID   COOKIE      NETNS LOCAL                  REMOTE                 FROM        → TO              FOR EVIDENCE  SEEN-BY    END
    03:20:32.012345       ? ?               -             ?        ?          ? 10.0.0.1:?             10.0.0.2:80            CLOSED      → SYN_SENT          ? unknown   tracepoint -
    03:20:32.012345    1234 curl            connect    1000     2a1f 4026531840 10.0.0.1:50000         93.184.216.34:443      SYN_SENT    → ESTABLISHED  12.3ms exact     tracepoint -
    03:20:32.012345    1234 curl            connect    1000     2a1f 4026531840 10.0.0.1:8080          192.168.100.200:65535  ESTABLISHED → CLOSE_WAIT    ≥1.2s at_least  tracepoint -
    03:20:32.012345    1234 curl            connect    1000     2a1f 4026531840 [2001:db8::1]:443      [2001:db8:1111:2222:3333:4444:5555:6666]:65535 FIN_WAIT_2  → TIME_WAIT      3.0s exact     tracepoint -
    03:20:32.012345    1234 curl            connect    1000     2a1f 4026531840 [::]:80                *                                              CLOSED      → LISTEN            ? unknown   tracepoint -
    03:20:32.012345 4194304 a\x1b[31mred\\  connect    1000     2a1f 4026531840 10.0.0.1:50000         93.184.216.34:443                              TIME_WAIT   → CLOSED         ~60s estimated tracepoint -
    03:20:32.012345 4194304 名前は長い      connect    1000     2a1f 4026531840 10.0.0.1:50000         93.184.216.34:443                              LAST_ACK    → CLOSED        0.1ms exact     tracepoint aborted:ss[99]
    "#);
}

#[test]
fn columns_are_chosen_and_ordered() {
    use Column::{Cgroup, Cookie, Evidence, Family, From, Id, KernelEvent, Laddr, OwnerHow, Protocol, Rport};
    let columns =
        vec![Cookie, KernelEvent, Id, Family, Protocol, Cgroup, OwnerHow, Evidence, Laddr, Rport, From];
    insta::assert_snapshot!(story_shown(&TextStyle { columns, ..style(Some(120)) }), @r#"
    COOKIE KERNEL                      ID IP PROTO   CGROUP HOW      EVIDENCE  LADDR                     RPORT FROM
         ? CLOSE>SYN_SENT               7  4 tcp          ? -        unknown   10.0.0.1                     80 CLOSED
      2a1f SYN_SENT>ESTABLISHED         7  4 tcp       4242 connect  exact     10.0.0.1                    443 SYN_SENT
      2a1f ESTABLISHED>CLOSE_WAIT       7  4 tcp       4242 connect  at_least  10.0.0.1                  65535 ESTABLISHED
      2a1f FIN_WAIT2>TIME_WAIT          7  6 tcp       4242 connect  exact     2001:db8::1               65535 FIN_WAIT_2
      2a1f CLOSE>LISTEN                 7  6 tcp       4242 connect  unknown   ::                            ? CLOSED
      2a1f -                            7  4 tcp       4242 connect  estimated 10.0.0.1                    443 TIME_WAIT
      2a1f LAST_ACK>CLOSE               7  4 tcp       4242 connect  exact     10.0.0.1                    443 LAST_ACK
    "#);
}

#[test]
fn colour_is_by_state_and_only_when_wanted() {
    let columns = vec![Column::From, Column::To, Column::Duration];
    let colour = TextStyle { columns, colour: true, ..style(Some(80)) };
    let moved = sample::moved(TcpState::Established, TcpState::CloseWait, Span::exact(S));
    let text = shown(&colour, false, &[Update::Moved(&moved, &sample::v4())]);
    assert_eq!(
        text,
        "\u{1b}[1mFROM\u{1b}[0m        → \u{1b}[1mTO\u{1b}[0m              \u{1b}[1mFOR\u{1b}[0m\n\
         \u{1b}[32mESTABLISHED\u{1b}[0m → \u{1b}[35mCLOSE_WAIT\u{1b}[0m     1.0s\n"
    );
    let plain = shown(&TextStyle { colour: false, ..colour }, false, &[Update::Moved(&moved, &sample::v4())]);
    assert_eq!(plain, "FROM        → TO              FOR\nESTABLISHED → CLOSE_WAIT     1.0s\n");
}

#[test]
fn raw_shows_the_kernels_names_and_self_transitions() {
    let change = sample::change(TcpState::FinWait2, TcpState::FinWait2, None);
    let (moved, subject) =
        (sample::moved(TcpState::FinWait2, TcpState::TimeWait, Span::exact(S)), sample::v4());
    let columns = vec![Column::From, Column::To, Column::Duration];
    let style = TextStyle { columns, header: false, time: TimeStyle::None, ..style(Some(80)) };
    let updates = [Update::Seen(&change, &subject), Update::Moved(&moved, &subject)];
    assert_eq!(shown(&style, true, &updates), "FIN_WAIT2   → FIN_WAIT2         ?\n");
    assert_eq!(shown(&style, false, &updates), "FIN_WAIT_2  → TIME_WAIT      1.0s\n");
}

#[test]
fn losses_and_the_summary_go_beside_the_data() {
    let mut sink = TextSink::new(Vec::new(), Vec::new(), &style(Some(120)), false);
    let place = LossPlace::RingBuffer;
    sink.update(&Update::Lost { at: Mono(6 * S), count: 3, place, total: 3 }).unwrap();
    sink.finish(&Summary { events: 2, lost: 3, ..Summary::default() }).unwrap();
    let (out, notices) = sink.into_inner();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    let notices = String::from_utf8(notices).unwrap();
    assert!(
        notices.starts_with(
            "lost 3 events: the ring buffer was full, or the probe was busy (3 in all)\n2 events, 3 lost"
        ),
        "{notices}"
    );
}
