//! Files as they grow, fill, rotate and break off.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::model::time::ClockAnchor;
use crate::recording::{Cut, Damage, Reader};

fn header() -> Header {
    Header {
        anchor: ClockAnchor { mono: Mono(5), real_ns: 1_795_231_232_000_000_000 },
        tool: "0.1.0".to_owned(),
        host: "web-1".to_owned(),
        boot_id: "b".to_owned(),
        kernel: "6.12.0".to_owned(),
        hz: 250,
        attach: "btf".to_owned(),
        cookies: true,
        resets: true,
        destroys: true,
        exact: false,
        mptcp: false,
        complete_since: Some(Mono(1)),
        own_pid: 1,
        fin_timeout_s: 60,
        filters: String::new(),
        sysctls: Vec::new(),
        part: 1,
    }
}

fn recorder(folder: &TempDir, limits: Limits) -> Recorder {
    Recorder::create(&folder.path().join("rec.jsonl.zst"), header(), limits).unwrap()
}

fn read(path: &Path) -> (Header, Vec<Event>, Option<Cut>) {
    let (header, mut reader) = Reader::new(File::open(path).unwrap()).unwrap();
    let mut events = Vec::new();
    while reader.next_batch(&mut events).unwrap() {}
    (header, events, reader.cut())
}

/// Numbers that do not compress well.
fn noise(count: u64) -> impl Iterator<Item = Event> {
    (0..count).map(|number| Event::TimeWaitOverflow {
        at: Mono(number),
        netns: 7,
        count: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1,
    })
}

#[test]
fn a_recording_gets_its_name_when_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder, Limits::default());
    let path = recorder.name();
    assert!(!path.exists() && part_name(&path).exists());
    for event in noise(10) {
        assert_eq!(recorder.event(&event), Ok(Progress::Going));
    }
    let recorded = recorder.finish().unwrap();
    assert_eq!((recorded.path.as_path(), recorded.footer.events, recorded.files), (path.as_path(), 10, 1));
    assert_eq!(recorded.bytes, fs::metadata(&path).unwrap().len());
    assert!(!part_name(&path).exists());
    assert_eq!(read(&path), (header(), noise(10).collect(), None));
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let again = |limits| {
        Recorder::create(&folder.path().join("rec.jsonl.zst"), header(), limits).unwrap_err().message
    };
    let running = recorder(&folder, Limits::default());
    assert!(again(Limits::default()).contains("another recording runs"));
    running.finish().unwrap();
    assert!(again(Limits::default()).contains("not overwritten"));
    fs::write(folder.path().join("rec.9.jsonl.zst.part"), "").unwrap();
    fs::remove_file(folder.path().join("rec.jsonl.zst")).unwrap();
    let rotating = Limits { max_bytes: Some(1 << 20), rotate: Some(2) };
    assert!(again(rotating).contains("rec.9.jsonl.zst.part exists"), "{}", again(rotating));
}

#[test]
fn a_full_file_never_exceeds_its_size_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder, Limits { max_bytes: Some(1 << 20), rotate: None });
    let mut taken = 0;
    for event in noise(1_000_000) {
        taken += 1;
        if recorder.event(&event).unwrap() == Progress::Full {
            break;
        }
    }
    assert_eq!(recorder.event(&Event::Tick(Mono(1))), Ok(Progress::Full));
    let recorded = recorder.finish().unwrap();
    assert!(recorded.bytes <= 1 << 20 && recorded.bytes > 700 << 10, "{}", recorded.bytes);
    let (_, events, warning) = read(&recorded.path);
    assert_eq!((events.len(), warning), (taken, None));
}

#[test]
fn rotation_keeps_the_newest_files_each_readable_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder, Limits { max_bytes: Some(1 << 20), rotate: Some(2) });
    let mut rotations = 0;
    for event in noise(1_000_000) {
        rotations += u32::from(recorder.event(&event).unwrap() == Progress::Rotated);
        if rotations == 4 {
            break;
        }
    }
    let recorded = recorder.finish().unwrap();
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["rec.4.jsonl.zst", "rec.5.jsonl.zst"]);
    assert_eq!(recorded.files, 2);
    let (header, events, warning) = read(&folder.path().join("rec.4.jsonl.zst"));
    assert_eq!((header.part, warning), (4, None));
    assert!(header.complete_since > Some(Mono(1)), "what part 1 saw is not in part 4");
    assert_eq!(events.first().and_then(moment), header.complete_since.map(|at| Mono(at.0 + 1)));
}

#[test]
fn what_broke_off_is_read_up_to_its_last_frame_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder, Limits::default());
    let path = recorder.name();
    let part = part_name(&path);
    noise(5).for_each(|event| assert_eq!(recorder.event(&event), Ok(Progress::Going)));
    recorder.flush().unwrap();
    assert!(repair(&part).unwrap_err().message.contains("still being written"));
    // The crash: what was not flushed is gone, and half a frame follows.
    drop(recorder);
    let whole = fs::metadata(&part).unwrap().len();
    let mut torn = fs::read(&part).unwrap();
    torn.extend_from_within(0..100);
    fs::write(&part, torn).unwrap();
    let (_, events, warning) = read(&part);
    assert_eq!(events, noise(5).collect::<Vec<_>>());
    assert_eq!(warning, Some(Cut { ignored: 100 }));

    let repaired = repair(&part).unwrap();
    assert_eq!((repaired.cut, repaired.was_whole, repaired.saved.as_deref()), (100, false, None));
    assert_eq!((repaired.path.as_path(), repaired.footer.events), (path.as_path(), 5));
    assert!(fs::metadata(&path).unwrap().len() > whole && !part.exists());
    assert_eq!(read(&path), (header(), noise(5).collect(), None));
    let again = repair(&path).unwrap();
    assert!(again.was_whole && again.cut == 0);
}

#[test]
fn a_corrupt_block_is_cut_off_but_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder, Limits::default());
    let path = recorder.name();
    let mut offsets = Vec::new();
    for event in noise(3) {
        recorder.event(&event).unwrap();
        recorder.flush().unwrap();
        offsets.push(usize::try_from(fs::metadata(part_name(&path)).unwrap().len()).unwrap());
    }
    recorder.finish().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[offsets[0] + 12] ^= 0x55;
    fs::write(&path, &bytes).unwrap();
    let (_, mut reader) = Reader::new(File::open(&path).unwrap()).unwrap();
    let mut events = Vec::new();
    let damage = loop {
        match reader.next_batch(&mut events) {
            Ok(true) => {}
            Ok(false) => panic!("a corrupt block went unnoticed"),
            Err(damage) => break damage,
        }
    };
    assert!(matches!(damage, Damage::Corrupt { offset, .. } if offset == offsets[0] as u64), "{damage}");
    assert_eq!(events.len(), 1);
    let repaired = repair(&path).unwrap();
    assert_eq!(fs::read(repaired.saved.unwrap()).unwrap(), bytes[offsets[0]..]);
    assert_eq!(read(&path).1.len(), 1);
}

#[test]
fn a_full_disk_leaves_whole_frames() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = recorder(&folder, Limits::default());
    noise(5).for_each(|event| assert_eq!(recorder.event(&event), Ok(Progress::Going)));
    recorder.flush().unwrap();
    let part = part_name(&recorder.name());
    let whole = fs::metadata(&part).unwrap().len();
    // What a full disk says, without filling one.
    recorder.packed = b"half a fra".to_vec();
    let refused = recorder.settle(Err(io::Error::from_raw_os_error(28))).unwrap_err();
    assert!(refused.message.contains("no space left on device"), "{refused}");
    assert_eq!(recorder.event(&Event::Tick(Mono(9))), Err(refused.clone()));
    assert_eq!(recorder.finish(), Err(refused));
    assert_eq!(fs::metadata(&part).unwrap().len(), whole);
    assert_eq!(read(&part).1.len(), 5);
}
