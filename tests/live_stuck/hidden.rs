//! Looks that may not see everything: another user's, with hidepid, from another pid namespace. They say so, and guess nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::space::Space;

/// Runs `tcptrace stuck` through `sh`, behind `prefix`, in a namespace with a leak; the record of the leak and what stderr said.
fn seen_by(name: &str, prefix: &str) -> Option<(Value, String)> {
    let space = Space::new(name)?;
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let (client, server) = space.pair(&listener);
    let port = client.local_addr().unwrap().port();
    drop(client);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    // Wherever the tests are built, everybody may run this copy.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path().join("tcptrace");
    fs::copy(env!("CARGO_BIN_EXE_tcptrace"), &binary).unwrap();
    let line = format!("{prefix} {} stuck -o json --rule 'CLOSE_WAIT>1s'", binary.display());
    let output = space.inside(|| Command::new("sh").args(["-c", &line]).output().unwrap());
    let errors = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    let mut records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let one = records.find(|record| record["rport"] == port && record["type"] == "stuck");
    drop(server);
    Some((one.unwrap_or_else(|| panic!("{text}{errors}")), errors))
}

fn nothing_is_guessed(one: &Value, errors: &str) {
    assert_eq!(
        (&one["verdict"], &one["owner"], &one["holders"]),
        (&Value::Null, &Value::Null, &Value::Array(Vec::new())),
        "{one}"
    );
    assert!(one["explanation"].as_str().unwrap().contains("not every one could be read"), "{one} {errors}");
    assert!(one["advice"].as_str().unwrap().contains("run as root"), "{one}");
    assert!(one["age_ns"].as_u64().is_some(), "{one}");
}

const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

#[test]
fn an_ordinary_user_learns_what_he_cannot_see() {
    let Some((one, errors)) = seen_by("user", NOBODY) else { return };
    nothing_is_guessed(&one, &errors);
    assert!(errors.contains("cannot be read") && errors.contains("run as root"), "{errors}");
}

#[test]
fn with_hidepid_a_missing_holder_is_no_verdict() {
    let prefix =
        format!("unshare --mount sh -c 'mount -t proc -o hidepid=2 proc /proc && exec \"$@\"' - {NOBODY}");
    let Some((one, errors)) = seen_by("hidepid", &prefix) else { return };
    nothing_is_guessed(&one, &errors);
}

#[test]
fn from_another_pid_namespace_a_missing_holder_is_no_verdict() {
    let Some((one, errors)) = seen_by("pidns", "unshare --pid --fork --mount-proc") else { return };
    nothing_is_guessed(&one, &errors);
}
