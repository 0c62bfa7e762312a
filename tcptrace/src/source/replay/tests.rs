//! What a user reads when it is no recording.

use std::fs;

use super::*;

#[test]
fn what_is_no_recording_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let said = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let said = Replay::open(&path).unwrap_err().message;
        assert!(said.starts_with(&path.display().to_string()) && !said.contains('\n'), "{said}");
        said
    };
    let packed = |text: &str| zstd::bulk::compress(text.as_bytes(), 1).unwrap();
    for (bytes, needle) in [
        (Vec::new(), "nothing whole is in it"),
        (b"\x28\xb5".to_vec(), "nothing whole is in it"),
        (b"root:x:0:0".to_vec(), "not compressed with zstd"),
        (packed("hello\n"), "no JSON object"),
        (packed("{\"a\":1}\n"), "another program's"),
        (packed("{\"type\":\"transition\"}\n"), "output of tcptrace"),
        (
            packed("{\"type\":\"header\",\"format\":\"tcptrace-recording\",\"version\":2,\"x\":[]}\n"),
            "use a newer tcptrace",
        ),
        (packed("{\"type\":\"header\",\"format\":\"tcptrace-recording\"}\n"), "names no version"),
        (packed("{\"type\":\"header\",\"format\":\"tcptrace-recording\",\"version\":1}\n"), "missing field"),
    ] {
        let said = said(&bytes);
        assert!(said.contains(needle), "{needle}: {said}");
    }
    assert!(Replay::open(folder.path()).unwrap_err().message.contains("it is a folder"));
    assert!(Replay::open(&folder.path().join("none")).unwrap_err().message.contains("no such file"));
    fs::write(folder.path().join("rec.part"), "").unwrap();
    let asked = Replay::open(&folder.path().join("rec")).unwrap_err().message;
    assert!(asked.contains("tcptrace repair") && asked.contains("rec.part"), "{asked}");
}
