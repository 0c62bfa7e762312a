//! Why a RST was sent: the running kernel's own names (`enum sk_rst_reason`, Linux 6.10 and later).

use crate::model::event::ResetReason;

use super::btf::Btf;

/// Number to name, from BTF: the numbers are no stable interface.
#[derive(Clone, Debug, Default)]
pub struct Reasons(Vec<(u16, ResetReason)>);

impl Reasons {
    /// Reads them.
    #[must_use]
    pub fn read(btf: &Btf) -> Self {
        let reasons = btf.enumerators("sk_rst_reason").into_iter().filter_map(|(name, number)| {
            let number = u16::try_from(number).ok()?;
            let reason = match name.strip_prefix("SK_RST_REASON_")? {
                "TCP_ABORT_ON_CLOSE" => ResetReason::AbortOnClose,
                "TCP_ABORT_ON_LINGER" => ResetReason::AbortOnLinger,
                "TCP_ABORT_ON_MEMORY" => ResetReason::AbortOnMemory,
                "TCP_ABORT_ON_DATA" => ResetReason::AbortOnData,
                "TCP_STATE" => ResetReason::TcpState,
                "TCP_KEEPALIVE_TIMEOUT" => ResetReason::KeepaliveTimeout,
                "TCP_TIMEWAIT_SOCKET" => ResetReason::TimewaitSocket,
                _ => ResetReason::Other(number),
            };
            Some((number, reason))
        });
        Self(reasons.collect())
    }

    /// The reason with that number; `None` where the kernel gave none.
    #[must_use]
    pub fn of(&self, number: u16) -> Option<ResetReason> {
        if number == u16::MAX {
            return None;
        }
        let known = self.0.iter().find(|(known, _)| *known == number);
        Some(known.map_or(ResetReason::Other(number), |(_, reason)| *reason))
    }
}
