//! Who a socket belongs to, as JSON.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::word::Word;
use crate::model::life;
use crate::model::owner::{OwnerHow, Task};
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

impl<'a> OwnerRecord<'a> {
    pub(super) fn of(
        owner: Option<&'a crate::model::owner::Owner>,
        socket: &SocketId,
        names: Option<&'a dyn Names>,
    ) -> Option<Self> {
        let owner = owner?;
        let cgroup = socket.cgroup.and_then(|id| names?.cgroup(id));
        Some(Self {
            pid: owner.task.pid,
            comm: owner.task.comm.as_str(),
            uid: socket.uid,
            how: Word(owner.how),
            cgroup: cgroup.map(|cgroup| cgroup.path),
            cgroup_id: socket.cgroup,
            container: cgroup
                .and_then(|cgroup| cgroup.container)
                .map(|(id, runtime)| Container { id, runtime }),
        })
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
