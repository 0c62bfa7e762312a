//! `tcptrace kill`: closes stuck sockets through SOCK_DESTROY, or says what it would close.

use std::io::{self, Write as _};

use super::say;
use super::stuck::eye::Eye;
use crate::engine::stuck::Stuck;
use crate::engine::stuck::survey::Survey;
use crate::failure::{ExitCode, Failure};
use crate::model::endpoints::Endpoint;
use crate::model::state::TcpState;
use crate::plan::Kill;
use crate::sink::escape::escaped;
use crate::source::sock_diag::set::DiagSet;

/// EOPNOTSUPP: no CONFIG_INET_DIAG_DESTROY.
const UNSUPPORTED: i32 = 95;

/// Finds the sockets, and closes them if told so.
///
/// # Errors
/// Sockets cannot be listed, or closing them is not possible here.
pub(super) fn run(plan: &Kill) -> Result<ExitCode, Failure> {
    let mut eye = Eye::open()?;
    let picture = eye.look(&plan.rules)?;
    let survey = Survey {
        sockets: &picture.sockets,
        holdings: &picture.holdings,
        rules: &plan.rules,
        filter: &plan.filter,
        own_pid: std::process::id(),
    };
    let found = survey.findings(&picture).stuck;
    for note in plan.notes.iter().chain(eye.notes()) {
        say(&format!("note: {note}"));
    }
    let chosen: Vec<&Stuck> = found.iter().filter(|stuck| is_chosen(plan, stuck)).collect();
    if chosen.is_empty() {
        say("no socket matches the filters and the verdict");
        return Ok(ExitCode::Ok);
    }
    let mut survivors = 0;
    for stuck in &chosen {
        let outcome = if plan.yes { destroy(eye.set(), stuck)? } else { Outcome::Planned };
        survivors += u32::from(matches!(outcome, Outcome::Lives | Outcome::Impossible));
        tell(stuck, outcome)?;
    }
    if plan.yes {
        say(&format!("{} of {} closed", chosen.len() - survivors as usize, chosen.len()));
    } else {
        say(&format!("{} would be closed; nothing was done: add --yes", chosen.len()));
    }
    Ok(if survivors > 0 { ExitCode::Runtime } else { ExitCode::Ok })
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing yet: a dry run.
    Planned,
    /// It is closed.
    Closed,
    /// It was gone before.
    Gone,
    /// It is still there.
    Lives,
    /// No one but its holder can close it.
    Impossible,
}

/// LISTEN and TIME_WAIT only where `--state` names them.
fn is_chosen(plan: &Kill, stuck: &Stuck) -> bool {
    if matches!(stuck.state, TcpState::Listen | TcpState::TimeWait) {
        return plan.filter.states.contains(&stuck.state);
    }
    stuck.verdict.is_some_and(|verdict| plan.verdicts.contains(&verdict))
}

fn destroy(set: &mut DiagSet, stuck: &Stuck) -> Result<Outcome, Failure> {
    let socket = &stuck.subject.socket;
    let (Some(cookie), Some(netns)) = (socket.socket.cookie, socket.netns) else {
        return Ok(Outcome::Impossible);
    };
    let Some(diag) = set.diag(netns).filter(|_| stuck.state != TcpState::Closed) else {
        return Ok(Outcome::Impossible);
    };
    match diag.destroy(&socket.endpoints, cookie) {
        Ok(false) => Ok(Outcome::Gone),
        Ok(true) => match diag.find(netns, &socket.endpoints, Some(cookie)) {
            Ok(None) => Ok(Outcome::Closed),
            Ok(Some(_)) | Err(_) => Ok(Outcome::Lives),
        },
        Err(error) if error.raw_os_error() == Some(UNSUPPORTED) => Err(Failure::new(
            ExitCode::Unsuitable,
            "this kernel is built without CONFIG_INET_DIAG_DESTROY: no tool can close a socket from outside, restart its process",
        )),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::new(
            ExitCode::NoPermission,
            "closing sockets needs CAP_NET_ADMIN in their network namespace: run as root",
        )),
        Err(_) => Ok(Outcome::Lives),
    }
}

/// What the peer gets (Linux `net/ipv4/tcp.c:tcp_abort`, `tcp_need_reset`).
fn peer_sees(stuck: &Stuck) -> &'static str {
    let mini = stuck.subject.socket.inode.is_none() && stuck.state == TcpState::FinWait2;
    match stuck.state {
        TcpState::FinWait2 if mini => "the peer is told nothing: what it sends later is answered by a RST",
        TcpState::Established
        | TcpState::CloseWait
        | TcpState::FinWait1
        | TcpState::FinWait2
        | TcpState::SynRecv => "the peer gets a RST: its next read or write fails with ECONNRESET",
        TcpState::Listen => "clients are refused from now on, and those in its accept queue get a RST",
        TcpState::NewSynRecv => "the peer is told nothing: its ACK will be answered by a RST",
        TcpState::SynSent => "the peer is told nothing: a SYN-ACK will be answered by a RST",
        TcpState::LastAck | TcpState::Closing => "the peer is told nothing: it has closed already",
        TcpState::TimeWait => "the peer is told nothing; old segments of this connection may reach a new one",
        TcpState::Closed => "there is no connection any more: only its process can close the fd",
    }
}

fn tell(stuck: &Stuck, outcome: Outcome) -> Result<(), Failure> {
    let ends = &stuck.subject.socket.endpoints;
    let what = match outcome {
        Outcome::Planned => "would close",
        Outcome::Closed => "closed",
        Outcome::Gone => "already gone:",
        Outcome::Lives => "did not die:",
        Outcome::Impossible => "cannot be closed:",
    };
    let owner = stuck.subject.owner.map_or_else(
        || "nobody".to_owned(),
        |owner| format!("{}[{}]", escaped(owner.task.comm.bytes()), owner.task.pid),
    );
    let line = format!(
        "{what} {} {} {} > {} of {owner}; {}",
        stuck.state.name(),
        stuck.verdict.map_or("-", |verdict| verdict.name()),
        end(&ends.local),
        end(&ends.remote),
        peer_sees(stuck)
    );
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(ExitCode::Runtime, format!("writing to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

fn end(end: &Endpoint) -> String {
    let port = end.port.map_or("*".to_owned(), |port| port.to_string());
    if end.addr.is_ipv6() { format!("[{}]:{port}", end.addr) } else { format!("{}:{port}", end.addr) }
}
