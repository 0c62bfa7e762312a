//! The format itself: what is left out, what others may change, what is refused.

use std::io::{self, Read};

use super::decode::{Line, decode};
use super::*;
use crate::model::comm::Comm;
use crate::model::event::{Accepted, Event};
use crate::model::owner::Task;
use crate::model::socket::SocketRef;
use crate::model::time::Mono;

fn line(event: &Event) -> String {
    let mut out = Vec::new();
    encode::encode(&mut out, event);
    String::from_utf8(out).unwrap()
}

fn event(line: &str) -> Result<Event, String> {
    match decode(line.as_bytes()) {
        Ok((Line::Event(event), [])) => Ok(event),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(wrong) => Err(wrong.to_string()),
    }
}

fn accepted(comm: Comm) -> Event {
    let socket = SocketRef { address: 0, cookie: None };
    Event::Accepted(Accepted { at: Mono(7), socket, task: Task { pid: 9, comm } })
}

#[test]
fn the_fields_line_names_every_key_once_and_in_order() {
    let mut out = Vec::new();
    encode::fields(&mut out);
    assert!(matches!(decode(&out), Ok((Line::Fields, []))));
    let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let footer: serde_json::Value = serde_json::from_slice(&footer::line(&Footer::default())).unwrap();
    for key in footer.as_object().unwrap().keys() {
        assert!(object.get(key).is_some(), "{key}");
    }
    // `type`, and five of the footer.
    assert_eq!(object.as_object().unwrap().len(), key::ALL.len() + 6);
    assert_eq!(key::LPORT.name(), "lport");
}

#[test]
fn the_page_describes_every_key_and_type() {
    let page = include_str!("FORMAT.md");
    for (key, _) in key::ALL {
        assert!(page.contains(&format!("`{}`", key.name())), "{}", key.name());
    }
    for kind in [
        "header",
        "fields",
        "change",
        "accepted",
        "half_open",
        "forked",
        "reset_received",
        "reset_sent",
        "destroyed",
    ]
    .into_iter()
    .chain(["timewait_armed", "timewait_expired", "timewait_killed", "socket", "dump_done"])
    .chain(["time_wait_overflow", "fin_timeout", "lost", "tick", "footer"])
    {
        assert!(page.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[test]
fn a_name_that_is_no_text_keeps_its_bytes() {
    let mut odd = *b"a\xff\"\x1b\0rest here  ";
    odd[15] = 0;
    for (comm, hex) in [
        (Comm::from("nginx"), false),
        (Comm::from("a\"\\\n"), false),
        (Comm(odd), true),
        (Comm([b'x'; 16]), false),
    ] {
        let said = line(&accepted(comm));
        assert_eq!(said.contains("comm_hex"), hex, "{said}");
        assert_eq!(event(&said), Ok(accepted(comm)), "{said}");
    }
}

#[test]
fn others_may_reorder_and_add_fields_write_nulls_and_spaces() {
    let touched = r#" { "comm": "ng\u0069nx", "new": {"a":[1]}, "type":"accepted", "pid":9, "mono_ns": 7, "cookie":null }"#;
    assert_eq!(event(touched), Ok(accepted(Comm::from("nginx"))));
}

#[test]
fn a_wrong_line_is_named_by_what_is_wrong() {
    for (line, needle) in [
        ("{\"type\":\"tick\"}\n", "`mono_ns` is missing"),
        ("{\"type\":\"tick\",\"mono_ns\":-1}\n", "`mono_ns` makes no sense"),
        ("{\"type\":\"tick\",\"mono_ns\":1.5}\n", "`mono_ns` makes no sense"),
        ("{\"type\":\"tick\",\"mono_ns\":18446744073709551616}\n", "`mono_ns` makes no sense"),
        ("{\"type\":\"tick\",\"mono_ns\":007}\n", "not JSON"),
        ("{\"type\":\"fin_timeout\",\"netns\":4294967296,\"seconds\":1}\n", "`netns` makes no sense"),
        ("{\"type\":\"lost\",\"mono_ns\":1,\"count\":1,\"where\":\"moon\"}\n", "`where` makes no sense"),
        ("{\"type\":\"dance\",\"mono_ns\":1}\n", "`dance` is no type"),
        ("[1]\n", "not an object"),
        ("\n", "not JSON"),
        ("{\"type\":\"tick\",\"mono_ns\":1}trailing\n", "not JSON"),
    ] {
        let said = event(line).unwrap_err();
        assert!(said.contains(needle), "{line}: {said}");
    }
    assert_eq!(
        event("{\"type\":\"tick\",\"mono_ns\":18446744073709551615}\n"),
        Ok(Event::Tick(Mono(u64::MAX)))
    );
    let long = format!("{{\"type\":\"tick\",\"mono_ns\":1,\"x\":\"{}\"}}\n", "x".repeat(LONGEST_LINE));
    assert!(event(&long).unwrap_err().contains("longer than 1 MiB"));
}

#[test]
fn addresses_that_mean_the_same_are_one() {
    let said = |addr: &str| {
        event(&format!(
            "{{\"type\":\"socket\",\"mono_ns\":1,\"laddr\":\"{addr}\",\"lport\":0,\"state\":\"LISTEN\"}}\n"
        ))
    };
    assert_eq!(said("::ffff:10.0.0.1"), said("10.0.0.1"));
    assert!(
        matches!(said("10.0.0.1"), Ok(Event::Snapshot(socket)) if socket.id.endpoints.local.port.is_none())
    );
    for wrong in ["10.0.0", "10.0.0.1.2", "10.0.0.256", "10.0.0.01", "10..0.1", "", "10.0.0.1000", "::g"] {
        assert!(said(wrong).is_err(), "{wrong}");
    }
    assert!(said("0.0.0.0").is_ok() && said("255.255.255.255").is_ok());
}

/// A frame header of RFC 8878 that promises `size` bytes in one segment.
fn promise(size: u64) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes
}

/// A frame's head, then blocks of 128 KiB of spaces for ever: an RLE block of RFC 8878 §3.1.1.2 each.
fn bomb(head: &'static [u8]) -> impl Read {
    head.chain(Blocks(0))
}

struct Blocks(usize);

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *out {
            *byte = [0x02, 0x00, 0x10, b' '][self.0 % 4];
            self.0 += 1;
        }
        Ok(out.len())
    }
}

fn refusal(input: impl Read) -> String {
    Reader::new(input).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_frame_that_promises_too_much_is_refused_before_anything_is_allocated() {
    for size in [1 << 32, u64::MAX - 1, (64 << 20) + 1] {
        assert!(refusal(promise(size).as_slice()).contains("more than 64 MiB"), "{size}");
    }
}

#[test]
fn a_frame_without_end_is_refused_at_its_limit() {
    // No promise, a window of 1 MiB.
    assert!(refusal(bomb(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50])).contains("more than 64 MiB"));
}
