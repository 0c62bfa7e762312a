//! Recordings made to exhaust memory: each is refused in one sentence, by a process that may not have more than some hundred MiB.
#![expect(clippy::unwrap_used, reason = "tests panic; that is how they fail")]

use std::path::Path;
use std::process::{Command, Output};

use tcptrace::model::time::{ClockAnchor, Mono};
use tcptrace::recording::{Header, Tape};

/// Address space, KiB: a length of 4 GiB that is believed ends the process.
const SPACE_KIB: &str = "1000000";
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Bytes of an RLE block at most (RFC 8878 §3.1.1.2.3).
const BLOCK: u32 = 128 << 10;

fn header() -> Vec<u8> {
    let header = Header {
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
        complete_since: None,
        own_pid: 77,
        fin_timeout_s: 60,
        filters: String::new(),
        sysctls: Vec::new(),
        part: 1,
    };
    let mut out = Vec::new();
    Tape::new(&header).unwrap().frame(&mut out).unwrap();
    out
}

/// A frame with a window of 128 KiB that holds `byte` as often as `mib` MiB have room for it: four bytes a block.
fn repeated(byte: u8, mib: u32) -> Vec<u8> {
    let mut frame = [&MAGIC[..], &[0x00, 7 << 3]].concat();
    let blocks = mib * (1 << 20) / BLOCK;
    for number in 1..=blocks {
        let last = u32::from(number == blocks);
        frame.extend_from_slice(&(BLOCK << 3 | 1 << 1 | last).to_le_bytes()[..3]);
        frame.push(byte);
    }
    frame
}

/// Replays a file of these bytes, in little memory.
fn replay(folder: &Path, bytes: &[u8]) -> Output {
    let path = folder.join("hostile.jsonl.zst");
    std::fs::write(&path, bytes).unwrap();
    Command::new("sh")
        .args([
            "-c",
            "ulimit -v \"$0\" && exec \"$@\"",
            SPACE_KIB,
            env!("CARGO_BIN_EXE_tcptrace"),
            "-o",
            "json",
            "--from",
        ])
        .arg(&path)
        .output()
        .unwrap()
}

#[test]
fn lengths_that_nobody_could_hold_are_refused_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let four_gib = (4_u64 << 30).to_le_bytes();
    let nest = format!("{}\n", "[".repeat(900_000));
    let of_text = |text: &[u8]| zstd::bulk::compress(text, 3).unwrap();
    let entries = r#"{"netns":1,"name":"","value":""},"#.repeat(500_000);
    let fat = format!(
        "{{\"type\":\"header\",\"format\":\"tcptrace-recording\",\"version\":1,\"sysctls\":[{entries}]}}\n"
    );
    let after_header = |frame: Vec<u8>| [header(), frame].concat();
    for (name, bytes, code, said) in [
        ("content of 4 GiB", after_header([&MAGIC[..], &[0xe0], &four_gib, &[1, 0, 0]].concat()), 1, "MiB"),
        ("window of 4 GiB", after_header([&MAGIC[..], &[0x00, 22 << 3], &[1, 0, 0]].concat()), 1, "MiB"),
        (
            "4 GiB to skip",
            after_header([0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff].to_vec()),
            0,
            "was cut",
        ),
        ("4 GiB unpacked", after_header(repeated(b'a', 4095)), 1, "unpacks to more than 64 MiB"),
        ("a line of 60 MiB", after_header(repeated(b'a', 60)), 1, "longer"),
        ("60 MiB of empty lines", after_header(repeated(b'\n', 60)), 1, "line 3"),
        ("a deep nest", after_header(of_text(nest.as_bytes())), 1, "recursion"),
        ("a header of 60 MiB", repeated(b'{', 60), 1, "longer"),
        ("a header of 16 MiB", of_text(fat.as_bytes()), 1, "longer"),
    ] {
        let output = replay(folder.path(), &bytes);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
        assert!(!stderr.contains("panicked"), "{name}: {stderr}");
    }
}

#[test]
fn the_little_memory_is_enough_for_what_is_no_trick() {
    let folder = tempfile::tempdir().unwrap();
    let output = replay(folder.path(), &header());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"type\":\"summary\""), "{stderr}");
}
