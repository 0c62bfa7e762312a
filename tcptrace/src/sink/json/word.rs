//! Enumerated words: values of the model printed by name, with their closed list in the schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::super::words;
use crate::engine::stuck::{StuckEvent, Verdict};
use crate::model::event::LossPlace;
use crate::model::evidence::Evidence;
use crate::model::life::{ClosedBy, End, FirstSeen, OpenedBy};
use crate::model::owner::OwnerHow;
use crate::model::snapshot::TimerKind;
use crate::model::socket::Protocol;
use crate::model::state::TcpState;
use crate::model::transition::SeenBy;

/// A set of words.
pub(super) trait Vocabulary: Copy + 'static {
    /// Name of the set in the schema.
    const TITLE: &'static str;
    /// All of it.
    const ALL: &'static [Self];
    /// The word for this one.
    fn word(self) -> &'static str;
}

/// A value printed as its word.
#[derive(Clone, Copy)]
pub(super) struct Word<T>(pub(super) T);

impl<T: Vocabulary> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Vocabulary> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        T::TITLE.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut all: Vec<&str> = T::ALL.iter().map(|value| value.word()).collect();
        // SYN_RECV is the name of two of the kernel's states.
        all.dedup();
        json_schema!({"type": "string", "enum": all})
    }
}

/// The match breaks the build when a variant is missing in the list.
macro_rules! vocabulary {
    ($($type:ty as $title:literal by $name:expr => $($variant:ident)+;)+) => {$(
        impl Vocabulary for $type {
            const TITLE: &'static str = $title;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant)|+ => $name(self),
                }
            }
        }
    )+};
}

vocabulary! {
    TcpState as "State" by Self::name => Closed Listen SynSent NewSynRecv SynRecv Established FinWait1 FinWait2 CloseWait Closing
        LastAck TimeWait;
    Evidence as "Evidence" by words::evidence => Exact AtLeast Estimated Unknown;
    SeenBy as "SeenBy" by Self::name => Tracepoint Timer SockDiag Rule;
    Protocol as "Protocol" by Self::name => Tcp Mptcp;
    OwnerHow as "OwnerHow" by Self::name => Listener Close FdTable Listen Connect Accept;
    LossPlace as "LossPlace" by Self::name => RingBuffer Map Table;
    OpenedBy as "OpenedBy" by Self::name => Connect Accept Listen Simultaneous Unknown;
    ClosedBy as "ClosedBy" by Self::name => Local Remote Both;
    FirstSeen as "FirstSeen" by Self::name => Event Snapshot Midway;
    StuckEvent as "StuckEvent" by Self::name => Began Still Ended;
    Verdict as "Verdict" by Self::name => LeakedFd UnreadData Draining InheritedFd NeverAccepted InFlight HalfClosedByUs OrphanWaiting
        PeerNotClosing PeerGone HalfOpen DeadFd;
    End as "End" by Self::name => TimeWait Fin FinWait2Timeout RstReceived RstSent Refused Unreachable Timeout GaveUp NoLocalPort
        Aborted ListenClosed Recycled Unknown;
}

/// A kernel timer, or none.
#[derive(Clone, Copy)]
pub(super) struct TimerWord(pub(super) Option<TimerKind>);

impl Vocabulary for TimerWord {
    const TITLE: &'static str = "Timer";
    const ALL: &'static [Self] = &[
        Self(None),
        Self(Some(TimerKind::Retransmit)),
        Self(Some(TimerKind::Keepalive)),
        Self(Some(TimerKind::TimeWait)),
        Self(Some(TimerKind::Probe)),
    ];

    fn word(self) -> &'static str {
        words::timer(self.0)
    }
}

/// A state under the kernel's own name.
#[derive(Clone, Copy)]
pub(super) struct KernelState(pub(super) TcpState);

impl Vocabulary for KernelState {
    const TITLE: &'static str = "KernelState";
    const ALL: &'static [Self] = &{
        let mut all = [Self(TcpState::Closed); TcpState::ALL.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = Self(TcpState::ALL[at]);
            at += 1;
        }
        all
    };

    fn word(self) -> &'static str {
        self.0.kernel_name()
    }
}

/// A state under its true name, or under the kernel's with `--raw`.
#[derive(Clone, Copy)]
pub(super) enum AnyState {
    True(TcpState),
    Kernel(TcpState),
}

impl AnyState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::True(state) => state.name(),
            Self::Kernel(state) => state.kernel_name(),
        }
    }
}

impl Serialize for AnyState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl JsonSchema for AnyState {
    fn schema_name() -> Cow<'static, str> {
        "StateOrKernelState".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (plain, kernel) =
            (generator.subschema_for::<Word<TcpState>>(), generator.subschema_for::<Word<KernelState>>());
        json_schema!({"description": "the true state; with --raw the kernel's name", "anyOf": [plain, kernel]})
    }
}
