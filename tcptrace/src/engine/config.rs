//! What the engine is told once, before the first event.

use crate::model::time::Mono;

/// What the engine must know of its sources and of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Lives held at most, timewait sockets included, 1 to [`MOST_CONNECTIONS`](super::MOST_CONNECTIONS); beyond, the longest idle ESTABLISHED ones are evicted.
    pub max_connections: usize,
    /// Report a lifecycle when its TIME_WAIT ends, not when it begins.
    pub through_time_wait: bool,
    /// `net.ipv4.tcp_fin_timeout`, seconds, of namespaces of which no [`Event::FinTimeout`](crate::model::event::Event::FinTimeout) has told.
    pub fin_timeout_s: u32,
    /// The kernel's `CONFIG_HZ`: the unit of TCP_LINGER2.
    pub hz: u32,
    /// Lives owned by this process are never reported; 0 for none.
    pub own_pid: u32,
    /// Every event carries its socket's cookie. Else a cookie comes late or never, and the address tells which socket it is.
    pub cookies: bool,
    /// `tcp_receive_reset` and `tcp_send_reset` are traced: a closing may wait for them.
    pub resets: bool,
    /// `tcp_destroy_sock` is traced: a report may wait for it.
    pub destroys: bool,
    /// The timers of timewait sockets are traced (`--exact`): their ends come as events, the rule waits for them.
    pub timers: bool,
    /// Since when every state change of every socket has reached us, where that is so: a socket without an event since
    /// then has been in its state at least as long. `None` where the kernel half filters.
    pub complete_since: Option<Mono>,
    /// The kernel's own events are wanted: [`Update::Seen`](super::update::Update::Seen).
    pub kernel_events: bool,
    /// Transitions are wanted: [`Update::Moved`](super::update::Update::Moved).
    pub transitions: bool,
    /// Whole lives are wanted: [`Update::Closed`](super::update::Update::Closed) and
    /// [`Update::Unfinished`](super::update::Update::Unfinished).
    pub lives: bool,
    /// Lengths beside stays are wanted: [`Update::Measured`](super::update::Update::Measured).
    pub measures: bool,
}

impl Default for Config {
    /// Everything traced on the BTF path; a million connections; Linux's defaults.
    fn default() -> Self {
        Self {
            max_connections: 1_000_000,
            through_time_wait: false,
            fin_timeout_s: 60,
            hz: 250,
            own_pid: 0,
            cookies: true,
            resets: true,
            destroys: true,
            timers: false,
            complete_since: None,
            kernel_events: true,
            transitions: true,
            lives: true,
            measures: false,
        }
    }
}
