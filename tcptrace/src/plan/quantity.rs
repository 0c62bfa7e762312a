//! Durations, counts and sizes.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use crate::engine::MOST_CONNECTIONS;
use crate::failure::Failure;

/// The ring buffer's size unless told otherwise: 80,000 state changes. Measured with 600,000 of them in five seconds into a JSON file
/// on two cores that had four times as much to do as they could: 2 MiB lost some in two of three runs, 8 MiB in one, 16 MiB in none.
pub const RING_BYTES: u32 = 16 << 20;
/// Connections that are remembered unless told otherwise.
pub(super) const CONNECTIONS: usize = 1_000_000;
/// What a file of a recording must be allowed to take.
const SMALLEST_FILE: u64 = 1 << 20;
/// The largest power of two that the kernel takes for `max_entries`.
const LARGEST_RING: u64 = 1 << 31;

/// A duration with units: `30s`, `1h30m`, `250ms`.
pub(super) fn duration(flag: &str, word: &str) -> Result<Duration, Failure> {
    let word = word.trim();
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(Failure::usage(format!(
            "{flag} {word}: of what? Write the unit too, e.g. {word}s or {word}ms"
        )));
    }
    if word.starts_with('-') {
        return Err(Failure::usage(format!("{flag} {word}: a duration cannot be negative")));
    }
    SpanParser::new().parse_unsigned_duration(word).map_err(|_| {
        Failure::usage(format!(
            "{flag} `{word}` is not a duration: write one like 30s, 1h30m or 250ms (units h, m, s, ms, us, ns)"
        ))
    })
}

/// A duration that is not zero.
pub(super) fn run_time(flag: &str, word: &str) -> Result<Duration, Failure> {
    match duration(flag, word)? {
        Duration::ZERO => Err(Failure::usage(format!("{flag} {word}: nothing can be traced in no time"))),
        some => Ok(some),
    }
}

/// A number from 1.
pub(super) fn positive(flag: &str, word: &str) -> Result<u64, Failure> {
    word.trim().parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        Failure::usage(format!("{flag} `{word}` must be a whole number from 1; leave it out for no limit"))
    })
}

/// How many connections to remember.
pub(super) fn connections(word: Option<&str>) -> Result<usize, Failure> {
    let Some(word) = word else { return Ok(CONNECTIONS) };
    word.trim().parse().ok().filter(|number| (1..=MOST_CONNECTIONS).contains(number)).ok_or_else(|| {
        Failure::usage(format!(
            "--max-connections `{word}` must be a whole number from 1 to {MOST_CONNECTIONS}, e.g. {CONNECTIONS}"
        ))
    })
}

/// Bytes of the ring buffer, rounded up to what the kernel takes: a power of two of pages.
pub(super) fn ring(word: Option<&str>, page: u64, notes: &mut Vec<String>) -> Result<u32, Failure> {
    let Some(word) = word.map(str::trim) else { return Ok(RING_BYTES) };
    let Some(asked) = bytes(word).filter(|bytes| *bytes > 0) else {
        return Err(Failure::usage(format!(
            "--ring-size `{word}` is not a size: write one like 256K, 8M or 1G"
        )));
    };
    let Some(taken) = asked.max(page).checked_next_power_of_two().filter(|taken| *taken <= LARGEST_RING)
    else {
        return Err(Failure::usage(format!("--ring-size {word}: the kernel's largest ring buffer is 2G")));
    };
    if taken != asked {
        notes.push(format!(
            "--ring-size {word} is rounded up to {}: the kernel takes a power of two of {page}-byte pages",
            in_units(taken)
        ));
    }
    u32::try_from(taken)
        .map_err(|_| Failure::usage(format!("--ring-size {word}: the kernel's largest ring buffer is 2G")))
}

/// `64K`, `64KiB`, `64kb`: all mean 65536 here, as the kernel counts.
fn bytes(word: &str) -> Option<u64> {
    let digits = word.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The size of a file of a recording: some frames must fit.
pub(super) fn file_size(flag: &str, word: &str) -> Result<u64, Failure> {
    let Some(size) = bytes(word.trim()) else {
        return Err(Failure::usage(format!("{flag} `{word}` is not a size: write one like 100M or 2G")));
    };
    if size < SMALLEST_FILE {
        return Err(Failure::usage(format!("{flag} {word} is too small for a recording: the least is 1M")));
    }
    Ok(size)
}

/// How many files to keep.
pub(super) fn files(flag: &str, word: &str) -> Result<u32, Failure> {
    word.trim().parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        Failure::usage(format!("{flag} `{word}` must be a whole number from 1: so many files are kept"))
    })
}

fn in_units(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 30) => format!("{}G", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        _ => format!("{}K", bytes >> 10),
    }
}
