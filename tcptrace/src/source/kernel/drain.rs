//! Taking events out of the ring buffer.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use aya::programs::Program;
use tcptrace_ebpf::wire::{self, Record};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::model::event::{Event, LossPlace};

use super::{Kernel, Path, convert};

/// The programs on the main tracepoint, of which one is attached.
const MAIN: [&str; 3] = ["state_change_btf", "state_change_classic", "histogram_btf"];

/// The ring buffer and when to look into it without being woken.
pub(super) struct Ring {
    ring: AsyncFd<RingBuf<MapData>>,
    /// At most one wake-up in this time.
    wake: Duration,
    /// Records that came within that time of a wake-up woke nobody: look again then.
    again: Option<Instant>,
    /// The last look stopped at its budget.
    more: bool,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>, wake: Duration) -> io::Result<Self> {
        // SAFETY: the ring owns its file descriptor and keeps the same one until it is dropped with this AsyncFd.
        #[expect(unsafe_code, reason = "tokio asks for the promise that the descriptor stays open")]
        let ring =
            unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }.map_err(io::Error::other)?;
        Ok(Self { ring, wake, again: None, more: false })
    }

    /// Waits until there may be something to take.
    async fn ready(&mut self) -> io::Result<()> {
        if self.more {
            // Timers and signals come only when the runtime gets to look, and a ring that never empties would never wait.
            yield_now().await;
            return Ok(());
        }
        let again = self.again;
        let pause = async {
            match again {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            woken = self.ring.readable() => {
                woken?.clear_ready();
                // Whatever comes unannounced after this wake-up is there by then.
                self.again = Some(Instant::now() + self.wake + Duration::from_millis(1));
            }
            () = pause => self.again = None,
        }
        Ok(())
    }
}

impl Kernel {
    /// Waits until events may be there. Cancelling it loses nothing.
    ///
    /// # Errors
    /// What polling says.
    pub async fn ready(&mut self) -> io::Result<()> {
        self.ring.ready().await
    }

    /// Hands over at most `budget` events, in the kernel's order; returns how many. Bounded, so that signals and ticks get their turn
    /// under any load.
    pub fn drain(&mut self, budget: usize, mut each: impl FnMut(&mut Event)) -> usize {
        let classic = self.path == Path::Classic;
        let mut taken = 0;
        let ring = self.ring.ring.get_mut();
        while taken < budget {
            let Some(record) = ring.next() else { break };
            taken += 1;
            match Record::decode(&record).and_then(|record| convert::event(&record, &self.reasons, classic)) {
                Some(mut event) => self.kills.pass(&mut event, &mut each),
                None => self.undecodable += 1,
            }
        }
        self.kills.settle(Self::now(), &mut each);
        self.ring.more = taken == budget;
        taken
    }

    /// Whether the last [`Kernel::drain`] emptied the ring.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        !self.ring.more
    }

    /// What was lost since the last call, by place.
    pub fn losses(&mut self) -> Vec<(LossPlace, u64)> {
        let places = [
            (wire::lost::RING, LossPlace::RingBuffer),
            (wire::lost::RING_NESTED, LossPlace::RingBuffer),
            (wire::lost::MEMORY, LossPlace::Map),
        ];
        places
            .into_iter()
            .filter_map(|(index, place)| Some((place, self.newly_lost(index)?)))
            .collect::<Vec<_>>()
            .into_iter()
            .chain(self.newly_missed().map(|new| (LossPlace::RingBuffer, new)))
            .chain(
                (self.undecodable > 0)
                    .then(|| (LossPlace::RingBuffer, std::mem::take(&mut self.undecodable))),
            )
            .collect()
    }

    /// Records beside the state changes (who accepted, resets) that were lost since the last call: owners and causes may be missing.
    pub fn lost_hints(&mut self) -> u64 {
        self.newly_lost(wire::lost::HINTS).unwrap_or(0)
    }

    /// Whether state changes were lost since the last [`Kernel::losses`].
    pub(super) fn has_lost(&self) -> bool {
        let index = wire::lost::RING;
        let seen = self.lost_seen.get(index as usize).copied().unwrap_or(0);
        self.lost.get(&index, 0).is_ok_and(|counters| counters.iter().sum::<u64>() > seen)
    }

    /// What a counter has grown by, if it has.
    pub(super) fn newly_lost(&mut self, index: u32) -> Option<u64> {
        let total = self.total(index)?;
        let seen = self.lost_seen.get_mut(index as usize)?;
        let new = total - *seen;
        *seen = total;
        (new > 0).then_some(new)
    }

    /// State changes for which the kernel did not run the main program, because they came while it was running on the same CPU (Linux
    /// `kernel/trace/bpf_trace.c:__bpf_trace_run`, `recursion_misses`), and that the second program did not take either.
    fn newly_missed(&mut self) -> Option<u64> {
        let main = self.main.as_ref()?.as_raw_fd();
        let rescued = self.total(wire::lost::RESCUED)?;
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{main}")).ok()?;
        let missed: u64 =
            text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()?;
        let total = missed.saturating_sub(rescued);
        let new = total.saturating_sub(self.missed);
        self.missed = self.missed.max(total);
        (new > 0).then_some(new)
    }

    /// What a counter stands at, over all CPUs.
    fn total(&self, index: u32) -> Option<u64> {
        Some(self.lost.get(&index, 0).ok()?.iter().sum())
    }

    /// Keeps the main program's descriptor: what the kernel counts with it is read after it was detached too.
    pub(super) fn keep_main(&mut self) {
        let name = self.attached.iter().find(|name| MAIN.contains(name));
        let fd = match name.and_then(|name| self.ebpf.program(name)) {
            Some(Program::BtfTracePoint(program)) => program.fd().ok().map(|fd| fd.as_fd()),
            Some(Program::TracePoint(program)) => program.fd().ok().map(|fd| fd.as_fd()),
            _ => None,
        };
        self.main = fd.and_then(|fd| fd.try_clone_to_owned().ok());
    }
}
