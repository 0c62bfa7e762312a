//! Looks, watches and kills.

use super::*;

#[test]
fn what_stuck_and_kill_cannot_do_is_said_in_one_sentence() {
    for (line, needle) in [
        ("stuck --rule CLOSE_WAIT", "the time is missing"),
        ("stuck --warning 5", "add it"),
        ("stuck --watch --check", "contradict"),
        ("stuck -d 5s", "add --watch"),
        ("stuck --stacks --check", "--stacks and --check contradict"),
        ("stuck --stacks --attach classic", "--stacks does not work with --attach classic"),
        ("stuck --stacks --from x.jsonl.zst", "look at the living host"),
        ("stuck --check --from rec.zst", "living host"),
        ("stuck --from rec.zst --pace", "add --watch"),
        ("stuck --from rec.zst --netns blue", "inode number"),
        ("kill --verdict leaked_fd --pid 1234 --from rec.zst", "takes no tracing flags"),
        ("stuck --flag-stuck", "use --watch"),
        ("--raw --flag-stuck", "contradict"),
        ("--flag-stuck=CLOSE_WAIT", "the time is missing"),
        ("kill --pid 1234", "needs --verdict"),
        ("kill --verdict leaked_fd", "needs a filter"),
        ("kill --verdict leaky --pid 1234", "leaked_fd unread_data"),
        ("kill --verdict leaked_fd --pid 1234 -n 3", "takes no tracing flags"),
    ] {
        let failure = plan(line).unwrap_err();
        assert!(failure.message.contains(needle), "{line}: {}", failure.message);
        assert_eq!(failure.code, ExitCode::Usage);
    }
}

#[test]
fn a_look_a_watch_and_a_kill_are_different_plans() {
    assert!(matches!(plan("stuck --pid 1234"), Ok(Plan::Stuck(stuck)) if stuck.rules.len() == 9));
    assert!(matches!(trace("stuck --watch").kind, Kind::Stuck(watch) if !watch.each));
    assert!(!trace("stuck --watch").takes_stacks());
    assert!(trace("stuck --stacks").takes_stacks());
    assert!(matches!(plan("stuck --from rec.zst --pid 7"), Ok(Plan::Stuck(stuck)) if stuck.from.is_some()));
    assert!(trace("stuck --watch --each --from rec.zst").from.is_some());
    assert_eq!(trace("--flag-stuck=CLOSE_WAIT>5s;LAST_ACK>1m").flag_stuck.unwrap().rules.len(), 2);
    assert!(
        matches!(plan("kill --state time-wait --lport 80"), Ok(Plan::Kill(kill)) if kill.rules.len() == 10)
    );
    let check = match plan("stuck --check --critical age>1h,growth>5") {
        Ok(Plan::Stuck(stuck)) => stuck.check.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((check.warning.len(), check.critical.len()), (0, 2));
    assert!(check.interval.is_some());
}
