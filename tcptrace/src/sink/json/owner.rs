//! Who a socket belongs to, as JSON.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::word::Word;
use crate::model::life;
use crate::model::owner::{Owner, OwnerHow, Task};
use crate::model::socket::SocketId;

/// Looks up what a cgroup id stands for. It must answer from memory: it is asked for every line.
pub trait Names {
    /// The cgroup with id `id`, where known.
    fn cgroup(&self, id: u64) -> Option<Cgroup<'_>>;
}

/// What is known of a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cgroup<'a> {
    /// Its path below the cgroup mount.
    pub path: &'a str,
    /// Its container: id and runtime.
    pub container: Option<(&'a str, &'a str)>,
}

/// A claim of ownership.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Owner")]
pub(super) struct OwnerRecord<'a> {
    /// In tcptrace's own pid namespace.
    pub(super) pid: u32,
    /// The thread's name; bytes that are no UTF-8 are U+FFFD.
    pub(super) comm: Cow<'a, str>,
    /// Of the socket's creator.
    pub(super) uid: Option<u32>,
    /// How the claim was found.
    pub(super) how: Word<OwnerHow>,
    /// Path of the cgroup.
    pub(super) cgroup: Option<&'a str>,
    /// Its id, known even where its path is not.
    pub(super) cgroup_id: Option<u64>,
    /// The container that the cgroup belongs to.
    pub(super) container: Option<Container<'a>>,
}

/// A container.
#[derive(Serialize, JsonSchema)]
pub(super) struct Container<'a> {
    /// As its runtime names it.
    pub(super) id: &'a str,
    /// Which runtime.
    pub(super) runtime: &'a str,
}

/// A claim of ownership whose record is made when it is needed.
#[derive(Clone, Copy)]
pub(super) struct Claim<'a> {
    owner: &'a Owner,
    socket: &'a SocketId,
    names: Option<&'a dyn Names>,
}

/// All by which the records of two claims can differ: what a cgroup's id stands for does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    owner: Owner,
    uid: Option<u32>,
    cgroup: Option<u64>,
}

impl Key {
    /// A number that few others share.
    pub(super) fn spread(&self) -> u32 {
        self.owner.task.pid.wrapping_add(self.owner.how as u32).wrapping_mul(0x9e37_79b1)
    }
}

impl<'a> Claim<'a> {
    pub(super) fn of(
        owner: Option<&'a Owner>,
        socket: &'a SocketId,
        names: Option<&'a dyn Names>,
    ) -> Option<Self> {
        owner.map(|owner| Self { owner, socket, names })
    }

    pub(super) fn key(&self) -> Key {
        Key { owner: *self.owner, uid: self.socket.uid, cgroup: self.socket.cgroup }
    }

    pub(super) fn record(&self) -> OwnerRecord<'a> {
        let Self { owner, socket, names } = *self;
        let cgroup = socket.cgroup.and_then(|id| names?.cgroup(id));
        OwnerRecord {
            pid: owner.task.pid,
            comm: owner.task.comm.as_str(),
            uid: socket.uid,
            how: Word(owner.how),
            cgroup: cgroup.map(|cgroup| cgroup.path),
            cgroup_id: socket.cgroup,
            container: cgroup
                .and_then(|cgroup| cgroup.container)
                .map(|(id, runtime)| Container { id, runtime }),
        }
    }
}

impl Serialize for Claim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.record().serialize(serializer)
    }
}

impl JsonSchema for Claim<'_> {
    fn schema_name() -> Cow<'static, str> {
        OwnerRecord::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        OwnerRecord::json_schema(generator)
    }
}

/// A process.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Process")]
pub(super) struct TaskRecord<'a> {
    /// In tcptrace's own pid namespace.
    pub(super) pid: u32,
    /// The thread's name.
    pub(super) comm: Cow<'a, str>,
}

impl<'a> TaskRecord<'a> {
    pub(super) fn of(task: &'a Task) -> Self {
        Self { pid: task.pid, comm: task.comm.as_str() }
    }
}

/// What precisely ended a connection: a word, or for `aborted` the process that did it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Detail")]
pub(super) enum DetailRecord<'a> {
    /// A word of the contract.
    Word(&'static str),
    /// The process that destroyed it.
    Killer(TaskRecord<'a>),
}

impl<'a> DetailRecord<'a> {
    pub(super) fn of(detail: &'a life::Detail) -> Self {
        match detail {
            life::Detail::Word(word) => Self::Word(word),
            life::Detail::Killer(task) => Self::Killer(TaskRecord::of(task)),
        }
    }
}
