//! Claims of ownership: who a connection belongs to, and who was last seen acting on it.

use crate::model::owner::{Owner, OwnerHow, Task};

/// Takes the better of two claims. Claims rank as [`OwnerHow`] orders them: accept() beats what was inherited from the
/// listener; between equals the first stays, because a hand-over (fork, SCM_RIGHTS) does not change who opened it.
pub(crate) fn claim(mine: &mut Option<Owner>, new: Owner) {
    match mine {
        Some(old) if old.how >= new.how => {}
        _ => *mine = Some(new),
    }
}

/// Notes that `actor` acted on a socket in process context, as `how`. Whoever is not the owner becomes `last_seen`.
pub(crate) fn acted(mine: &mut Option<Owner>, last_seen: &mut Option<Task>, actor: Task, how: OwnerHow) {
    claim(mine, Owner { task: actor, how });
    *last_seen = match mine {
        Some(owner) if owner.task.pid == actor.pid => None,
        _ => Some(actor),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(pid: u32) -> Task {
        Task { pid, comm: "x".into() }
    }

    #[test]
    fn accept_beats_the_listener_and_nothing_beats_accept() {
        let mut owner = None;
        claim(&mut owner, Owner { task: task(1), how: OwnerHow::Listener });
        claim(&mut owner, Owner { task: task(2), how: OwnerHow::Accept });
        claim(&mut owner, Owner { task: task(3), how: OwnerHow::FdTable });
        assert_eq!(owner.map(|o| o.task.pid), Some(2));
    }

    #[test]
    fn whoever_closes_is_last_seen_and_never_the_owner_of_a_connection_that_another_opened() {
        let (mut owner, mut last_seen) = (None, None);
        acted(&mut owner, &mut last_seen, task(1), OwnerHow::Connect);
        acted(&mut owner, &mut last_seen, task(2), OwnerHow::Close);
        assert_eq!((owner.map(|o| o.task.pid), last_seen.map(|t| t.pid)), (Some(1), Some(2)));
        acted(&mut owner, &mut last_seen, task(1), OwnerHow::Close);
        assert_eq!(last_seen, None);
    }

    #[test]
    fn a_closer_is_the_best_claim_where_there_is_no_other() {
        let (mut owner, mut last_seen) = (None, None);
        acted(&mut owner, &mut last_seen, task(7), OwnerHow::Close);
        assert_eq!(owner, Some(Owner { task: task(7), how: OwnerHow::Close }));
    }
}
