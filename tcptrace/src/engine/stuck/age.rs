//! How long a socket has been stuck, from a dump's bounds and from events, and in words.

use crate::model::evidence::{Evidence, Span};
use crate::model::snapshot::{Age, SocketSnapshot};

/// The better of the bounds of a dump and what events told.
pub(super) fn sharper(dump: Age, events: &Span) -> Age {
    let Some(ns) = events.ns else { return dump };
    match events.evidence {
        Evidence::Exact => Age { at_least_ns: ns, at_most_ns: Some(ns) },
        Evidence::AtLeast => Age {
            at_least_ns: dump.at_least_ns.max(ns),
            at_most_ns: [dump.at_most_ns, events.at_most_ns].into_iter().flatten().min(),
        },
        _ => dump,
    }
}

pub(super) fn better(events: Span, age: Age, socket: &SocketSnapshot) -> Span {
    if events.ns.is_some() && events.evidence == Evidence::Exact { events } else { span(age, socket) }
}

pub(super) fn span(age: Age, socket: &SocketSnapshot) -> Span {
    let Age { at_least_ns, at_most_ns } = age;
    match at_most_ns {
        // The kernel's rule reckons it: between two ticks.
        Some(most) if socket.mini => Span::estimated(at_least_ns, Some(most.saturating_sub(at_least_ns))),
        None if at_least_ns == 0 => Span::UNKNOWN,
        most => Span::at_least(at_least_ns, most),
    }
}

/// `at least 31 s`.
pub(super) fn in_words(age: &Span) -> String {
    let Some(ns) = age.ns else { return "an unknown time".into() };
    let time = time_in_words(ns);
    match age.evidence {
        Evidence::Exact => time,
        // Two bounds a tick apart are one figure.
        Evidence::AtLeast if age.at_most_ns.is_some_and(|most| most.saturating_sub(ns) <= 50_000_000) => time,
        Evidence::AtLeast => match age.at_most_ns {
            Some(most) if time_in_words(most) == time => time,
            Some(most) if ns == 0 => format!("at most {}", time_in_words(most)),
            Some(most) => format!("between {time} and {}", time_in_words(most)),
            None => format!("at least {time}"),
        },
        Evidence::Estimated => format!("about {time}"),
        Evidence::Unknown => "an unknown time".into(),
    }
}

fn time_in_words(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ns / 100_000_000 % 10),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
