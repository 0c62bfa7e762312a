//! Output on its way out: the loop never waits for a slow reader, and what the reader gets is whole.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::mem::take;
use std::path::Path;
use std::rc::Rc;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc::{self, Permit, Sender};

use crate::failure::{ExitCode, Failure};

/// So many batches wait for the writing thread; beyond, the loop stops taking events and the ring buffer fills, which is counted.
const WAITING: usize = 4;

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

/// A thread that writes, and what waits for it.
pub(super) struct Spool {
    inlet: Inlet,
    to_writer: Sender<Vec<u8>>,
    /// The output again, to see whether its reader is still there.
    out: File,
    writer: JoinHandle<io::Result<()>>,
}

impl Spool {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn start(out: File) -> io::Result<Self> {
        let mut sink = out.try_clone()?;
        let (to_writer, mut batches) = mpsc::channel::<Vec<u8>>(WAITING);
        let writer = thread::Builder::new().name("writer".into()).spawn(move || {
            while let Some(batch) = batches.blocking_recv() {
                sink.write_all(&batch)?;
            }
            sink.flush()
        })?;
        Ok(Self { inlet: Inlet::default(), to_writer, out, writer })
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

    /// Something waits to be handed over.
    pub(super) fn is_waiting(&self) -> bool {
        !self.inlet.0.borrow().is_empty()
    }

    /// The writing thread has stopped: the reader is gone or the disk is full.
    pub(super) fn is_broken(&self) -> bool {
        self.to_writer.is_closed()
    }

    /// Nobody reads the pipe any more, even if nothing is being written (poll(2): POLLERR on the writing end).
    pub(super) fn is_unread(&self) -> bool {
        let mut polled = [PollFd::new(&self.out, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
            && polled.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
    }

    /// Waits until the thread can take a batch; `None` when it has stopped.
    pub(super) async fn room(&self) -> Option<Permit<'_, Vec<u8>>> {
        self.to_writer.reserve().await.ok()
    }

    /// Hands over what waits, if the thread can take it now.
    pub(super) fn hand_over(&self) {
        if self.is_waiting()
            && let Ok(permit) = self.to_writer.try_reserve()
        {
            permit.send(take(&mut *self.inlet.0.borrow_mut()));
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// What writing said.
    pub(super) async fn close(self) -> io::Result<()> {
        let Self { inlet, to_writer, out: _, writer } = self;
        let rest = take(&mut *inlet.0.borrow_mut());
        // A failed thread says why below.
        let _ = to_writer.send(rest).await;
        drop(to_writer);
        let joined = tokio::task::spawn_blocking(move || writer.join()).await.map_err(io::Error::other)?;
        joined.map_err(|_| io::Error::other("the writing thread panicked"))?
    }
}
