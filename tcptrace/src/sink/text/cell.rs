//! What stands in the columns that every text output has.

use super::super::column::Column;
use super::super::{digits, escape};
use super::address;
use crate::model::life::{ConnectionId, Detail, Ending};
use crate::model::owner::Owner;
use crate::model::socket::SocketId;

/// Appends a number, `?` where it is unknown.
pub(in super::super) fn push_known(out: &mut Vec<u8>, number: Option<u64>) {
    match number {
        Some(number) => digits::push(out, number),
        None => out.push(b'?'),
    }
}

/// Appends `rst_sent:unread_data`, `aborted:ss[99]`, `-` where nothing ended.
pub(in super::super) fn push_end(out: &mut Vec<u8>, ending: Option<&Ending>) {
    let Some(Ending { end, detail }) = ending else {
        out.push(b'-');
        return;
    };
    out.extend_from_slice(end.name().as_bytes());
    if let Some(detail) = detail {
        out.push(b':');
        push_detail(out, detail);
    }
}

/// Appends the word, or the process that did it.
pub(in super::super) fn push_detail(out: &mut Vec<u8>, detail: &Detail) {
    match detail {
        Detail::Word(word) => out.extend_from_slice(word.as_bytes()),
        Detail::Killer(task) => {
            escape::push_escaped(out, task.comm.bytes());
            out.push(b'[');
            digits::push(out, u64::from(task.pid));
            out.push(b']');
        }
    }
}

/// Appends what `column` says of a socket; nothing when it says nothing of sockets.
pub(in super::super) fn push_socket(
    out: &mut Vec<u8>,
    column: Column,
    id: ConnectionId,
    socket: &SocketId,
    owner: Option<&Owner>,
) {
    let ends = &socket.endpoints;
    match column {
        Column::Pid => push_known(out, owner.map(|owner| u64::from(owner.task.pid))),
        Column::Comm => match owner {
            Some(owner) => escape::push_escaped(out, owner.task.comm.bytes()),
            None => out.push(b'?'),
        },
        Column::OwnerHow => out.extend_from_slice(owner.map_or("-", |owner| owner.how.name()).as_bytes()),
        Column::Local => address::push_endpoint(out, &ends.local),
        Column::Remote => address::push_endpoint(out, &ends.remote),
        Column::Laddr => address::push_addr(out, ends.local.addr),
        Column::Raddr => address::push_addr(out, ends.remote.addr),
        Column::Lport => address::push_port(out, ends.local.port),
        Column::Rport => address::push_port(out, ends.remote.port),
        Column::Cookie => match socket.socket.cookie {
            Some(cookie) => digits::push_hex(out, cookie.0.get()),
            None => out.push(b'?'),
        },
        Column::Netns => push_known(out, socket.netns.map(u64::from)),
        Column::Uid => push_known(out, socket.uid.map(u64::from)),
        Column::Cgroup => push_known(out, socket.cgroup),
        Column::Family => digits::push(out, u64::from(ends.family())),
        Column::Protocol => out.extend_from_slice(socket.protocol.name().as_bytes()),
        Column::Id => digits::push(out, id.0),
        _ => {}
    }
}
