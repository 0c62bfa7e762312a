//! Hosts that lack something: the tracer works, or says in one sentence what it lacks.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::actor::Actor;
use crate::support::space::Space;
use crate::support::tracer::{TCPTRACE, Tracer, command};

/// Runs a script in the shell, in which `$T` is tcptrace.
fn shell(script: &str) -> Output {
    let mut piped = command(&[]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).env("T", TCPTRACE).stdin(Stdio::null());
    command
        .envs(piped.env("RUST_BACKTRACE", "0").get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The script's tracer ends with `code` and one sentence, which contains `words`.
#[track_caller]
fn refuses(script: &str, code: i32, words: &[&str]) {
    let output = shell(script);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{script}: {said}");
    assert_eq!(said.lines().filter(|line| !line.contains("note: ")).count(), 1, "{script}: {said}");
    for word in words {
        assert!(said.contains(word), "{script}: {said}");
    }
}

/// The script's tracer sees what happens while it runs.
#[track_caller]
fn traces(space: &Space, actor: &mut Actor, script: &str) -> Vec<Value> {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).env("T", format!("{TCPTRACE} -o json --addr {}", space.v4));
    let mut piped = command(&[]);
    shell.envs(piped.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tracer = Tracer::of(shell);
    let port = actor.listen("l", space.at4(0)).port();
    let client = actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close s", "close c", "close l"]);
    tracer.wait_move(client, port, "LAST_ACK>CLOSED");
    // The shell has become the tracer.
    let run = tracer.stop();
    assert_eq!((run.code, run.summary()["lost"].as_u64()), (Some(0), Some(0)), "{script}: {:#?}", run.said);
    run.life(client, Some(port));
    run.records
}

#[test]
fn little_memory_to_lock_no_tmp_a_read_only_root_and_bare_environments_do_not_matter() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("hard");
    for script in [
        "ulimit -l 0; exec $T",
        "ulimit -n 128; exec $T",
        "exec env -i $T",
        "unset HOME; LC_ALL=C TERM=dumb exec $T",
        "TZ=Nowhere/Land LC_ALL=xx_YY.none exec $T",
        "exec $T <&-",
        // Remounted, so that what is open for writing elsewhere stays so.
        "exec unshare -m sh -c 'mount -o remount,ro,bind / && ! touch /tcptrace-test 2>/dev/null && exec '\"$T\"",
        "exec unshare -m sh -c 'mount -t tmpfs -o mode=0,nr_inodes=1 none /var/tmp && TMPDIR=/nowhere exec '\"$T\"",
    ] {
        traces(&space, &mut actor, script);
    }
}

#[test]
fn a_container_with_its_own_proc_and_no_tracefs_traces_and_knows_no_pid_outside() {
    let Some(space) = Space::new() else { return };
    let mut actor = space.actor("outside");
    let bare = "umount -R /sys/kernel/tracing 2>/dev/null; umount -R /sys/kernel/debug 2>/dev/null";
    for attach in ["btf", "classic"] {
        // It mounts tracefs itself. The shell is the namespace's init, and hands its signals on.
        let script =
            format!("exec unshare -m --propagation private sh -c '{bare}; exec '\"$T --attach {attach}\"");
        traces(&space, &mut actor, &script);
    }
    let script = format!(
        "unshare -pfm --mount-proc --propagation private sh -c '{bare}; exec '\"$T -d 3s -o json --addr {}\"",
        space.v4
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).env("T", TCPTRACE).env("TCPTRACE_TEST_SANDBOX", "kill");
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tracer = Tracer::of(shell);
    let port = actor.listen("l", space.at4(0)).port();
    let client = actor.connect("c", space.at4(port));
    actor.all(&["accept l s", "close s", "close c", "close l"]);
    tracer.wait_move(client, port, "LAST_ACK>CLOSED");
    let run = tracer.end();
    assert_eq!(run.code, Some(0), "{:#?}", run.said);
    assert!(run.said.iter().any(|line| line.contains("pid namespace of its own")), "{:#?}", run.said);
    for moved in run.life(client, Some(port)) {
        assert!(moved["owner"].is_null() || moved["owner"]["pid"].is_null(), "{moved}");
    }
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let Some(_space) = Space::new() else { return };
    refuses("ulimit -n 24; exec $T -d 1s", 1, &["too many open files", "ulimit -n"]);
    refuses(
        "exec unshare -m sh -c 'umount -l /sys && exec '\"$T -d 1s\"",
        78,
        &["/sys is not mounted", "mount -t sysfs"],
    );
    let no_proc = "exec unshare -m sh -c 'mount -t tmpfs none /proc && exec '\"$T\"";
    refuses(&format!("{no_proc}' stuck'"), 1, &["/proc", "mounted?"]);
    let read_only = "exec unshare -m sh -c 'mount -o remount,ro,bind / && exec '\"$T\"";
    refuses(
        &format!("{read_only}' record /tcptrace-test.jsonl.zst'"),
        2,
        &["/tcptrace-test.jsonl.zst", "read-only file system"],
    );
}

#[test]
fn a_file_beyond_its_limit_is_an_error_and_not_the_end() {
    let Some(_space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rec.jsonl.zst");
    let script = format!("ulimit -f 0; exec $T record {} -d 10s", file.display());
    let output = shell(&script);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains("file too large"), "{said}");
}

#[test]
fn all_streams_closed_a_recording_is_whole() {
    let Some(space) = Space::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rec.jsonl.zst");
    let file = file.display();
    let script =
        format!("$T record {file} -d 500ms --addr {} <&- >&- 2>&- && exec $T repair {file}", space.v4);
    let output = shell(&script);
    assert!(output.status.success() && text(&output.stdout).contains("is whole"), "{output:?}");
}

#[test]
fn a_dumb_terminal_or_a_pipe_gets_no_escape_sequences() {
    let Some(_space) = Space::new() else { return };
    for script in ["TERM=dumb exec $T -d 200ms", "env -i \"$T\" --color auto -d 200ms", "exec $T --help"] {
        let output = shell(script);
        assert!(output.status.success(), "{output:?}");
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{script}: {output:?}");
    }
}

#[test]
fn nobody_who_reads_what_is_said_is_no_failure() {
    let Some(_space) = Space::new() else { return };
    for mode in ["", "lives", "hist", "stuck --watch", "-o csv"] {
        let output = shell(&format!("$T {mode} -d 200ms 2>/dev/full"));
        assert_eq!(output.status.code(), Some(0), "{mode}: {output:?}");
    }
}
