//! What a run has given up once it says that it traces, seen from outside, and that it still does all that it should.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::capped::{BPF, DAC_OVERRIDE, DAC_READ_SEARCH, NOBODY, SYS_ADMIN, SYS_PTRACE, field, status};
use crate::support::space::Space;
use crate::support::tracer::{command, ended, lines, signal, wait_for_line};
use crate::support::wait_until;

/// Effective and permitted capabilities, NoNewPrivs and Seccomp of each thread by its name.
fn threads(pid: u32) -> Vec<(String, [u64; 4])> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let thread = |task: &Path| {
        // One that enters a namespace lives for a moment only.
        let (text, name) =
            (fs::read_to_string(task.join("status")).ok()?, fs::read_to_string(task.join("comm")).ok()?);
        let read = |key: &str| field(&text, key);
        let found = [read("CapEff"), read("CapPrm"), read("NoNewPrivs"), read("Seccomp")];
        Some((name.trim().to_owned(), found))
    };
    tasks.filter_map(|task| thread(&task.unwrap().path())).collect()
}

/// Our own capabilities: in a container root has not all of them.
fn ours() -> u64 {
    status("/proc/self/status", "CapEff")
}

fn start(words: &[&str], until: &str) -> Child {
    let mut child = command(words).spawn().unwrap();
    wait_for_line(&lines(child.stderr.take().unwrap()), &mut Vec::new(), until);
    child
}

fn stop(mut child: Child) -> Option<i32> {
    signal(&child, Signal::INT);
    ended(&mut child).code()
}

#[test]
fn each_mode_keeps_what_it_needs_and_nothing_else() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (whole, rotated) = (path("whole.jsonl.zst"), path("rotated.jsonl.zst"));
    let addr = space.v4.to_string();
    let stream = BPF | SYS_ADMIN | SYS_PTRACE;
    let modes: [(&[&str], u64); 9] = [
        (&[], stream),
        (&["lives", "-o", "json"], stream),
        (&["hist", "--by", "state,comm"], stream),
        (&["--raw"], BPF | SYS_ADMIN),
        (&["stuck", "--watch"], stream | DAC_READ_SEARCH),
        (&["--flag-stuck"], stream | DAC_READ_SEARCH),
        (&["--attach", "classic"], stream | DAC_READ_SEARCH),
        (&["record", &whole], stream | DAC_OVERRIDE),
        (&["record", &rotated, "--rotate", "2", "--max-size", "1M"], stream | DAC_OVERRIDE),
    ];
    for (words, keeps) in modes {
        let child = start(&[words, &["--addr", &addr]].concat(), "tcptrace: tracing ");
        let threads = threads(child.id());
        assert!(threads.iter().any(|(name, _)| name == "writer"), "{threads:?}");
        for (name, [effective, permitted, no_new, seccomp]) in &threads {
            let keeps = if name == "writer" { 0 } else { keeps & ours() };
            assert_eq!((*effective, *permitted), (keeps, keeps), "{words:?}: {name} of {threads:x?}");
            assert_eq!((*no_new, *seccomp), (1, 2), "{words:?}: {name}");
        }
        assert_eq!(stop(child), Some(0), "{words:?}");
    }
}

#[test]
fn a_replay_keeps_no_right_at_all() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rec.jsonl.zst");
    let file = file.to_str().unwrap();
    let child = start(&["record", file, "--addr", &space.v4.to_string()], "tcptrace: tracing ");
    let mut actor = space.actor("slow");
    actor.listen("l", space.at4(0));
    // So long the replay lasts, at its own pace.
    std::thread::sleep(Duration::from_secs(3));
    actor.must("close l");
    assert_eq!(stop(child), Some(0));
    let mut child = command(&["--pace", "--from", file]).spawn().unwrap();
    let path = format!("/proc/{}/status", child.id());
    wait_until("the replay's sandbox", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended first");
        status(&path, "Seccomp") == 2
    });
    for (name, [effective, permitted, no_new, seccomp]) in threads(child.id()) {
        assert_eq!([effective, permitted, no_new, seccomp], [0, 0, 1, 2], "{name}");
    }
    assert!(ended(&mut child).success());
}

#[test]
fn no_sandbox_gives_nothing_up() {
    let Some(space) = Space::new() else { return };
    let child = start(&["--no-sandbox", "--addr", &space.v4.to_string()], "tcptrace: tracing ");
    for (name, [effective, _, no_new, seccomp]) in threads(child.id()) {
        assert_eq!((effective, no_new), (ours(), status("/proc/self/status", "NoNewPrivs")), "{name}");
        assert_eq!(seccomp, status("/proc/self/status", "Seccomp"), "{name}");
    }
    assert_eq!(stop(child), Some(0));
}

/// Makes the folder another user's, closed to all but him.
fn close(folder: &Path) {
    std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_recording_in_somebody_elses_folder_rotates_and_gets_its_name() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    close(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let addr = space.v4.to_string();
    let plain = path("plain.jsonl.zst");
    let child = start(&["record", &plain, "--addr", &addr], "tcptrace: tracing ");
    assert_eq!(stop(child), Some(0));
    assert!(Path::new(&plain).exists());
    let words = ["record", &path("rec.jsonl.zst"), "--rotate", "2", "--max-size", "1M", "--addr", &addr];
    let mut actor = space.actor("busy");
    let to = actor.listen("l", space.at4(0));
    let earlier = actor.connect("earlier", to);
    let child = start(&words, "tcptrace: tracing ");
    let later = actor.connect("later", to);
    actor.all(&["accept l one", "accept l two"]);
    wait_until("the third file", || {
        actor.must("burst l 2000");
        Path::new(&path("rec.3.jsonl.zst.part")).exists()
    });
    // The sockets that were open when it began are in a later file too, with their owners, whatever the first knew them by.
    let lives = || {
        let mut parts = (3..100).map(|part| path(&format!("rec.{part}.jsonl.zst.part")));
        // None while it is renamed.
        let Some(newest) = parts.find(|part| Path::new(part).exists()) else { return Vec::new() };
        let told = command(&["lives", "--from", &newest, "--unfinished", "-o", "json"]).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let of = |lives: &[Value], port: u16| {
        lives.iter().find(|life| life["type"] == "lifecycle" && life["lport"] == port).cloned()
    };
    let mut told = Vec::new();
    wait_until("a dump in it", || {
        told = lives();
        of(&told, earlier).is_some() && of(&told, later).is_some()
    });
    for (port, how) in [(earlier, "fd_table"), (later, "connect")] {
        let life = of(&told, port).unwrap();
        assert_eq!(life["first_seen"], "snapshot", "{life:#}");
        assert_eq!(life["owner"]["pid"], actor.pid(), "{life:#}");
        assert_eq!(life["owner"]["how"], how, "{life:#}");
    }
    assert_eq!(stop(child), Some(0));
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let number = |name: &str| name.strip_prefix("rec.")?.strip_suffix(".jsonl.zst")?.parse::<u32>().ok();
    let numbers: Vec<u32> = left.iter().filter_map(|name| number(name)).collect();
    assert!(left.len() == 3 && numbers.len() == 2 && numbers[0] + 1 == numbers[1], "{left:?}");
}
