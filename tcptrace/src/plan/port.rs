//! Ports and ranges of ports.

use std::ops::RangeInclusive;

use crate::failure::Failure;

/// Every word a port (`443`) or a range (`8000-8010`).
pub(super) fn ranges(flag: &str, words: &[String]) -> Result<Vec<RangeInclusive<u16>>, Failure> {
    words.iter().map(|word| range(flag, word.trim())).collect()
}

fn range(flag: &str, word: &str) -> Result<RangeInclusive<u16>, Failure> {
    let Some((first, last)) = word.split_once('-').filter(|(first, _)| !first.is_empty()) else {
        return port(flag, word).map(|port| port..=port);
    };
    let (first, last) = (port(flag, first)?, port(flag, last)?);
    if first > last {
        return Err(Failure::usage(format!("{flag} {word}: the range runs backwards, write {last}-{first}")));
    }
    Ok(first..=last)
}

fn port(flag: &str, word: &str) -> Result<u16, Failure> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    match word.parse::<u16>() {
        Ok(0) => Err(Failure::usage(format!("{flag} 0: no connection has port 0, ports are 1 to 65535"))),
        Ok(port) if is_number => Ok(port),
        _ if is_number => {
            Err(Failure::usage(format!("{flag} {word}: there is no such port, ports are 1 to 65535")))
        }
        _ => Err(Failure::usage(format!(
            "{flag} `{word}` is not a port: write a number from 1 to 65535, or a range like 8000-8010"
        ))),
    }
}
