//! The kernel's identity of a socket.

use std::fmt;
use std::num::NonZeroU64;

/// A socket cookie: unique per boot, kept from request socket to socket to timewait socket, the same as `ss -e`
/// prints after `sk:` (Linux `net/core/sock_diag.c:__sock_gen_cookie`). Printed in hex without `0x`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub NonZeroU64);

impl Cookie {
    /// The kernel's number; 0 means that nobody has asked for one yet.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sk:{self}")
    }
}
