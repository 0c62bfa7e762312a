//! A transition's line by hand: the hottest record of the hottest output. Byte for byte what its type says through serde, in a
//! third of the time; a property test holds it to that.

use std::io::Write as _;
use std::net::IpAddr;

use super::super::digits;
use super::owner::{Container, DetailRecord, OwnerRecord, TaskRecord};
use super::record::Transition;
use super::socket::{Hex, SocketRecord};
use super::tame;
use super::word::{Vocabulary, Word};

impl Transition<'_> {
    /// Appends it as `{"type":"transition",…}`, without a line end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self {
            time,
            mono_ns,
            from,
            to,
            in_from_ns,
            evidence,
            at_most_ns,
            error_ns,
            seen_by,
            kernel_from,
            kernel_to,
            socket,
            owner,
            end,
            detail,
        } = self;
        plain(out, r#"{"type":"transition","time":"#, time);
        number(out, r#","mono_ns":"#, *mono_ns);
        plain(out, r#","from":"#, from.name());
        plain(out, r#","to":"#, to.name());
        number(out, r#","in_from_ns":"#, *in_from_ns);
        word(out, r#","evidence":"#, Some(*evidence));
        number(out, r#","at_most_ns":"#, *at_most_ns);
        number(out, r#","error_ns":"#, *error_ns);
        word(out, r#","seen_by":"#, Some(*seen_by));
        word(out, r#","kernel_from":"#, *kernel_from);
        word(out, r#","kernel_to":"#, *kernel_to);
        socket.write(out);
        key(out, r#","owner":"#);
        match owner {
            Some(owner) => owner.write(out),
            None => null(out),
        }
        word(out, r#","end":"#, *end);
        key(out, r#","detail":"#);
        match detail {
            None => null(out),
            Some(DetailRecord::Word(word)) => plain(out, "", word),
            Some(DetailRecord::Killer(TaskRecord { pid, comm })) => {
                number(out, r#"{"pid":"#, *pid);
                text(out, r#","comm":"#, comm);
                out.push(b'}');
            }
        }
        out.push(b'}');
    }
}

impl SocketRecord {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { id, cookie, netns, family, laddr, lport, raddr, rport, protocol } = self;
        number(out, r#","id":"#, *id);
        key(out, r#","cookie":"#);
        match cookie {
            Some(Hex(cookie)) => {
                out.push(b'"');
                digits::push_hex(out, cookie.0.get());
                out.push(b'"');
            }
            None => null(out),
        }
        number(out, r#","netns":"#, *netns);
        number(out, r#","family":"#, *family);
        address(out, r#","laddr":"#, laddr);
        number(out, r#","lport":"#, *lport);
        address(out, r#","raddr":"#, raddr);
        number(out, r#","rport":"#, *rport);
        word(out, r#","protocol":"#, Some(*protocol));
    }
}

impl OwnerRecord<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { pid, comm, uid, how, cgroup, cgroup_id, container } = self;
        number(out, r#"{"pid":"#, *pid);
        text(out, r#","comm":"#, comm);
        number(out, r#","uid":"#, *uid);
        word(out, r#","how":"#, Some(*how));
        key(out, r#","cgroup":"#);
        match cgroup {
            Some(path) => text(out, "", path),
            None => null(out),
        }
        number(out, r#","cgroup_id":"#, *cgroup_id);
        key(out, r#","container":"#);
        match container {
            Some(Container { id, runtime }) => {
                text(out, r#"{"id":"#, id);
                text(out, r#","runtime":"#, runtime);
                out.push(b'}');
            }
            None => null(out),
        }
        out.push(b'}');
    }
}

fn key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(key.as_bytes());
}

fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

fn number(out: &mut Vec<u8>, name: &str, value: impl Number) {
    key(out, name);
    match value.wide() {
        Some(value) => digits::push(out, value),
        None => null(out),
    }
}

fn word<T: Vocabulary>(out: &mut Vec<u8>, name: &str, value: Option<Word<T>>) {
    match value {
        Some(Word(value)) => plain(out, name, value.word()),
        None => {
            key(out, name);
            null(out);
        }
    }
}

/// A text of ours, in which nothing needs an escape.
fn plain(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// A text of somebody else's.
fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        plain(out, name, value);
    } else {
        key(out, name);
        // Writing into memory does not fail, nor does a text.
        let _ = tame::push(out, &value);
    }
}

fn address(out: &mut Vec<u8>, name: &str, address: &IpAddr) {
    key(out, name);
    out.push(b'"');
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            digits::push(out, first.into());
            for octet in rest {
                out.push(b'.');
                digits::push(out, octet.into());
            }
        }
        IpAddr::V6(address) => {
            // Into memory: it does not fail.
            let _ = write!(out, "{address}");
        }
    }
    out.push(b'"');
}

/// Any unsigned number of the records, or none.
trait Number {
    fn wide(self) -> Option<u64>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn wide(self) -> Option<u64> {
                Some(self.into())
            }
        }

        impl Number for Option<$type> {
            fn wide(self) -> Option<u64> {
                self.map(Into::into)
            }
        }
    )*};
}

number!(u8, u16, u32, u64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::comm::Comm;
    use crate::model::evidence::{Evidence, Span};
    use crate::model::life::{Detail, End, Ending, Subject};
    use crate::model::owner::{Owner, OwnerHow, Task};
    use crate::model::state::TcpState;
    use crate::model::time::Mono;
    use crate::model::transition::SeenBy;
    use crate::sink::json::owner::{Cgroup, Names};
    use crate::sink::json::record::Record;
    use crate::sink::row::Row;
    use crate::sink::sample;

    /// One cgroup, in a container, with a path as its owner may choose it.
    struct OneCgroup(String);

    impl Names for OneCgroup {
        fn cgroup(&self, id: u64) -> Option<Cgroup<'_>> {
            id.is_multiple_of(2).then_some(Cgroup { path: &self.0, container: Some(("4f\"2", "docker")) })
        }
    }

    fn subject() -> impl Strategy<Value = Subject> {
        let ends = (any::<IpAddr>(), any::<u16>(), any::<IpAddr>(), any::<u16>());
        let owner = prop::option::of((any::<u32>(), any::<[u8; 16]>(), any::<bool>()));
        (ends, owner, any::<Option<u64>>(), any::<Option<u32>>()).prop_map(|(ends, owner, cgroup, netns)| {
            let (laddr, lport, raddr, rport) = ends;
            let sample = sample::unknown();
            let owner = owner.map(|(pid, comm, accepted)| Owner {
                task: Task { pid, comm: Comm(comm) },
                how: if accepted { OwnerHow::Accept } else { OwnerHow::FdTable },
            });
            let mut subject = if netns.is_some() { sample::v4() } else { sample };
            subject.socket.endpoints =
                crate::model::endpoints::Endpoints::new((laddr, lport), (raddr, rport));
            (subject.owner, subject.socket.cgroup, subject.socket.netns) = (owner, cgroup, netns);
            subject
        })
    }

    fn ending() -> impl Strategy<Value = Option<Ending>> {
        let killer = (any::<u32>(), any::<[u8; 16]>())
            .prop_map(|(pid, comm)| Detail::Killer(Task { pid, comm: Comm(comm) }));
        let detail = prop_oneof![Just(None), Just(Some(Detail::Word("linger_zero"))), killer.prop_map(Some)];
        prop::option::of(detail.prop_map(|detail| Ending { end: End::RstSent, detail }))
    }

    proptest! {
        #[test]
        fn the_line_is_what_serde_makes_of_the_record(
            subject in subject(),
            ending in ending(),
            in_from in any::<(Option<u64>, Option<u64>, Option<u64>)>(),
            (from, to, kernel, raw) in (0..TcpState::ALL.len(), 0..TcpState::ALL.len(), any::<bool>(), any::<bool>()),
            path in any::<String>(),
        ) {
            let (from, to) = (TcpState::ALL[from], TcpState::ALL[to]);
            let row = Row {
                at: Mono(7),
                from,
                to,
                raw,
                in_from: Span {
                    ns: in_from.0,
                    evidence: if kernel { Evidence::AtLeast } else { Evidence::Unknown },
                    at_most_ns: in_from.1,
                    error_ns: in_from.2,
                },
                seen_by: if kernel { SeenBy::Tracepoint } else { SeenBy::SockDiag },
                kernel: kernel.then_some((from, to)),
                ending: ending.as_ref(),
                subject: &subject,
            };
            let names = OneCgroup(path);
            let of = || Transition::of(&row, "2026-11-21T03:20:32.000000001Z", Some(&names));
            let (mut line, mut record) = (Vec::new(), Vec::new());
            of().write(&mut line);
            tame::push(&mut record, &Record::Transition(of())).unwrap();
            prop_assert_eq!(String::from_utf8(line).unwrap(), String::from_utf8(record).unwrap());
        }
    }
}
