//! A record of the ring buffer.

use tcptrace::source::kernel::Reasons;
use tcptrace::source::kernel::convert::event;
use tcptrace_ebpf::wire::Record;

/// Decodes it and makes an event of it; a record that can be read is written as it was.
pub fn target(bytes: &[u8]) {
    let Some(record) = Record::decode(bytes) else { return };
    let again = match &record {
        Record::StateChange(record) => record.encode().to_vec(),
        Record::Accepted(record) => record.encode().to_vec(),
        Record::Neighbour(record) => record.encode().to_vec(),
        Record::Forked(record) => record.encode().to_vec(),
        Record::HalfOpen(record) => record.encode().to_vec(),
    };
    assert_eq!(again, bytes);
    for classic in [false, true] {
        let _ = event(&record, &Reasons::default(), classic);
    }
}
