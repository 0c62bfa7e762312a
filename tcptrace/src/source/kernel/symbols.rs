//! Addresses of kernel functions.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

/// The address of a function, from /proc/kallsyms; `None` when it is hidden (kernel.kptr_restrict) or not there.
pub(super) fn address(name: &str) -> Option<u64> {
    let mut lines = BufReader::with_capacity(1 << 16, File::open("/proc/kallsyms").ok()?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).ok()? > 0 {
        let mut words = line.split(u8::is_ascii_whitespace);
        if let (Some(address), _, Some(symbol)) = (words.next(), words.next(), words.next())
            && symbol == name.as_bytes()
        {
            let address = u64::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()?;
            return (address != 0).then_some(address);
        }
        line.clear();
    }
    None
}
