//! Sockets with what the standard library does not set.

use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with, sockopt};

const IPPROTO_TCP: i32 = 6;
const TCP_LINGER2: i32 = 8;

pub(crate) fn cookie(of: &impl AsFd) -> u64 {
    sockopt::socket_cookie(of).unwrap()
}

/// A TCP socket that has done nothing yet, with a cookie from its first event on; `protocol` 0 for TCP.
pub(crate) fn socket(protocol: u32) -> OwnedFd {
    let protocol = NonZeroU32::new(protocol).map(Protocol::from_raw);
    let made = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, protocol).unwrap();
    // It has none before somebody asks, which eBPF may not do before Linux 5.12.
    cookie(&made);
    made
}

pub(crate) fn any() -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)
}

/// `close()` then waits so long for the acknowledgement; 0: it resets.
pub(crate) fn linger(socket: &impl AsFd, time: Duration) {
    sockopt::set_socket_linger(socket, Some(time)).unwrap();
}

/// TCP_LINGER2, seconds.
pub(crate) fn linger2(socket: &impl AsFd, seconds: i32) {
    #[expect(unsafe_code, reason = "no crate here knows TCP_LINGER2")]
    unsafe extern "C" {
        fn setsockopt(fd: i32, level: i32, name: i32, value: *const i32, length: u32) -> i32;
    }
    let fd = socket.as_fd().as_raw_fd();
    #[expect(unsafe_code, reason = "no crate here knows TCP_LINGER2")]
    // SAFETY: the pointer is to an i32 that outlives the call, and the length is its size.
    let failed = unsafe { setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &raw const seconds, 4) };
    assert_eq!(failed, 0);
}

/// Keepalive after a second, every second, two probes.
pub(crate) fn keepalive(socket: &impl AsFd) {
    sockopt::set_socket_keepalive(socket, true).unwrap();
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(1)).unwrap();
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(1)).unwrap();
    sockopt::set_tcp_keepcnt(socket, 2).unwrap();
}

pub(crate) fn end_writing(socket: &TcpStream) {
    socket.shutdown(Shutdown::Write).unwrap();
}

/// Non-blocking, as a process that does not want to wait.
pub(crate) fn nonblocking(socket: &impl AsFd) {
    rustix::io::ioctl_fionbio(socket, true).unwrap();
}
