//! Numbers in sentences.

/// `1 socket`, `2 sockets`.
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `35 s`, `41 min`, `5 h 20 min`, `3 days`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Parts of a hundred, cut; of nothing, 0.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or_default()
}

/// Events a second over `ms`, one decimal.
pub(super) fn rate(events: u64, ms: u64) -> f64 {
    tenth(events.saturating_mul(10_000).checked_div(ms).unwrap_or_default())
}

fn tenth(tenths: u64) -> f64 {
    u32::try_from(tenths).map_or(f64::INFINITY, f64::from) / 10.0
}

/// Growth a minute over `ms`.
pub(super) fn per_minute(before: u64, now: u64, ms: u64) -> i64 {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    (signed(now) - signed(before)).saturating_mul(60_000) / signed(ms).max(1)
}

/// Seconds until `free` is used up when `grown` of it went in `ms`; `None` while it does not go.
pub(super) fn seconds_until(free: u64, grown: u64, ms: u64) -> Option<u64> {
    Some(free.saturating_mul(ms).checked_div(grown)? / 1_000)
}

/// A list for a sentence, cut after `most`.
pub(super) fn list(items: &[String], most: usize) -> String {
    let shown = items.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_what_is_free_over_the_pace() {
        assert_eq!(seconds_until(600, 40, 2_000), Some(30));
        assert_eq!(seconds_until(600, 0, 2_000), None);
    }

    #[test]
    fn figures_are_said_in_units_that_fit() {
        assert_eq!(
            (span(59), span(2_460), span(19_200)),
            ("59 s".into(), "41 min".into(), "5 h 20 min".into())
        );
        assert_eq!((percent(9, 10), percent(1, 0), rate(25, 10_000)), (90, 0, 2.5));
        assert_eq!(per_minute(10, 4, 1_000), -360);
        assert_eq!(list(&["a".into(), "b".into(), "c".into()], 2), "a, b and 1 more");
    }
}
