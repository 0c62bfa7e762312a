//! The columns of the text outputs. A stand-in to compile against: the sinks' own file wins.

use std::str::FromStr;

macro_rules! columns {
    ($($variant:ident $name:literal $help:literal),* $(,)?) => {
        /// One column of a text output.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column { $(#[doc = $help] $variant),* }

        impl Column {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it shows.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),* }
            }
        }
    };
}

columns! {
    Time "time" "when (see --time)",
    Pid "pid" "process that owns the socket",
    Comm "comm" "its name",
    Local "local" "our address and port",
    Remote "remote" "the peer's address and port",
    Laddr "laddr" "our address alone",
    Lport "lport" "our port alone",
    Raddr "raddr" "the peer's address alone",
    Rport "rport" "the peer's port alone",
    From "from" "the state left",
    To "to" "the state entered",
    Duration "duration" "time spent in FROM",
    Cookie "cookie" "socket cookie, as `ss -e` prints after sk:",
    Netns "netns" "inode of the network namespace",
    Uid "uid" "uid of the socket's creator",
    Cgroup "cgroup" "cgroup id of its creator",
    Family "family" "4 or 6",
    Protocol "protocol" "tcp or mptcp",
    OwnerHow "owner-how" "how the owner is known",
    KernelEvent "kernel-event" "the kernel's own event behind it",
    Id "id" "our own number of the connection",
    SeenBy "seen-by" "what told us",
    Evidence "evidence" "how DURATION is known",
    End "end" "how the connection ended",
}

impl FromStr for Column {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|column| column.name() == word).ok_or_else(|| word.to_owned())
    }
}
