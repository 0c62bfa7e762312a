//! Words for groups and percentiles.

use super::super::{digits, escape, text};
use crate::engine::histogram::group::{By, Group};
use crate::model::life::{End, OpenedBy};
use crate::sink::json::Names;

/// The value of a key, as text; nothing where it is not known.
pub(in crate::sink) fn push_key(out: &mut Vec<u8>, key: By, group: &Group, names: Option<&dyn Names>) {
    let mut number = |number: Option<u64>| {
        if let Some(number) = number {
            digits::push(out, number);
        }
    };
    match key {
        By::State => {}
        By::Pid => number(group.pid.map(u64::from)),
        By::Lport => number(group.lport.map(u64::from)),
        By::Rport => number(group.rport.map(u64::from)),
        By::Netns => number(group.netns.map(u64::from)),
        By::Comm => {
            if let Some(comm) = group.comm {
                escape::push_escaped(out, comm.bytes());
            }
        }
        By::Raddr => {
            if let Some(addr) = group.raddr {
                text::push_addr(out, addr);
            }
        }
        By::Cgroup => match group.cgroup.and_then(|id| names?.cgroup(id)) {
            Some(cgroup) => escape::push_escaped(out, cgroup.path.as_bytes()),
            None => number(group.cgroup),
        },
        By::End => out.extend_from_slice(group.end.map_or("", End::name).as_bytes()),
        By::Role => out.extend_from_slice(group.role.map_or("", OpenedBy::name).as_bytes()),
    }
}

/// `p99.9`.
pub(in crate::sink) fn percentile(percent: f64) -> String {
    format!("p{percent}")
}
