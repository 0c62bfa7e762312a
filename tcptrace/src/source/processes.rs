//! The processes of `--pid`: who of them has gone.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// Watches processes until they exit.
pub struct Processes {
    exits: mpsc::UnboundedReceiver<u32>,
    tell: mpsc::UnboundedSender<u32>,
    alive: usize,
}

impl Processes {
    /// Watches `pids`.
    /// Must run inside a runtime.
    pub fn watch(pids: impl IntoIterator<Item = u32>) -> Self {
        let (tell, exits) = mpsc::unbounded_channel();
        let mut processes = Self { exits, tell, alive: 0 };
        for pid in pids {
            processes.add(pid);
        }
        processes
    }

    /// Watches one more.
    pub fn add(&mut self, pid: u32) {
        self.alive += 1;
        let tell = self.tell.clone();
        tokio::spawn(async move {
            if let Some(fd) = open(pid) {
                // Readable when the process has exited (pidfd_open(2)).
                let _ = fd.readable().await;
            }
            let _ = tell.send(pid);
        });
    }

    /// The next one that exits.
    pub async fn exited(&mut self) -> u32 {
        match self.exits.recv().await {
            Some(pid) => {
                self.alive = self.alive.saturating_sub(1);
                pid
            }
            None => std::future::pending().await,
        }
    }

    /// How many still run.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.alive
    }
}

/// `None` when it has already gone.
fn open(pid: u32) -> Option<AsyncFd<OwnedFd>> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let fd = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
    // SAFETY: the AsyncFd owns the descriptor.
    #[expect(unsafe_code, reason = "tokio asks for the promise that the descriptor stays open")]
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
}
