//! A cancelled timewait timer that starts again at once was moved, not killed: the FIN came, and TIME_WAIT begins anew
//! (Linux `net/ipv4/inet_timewait_sock.c:__inet_twsk_schedule`, which calls `mod_timer`).

use std::time::Duration;

use crate::model::event::{Event, Neighbour};
use crate::model::time::Mono;

/// `mod_timer` cancels and starts within one call; records of other CPUs may come between.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Kills that may turn out to be moves.
#[derive(Debug, Default)]
pub(super) struct Kills(Vec<(Mono, Event)>);

impl Kills {
    /// Takes the next event in order; hands over it and the kills that are certain by now.
    #[inline]
    pub(super) fn pass(&mut self, event: &mut Event, each: &mut impl FnMut(&mut Event)) {
        let Event::Neighbour { at, socket, what } = event else {
            return each(event);
        };
        let (at, socket) = (*at, *socket);
        match what {
            Neighbour::TimewaitKilled(_) => {
                self.settle(at, each);
                return self.0.push((at, event.clone()));
            }
            Neighbour::TimewaitArmed(_) => self.0.retain(
                |(_, kill)| !matches!(kill, Event::Neighbour { socket: killed, .. } if *killed == socket),
            ),
            _ => {}
        }
        each(event);
    }

    /// Hands over the kills that nothing has undone by `now`.
    pub(super) fn settle(&mut self, now: Mono, each: &mut impl FnMut(&mut Event)) {
        let certain = self.0.iter().take_while(|(at, _)| *at + AT_ONCE < now).count();
        for (_, mut event) in self.0.drain(..certain) {
            each(&mut event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::socket::SocketRef;
    use crate::model::state::TcpState;

    fn event(at: u64, address: u64, what: Neighbour) -> Event {
        Event::Neighbour { at: Mono(at), socket: SocketRef { address, cookie: None }, what }
    }

    #[test]
    fn a_timer_that_starts_again_at_once_was_not_killed() {
        let (mut kills, mut seen) = (Kills::default(), Vec::new());
        let armed = event(1_010, 1, Neighbour::TimewaitArmed(TcpState::TimeWait));
        kills.pass(&mut event(1_000, 1, Neighbour::TimewaitKilled(TcpState::FinWait2)), &mut |event| {
            seen.push(event.clone());
        });
        kills.pass(&mut armed.clone(), &mut |event| seen.push(event.clone()));
        kills.settle(Mono(u64::MAX), &mut |event| seen.push(event.clone()));
        assert_eq!(seen, [armed]);
    }

    #[test]
    fn a_kill_that_nothing_undoes_is_told() {
        let (mut kills, mut seen) = (Kills::default(), Vec::new());
        let killed = event(1_000, 1, Neighbour::TimewaitKilled(TcpState::TimeWait));
        kills.pass(&mut killed.clone(), &mut |event| seen.push(event.clone()));
        kills.settle(Mono(1_500), &mut |event| seen.push(event.clone()));
        assert!(seen.is_empty());
        kills.settle(Mono(2_000_000), &mut |event| seen.push(event.clone()));
        assert_eq!(seen, [killed]);
    }
}
