//! What the kernel half is to count instead of telling it.

use std::env;

use crate::plan::Hist;
use crate::source::kernel::Counting;

/// Of so many new timewait sockets a second the ends are looked for; those of the others are the kernel's rule. One costs some
/// microseconds.
const MINIS: u32 = 500;

/// All that can be counted there, if the plan leaves it to the kernel. A test may ask for fewer timewait sockets, and for an older kernel's
/// way to read counters.
pub(super) fn counting(hist: &Hist) -> Option<Counting> {
    let minis = env::var("TCPTRACE_TEST_MINIS").ok().and_then(|count| count.parse().ok());
    hist.in_kernel.then(|| Counting {
        by: hist.by.clone(),
        max_groups: hist.max_groups,
        asked: hist.asked.clone(),
        minis: minis.unwrap_or(MINIS),
        batches: env::var_os("TCPTRACE_TEST_SINGLY").is_none(),
    })
}
