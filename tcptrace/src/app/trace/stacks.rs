//! `stuck --stacks` in the loop: what the naming thread has done, what the kernel half could not keep.

use super::{Run, say};
use crate::source::kernel::STACK_ROOM;

impl Run<'_> {
    /// Tells of the stuck sockets whose stacks have names by now.
    pub(super) fn take_named(&mut self) {
        let Self { watch: Some(watch), desk, .. } = self else { return };
        // Handing on what is there cannot fail.
        let _ = desk.tell_stuck(|_, _, out| {
            watch.take(out);
            Ok(())
        });
    }

    /// The same at the end.
    pub(super) fn close_watch(&mut self) {
        let Self { watch: Some(watch), desk, .. } = self else { return };
        let mut left = 0;
        let _ = desk.tell_stuck(|_, _, out| {
            left = watch.close(out);
            Ok(())
        });
        if left > 0 {
            say(&format!("{left} stuck sockets are not told: naming their stacks takes too long"));
        }
    }

    pub(super) fn count_lost_stacks(&mut self) {
        let (no_room, unreadable) = self.kernel.lost_stacks();
        if no_room > 0 {
            self.lost_hints += no_room;
            say(&format!("lost {no_room} stacks: there is room for those of {STACK_ROOM} sockets"));
            if let Some(watch) = &mut self.watch {
                watch.lack_room();
            }
        }
        if unreadable > 0 {
            say(&format!("{unreadable} stacks could not be read by the kernel"));
        }
    }
}
