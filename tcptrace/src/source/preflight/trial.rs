//! The real thing, for a moment: attach everything and see a connection of our own.

use std::thread;

use super::abilities;
use super::check::{Check, Lack, Verdict};
use crate::source::kernel::{Attach, AttachError, Hears, Kernel, Options, Path, Scope, Want};

/// What the kernel half says at start that a check has said already, by a piece of its sentence and the check's name.
const SAID: [(&str, &str); 6] = [
    ("lets tracing programs neither keep memory", "socket cookies"),
    ("the iterator over open files is not available", "open files"),
    ("exit of accept()", "accept()"),
    ("exit of accept()", "tracefs"),
    ("this kernel's BTF has no `", "struct members"),
    ("in a pid namespace of its own", "pid namespace"),
];

/// What a trial showed.
struct Tried {
    path: Path,
    programs: Vec<&'static str>,
    abilities: Vec<Check>,
    notes: Vec<String>,
    deaf: Option<AttachError>,
}

/// Tries, and adds what came of it. The attach path when events came.
pub(super) fn run(ring_bytes: u32, checks: &mut Vec<Check>) -> Option<Path> {
    let check = Check::new(
        "attach",
        "sock:inet_sock_set_state",
        "Linux include/trace/events/sock.h, net/ipv4/af_inet.c:inet_sk_set_state",
    )
    .observe("ring_bytes", ring_bytes);
    let tried = match on_a_thread(ring_bytes) {
        Ok(tried) => tried,
        Err(error) => {
            checks.push(failed(check, &error));
            return None;
        }
    };
    let Tried { path, programs, abilities, notes, deaf } = tried;
    let check = check.observe("path", path.name()).observe("programs", programs.clone());
    if let Some(error) = deaf {
        checks.push(failed(check, &error));
        return None;
    }
    let count =
        if programs.len() == 1 { "1 program".to_owned() } else { format!("{} programs", programs.len()) };
    checks.push(check.fine(format!(
        "tried, by the {} tracepoint: {count} ({}), ring buffer of {} KiB; a connection of our own was seen",
        path.name(),
        programs.join(" "),
        ring_bytes >> 10,
    )));
    checks.extend(abilities);
    let news: Vec<Check> =
        notes.iter().filter(|note| !is_said(note, checks)).map(|note| noted(note)).collect();
    checks.extend(news);
    Some(path)
}

fn failed(check: Check, error: &AttachError) -> Check {
    let lack = match error {
        AttachError::NotPermitted(_) => Lack::Rights,
        AttachError::Unsuitable(_) => Lack::Kernel,
        AttachError::Failed(_) => Lack::Luck,
    };
    // The kernel half's sentences end with what to do, after a semicolon.
    let said = error.to_string();
    match said.rsplit_once("; ") {
        Some((said, advice)) => check.missing(lack, said, advice),
        None => check.missing(lack, said, "please report it with the output of this command"),
    }
}

fn noted(note: &str) -> Check {
    Check::new("note", "sock:inet_sock_set_state", "the kernel, when asked")
        .degraded(note, "tcptrace works without it")
}

/// Whether a check has said it; one that found all well has not.
fn is_said(note: &str, checks: &[Check]) -> bool {
    SAID.iter().any(|(piece, name)| {
        note.contains(piece)
            && checks.iter().any(|check| check.name == *name && check.verdict != Verdict::Fine)
    })
}

/// On a thread of its own: the caller may be inside a runtime already, and a second one cannot start there.
fn on_a_thread(ring_bytes: u32) -> Result<Tried, AttachError> {
    let failed = |what: &str| AttachError::Failed(format!("the trial could not start: {what}"));
    thread::Builder::new()
        .name("preflight".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| AttachError::Failed(format!("starting the runtime: {error}")))?;
            runtime.block_on(attach(ring_bytes))
        })
        .map_err(|error| failed(&error.to_string()))?
        .join()
        .unwrap_or_else(|_| Err(failed("its thread panicked")))
}

async fn attach(ring_bytes: u32) -> Result<Tried, AttachError> {
    let mut kernel = Kernel::attach(&Options {
        attach: Attach::Auto,
        want: Want {
            resets: true,
            destroyed: true,
            follow_forks: true,
            timers: false,
            diagnostics: true,
            stacks: false,
        },
        mptcp: false,
        ring_bytes,
        measure: false,
        scope: Scope::default(),
        counting: None,
        patience: None,
        hears: Hears::default(),
    })?;
    let deaf = kernel.self_test(|_| {}).await.err();
    Ok(Tried {
        path: kernel.path(),
        programs: kernel.attached().to_vec(),
        abilities: abilities::check(&mut kernel),
        notes: kernel.notes().to_vec(),
        deaf,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_a_check_has_told_is_not_told_twice() {
        let note = "the exit of accept() cannot be traced (no access to tracefs): …";
        let fine = Check::new("tracefs", "", "").fine("readable");
        assert!(!is_said(note, std::slice::from_ref(&fine)));
        assert!(is_said(note, &[fine.degraded("not readable", "be root")]));
        assert!(!is_said("tracepoint x is not available: EINVAL", &[]));
    }

    #[test]
    fn what_to_do_is_taken_out_of_the_kernel_halfs_sentence() {
        let check = failed(
            Check::new("attach", "", ""),
            &AttachError::NotPermitted("attaching: not permitted; run as root".into()),
        );
        assert_eq!(
            (check.said.as_str(), check.advice.as_deref()),
            ("attaching: not permitted", Some("run as root"))
        );
        assert_eq!(check.verdict, Verdict::Missing(Lack::Rights));
    }
}
