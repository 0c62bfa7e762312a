//! The keys of event lines. Every event writes its keys in this order, so that a reader need not search.

use super::field::Key;

/// What a column holds: the example by which other programs guess its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Flag,
}

macro_rules! keys {
    ($($name:ident $text:literal $kind:ident),+ $(,)?) => {
        $(pub(super) const $name: Key = Key::new(concat!(",\"", $text, "\":"));)+

        /// All of them but `type`, in order.
        pub(super) const ALL: &[(Key, Kind)] = &[$(($name, Kind::$kind)),+];
    };
}

keys! {
    MONO "mono_ns" Number,
    COOKIE "cookie" Text,
    ADDRESS "sk" Text,
    PROTOCOL "protocol" Text,
    NETNS "netns" Number,
    LADDR "laddr" Text,
    LPORT "lport" Number,
    RADDR "raddr" Text,
    RPORT "rport" Number,
    UID "uid" Number,
    CGROUP "cgroup" Number,
    INODE "inode" Number,
    FROM "from" Text,
    TO "to" Text,
    SINCE "since_ns" Number,
    PID "pid" Number,
    COMM "comm" Text,
    COMM_HEX "comm_hex" Text,
    HOW "how" Text,
    ACTOR_PID "actor_pid" Number,
    ACTOR_COMM "actor_comm" Text,
    ACTOR_COMM_HEX "actor_comm_hex" Text,
    FACTS "facts" Text,
    ERROR "error" Number,
    ERROR_SOFT "error_soft" Number,
    SHUTDOWN "shutdown" Number,
    LINGER2 "linger2" Number,
    UNANSWERED "unanswered" Number,
    UNACKED "unacked" Number,
    BYTES_SENT "bytes_sent" Number,
    BYTES_RECEIVED "bytes_received" Number,
    SEGMENTS_OUT "segments_out" Number,
    SEGMENTS_IN "segments_in" Number,
    RETRANSMITS "retransmits" Number,
    SRTT "srtt_us" Number,
    REASON "reason" Text,
    STATE "state" Text,
    MINI "mini" Flag,
    AGE_AT_LEAST "age_at_least_ns" Number,
    AGE_AT_MOST "age_at_most_ns" Number,
    TIMER "timer" Text,
    TIMER_EXPIRES "timer_expires_ns" Number,
    TIMER_LATE "timer_late_ns" Number,
    TIMER_RETRANSMITS "timer_retransmits" Number,
    RECEIVE_QUEUE "receive_queue" Number,
    SEND_QUEUE "send_queue" Number,
    BEGAN "began_ns" Number,
    STATES "states" Number,
    COUNT "count" Number,
    SECONDS "seconds" Number,
    PLACE "where" Text,
}
