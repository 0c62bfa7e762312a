//! The command line, without root: help, version, schema, and every input that is refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const TCPTRACE: &str = env!("CARGO_BIN_EXE_tcptrace");

fn tcptrace(words: &[&str]) -> Output {
    Command::new(TCPTRACE).args(words).stdin(Stdio::null()).env("RUST_BACKTRACE", "1").output().unwrap()
}

/// Nothing on stdout, one line on stderr, no panic; that line.
#[track_caller]
fn sentence(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("tcptrace: ") && said.ends_with('\n'), "{said}");
    for word in ["panicked", "backtrace", "Error {", "Os {"] {
        assert!(!said.contains(word), "{said}");
    }
    said
}

fn printed(words: &[&str]) -> String {
    let output = tcptrace(words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_command_has_a_help_that_fits_a_terminal() {
    for words in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["lives", "--help"],
        &["schema", "--help"],
        &["preflight", "--help"],
        &["help", "lives"],
    ] {
        let help = printed(words);
        assert!(help.contains("Usage: tcptrace"), "{words:?}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{words:?}: {line}");
        }
    }
    let help = printed(&["--help"]);
    for flag in
        ["--pid", "--lport", "--state", "--netns", "--ring-size", "--strict", "--follow-forks", "Exit codes"]
    {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn the_version_is_one_line_and_with_verbose_says_what_it_is_made_of() {
    assert_eq!(printed(&["--version"]), format!("tcptrace {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(printed(&["-V"]), printed(&["--version"]));
    let verbose = printed(&["--version", "--verbose"]);
    assert!(verbose.starts_with(&printed(&["-V"])) && verbose.lines().count() > 3, "{verbose}");
}

#[test]
fn the_schema_is_a_json_schema_of_2020_12() {
    let schema: Value = serde_json::from_str(&printed(&["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(!validator.is_valid(&serde_json::json!({"type": "transition"})));
    assert!(!validator.is_valid(&serde_json::json!({"type": "rumour"})));
}

/// Words, and what the complaint must name.
const REFUSED: &[(&str, &[&str])] = &[
    ("--pid 4194305", &["4194305", "no such process"]),
    ("--pid x", &["`x`", "--comm"]),
    ("--pid 0", &["`0`"]),
    ("--pid", &["--pid"]),
    ("--port 65536", &["65536", "1 to 65535"]),
    ("--lport 0", &["--lport", "1 to 65535"]),
    ("--rport 90-80", &["80-90"]),
    ("--port http", &["http"]),
    ("-d 5parsecs", &["5parsecs", "30s"]),
    ("-d 0s", &["0s"]),
    ("-d=-1s", &["--duration"]),
    ("-n 0", &["--count", "0"]),
    ("-n many", &["--count", "many"]),
    ("--addr 10.0.0.0/33", &["10.0.0.0/33", "32"]),
    ("--laddr 2001:db8::/129", &["--laddr", "128"]),
    ("--raddr example", &["--raddr", "10.0.0.0/8"]),
    ("--netns no-such-name", &["no-such-name", "ip netns"]),
    ("--netns /no/such/path", &["/no/such/path"]),
    ("--netns /etc/passwd", &["/etc/passwd"]),
    ("--cgroup /no-such-group", &["/no-such-group"]),
    ("--uid no-such-user", &["no-such-user"]),
    ("--comm a-very-very-long-name*x", &["15 bytes"]),
    ("--state wat", &["wat", "CLOSE_WAIT"]),
    ("--columns time,foo", &["foo", "cookie"]),
    ("--columns pid,pid", &["pid", "twice"]),
    ("--output /no/such/folder/file", &["/no/such/folder", "does not exist"]),
    ("--output /", &["folder"]),
    ("--output /etc/passwd/file", &["/etc/passwd"]),
    ("--ring-size x", &["--ring-size", "8M"]),
    ("--ring-size 3G", &["2G"]),
    ("--max-connections 0", &["--max-connections"]),
    ("--max-connections 16777216", &["--max-connections", "16777215"]),
    ("--attach magic", &["magic", "auto, btf, classic"]),
    ("-o xml", &["xml", "json"]),
    ("--nonsense", &["--nonsense", "--help"]),
    ("livse", &["livse", "lives"]),
    ("-4 -6", &["-4", "-6"]),
    ("-o json -s", &["-o json", "-s"]),
    ("-t -T", &["-t", "-T"]),
    ("--json --columns pid", &["--columns", "JSON"]),
    ("--follow-forks", &["--follow-forks", "--pid"]),
    ("--raw --exact", &["--raw", "--exact"]),
    ("--raw lives", &["--raw", "lives"]),
    ("--raw --state time-wait", &["--raw", "TIME_WAIT"]),
    ("--attach classic --uid 0", &["--uid", "classic"]),
    ("--attach classic --netns self", &["--netns", "classic"]),
    ("lives --end tired", &["tired", "rst_sent"]),
    ("schema --port 80", &["schema", "filters"]),
    ("schema -o csv", &["schema"]),
    ("preflight -d 1s", &["preflight"]),
];

#[test]
fn what_cannot_be_is_refused_in_one_sentence_that_names_it() {
    for (line, needles) in REFUSED {
        let said = sentence(&tcptrace(&line.split(' ').collect::<Vec<_>>()), 2);
        for needle in *needles {
            assert!(said.contains(needle), "`{line}` must be told of `{needle}`: {said}");
        }
    }
}

#[test]
fn a_word_that_is_not_utf_8_is_refused_and_no_panic() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    for flag in ["--comm", "--state", "--netns", "--port", "-d"] {
        let output = Command::new(TCPTRACE).arg(flag).arg(OsStr::from_bytes(b"\xff\xfe")).output().unwrap();
        sentence(&output, 2);
    }
}

#[test]
fn nothing_is_written_where_the_command_line_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept");
    fs::write(&file, "old").unwrap();
    sentence(&tcptrace(&["--output", file.to_str().unwrap(), "-4", "-6"]), 2);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

/// The program as nobody runs it: where this is root, a copy that nobody may execute.
fn as_nobody(words: &[&str]) -> Output {
    if !rustix::process::geteuid().is_root() {
        return tcptrace(words);
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("tcptrace");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    // Not by this process: a test beside this one that forks meanwhile would hold the copy open for writing (ETXTBSY).
    assert!(Command::new("cp").arg(TCPTRACE).arg(&copy).status().unwrap().success());
    let nobody =
        ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
    Command::new("setpriv").args(nobody).arg(copy).args(words).env("RUST_BACKTRACE", "1").output().unwrap()
}

#[test]
fn without_permission_it_says_so_and_ends_with_77() {
    for words in
        [&[][..], &["--attach", "btf"], &["--attach", "classic"], &["lives"], &["-o", "json", "--raw"]]
    {
        let said = sentence(&as_nobody(words), 77);
        assert!(said.contains("root"), "{words:?}: {said}");
    }
}

#[test]
fn a_file_is_not_emptied_by_a_run_that_is_not_permitted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    sentence(&as_nobody(&["--output", file.to_str().unwrap()]), 77);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

#[test]
fn a_reader_that_left_is_success() {
    for words in [&["schema"][..], &["--help"], &["--version", "--verbose"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(TCPTRACE).args(words).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_full_disk_is_one_sentence_and_1() {
    for words in [&["schema"][..], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(TCPTRACE).args(words).stdout(full).output().unwrap();
        let said = sentence(&output, 1);
        assert!(said.contains("No space left") || said.contains("no space left"), "{words:?}: {said}");
    }
}

#[test]
fn closed_streams_are_no_panic() {
    for closed in [">&-", "2>&-", "<&-", ">&- 2>&- <&-"] {
        let script = format!("exec \"$0\" \"$@\" {closed}");
        for words in [&["schema"][..], &["--port", "65536"]] {
            let output = Command::new("sh").args(["-c", &script, TCPTRACE]).args(words).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0..=2)), "{words:?} {closed}: {said}");
            assert!(!said.contains("panicked"), "{words:?} {closed}: {said}");
        }
    }
}
