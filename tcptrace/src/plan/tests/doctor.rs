//! The doctor.

use super::*;

#[test]
fn the_doctor_watches_ten_seconds_unless_told_otherwise() {
    let doctor = |line: &str| match plan(line) {
        Ok(Plan::Doctor(doctor)) => *doctor,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(doctor("doctor").watch, Some(Duration::from_secs(10)));
    assert_eq!(doctor("doctor -d 3s").watch, Some(Duration::from_secs(3)));
    let instant = doctor("doctor --instant --pid 1001 --netns blue -o json");
    assert_eq!((instant.watch, instant.json), (None, true));
    assert!(instant.pids.contains(&1001) && instant.netns.contains(&2));
    assert_eq!(doctor("doctor --sysctl a.conf").watch, None);
}

#[test]
fn the_doctor_refuses_what_it_would_ignore() {
    for (line, needle) in [
        ("doctor --instant -d 3s", "--instant"),
        ("doctor --sysctl a.conf --pid 1001", "--sysctl a.conf"),
        ("doctor --lport 80", "no other filters"),
        ("doctor -o csv", "json or text"),
        ("doctor --raw", "leave them out"),
        ("doctor -d 0s", "no time"),
        ("doctor --instant --from rec.zst", "--from goes with neither"),
        ("doctor --from rec.zst --sysctl a.conf", "--from goes with neither"),
        ("doctor --from rec.zst --netns blue", "inode number"),
    ] {
        let failure = plan(line).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage, "{failure}");
        let said = failure.message;
        assert!(said.contains(needle), "{line}: {said}");
    }
}
