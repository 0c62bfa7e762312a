//! A transition's line.

use super::super::owner::DetailRecord;
use super::super::record::Transition;
use super::{Claims, maybe, number, plain, word};

impl Transition<'_> {
    /// Appends it as `{"type":"transition",…}`, without a line end.
    pub(in super::super) fn write(&self, claims: &mut Claims, out: &mut Vec<u8>) {
        let Self {
            time,
            mono_ns,
            from,
            to,
            in_from_ns,
            evidence,
            at_most_ns,
            error_ns,
            seen_by,
            kernel_from,
            kernel_to,
            socket,
            owner,
            end,
            detail,
        } = self;
        plain(out, r#"{"type":"transition","time":"#, time);
        number(out, r#","mono_ns":"#, *mono_ns);
        plain(out, r#","from":"#, from.name());
        plain(out, r#","to":"#, to.name());
        number(out, r#","in_from_ns":"#, *in_from_ns);
        word(out, r#","evidence":"#, Some(*evidence));
        number(out, r#","at_most_ns":"#, *at_most_ns);
        number(out, r#","error_ns":"#, *error_ns);
        word(out, r#","seen_by":"#, Some(*seen_by));
        word(out, r#","kernel_from":"#, *kernel_from);
        word(out, r#","kernel_to":"#, *kernel_to);
        socket.write(out);
        maybe(out, r#","owner":"#, owner.as_ref(), |claim, out| claims.push(out, claim));
        word(out, r#","end":"#, *end);
        maybe(out, r#","detail":"#, detail.as_ref(), DetailRecord::write);
        out.push(b'}');
    }
}
