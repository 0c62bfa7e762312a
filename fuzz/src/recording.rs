//! A recording as it lies on disk: zstd frames, perhaps damaged.

use tcptrace::recording::Reader;

/// Events that one call may give.
const BATCH: usize = 1024;

/// Reads it to its end or to what is wrong with it.
pub fn target(bytes: &[u8]) {
    let Ok((_, mut reader)) = Reader::new(bytes) else { return };
    let mut events = Vec::new();
    loop {
        let more = reader.next_batch(&mut events);
        assert!(events.len() <= BATCH, "{} events at once", events.len());
        assert!(reader.whole() <= bytes.len() as u64);
        events.clear();
        if !matches!(more, Ok(true)) {
            return;
        }
    }
}
