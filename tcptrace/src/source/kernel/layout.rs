//! The layout of classic tracepoints, from their `format` files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tcptrace_ebpf::wire::{ABSENT, Layout};

/// Where tracefs is mounted, if it is.
#[must_use]
pub fn tracefs() -> Option<PathBuf> {
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.join("events").is_dir())
}

/// Mounts tracefs at its usual place when it is nowhere; the mount stays, as with every tracing tool.
///
/// # Errors
/// What mount(2) says: without CAP_SYS_ADMIN, `PermissionDenied`.
pub fn mount_tracefs() -> io::Result<PathBuf> {
    if let Some(path) = tracefs() {
        return Ok(path);
    }
    let at = Path::new("/sys/kernel/tracing");
    rustix::mount::mount("tracefs", at, "tracefs", rustix::mount::MountFlags::empty(), None)?;
    tracefs().ok_or_else(|| io::Error::other("tracefs is mounted and has no events"))
}

/// Reads the layout of `sock:inet_sock_set_state`, and of accept's exit where that exists.
///
/// # Errors
/// The event's `format` file is missing or lacks a field.
pub fn read(tracefs: &Path) -> io::Result<Layout> {
    let text = fs::read_to_string(tracefs.join("events/sock/inet_sock_set_state/format"))?;
    let field = |name: &str| {
        offset_and_size(&text, name).ok_or_else(|| {
            io::Error::other(format!("sock:inet_sock_set_state has no field `{name}` on this kernel"))
        })
    };
    Ok(Layout {
        skaddr: field("skaddr")?.0,
        oldstate: field("oldstate")?.0,
        newstate: field("newstate")?.0,
        sport: field("sport")?.0,
        dport: field("dport")?.0,
        family: field("family")?.0,
        protocol: field("protocol")?.0,
        protocol_size: field("protocol")?.1,
        saddr: field("saddr")?.0,
        daddr: field("daddr")?.0,
        saddr_v6: field("saddr_v6")?.0,
        daddr_v6: field("daddr_v6")?.0,
        accept_ret: accept_return_of(tracefs),
        pad: [0; 3],
    })
}

/// Offset of `ret` in the exit of accept4(); [`ABSENT`] without per-syscall tracepoints.
#[must_use]
pub fn accept_return_of(tracefs: &Path) -> u16 {
    fs::read_to_string(tracefs.join("events/syscalls/sys_exit_accept4/format"))
        .ok()
        .and_then(|text| offset_and_size(&text, "ret"))
        .map_or(ABSENT, |(offset, _)| offset)
}

/// Offset and size of a field, from a line like `field:__u8 saddr[4]; offset:32; size:4; signed:0;`.
fn offset_and_size(format: &str, name: &str) -> Option<(u16, u16)> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declared = parts.next()?.strip_prefix("field:")?;
        let label = declared.rsplit([' ', '*']).next()?.split('[').next()?;
        if label != name {
            return None;
        }
        let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
        let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
        Some((offset, size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_and_pointers_are_found_by_their_bare_name() {
        let format = "name: x\n\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n";
        assert_eq!(offset_and_size(format, "skaddr"), Some((8, 8)));
        assert_eq!(offset_and_size(format, "saddr"), Some((32, 4)));
        assert_eq!(offset_and_size(format, "saddr_v6"), None);
    }
}
