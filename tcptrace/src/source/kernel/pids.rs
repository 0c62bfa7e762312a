//! Process ids across pid namespaces: what we print is what our own /proc shows.

use std::os::unix::fs::MetadataExt as _;

/// Inode of the initial pid namespace (Linux `include/uapi/linux/nsfs.h`: PID_NS_INIT_INO).
const INITIAL: u64 = 0xefff_fffc;

/// Device and inode of our pid namespace for `bpf_get_ns_current_pid_tgid`; zeros in the initial one, where no translation is due.
pub(super) fn namespace() -> (u64, u64) {
    match std::fs::metadata("/proc/self/ns/pid") {
        Ok(found) if found.ino() != INITIAL => (found.dev(), found.ino()),
        _ => (0, 0),
    }
}

/// What the user should know when we are not in the initial pid namespace.
pub(super) fn namespace_note() -> Option<String> {
    (namespace().1 != 0).then(|| {
        "tcptrace runs in a pid namespace of its own: processes outside of it have no pid here and are shown as unknown".into()
    })
}
