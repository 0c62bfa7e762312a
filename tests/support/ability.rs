//! What the running kernel can tell, as `tcptrace preflight` says it: a test asserts what it has, and that nothing else is claimed.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Whether a record names this socket: by its cookie, or not at all where the kernel lets nobody ask for it.
pub(crate) fn names(record: &Value, cookie: &str) -> bool {
    record["cookie"] == cookie || record["cookie"].is_null() && !has("socket_cookies")
}

/// Whether this kernel has it: the name of one of preflight's checks.
pub(crate) fn has(name: &str) -> bool {
    check(name)["severity"] == "ok"
}

/// Whether this kernel's structs have this member, which the program reads.
pub(crate) fn has_member(name: &str) -> bool {
    let absent = check("struct_members")["observed"]["absent"].as_array();
    !absent.is_some_and(|absent| absent.iter().any(|absent| absent == name))
}

fn check(name: &str) -> &'static Value {
    static CHECKS: OnceLock<Vec<Value>> = OnceLock::new();
    let checks = CHECKS.get_or_init(|| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tcptrace")).args(["preflight", "-o", "json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    });
    let check = checks.iter().find(|check| check["check"] == name);
    check.unwrap_or_else(|| panic!("preflight says nothing of {name}: {checks:#?}"))
}
