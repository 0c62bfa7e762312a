//! A sysctl.conf that somebody is about to apply.

use tcptrace::engine::doctor::folklore::Scene;
use tcptrace::engine::doctor::sysctl_file::{audit, parse};

/// Reads and judges it: each line has one answer, and none of them can harm a terminal.
pub fn target(bytes: &[u8]) {
    let lines = parse(bytes);
    let found = audit("file", &lines, &Scene::default(), &|name| name.len() % 2 == 0);
    assert_eq!(found.len(), lines.len());
    for finding in found {
        for text in [Some(&finding.subject), Some(&finding.explanation), finding.advice.as_ref()]
            .into_iter()
            .flatten()
        {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
