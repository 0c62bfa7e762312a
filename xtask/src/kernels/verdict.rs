//! What a guest's log says. Silence is failure: a test that is not said to have passed has not.

use crate::tally::Tally;

/// Begins the line that a guest prints after each binary: `… NAME STATUS`.
pub(crate) const END: &str = "=== ended:";
/// The guest's last line.
pub(crate) const DONE: &str = "=== all done";
/// What a test prints that finds a kernel without what it is about.
const SKIPPED: &str = "skipped: ";

/// What became of one binary on one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) tally: Tally,
    /// Names of tests, or what else went wrong.
    pub(crate) failures: Vec<String>,
}

/// Judges what one binary printed, of which `expected` tests were to run; `status` is its exit code as the guest says it.
pub(crate) fn judge(printed: &[&str], expected: &[String], status: Option<&str>) -> Verdict {
    let mut verdict = Verdict::default();
    let said = |test: &str, what: &str| {
        let line = format!("test {test} ... {what}");
        printed.iter().any(|printed| printed.starts_with(&line))
    };
    let skipped = printed.iter().filter(|line| line.starts_with(SKIPPED)).count() as u64;
    for test in expected {
        if said(test, "ok") {
            verdict.tally.passed += 1;
        } else {
            verdict.tally.failed += 1;
            let how = if said(test, "FAILED") { "" } else { " (never ended)" };
            verdict.failures.push(format!("{test}{how}"));
        }
    }
    verdict.tally.passed = verdict.tally.passed.saturating_sub(skipped);
    verdict.tally.skipped = skipped;
    if verdict.failures.is_empty() && status != Some("0") {
        verdict.tally.failed += 1;
        verdict.failures.push(match status {
            Some(status) => format!("every test passed, and yet it ended with {status}"),
            None => "the guest never said that it ended".to_owned(),
        });
    }
    verdict
}

/// The part of a guest's log that is about one binary, and its exit code.
pub(crate) fn part_of<'a>(log: &'a str, name: &str) -> (Vec<&'a str>, Option<&'a str>) {
    let mut part = Vec::new();
    for line in log.lines().map(|line| line.trim_end_matches('\r')) {
        let Some(end) = line.strip_prefix(END) else {
            part.push(line);
            continue;
        };
        match end.trim().split_once(' ') {
            Some((ended, status)) if ended == name => return (part, Some(status)),
            _ => part.clear(),
        }
    }
    (part, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_not_said_to_have_passed_has_failed() {
        let printed = ["test a::b ... ok", "test a::c ... FAILED", "test a::d ..."];
        let verdict = judge(&printed, &names(&["a::b", "a::c", "a::d", "a::e"]), Some("101"));
        assert_eq!(verdict.tally, Tally { passed: 1, failed: 3, skipped: 0 });
        assert_eq!(verdict.failures, ["a::c", "a::d (never ended)", "a::e (never ended)"]);
    }

    #[test]
    fn a_binary_must_end_well_though_its_tests_did() {
        let printed = ["test a ... ok"];
        assert_eq!(judge(&printed, &names(&["a"]), Some("0")).tally.failed, 0);
        assert_eq!(judge(&printed, &names(&["a"]), Some("134")).tally.failed, 1);
        assert_eq!(judge(&printed, &names(&["a"]), None).tally.failed, 1);
    }

    #[test]
    fn a_skipped_test_is_none_that_passed() {
        let printed = ["test a ... ok", "test b ... ok", "---- b stdout ----", "skipped: no cookies"];
        let verdict = judge(&printed, &names(&["a", "b"]), Some("0"));
        assert_eq!(verdict.tally, Tally { passed: 1, failed: 0, skipped: 1 });
    }

    #[test]
    fn a_log_is_cut_at_the_ends_of_its_binaries() {
        let log = "6.1\r\ntest a ... ok\r\n=== ended: one 0\r\ntest b ... ok\r\n=== ended: two 101\r\ntest c ... ok";
        assert_eq!(part_of(log, "one"), (vec!["6.1", "test a ... ok"], Some("0")));
        assert_eq!(part_of(log, "two"), (vec!["test b ... ok"], Some("101")));
        assert_eq!(part_of(log, "three"), (vec!["test c ... ok"], None));
    }
}
