//! What a run asks of the kernel half.

use std::time::Duration;

use tcptrace_ebpf::wire::Config;

use super::histogram::Counting;
use super::scope::Scope;
use super::{pids, symbols};

/// The user's choice of attach path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attach {
    /// BTF where the kernel has it, else classic.
    #[default]
    Auto,
    /// BTF or nothing.
    Btf,
    /// Classic, as on kernels without BTF.
    Classic,
}

/// Who hears the state tracepoint: tests of the programs leave some out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hears {
    /// The main program, and the second one behind it.
    #[default]
    Both,
    /// Nobody.
    Nobody,
    /// The second program, twice: as if the first never ran, and then as if it had run on another CPU.
    SecondTwice,
}

/// What a mode needs besides the main program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Resets both ways: they tell why connections end.
    pub resets: bool,
    /// The end of sockets that closed while an fd was open.
    pub destroyed: bool,
    /// Children of the watched pids.
    pub follow_forks: bool,
    /// The timers of timewait sockets: exact ends, at a price for every timer of the host.
    pub timers: bool,
    /// The kernel half's own diagnostics, on stderr.
    pub diagnostics: bool,
    /// The user stack of who opens a socket; BTF path only.
    pub stacks: bool,
}

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which path.
    pub attach: Attach,
    /// What else to attach.
    pub want: Want,
    /// IPPROTO_MPTCP too.
    pub mptcp: bool,
    /// Size of the ring buffer: a power of two of pages, bytes.
    pub ring_bytes: u32,
    /// Measure our own cost all the time, not only in samples.
    pub measure: bool,
    /// What the kernel may leave out.
    pub scope: Scope,
    /// Count stays in the kernel instead of sending events; BTF path only.
    pub counting: Option<Counting>,
    /// How long the walk through all open files may keep the start, `None`: to its end. What it leaves is
    /// [`Kernel::take_walk`](super::Kernel::take_walk)'s.
    pub patience: Option<Duration>,
    /// For tests.
    pub hears: Hears,
}

impl Options {
    /// At most one wake-up in this time; the reader looks again by itself a little later. Nobody watches a histogram's events as they come.
    pub(super) fn wake(&self) -> Duration {
        Duration::from_millis(if self.counting.is_some() { 100 } else { 10 })
    }

    /// The constants of the kernel half, but for what the kernel's own types decide.
    pub(super) fn constants(&self) -> Config {
        let mut config = self.scope.constants();
        (config.pidns_dev, config.pidns_ino) = pids::namespace();
        config.wake_ns = u64::try_from(self.wake().as_nanos()).unwrap_or(u64::MAX);
        config.wake_bytes = u64::from(self.ring_bytes / 4);
        config.own_pid = std::process::id();
        config.mptcp = self.mptcp.into();
        if self.want.timers {
            config.tw_timer_handler = symbols::address("tw_timer_handler").unwrap_or(u64::MAX);
            config.reqsk_timer_handler = symbols::address("reqsk_timer_handler").unwrap_or(u64::MAX);
        }
        config.follow_forks = self.want.follow_forks.into();
        if let Some(counting) = &self.counting {
            config.by = counting.bits();
            config.of = counting.of();
            config.minis = counting.minis;
            config.owners = (counting.owners() || !self.scope.pids.is_empty()).into();
            config.filtered = self.scope.is_narrow().into();
        }
        config
    }
}
