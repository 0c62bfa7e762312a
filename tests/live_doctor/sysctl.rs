//! `--sysctl FILE`: no line is applied, each is judged.

use std::io::Write as _;
use std::process::Command;

use crate::DOCTOR;

#[test]
fn a_sysctl_file_is_judged_line_by_line_and_nothing_is_applied() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(
        b"# from the web\nnet.ipv4.tcp_tw_recycle = 1\nnet.ipv4.tcp_fin_timeout = 30\ngarbage\n\xff\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let output = Command::new(DOCTOR).args(["doctor", "--sysctl", path]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for needle in [
        ":2 net.ipv4.tcp_tw_recycle",
        "4.12",
        ":3 ",
        "TIME_WAITs are affected",
        ":4",
        "`garbage`",
        ":5",
        "3 of 4 lines",
    ] {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(needle), "{needle}: {text}");
    }
    for missing in ["/nowhere/sysctl.conf", "/"] {
        let output = Command::new(DOCTOR).args(["doctor", "--sysctl", missing]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{missing}");
    }
}
