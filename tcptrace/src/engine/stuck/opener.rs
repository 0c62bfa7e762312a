//! Who of those who hold a socket opened it, as far as their ages prove.

use super::Holder;
use super::witness::{Held, Process};

/// The holders of a socket that has existed for `existed_ns` at least.
pub(super) fn holders(held: &[Held], existed_ns: u64, process: &dyn Fn(u32) -> Process) -> Vec<Holder> {
    let processes: Vec<Process> = held.iter().map(|held| process(held.task.pid)).collect();
    // Who began after the socket cannot have opened it; its only ancestor among the others has.
    let late = |process: &Process| process.age_ns > 0 && process.age_ns < existed_ns;
    let mut openers: Vec<u32> = held
        .iter()
        .zip(&processes)
        .filter(|(held, process)| {
            !late(process)
                && processes.iter().any(|child| late(child) && child.ancestors.contains(&held.task.pid))
        })
        .map(|(held, _)| held.task.pid)
        .collect();
    openers.dedup();
    held.iter()
        .zip(&processes)
        .map(|(Held { task, fd }, process)| Holder {
            task: *task,
            fd: *fd,
            opened_it: match openers.as_slice() {
                _ if late(process) => Some(false),
                [one] if *one == task.pid => Some(true),
                _ => None,
            },
        })
        .collect()
}
