//! The socket fields, flat in every record about a socket.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::super::digits;
use super::word::Word;
use crate::model::cookie::Cookie;
use crate::model::life::ConnectionId;
use crate::model::socket::{Protocol, SocketId};

/// Which socket, with its addresses.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Socket")]
pub(super) struct SocketRecord {
    /// Our own number, never reused in a run.
    pub(super) id: u64,
    /// The kernel's socket cookie in hex, as `ss -e` prints it after `sk:`.
    pub(super) cookie: Option<Hex>,
    /// Inode of the network namespace.
    pub(super) netns: Option<u32>,
    /// 4 or 6; v4-mapped addresses are 4.
    #[schemars(extend("enum" = [4, 6]))]
    pub(super) family: u8,
    /// Local address.
    pub(super) laddr: IpAddr,
    /// Local port.
    pub(super) lport: Option<u16>,
    /// Remote address.
    pub(super) raddr: IpAddr,
    /// Remote port.
    pub(super) rport: Option<u16>,
    /// Transport protocol.
    pub(super) protocol: Word<Protocol>,
}

impl SocketRecord {
    pub(super) fn of(id: ConnectionId, socket: &SocketId) -> Self {
        let ends = &socket.endpoints;
        Self {
            id: id.0,
            cookie: socket.socket.cookie.map(Hex),
            netns: socket.netns,
            family: ends.family(),
            laddr: ends.local.addr,
            lport: ends.local.port,
            raddr: ends.remote.addr,
            rport: ends.remote.port,
            protocol: Word(socket.protocol),
        }
    }
}

/// A cookie in hex.
pub(super) struct Hex(pub(super) Cookie);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 16];
        let digits = digits::hex(self.0.0.get(), &mut text);
        serializer.serialize_str(digits)
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> Cow<'static, str> {
        "Cookie".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[1-9a-f][0-9a-f]{0,15}$"})
    }
}
