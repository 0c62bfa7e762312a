//! Flags that choose connections and transitions.

use clap::Args;

/// What to show. All flags take lists and repeat; values of one flag are alternatives, different flags must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Filters (values of one flag are alternatives; different flags must all hold)")]
pub struct FilterArgs {
    /// Sockets of these processes, softirq transitions included
    ///
    /// Decided in the kernel by the socket's owner, not by the task that happens to run. Sockets that the process held
    /// before are found through its fd table. When it exits, tracing goes on until its sockets are gone. A pid as seen
    /// inside a container is recognised when nobody here has it.
    #[arg(short = 'p', long = "pid", value_name = "PID,…", value_delimiter = ',', global = true)]
    pub pids: Vec<String>,
    /// With --pid: also processes that these fork from now on
    #[arg(long, global = true)]
    pub follow_forks: bool,
    /// Sockets of processes with these names; `*` stands for anything
    ///
    /// The kernel keeps 15 bytes of a name; a longer one is compared by its first 15.
    #[arg(long = "comm", value_name = "NAME,…", value_delimiter = ',', global = true)]
    pub comms: Vec<String>,
    /// Sockets created by these users (uid or name)
    #[arg(short = 'u', long = "uid", value_name = "UID,…", value_delimiter = ',', global = true)]
    pub uids: Vec<String>,
    /// Port of either end: 443, 8000-8010
    #[arg(long = "port", value_name = "PORT,…", value_delimiter = ',', global = true)]
    pub ports: Vec<String>,
    /// Port of our end
    ///
    /// A connect chooses its port after its first transition: that one is held back and printed once the port is known.
    #[arg(short = 'L', long = "lport", value_name = "PORT,…", value_delimiter = ',', global = true)]
    pub lports: Vec<String>,
    /// Port of the peer's end
    #[arg(short = 'D', long = "rport", value_name = "PORT,…", value_delimiter = ',', global = true)]
    pub rports: Vec<String>,
    /// Address or network of either end: 10.0.0.0/8, 2001:db8::1
    ///
    /// v4-mapped IPv6 addresses (::ffff:10.0.0.1) are IPv4 addresses here.
    #[arg(long = "addr", value_name = "CIDR,…", value_delimiter = ',', global = true)]
    pub addrs: Vec<String>,
    /// Address or network of our end
    #[arg(long = "laddr", value_name = "CIDR,…", value_delimiter = ',', global = true)]
    pub laddrs: Vec<String>,
    /// Address or network of the peer's end
    #[arg(long = "raddr", value_name = "CIDR,…", value_delimiter = ',', global = true)]
    pub raddrs: Vec<String>,
    /// IPv4 only (v4-mapped included)
    #[arg(short = '4', global = true)]
    pub v4: bool,
    /// IPv6 only
    #[arg(short = '6', global = true)]
    pub v6: bool,
    /// Transitions that leave or enter one of these states; in any spelling: close-wait, CLOSE_WAIT, FIN_WAIT2, estab
    ///
    /// With `lives`: connections that have been in one of them.
    #[arg(long = "state", value_name = "STATE,…", value_delimiter = ',', global = true)]
    pub states: Vec<String>,
    /// Network namespaces: a name of `ip netns`, a path, an inode number, or `self`
    #[arg(long = "netns", value_name = "NETNS,…", value_delimiter = ',', global = true)]
    pub netns: Vec<String>,
    /// Sockets created in this cgroup (v2) or below it: a folder of /sys/fs/cgroup, or a path as in /proc/PID/cgroup
    #[arg(long = "cgroup", value_name = "PATH", global = true)]
    pub cgroups: Vec<String>,
}
