//! SIGKILL at any time: nothing of ours stays in the kernel, and the recording can be read.

use std::collections::BTreeSet;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::space::Space;
use crate::support::tracer::{command, lines, signal, wait_for_line};
use crate::support::wait_until;

/// Programs, maps and links that a process holds, by `/proc/PID/fdinfo` (Linux `kernel/bpf/syscall.c`: `prog_id`, `map_id`, `link_id`).
fn held(pid: u32) -> BTreeSet<(String, u32)> {
    let mut held = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten() {
        // Closed meanwhile.
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        for line in text.lines() {
            if let Some((key, id)) = line.split_once(':')
                && ["prog_id", "map_id", "link_id"].contains(&key)
            {
                held.insert((key.to_owned(), id.trim().parse().unwrap()));
            }
        }
    }
    held
}

/// All that the kernel has of them.
fn everything() -> BTreeSet<(String, u32)> {
    let programs = aya::programs::loaded_programs().flatten().map(|program| ("prog_id", program.id()));
    let maps = aya::maps::loaded_maps().flatten().map(|map| ("map_id", map.id()));
    let links = aya::programs::loaded_links().flatten().map(|link| ("link_id", link.id()));
    programs.chain(maps).chain(links).map(|(key, id)| (key.to_owned(), id)).collect()
}

/// Kills it and waits until the kernel has freed all that it held.
fn kill(mut child: Child) -> BTreeSet<(String, u32)> {
    signal(&child, Signal::STOP);
    let held = held(child.id());
    assert!(held.is_subset(&everything()), "{held:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    // The last fd is gone; the kernel frees behind a grace period of RCU.
    wait_until("the kernel frees what was ours", || everything().is_disjoint(&held));
    held
}

#[test]
fn a_killed_tracer_leaves_nothing_in_the_kernel() {
    let Some(space) = Space::new() else { return };
    let addr = space.v4.to_string();
    let modes = [&[][..], &["--exact"], &["--attach", "classic"], &["hist"], &["stuck", "--watch"]];
    for words in modes {
        let mut child = command(&[words, &["--addr", &addr]].concat()).spawn().unwrap();
        wait_for_line(&lines(child.stderr.take().unwrap()), &mut Vec::new(), "tcptrace: tracing ");
        let held = kill(child);
        for kind in ["prog_id", "map_id"] {
            assert!(held.iter().filter(|(key, _)| key == kind).count() > 1, "{words:?}: {held:?}");
        }
    }
}

#[test]
fn a_tracer_killed_while_it_starts_leaves_nothing_in_the_kernel() {
    let Some(space) = Space::new() else { return };
    // Later and later, until it has been killed while it held something, and some times more: a loaded machine starts slowly.
    let (mut delay, mut caught) = (0, 0);
    while caught < 5 {
        assert!(delay < 10_000, "it was never killed in time");
        let child = command(&["--addr", &space.v4.to_string()]).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        caught += u32::from(!kill(child).is_empty());
        delay += 40;
    }
}

#[test]
fn the_recording_of_a_killed_tracer_is_repaired_and_whole() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("recorded");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rec.jsonl.zst");
    let file = file.to_str().unwrap();
    let mut child = command(&["record", file, "--addr", &space.v4.to_string()]).spawn().unwrap();
    wait_for_line(&lines(child.stderr.take().unwrap()), &mut Vec::new(), "tcptrace: tracing ");
    let port = actor.listen("l", space.at4(0)).port();
    let client = actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close c", "close s", "close l"]);
    let part = format!("{file}.part");
    let before = fs::metadata(&part).unwrap().len();
    wait_until("the second is over and on disk", || fs::metadata(&part).unwrap().len() > before);
    kill(child);
    let run = |words: &[&str]| {
        let output = command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let told = |(code, printed, said): (Option<i32>, String, String)| {
        assert_eq!(code, Some(0), "{said}");
        let fits =
            |line: &&str| line.contains(&format!("\"lport\":{client},")) && line.contains("\"time_wait\"");
        assert_eq!(printed.lines().filter(fits).count(), 1, "{printed}");
        said
    };
    let said = told(run(&["lives", "-o", "json", "--from", &part]));
    assert!(said.contains("was not closed"), "{said}");
    let (code, printed, said) = run(&["repair", &part]);
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("events kept") || printed.contains("is whole"), "{printed}");
    told(run(&["lives", "-o", "json", "--from", file]));
}
