//! `/proc/net/sockstat` of a network namespace (Linux `net/ipv4/proc.c:sockstat_seq_show`).

use std::fs;

use crate::engine::doctor::facts::Sockstat;

/// Of the calling thread's namespace; `None` where it cannot be read.
#[must_use]
pub fn here() -> Option<Sockstat> {
    parse(&fs::read_to_string("/proc/thread-self/net/sockstat").ok()?)
}

fn parse(text: &str) -> Option<Sockstat> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let figure = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    Some(Sockstat { orphans: figure("orphan")?, time_wait: figure("tw")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_tcp_is_read_by_name() {
        let text = "sockets: used 18\nTCP: inuse 5 orphan 2 tw 7 alloc 9 mem 222\nUDP: inuse 0 mem 0\n";
        assert_eq!(parse(text), Some(Sockstat { orphans: 2, time_wait: 7 }));
        assert_eq!(parse("UDP: inuse 0\n"), None);
    }

    #[test]
    fn the_running_kernel_has_one() {
        assert!(here().is_some());
    }
}
