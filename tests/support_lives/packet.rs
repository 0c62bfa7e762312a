//! Packets that no kernel would send, and what passes a namespace.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
    sockopt,
};

use super::lab::Space;
use super::patience;

/// TCP flags.
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

const IPPROTO_RAW: u32 = 255;
/// `ETH_P_IP`, in network order.
const ETH_P_IP: u32 = 0x0008;

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
}

fn sum(bytes: &[u8], mut sum: u32) -> u32 {
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    sum
}

fn checksum(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn ip_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: usize) -> Vec<u8> {
    let length = (20 + payload) as u16;
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let check = checksum(sum(&header, 0));
    header[10..12].copy_from_slice(&check);
    header
}

impl Segment {
    fn bytes(&self) -> Vec<u8> {
        let Self { from, to, seq, ack, flags } = self;
        let mut tcp = Vec::new();
        tcp.extend(from.port().to_be_bytes());
        tcp.extend(to.port().to_be_bytes());
        tcp.extend(seq.to_be_bytes());
        tcp.extend(ack.to_be_bytes());
        tcp.extend([5 << 4, *flags, 4, 0, 0, 0, 0, 0]);
        let pseudo = [&from.ip().octets()[..], &to.ip().octets(), &[0, 6, 0, 20]].concat();
        let check = checksum(sum(&tcp, sum(&pseudo, 0)));
        tcp[16..18].copy_from_slice(&check);
        let mut packet = ip_header(*from.ip(), *to.ip(), 6, tcp.len());
        packet.extend(tcp);
        packet
    }

    fn parse(packet: &[u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 15) * 4;
        let tcp = packet.get(header..header + 20).filter(|_| packet[9] == 6)?;
        let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
        let end = |ip: usize, port: usize| {
            let ip: [u8; 4] = packet[ip..ip + 4].try_into().unwrap();
            SocketAddrV4::new(ip.into(), u16::from_be_bytes([tcp[port], tcp[port + 1]]))
        };
        Some(Self { from: end(12, 0), to: end(16, 2), seq: word(4), ack: word(8), flags: tcp[13] })
    }
}

/// Sends a segment from `space`, whatever its source address.
pub(crate) fn inject(space: &Space, segment: Segment) {
    raw(space, &segment.bytes(), segment.to);
}

/// Answers `segment` with an ICMP error from `space`.
pub(crate) fn icmp(space: &Space, from: Ipv4Addr, segment: Segment, kind: u8, code: u8) {
    let mut icmp = vec![kind, code, 0, 0, 0, 0, 0, 0];
    icmp.extend(&segment.bytes()[..28]);
    let check = checksum(sum(&icmp, 0));
    icmp[2..4].copy_from_slice(&check);
    let mut packet = ip_header(from, *segment.from.ip(), 1, icmp.len());
    packet.extend(icmp);
    raw(space, &packet, SocketAddrV4::new(*segment.from.ip(), 0));
}

fn open(family: AddressFamily, kind: SocketType, protocol: u32) -> OwnedFd {
    let protocol = NonZeroU32::new(protocol).map(Protocol::from_raw);
    socket_with(family, kind, SocketFlags::CLOEXEC, protocol).unwrap()
}

fn raw(space: &Space, packet: &[u8], to: SocketAddrV4) {
    let socket = space.inside(|| open(AddressFamily::INET, SocketType::RAW, IPPROTO_RAW));
    sendto(&socket, packet, SendFlags::empty(), &to).unwrap();
}

/// Hears every IPv4 packet of a namespace from now on.
pub(crate) struct Ear(OwnedFd);

impl Ear {
    pub(crate) fn new(space: &Space) -> Self {
        let socket = space.inside(|| open(AddressFamily::PACKET, SocketType::DGRAM, ETH_P_IP));
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(patience())).unwrap();
        Self(socket)
    }

    /// Waits for a segment as wanted.
    pub(crate) fn hear(&self, wanted: impl Fn(&Segment) -> bool) -> Segment {
        let deadline = Instant::now() + patience();
        let mut buffer = [0_u8; 2048];
        while Instant::now() < deadline {
            let (length, _) = recv(&self.0, &mut buffer, RecvFlags::empty()).unwrap();
            if let Some(segment) = Segment::parse(&buffer[..length]).filter(&wanted) {
                return segment;
            }
        }
        panic!("not heard");
    }
}
