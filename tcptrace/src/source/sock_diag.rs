//! What the kernel tells of its TCP sockets when asked: netlink `SOCK_DIAG` (Linux `net/ipv4/inet_diag.c`, `net/core/sock_diag.c`).
//!
//! The state filter runs in the kernel. A dump is no frozen picture: sockets that move while it runs can be missing or come
//! twice, so what a dump says is merged by cookie, and an event wins over it.

pub mod age;
pub mod netlink;
pub mod record;
pub mod request;
pub mod set;
pub mod tcp_info;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, SocketType};
use zerocopy::IntoBytes;

use self::netlink::Messages;
use self::record::Context;
use self::request::{INET, INET6, Request};
use super::clock::now;
use crate::model::cookie::Cookie;
use crate::model::endpoints::Endpoints;
use crate::model::snapshot::SocketSnapshot;
use crate::model::state::TcpState;
use crate::model::time::Mono;

/// Bytes of one receive. The kernel fills at most 32 KiB (Linux `net/netlink/af_netlink.c:netlink_recvmsg`).
const DATAGRAM: usize = 64 * 1024;
/// Receive queue of the socket, bytes.
const QUEUE: usize = 1 << 20;
/// The kernel answers at once; this only keeps a lost answer from blocking for ever.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often an interrupted dump is made again.
const ATTEMPTS: u32 = 3;

/// A sock_diag socket: answers for the network namespace in which it was opened, wherever it is used later, and keeps that
/// namespace alive as long as it is open.
#[derive(Debug)]
pub struct Diag {
    socket: OwnedFd,
    sequence: u32,
    fin_timeout_s: Option<u32>,
}

/// What a dump came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpStats {
    /// When it began, `CLOCK_MONOTONIC`: sockets born later need not be in it.
    pub began: Mono,
    /// When it ended.
    pub ended: Mono,
    /// Sockets handed to the caller; more than there are if the dump had to be repeated.
    pub sockets: u64,
    /// Answers that could not be read.
    pub malformed: u64,
    /// How often the kernel said that a dump was interrupted (`NLM_F_DUMP_INTR`).
    pub interrupted: u32,
    /// The last attempt was not interrupted: what it does not show was not there.
    pub complete: bool,
}

/// The state mask for [`Diag::dump`]: `1 << kernel number` of each.
#[must_use]
pub fn mask(states: impl IntoIterator<Item = TcpState>) -> u32 {
    states.into_iter().fold(0, |mask, state| mask | 1 << (state as u8))
}

/// Every state.
pub const ALL_STATES: u32 = 0x1ffe;

impl Diag {
    /// Opens a socket in the calling thread's network namespace. `fin_timeout_s` is that namespace's `net.ipv4.tcp_fin_timeout`,
    /// which the age of orphans is reckoned by.
    ///
    /// # Errors
    /// When the kernel has no netlink or no more sockets for us.
    pub fn open(fin_timeout_s: Option<u32>) -> io::Result<Self> {
        let socket = net::socket_with(
            net::AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(net::netlink::SOCK_DIAG),
        )?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; without it the default does too, a little slower.
        if net::sockopt::set_socket_recv_buffer_size_force(&socket, QUEUE).is_err() {
            net::sockopt::set_socket_recv_buffer_size(&socket, QUEUE)?;
        }
        net::sockopt::set_socket_timeout(&socket, net::sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0, fin_timeout_s })
    }

    /// The namespace's `net.ipv4.tcp_fin_timeout` in seconds, when it has changed.
    pub fn learn_fin_timeout(&mut self, seconds: Option<u32>) {
        self.fin_timeout_s = seconds;
    }

    /// The `net.ipv4.tcp_fin_timeout` that ages are reckoned by, seconds.
    #[must_use]
    pub fn fin_timeout(&self) -> Option<u32> {
        self.fin_timeout_s
    }

    /// Hands every TCP socket in one of `states` (see [`mask`]) to `each`, marked as belonging to namespace `netns`.
    ///
    /// # Errors
    /// When the kernel refuses or stops answering; the socket is then best thrown away.
    pub fn dump(
        &mut self,
        netns: u32,
        states: u32,
        each: &mut dyn FnMut(SocketSnapshot),
    ) -> io::Result<DumpStats> {
        let mut stats = DumpStats { began: now(), complete: true, ..DumpStats::default() };
        let mut buffer = vec![0; DATAGRAM];
        for family in [INET, INET6] {
            for attempt in 1.. {
                if !self.dump_family(&mut buffer, family, netns, states, each, &mut stats)? {
                    break;
                }
                stats.interrupted += 1;
                if attempt == ATTEMPTS {
                    stats.complete = false;
                    break;
                }
            }
        }
        stats.ended = now();
        Ok(stats)
    }

    /// Dumps one family; true if the kernel says that the dump was interrupted.
    fn dump_family(
        &mut self,
        buffer: &mut [u8],
        family: u8,
        netns: u32,
        states: u32,
        each: &mut dyn FnMut(SocketSnapshot),
        stats: &mut DumpStats,
    ) -> io::Result<bool> {
        let half_open = mask([TcpState::SynRecv, TcpState::NewSynRecv]);
        // The kernel takes SYN_RECV for both (`inet_diag_dump_icsk`); which it was is known from the answer.
        let asked = if states & half_open == 0 { states } else { states | half_open };
        // The first datagram is filled while the request is sent, each later one while its forerunner is received: a
        // snapshot must not claim to be younger than it is, or it would undo an event.
        let mut filled = now();
        self.sequence = self.sequence.wrapping_add(1);
        self.ask(&Request::dump(self.sequence, family, asked))?;
        let mut doubt_ns = now().since(filled);
        let mut interrupted = false;
        loop {
            let context = Context { at: filled, doubt_ns, netns, fin_timeout_s: self.fin_timeout_s };
            filled = now();
            let datagram = self.receive(buffer)?;
            doubt_ns = now().since(filled);
            for (header, payload) in Messages(datagram) {
                if header.sequence != self.sequence {
                    continue;
                }
                interrupted |= header.flags & netlink::DUMP_INTERRUPTED != 0;
                match header.kind {
                    netlink::DONE | netlink::ERROR => {
                        return netlink::errno(payload).map_or(Ok(interrupted), |errno| Err(refused(errno)));
                    }
                    request::BY_FAMILY => match record::decode(payload, context) {
                        Some(seen) if states & mask([seen.state]) != 0 => {
                            stats.sockets += 1;
                            each(seen);
                        }
                        Some(_) => {}
                        None => stats.malformed += 1,
                    },
                    _ => {}
                }
            }
        }
    }

    /// The one socket with these ends, and this cookie if one is given; `None` if there is none.
    ///
    /// # Errors
    /// When the kernel refuses to look.
    pub fn find(
        &mut self,
        netns: u32,
        endpoints: &Endpoints,
        cookie: Option<Cookie>,
    ) -> io::Result<Option<SocketSnapshot>> {
        let at = now();
        self.sequence = self.sequence.wrapping_add(1);
        self.ask(&Request::find(self.sequence, endpoints, cookie))?;
        let context = Context { at, doubt_ns: now().since(at), netns, fin_timeout_s: self.fin_timeout_s };
        self.answer(|payload| record::decode(payload, context))
    }

    /// Aborts a socket as `ss -K` does: its peer gets a RST, its holders see ECONNABORTED. False if it is already gone.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the kernel has no `CONFIG_INET_DIAG_DESTROY`, `EPERM` without CAP_NET_ADMIN.
    pub fn destroy(&mut self, endpoints: &Endpoints, cookie: Cookie) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        self.ask(&Request::destroy(self.sequence, endpoints, cookie))?;
        self.answer(|_| None::<()>).map(|gone| gone.is_some())
    }

    /// Waits for the answer about one socket: its record, or (for an acknowledgement, T = ()) the bare success. `None` when
    /// the kernel knows no such socket.
    fn answer<T: Answer>(&self, read: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let datagram = self.receive(&mut buffer)?;
            for (header, payload) in Messages(datagram) {
                if header.sequence != self.sequence {
                    continue;
                }
                if header.kind == request::BY_FAMILY {
                    return read(payload).map(Some).ok_or_else(|| {
                        io::Error::new(io::ErrorKind::InvalidData, "sock_diag: unreadable answer")
                    });
                }
                if header.kind != netlink::ERROR {
                    continue;
                }
                // ENOENT: no such tuple. ESTALE: another socket has it now (`sock_diag_check_cookie`).
                return match netlink::errno(payload) {
                    None => Ok(T::acknowledged()),
                    Some(errno) if [Errno::NOENT, Errno::STALE].map(Errno::raw_os_error).contains(&errno) => {
                        Ok(None)
                    }
                    Some(errno) => Err(refused(errno)),
                };
            }
        }
    }

    fn ask(&self, request: &Request) -> io::Result<()> {
        rustix::io::retry_on_intr(|| net::send(&self.socket, request.as_bytes(), SendFlags::empty()))?;
        Ok(())
    }

    fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let (_, length) = loop {
            match net::recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "sock_diag: no answer in 5 s"));
                }
                other => break other?,
            }
        };
        buffer.get(..length).filter(|datagram| !datagram.is_empty()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("sock_diag: an answer of {length} bytes"))
        })
    }
}

/// What a bare acknowledgement means for an answer of this type.
trait Answer: Sized {
    fn acknowledged() -> Option<Self>;
}

impl Answer for SocketSnapshot {
    fn acknowledged() -> Option<Self> {
        None
    }
}

impl Answer for () {
    fn acknowledged() -> Option<Self> {
        Some(())
    }
}

fn refused(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}
