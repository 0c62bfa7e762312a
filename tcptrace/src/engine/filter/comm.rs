//! A pattern for names of processes.

use crate::model::comm::Comm;

/// Bytes of a name that the kernel keeps (Linux `TASK_COMM_LEN` less its NUL).
const KEPT: usize = 15;

/// A name, or one with `*` for any bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommPattern {
    /// What stands between the stars; one part means no star.
    parts: Vec<Vec<u8>>,
}

impl CommPattern {
    /// From the user's words. Without a star it is cut to the 15 bytes that the kernel keeps.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let mut parts: Vec<Vec<u8>> = pattern.split('*').map(|part| part.as_bytes().to_vec()).collect();
        if let [whole] = parts.as_mut_slice() {
            whole.truncate(KEPT);
        }
        Self { parts }
    }

    /// Can no name match, because what it asks for is longer than a name?
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.parts.iter().map(Vec::len).sum::<usize>() > KEPT
    }

    /// The one name that matches, where there is no star: what a kernel-side filter can compare.
    #[must_use]
    pub fn exact(&self) -> Option<&[u8]> {
        if let [whole] = self.parts.as_slice() { Some(whole) } else { None }
    }

    /// Does it name `comm`?
    #[must_use]
    pub fn matches(&self, comm: &Comm) -> bool {
        let name = comm.bytes();
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|whole| whole == name);
        };
        let Some(rest) = name.strip_prefix(first.as_slice()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_slice()) else { return false };
        // The leftmost place is as good as any: what follows it is longest.
        middle.iter().all(|part| {
            if part.is_empty() {
                return true;
            }
            match rest.windows(part.len()).position(|window| window == part.as_slice()) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        CommPattern::new(pattern).matches(&Comm::from(name))
    }

    #[test]
    fn a_name_without_stars_matches_itself_alone() {
        assert!(matches("nginx", "nginx"));
        assert!(!matches("nginx", "nginx: worker"));
        assert!(!matches("nginx", "ngin"));
    }

    #[test]
    fn a_long_name_matches_what_the_kernel_keeps_of_it() {
        assert!(matches("systemd-resolved", "systemd-resolved"));
    }

    #[test]
    fn only_a_name_without_stars_is_exact() {
        assert_eq!(CommPattern::new("nginx").exact(), Some(&b"nginx"[..]));
        assert_eq!(CommPattern::new("ngin*").exact(), None);
    }

    #[test]
    fn stars_stand_for_any_bytes_or_none() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("py*", "python3.13", true),
            ("*3", "python3", true),
            ("p*t*n", "python", true),
            ("p**n", "python", true),
            ("p*n*t", "python", false),
            ("aba*ba", "aba", false),
            ("*abc*bc*", "abcbc", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_longer_than_any_name_is_told_so() {
        assert!(CommPattern::new("a-very-long-prefix*").is_too_long());
        assert!(!CommPattern::new("a-very-long-prefix").is_too_long());
    }
}
