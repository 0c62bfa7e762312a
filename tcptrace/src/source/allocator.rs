//! What the C library does with memory that we free.

/// From so many bytes on an allocation is a mapping of its own.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 128 << 10;
/// So much at the end of the heap may be free, for what comes next.
#[cfg(target_env = "gnu")]
const TOP: i32 = 4 << 20;

/// Lets the host have large pieces back as soon as they are free. By itself glibc takes ever larger ones from its heap once some were
/// freed (mallopt(3), `M_MMAP_THRESHOLD`), and after a reader that paused, or many connections at once, the heap stays as large as it was.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "calls of the C library")]
    // SAFETY: they change numbers; what is refused changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TOP);
    }
}
