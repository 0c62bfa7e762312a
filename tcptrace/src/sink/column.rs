//! The columns of the text outputs: `--columns` chooses and orders them by name.

use std::fmt;
use std::str::FromStr;

/// Which outputs have a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Both,
    Stream,
    Lives,
}

/// Cells that a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Still readable.
    pub(super) least: usize,
    /// Holds what is common.
    pub(super) good: usize,
    /// Holds all.
    pub(super) most: usize,
    /// Numbers stand on the right.
    pub(super) right: bool,
    /// What is longer is cut from the middle; a number never is.
    pub(super) cut: bool,
}

const fn cut(least: usize, good: usize, most: usize) -> Room {
    Room { least, good, most, right: false, cut: true }
}

const fn left(width: usize) -> Room {
    Room { least: width, good: width, most: width, right: false, cut: false }
}

const fn right(width: usize) -> Room {
    Room { right: true, ..left(width) }
}

macro_rules! columns {
    ($($variant:ident $name:literal $head:literal $place:ident $room:expr, $help:literal;)+) => {
        /// A column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column {
            $(#[doc = $help] $variant,)+
        }

        impl Column {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that `--columns` takes.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One line of `--help`.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }

            /// The word in the header; the time column's depends on its style.
            #[must_use]
            pub const fn head(self) -> &'static str {
                match self { $(Self::$variant => $head,)+ }
            }

            const fn place(self) -> In {
                match self { $(Self::$variant => In::$place,)+ }
            }

            pub(super) const fn room(self) -> Room {
                match self { $(Self::$variant => $room,)+ }
            }
        }
    };
}

columns! {
    Time "time" "TIME" Both left(12), "when, in the style of --time";
    Pid "pid" "PID" Both right(7), "the process that owns the socket";
    Comm "comm" "COMM" Both cut(7, 15, 15), "its name";
    Local "local" "LOCAL" Both cut(14, 22, 47), "local address and port";
    Remote "remote" "REMOTE" Both cut(14, 22, 47), "remote address and port";
    Laddr "laddr" "LADDR" Both cut(11, 15, 39), "local address";
    Lport "lport" "LPORT" Both right(5), "local port";
    Raddr "raddr" "RADDR" Both cut(11, 15, 39), "remote address";
    Rport "rport" "RPORT" Both right(5), "remote port";
    From "from" "FROM" Stream left(11), "the state left";
    To "to" "TO" Stream left(11), "the state entered";
    Duration "duration" "FOR" Both right(7), "time in FROM, or the length of the whole life";
    Cookie "cookie" "COOKIE" Both right(8), "the kernel's socket cookie, as in `ss -e` after sk:";
    Netns "netns" "NETNS" Both right(10), "inode of the network namespace";
    Uid "uid" "UID" Both right(6), "user id of the socket's creator";
    Cgroup "cgroup" "CGROUP" Both right(8), "id of its creator's cgroup";
    Family "family" "IP" Both right(2), "4 or 6";
    Protocol "protocol" "PROTO" Both left(5), "tcp or mptcp";
    OwnerHow "owner-how" "HOW" Both left(8), "how the owner was found";
    KernelEvent "kernel-event" "KERNEL" Stream left(23), "the kernel's own event behind it";
    Id "id" "ID" Both right(6), "our own number of the connection";
    SeenBy "seen-by" "SEEN-BY" Stream left(10), "what told us of it";
    Evidence "evidence" "EVIDENCE" Both left(9), "how the time is known";
    End "end" "END" Both cut(12, 18, 40), "how the connection ended";
    Opened "opened" "OPENED" Lives left(8), "who opened it";
    Closed "closed" "CLOSED" Lives left(6), "who closed first";
    Sent "sent" "SENT" Lives right(6), "application bytes sent";
    Received "received" "RECV" Lives right(6), "application bytes received";
    Retransmits "retransmits" "RETR" Lives right(4), "segments sent again";
    Rtt "rtt" "RTT" Lives right(7), "smoothed round-trip time at the end";
    Story "story" "" Lives left(0), "opening, closing and end in words";
    Timeline "timeline" "" Lives left(0), "every state with its time";
}

impl Column {
    /// The live stream at 80 columns: the pid stands for its name, the local port for its address.
    const NARROW: &'static [Self] =
        &[Self::Time, Self::Pid, Self::Lport, Self::Remote, Self::From, Self::To, Self::Duration];

    const USUAL: &'static [Self] =
        &[Self::Time, Self::Pid, Self::Comm, Self::Local, Self::Remote, Self::From, Self::To, Self::Duration];

    const WIDE: &'static [Self] = &[
        Self::Time,
        Self::Pid,
        Self::Comm,
        Self::OwnerHow,
        Self::Uid,
        Self::Cookie,
        Self::Netns,
        Self::Local,
        Self::Remote,
        Self::From,
        Self::To,
        Self::Duration,
        Self::Evidence,
        Self::SeenBy,
        Self::End,
    ];

    const NARROW_LIVES: &'static [Self] = &[
        Self::Time,
        Self::Pid,
        Self::Lport,
        Self::Remote,
        Self::Duration,
        Self::Sent,
        Self::Received,
        Self::Retransmits,
        Self::Story,
        Self::Timeline,
    ];

    const USUAL_LIVES: &'static [Self] = &[
        Self::Time,
        Self::Pid,
        Self::Comm,
        Self::Local,
        Self::Remote,
        Self::Duration,
        Self::Sent,
        Self::Received,
        Self::Retransmits,
        Self::Rtt,
        Self::Story,
        Self::Timeline,
    ];

    /// The columns of the live stream for a terminal of `width`, or of wide output without one.
    #[must_use]
    pub const fn for_stream(width: Option<usize>) -> &'static [Self] {
        match width {
            Some(0..105) => Self::NARROW,
            Some(_) => Self::USUAL,
            None => Self::WIDE,
        }
    }

    /// The columns of `tcptrace lives` for a terminal of `width`, or of wide output without one.
    #[must_use]
    pub const fn for_lives(width: Option<usize>) -> &'static [Self] {
        match width {
            Some(0..105) => Self::NARROW_LIVES,
            Some(_) | None => Self::USUAL_LIVES,
        }
    }

    /// Whether the live stream has it.
    #[must_use]
    pub const fn in_stream(self) -> bool {
        matches!(self.place(), In::Both | In::Stream)
    }

    /// Whether `tcptrace lives` has it.
    #[must_use]
    pub const fn in_lives(self) -> bool {
        matches!(self.place(), In::Both | In::Lives)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn(pub String);

impl fmt::Display for UnknownColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a column; the columns are", self.0.escape_debug())?;
        Column::ALL.iter().try_for_each(|column| write!(f, " {column}"))
    }
}

impl std::error::Error for UnknownColumn {}

/// Accepts capitals and `_` for `-`: the JSON fields have the same names.
impl FromStr for Column {
    type Err = UnknownColumn;

    fn from_str(word: &str) -> Result<Self, UnknownColumn> {
        let plain = word.trim().to_ascii_lowercase().replace('_', "-");
        let found = Self::ALL.iter().find(|column| column.name() == plain);
        found.copied().ok_or_else(|| UnknownColumn(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_column() {
        for column in Column::ALL {
            assert_eq!(column.name().parse(), Ok(*column));
            assert!(column.in_stream() || column.in_lives());
            assert!(!column.help().is_empty());
        }
        assert_eq!("OWNER_HOW".parse(), Ok(Column::OwnerHow));
    }

    #[test]
    fn the_defaults_exist_where_they_are_shown() {
        for width in [Some(80), Some(120), Some(200), None] {
            assert!(Column::for_stream(width).iter().all(|column| column.in_stream()));
            assert!(Column::for_lives(width).iter().all(|column| column.in_lives()));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_list() {
        let said = "adress".parse::<Column>().unwrap_err().to_string();
        assert!(said.contains("`adress`") && said.contains("kernel-event"), "{said}");
    }
}
