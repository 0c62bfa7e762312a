//! A life's line.

use super::super::owner::{DetailRecord, TaskRecord};
use super::super::record::{Lifecycle, States, Stay};
use super::{Claims, key, maybe, number, plain, word, yes_or_no};

impl Lifecycle<'_> {
    /// Appends it as `{"type":"lifecycle",…}`, without a line end.
    pub(in super::super) fn write(&self, claims: &mut Claims, out: &mut Vec<u8>) {
        let Self {
            time,
            mono_ns,
            socket,
            owner,
            last_seen,
            opened_by,
            closed_by,
            first_seen,
            states,
            duration_ns,
            duration_evidence,
            handshake_rtt_us,
            end,
            detail,
            bytes_sent,
            bytes_received,
            segments_out,
            segments_in,
            retransmits,
            srtt_us,
            orphaned,
            fd_held_ns,
        } = self;
        plain(out, r#"{"type":"lifecycle","time":"#, time);
        number(out, r#","mono_ns":"#, *mono_ns);
        socket.write(out);
        maybe(out, r#","owner":"#, owner.as_ref(), |claim, out| claims.push(out, claim));
        maybe(out, r#","last_seen":"#, last_seen.as_ref(), TaskRecord::write);
        word(out, r#","opened_by":"#, Some(*opened_by));
        word(out, r#","closed_by":"#, *closed_by);
        word(out, r#","first_seen":"#, Some(*first_seen));
        key(out, r#","states":["#);
        let States(stays) = states;
        for (nth, stay) in stays.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            Stay::of(stay).write(out);
        }
        out.push(b']');
        number(out, r#","duration_ns":"#, *duration_ns);
        word(out, r#","duration_evidence":"#, Some(*duration_evidence));
        number(out, r#","handshake_rtt_us":"#, *handshake_rtt_us);
        word(out, r#","end":"#, *end);
        maybe(out, r#","detail":"#, detail.as_ref(), DetailRecord::write);
        number(out, r#","bytes_sent":"#, *bytes_sent);
        number(out, r#","bytes_received":"#, *bytes_received);
        number(out, r#","segments_out":"#, *segments_out);
        number(out, r#","segments_in":"#, *segments_in);
        number(out, r#","retransmits":"#, *retransmits);
        number(out, r#","srtt_us":"#, *srtt_us);
        yes_or_no(out, r#","orphaned":"#, *orphaned);
        number(out, r#","fd_held_ns":"#, *fd_held_ns);
        out.push(b'}');
    }
}

impl Stay {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { state, entered_mono_ns, ns, evidence, at_most_ns, error_ns, expires_mono_ns } = self;
        word(out, r#"{"state":"#, Some(*state));
        number(out, r#","entered_mono_ns":"#, *entered_mono_ns);
        number(out, r#","ns":"#, *ns);
        word(out, r#","evidence":"#, Some(*evidence));
        number(out, r#","at_most_ns":"#, *at_most_ns);
        number(out, r#","error_ns":"#, *error_ns);
        number(out, r#","expires_mono_ns":"#, *expires_mono_ns);
        out.push(b'}');
    }
}
