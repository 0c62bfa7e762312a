//! Proof that events flow: a connection of our own must be seen. A probe that is attached and deaf is the worst failure.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::model::endpoints::{Endpoint, Endpoints};
use crate::model::event::Event;
use crate::model::state::TcpState;

use super::{AttachError, Kernel};

/// A host that is too busy to answer is not deaf.
const ATTEMPTS: u32 = 3;

/// How long one attempt waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Not every event wakes the reader: look again after this time.
const GLANCE: Duration = Duration::from_millis(2);

impl Kernel {
    /// Opens and closes one loopback connection and waits for its events, which nobody else gets to see. Other events that come
    /// meanwhile go to `each`.
    ///
    /// # Errors
    /// Nothing of it was seen, several times: the probe is deaf.
    pub async fn self_test(&mut self, mut each: impl FnMut(Event)) -> Result<(), AttachError> {
        for _ in 0..ATTEMPTS {
            let port = match connect_once() {
                Ok(port) => port,
                Err(error) => {
                    self.notes.push(format!(
                        "not proven that events flow: no loopback connection could be opened for the self-test \
                         ({error}); `ip link set lo up` makes it possible"
                    ));
                    return Ok(());
                }
            };
            if self.sees(port, &mut each).await {
                return Ok(());
            }
        }
        if self.has_lost() {
            self.notes
                .push("not proven that our own events come through: the ring buffer was full at once".into());
            return Ok(());
        }
        Err(AttachError::Unsuitable(format!(
            "the probe is attached ({}) and deaf: it did not see a loopback connection that tcptrace made itself; try --attach {}, and \
             please report it with the output of `tcptrace preflight`",
            self.path().name(),
            match self.path() {
                super::Path::Btf => "classic",
                super::Path::Classic => "btf",
            }
        )))
    }

    /// Whether the events of the connection to `port` come within a second.
    async fn sees(&mut self, port: u16, each: &mut impl FnMut(Event)) -> bool {
        let (mut seen, mut over, mut named) = (false, false, None);
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain(4096, |event| match event {
                Event::StateChange(change) if is_between(&change.id.endpoints, port) => {
                    seen |= change.to == TcpState::Established;
                    if (change.from, change.to) == (TcpState::Listen, TcpState::SynRecv) {
                        named = Some(change.id.endpoints.remote.port.is_some());
                    }
                    over |= (change.from, change.to) == (TcpState::Listen, TcpState::Closed);
                }
                Event::Accepted(accepted) if accepted.task.pid == std::process::id() => {}
                _ => each(event.clone()),
            });
            if over || Instant::now() >= deadline {
                break;
            }
            // Whether it was woken or time has passed: there may be something.
            let _ = timeout_at(deadline.min(Instant::now() + GLANCE), self.ready()).await;
        }
        self.names_newborns = named;
        seen
    }
}

/// Both ends are on loopback and one of them is the self-test's listener.
fn is_between(ends: &Endpoints, port: u16) -> bool {
    let lo = |end: &Endpoint| end.addr.is_loopback() || end.addr.is_unspecified();
    lo(&ends.local) && lo(&ends.remote) && [ends.local.port, ends.remote.port].contains(&Some(port))
}

/// One connection to ourselves, both ends gone on return and no TIME_WAIT left; its listener's port.
fn connect_once() -> io::Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    let client = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    let (server, _) = listener.accept()?;
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    drop(client);
    let _ = server.shutdown(Shutdown::Both);
    Ok(address.port())
}
