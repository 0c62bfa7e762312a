//! Histograms.

use super::*;

fn hist(line: &str) -> (Hist, Vec<String>) {
    let trace = trace(line);
    match trace.kind {
        Kind::Hist(hist) => (hist, trace.notes),
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn the_kernel_counts_what_it_can_and_a_note_says_what_it_cannot() {
    for line in
        ["hist", "hist --by state,pid,lport,rport,netns,cgroup,role", "hist --lport 443 --state CLOSE_WAIT"]
    {
        let (hist, notes) = hist(line);
        assert!(hist.in_kernel && notes.is_empty(), "{line}: {notes:?}");
    }
    for (line, why) in [
        ("hist --by pid,comm,end", "--by comm,end"),
        ("hist --comm curl", "this filter"),
        ("hist --port 1,3,5,7,9,11,13,15,17", "this filter"),
        ("hist --attach classic", "classic"),
        ("hist --exact", "--exact"),
    ] {
        let (hist, notes) = hist(line);
        assert!(!hist.in_kernel && notes.len() == 1 && notes[0].contains(why), "{line}: {notes:?}");
    }
    let (asked, notes) = hist("hist --aggregate user");
    assert!(!asked.in_kernel && notes.is_empty());
}

#[test]
fn what_histograms_are_of_is_said_in_words() {
    let asked = |line: &str| hist(line).0.asked;
    assert_eq!(asked("hist"), Asked::stays());
    let some = Asked { derived: vec![Measure::Reaction, Measure::AcceptWait], ..Asked::default() };
    assert_eq!(asked("hist --of reaction,Accept-Wait"), some);
    assert_eq!(asked("hist --of all"), Asked { derived: Measure::DERIVED.to_vec(), ..Asked::stays() });
    assert!(!trace("hist").measures() && trace("hist --of lifetime").measures());
}

#[test]
fn states_of_histograms_choose_stays_and_not_transitions() {
    let trace = trace("hist --state CLOSE_WAIT");
    assert!(trace.filter.is_empty());
    assert!(matches!(trace.kind, Kind::Hist(hist) if hist.asked.states == [TcpState::CloseWait]));
}

#[test]
fn flags_of_histograms_that_make_no_sense_are_refused() {
    refused(&[
        ("hist --by pidd", "pidd"),
        ("hist --by pid,pid", "twice"),
        ("hist --cumulative", "--interval"),
        ("hist --interval 0s", "--interval"),
        ("hist --percentiles 101", "100"),
        ("hist --max-groups 0", "10000"),
        ("hist --count 3", "--duration"),
        ("hist --raw", "--raw"),
        ("hist --columns pid", "--by"),
        ("hist --time utc", "--time"),
        ("hist --hdr /none/out.json", "/none"),
        ("hist --aggregate kernel --from a.zst", "--aggregate"),
        ("hist --of lifetimes", "lifetime"),
        ("hist --of lifetime --state CLOSE_WAIT", "--of"),
        ("hist --against a.zst", "--from"),
        ("hist --from b.zst --against a.zst --interval 5s", "--interval"),
        ("hist --from b.zst --against a.zst -o csv", "csv"),
        ("hist --from b.zst --against a.zst --percentiles p50,p100", "--percentiles"),
    ]);
}
