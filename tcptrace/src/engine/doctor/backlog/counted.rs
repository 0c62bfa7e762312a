//! What a namespace counted of its listeners: overflows, drops and syncookies.

use super::super::Finding;
use super::super::facts::{Facts, Space};

pub(super) const OVERFLOWS: &str = "TcpExt.ListenOverflows";
const DROPS: &str = "TcpExt.ListenDrops";
pub(super) const SENT: &str = "TcpExt.SyncookiesSent";
pub(super) const VALID: &str = "TcpExt.SyncookiesRecv";

/// What a namespace counted.
pub(super) struct Counted {
    pub(super) overflows: u64,
    pub(super) overflows_now: Option<u64>,
    pub(super) drops: u64,
    pub(super) drops_now: Option<u64>,
    pub(super) sent: u64,
    pub(super) sent_now: Option<u64>,
    pub(super) valid: u64,
    pub(super) valid_now: Option<u64>,
}

impl Counted {
    pub(super) fn new(facts: &Facts, space: &Space) -> Self {
        let since = |name| space.counter(name).unwrap_or(0);
        let now = |name| facts.grown(space, name);
        Self {
            overflows: since(OVERFLOWS),
            overflows_now: now(OVERFLOWS),
            drops: since(DROPS),
            drops_now: now(DROPS),
            sent: since(SENT),
            sent_now: now(SENT),
            valid: since(VALID),
            valid_now: now(VALID),
        }
    }

    /// Handshakes that met a full accept queue: of the watch where there was one, else since the namespace was made.
    pub(super) fn recent_overflows(&self) -> u64 {
        self.overflows_now.unwrap_or(self.overflows)
    }

    /// Cookies sent, as above.
    pub(super) fn recent_sent(&self) -> u64 {
        self.sent_now.unwrap_or(self.sent)
    }

    /// Cookies that came back valid, as above.
    pub(super) fn recent_valid(&self) -> u64 {
        self.valid_now.unwrap_or(self.valid)
    }

    /// Adds the figures to `finding`.
    pub(super) fn onto(&self, finding: Finding) -> Finding {
        finding
            .with("listen_overflows", self.overflows)
            .with("listen_overflows_while_watching", self.overflows_now)
            .with("listen_drops", self.drops)
            .with("listen_drops_while_watching", self.drops_now)
            .with("cookies_sent", self.sent)
            .with("cookies_sent_while_watching", self.sent_now)
            .with("cookies_valid", self.valid)
            .with("cookies_valid_while_watching", self.valid_now)
    }
}
