//! Output on its way out: the loop never waits for a slow reader, and what the reader gets is whole.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::mem::{replace, take};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Barrier};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{Notify, oneshot};

use super::outlet::Outlet;
use crate::failure::{ExitCode, Failure};
use crate::source::sandbox;

/// So many bytes may wait for the writing thread; beyond, the loop stops taking events and the ring buffer fills, which is counted.
/// A burst of some hundred thousand transitions into a pipe that nobody reads for a moment fits in.
const WAITING: usize = 64 << 20;

/// With so many bytes waiting a disk is too slow for the lines.
const LATE: usize = 8 << 20;

/// Where nobody waits for the lines, so many bytes are handed over at once.
const MUCH: usize = 256 << 10;

/// So many written buffers are kept for the next lines, none larger than this: memory that was touched once is cheap to fill again.
const SPARE: usize = 4;
const SPARE_BYTES: usize = 4 << 20;

/// What a sink writes into.
#[derive(Clone, Default)]
pub(super) struct Inlet(Rc<RefCell<Vec<u8>>>);

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What writing came to: a reader who has gone is no failure.
///
/// # Errors
/// What else stopped it, in one sentence.
pub(super) fn judge(written: io::Result<()>, path: Option<&Path>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let place = path.map_or("stdout".into(), |path| path.display().to_string());
            Err(Failure::new(ExitCode::Runtime, format!("writing to {place}: {error}")))
        }
        _ => Ok(()),
    }
}

/// What waits for the writing thread.
#[derive(Default)]
struct Queue {
    bytes: AtomicUsize,
    /// The thread has stopped.
    over: AtomicBool,
    /// Some of it was written, or the thread has stopped.
    moved: Notify,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < WAITING
    }

    fn shrink(&self, by: usize) {
        self.bytes.fetch_sub(by, Ordering::AcqRel);
        self.moved.notify_one();
    }
}

/// A thread that writes, and what waits for it.
pub(super) struct Spool {
    inlet: Inlet,
    to_writer: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    queue: Arc<Queue>,
    /// The output again, to see whether its reader is still there.
    out: File,
    /// What writing came to, once the thread has stopped. A thread that hangs in a write holds nobody up.
    outcome: oneshot::Receiver<io::Result<()>>,
}

impl Spool {
    /// Starts the thread; `confined`, it gives up its rights at once.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn start(out: File, confined: bool) -> io::Result<Self> {
        let mut sink = Outlet::new(out.try_clone()?);
        let (to_writer, batches) = channel::<Vec<u8>>();
        let (give_back, spare) = sync_channel(SPARE);
        let queue = Arc::new(Queue::default());
        let taken = Arc::clone(&queue);
        let (tell, outcome) = oneshot::channel();
        // Once its system calls are filtered it could no longer give anything up.
        let ready = Arc::new(Barrier::new(2));
        let renounced = Arc::clone(&ready);
        thread::Builder::new().name("writer".into()).spawn(move || {
            if confined {
                sandbox::renounce();
            }
            renounced.wait();
            let written = batches.iter().try_for_each(|mut batch| {
                sink.hurry(taken.bytes.load(Ordering::Acquire) > LATE);
                let written = sink.write_all(&batch);
                taken.shrink(batch.len());
                if batch.capacity() <= SPARE_BYTES {
                    batch.clear();
                    // Enough are kept already.
                    let _ = give_back.try_send(batch);
                }
                written
            });
            taken.over.store(true, Ordering::Release);
            taken.moved.notify_one();
            // Nobody asks any more when the run was given up.
            let _ = tell.send(written.and_then(|()| sink.flush()));
        })?;
        ready.wait();
        Ok(Self { inlet: Inlet::default(), to_writer, spare, queue, out, outcome })
    }

    /// Empties a file that was there before: only once it is sure that something will be written.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn empty(&self) -> io::Result<()> {
        if self.out.metadata()?.is_file() { self.out.set_len(0) } else { Ok(()) }
    }

    /// Where sinks write.
    pub(super) fn inlet(&self) -> Inlet {
        self.inlet.clone()
    }

    /// Something waits that cannot be handed over yet.
    pub(super) fn is_full(&self) -> bool {
        !self.inlet.0.borrow().is_empty() && !self.queue.has_room()
    }

    /// The writing thread has stopped: the reader is gone or the disk is full.
    pub(super) fn is_broken(&self) -> bool {
        self.queue.over.load(Ordering::Acquire)
    }

    /// Nobody reads the pipe any more, even if nothing is being written (poll(2): POLLERR on the writing end).
    pub(super) fn is_unread(&self) -> bool {
        let mut polled = [PollFd::new(&self.out, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
            && polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
    }

    /// Waits until more can be handed over, or never will be.
    pub(super) async fn room(&self) {
        while !self.queue.has_room() && !self.is_broken() {
            self.queue.moved.notified().await;
        }
    }

    /// Hands over what waits once it is worth the thread's waking up, if there is room for it.
    pub(super) fn hand_over_much(&self) {
        if self.inlet.0.borrow().len() >= MUCH {
            self.hand_over();
        }
    }

    /// Hands over what waits, if there is room for it.
    pub(super) fn hand_over(&self) {
        let mut waiting = self.inlet.0.borrow_mut();
        let backlog = self.queue.bytes.load(Ordering::Acquire);
        // Behind a slow reader small pieces would only be scattered over our memory.
        let small = backlog > MUCH && waiting.len() < MUCH;
        if !waiting.is_empty() && !small && self.queue.has_room() {
            self.queue.bytes.fetch_add(waiting.len(), Ordering::AcqRel);
            // A thread that has stopped is noticed by `is_broken`.
            let _ = self.to_writer.send(replace(&mut *waiting, self.spare.try_recv().unwrap_or_default()));
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// What writing said.
    pub(super) async fn close(self) -> io::Result<()> {
        let Self { inlet, to_writer, spare: _, queue: _, out: _, outcome } = self;
        // A thread that has stopped says why below.
        let _ = to_writer.send(take(&mut *inlet.0.borrow_mut()));
        drop(to_writer);
        outcome.await.unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")))
    }
}
