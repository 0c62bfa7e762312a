//! Addresses and networks.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::failure::Failure;

/// Bits before the IPv4 address in a v4-mapped one.
const MAPPED_BITS: u8 = 96;

/// Every word a network in CIDR notation, or an address, which is a network of one.
pub(super) fn networks(flag: &str, words: &[String]) -> Result<Vec<IpNet>, Failure> {
    words.iter().map(|word| network(flag, word.trim())).collect()
}

fn network(flag: &str, word: &str) -> Result<IpNet, Failure> {
    // As users copy them from other tools: [2001:db8::1].
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    if let Ok(addr) = bare.parse::<IpAddr>() {
        return Ok(IpNet::from(addr.to_canonical()));
    }
    let wrong = |why: String| Failure::usage(format!("{flag} `{word}`: {why}"));
    let Some((addr, bits)) = word.split_once('/') else {
        return Err(wrong(
            "this is not an IP address; write one like 10.0.0.1 or 2001:db8::1, or a network like 10.0.0.0/8"
                .to_owned(),
        ));
    };
    let Ok(addr) = addr.parse::<IpAddr>() else {
        return Err(wrong(format!(
            "`{addr}` is not an IP address; write a network like 10.0.0.0/8 or 2001:db8::/32"
        )));
    };
    let most = if addr.is_ipv4() { 32 } else { 128 };
    let Some(bits) = bits.parse::<u8>().ok().filter(|bits| *bits <= most) else {
        return Err(wrong(format!("the prefix length `{bits}` is not a number from 0 to {most}")));
    };
    let (addr, bits) = match addr.to_canonical() {
        folded @ IpAddr::V4(_) if addr.is_ipv6() => match bits.checked_sub(MAPPED_BITS) {
            Some(bits) => (folded, bits),
            // It covers more than the mapped addresses, and those are shown as IPv4: nothing else is meant by it.
            None => {
                return Err(wrong(
                    "a v4-mapped network has a prefix length of 96 or more; write it as IPv4".to_owned(),
                ));
            }
        },
        same => (same, bits),
    };
    IpNet::new(addr, bits).map(|net| net.trunc()).map_err(|error| wrong(error.to_string()))
}
