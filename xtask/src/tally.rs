//! How many tests passed, failed and were skipped, read from what the test runners print.

use std::fmt;
use std::ops::AddAssign;

/// The sum over test runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and failed, by timeout too.
    pub(crate) failed: u64,
    /// Tests that did not run.
    pub(crate) skipped: u64,
}

impl Tally {
    /// Reads one line of libtest's or cargo-nextest's output, if it is the closing one of a run.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let line = line.trim();
        let counts = if let Some(rest) = line.strip_prefix("test result: ") {
            rest.split_once(". ")?.1
        } else if let Some(rest) = line.strip_prefix("Summary [") {
            rest.split_once("run: ")?.1
        } else {
            return None;
        };
        let mut tally = Self::default();
        for count in counts.split([',', ';']) {
            // nextest puts remarks in brackets: `9 passed (1 slow)`.
            let mut words = count.split('(').next().unwrap_or_default().split_whitespace();
            let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else { continue };
            match words.next() {
                Some("passed") => tally.passed += number,
                // nextest: `1 timed out`, `1 exec failed`.
                Some("failed" | "timed" | "exec") => tally.failed += number,
                Some("ignored" | "skipped") => tally.skipped += number,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, Self { passed, failed, skipped }: Self) {
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtests_closing_line_is_read_and_filtered_tests_do_not_count() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 3, failed: 2, skipped: 1 }));
    }

    #[test]
    fn nextests_closing_line_is_read_with_its_remarks() {
        let line = "     Summary [   0.005s] 12 tests run: 9 passed (1 slow, 1 flaky), 1 failed, 2 timed out, 4 skipped";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 9, failed: 3, skipped: 4 }));
        let line = "     Summary [   0.005s] 1/3 tests run: 0 passed, 1 failed, 0 skipped";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 0, failed: 1, skipped: 0 }));
    }

    #[test]
    fn other_lines_say_nothing() {
        for line in ["running 3 tests", "test passes ... ok", "Summary: 3 passed", ""] {
            assert_eq!(Tally::of_line(line), None, "{line}");
        }
    }
}
