//! Rules and limits as people write them.

use super::*;

fn told(rule: &str) -> String {
    super::rule(rule).unwrap().to_string()
}

#[test]
fn a_rule_is_a_state_and_a_time_and_what_limits_it() {
    for (word, rule) in [
        ("CLOSE_WAIT>30s", "CLOSE_WAIT>30s"),
        ("close-wait > 90m", "CLOSE_WAIT>90m"),
        ("fin_wait2>1500ms orphan", "FIN_WAIT_2>1500ms orphan"),
        ("ESTAB>2h, count>100, per-port", "ESTABLISHED>2h count>100 per-port"),
        ("CLOSED>0s", "CLOSED>0s"),
    ] {
        assert_eq!(told(word), rule);
    }
}

#[test]
fn a_rule_that_is_none_is_told_what_is_missing() {
    for (word, needle) in [
        ("", "it is empty"),
        ("CLOSE_WAIT", "the time is missing"),
        ("CLOSE_WAIT>30", "unit"),
        ("CLOSE>WAIT>30s", "is not a duration"),
        ("WAITING>30s", "is not a TCP state"),
        ("CLOSE_WAIT>30s count>many", "`many` is not a number"),
        ("CLOSE_WAIT>30s per-port", "need count>N"),
        ("CLOSE_WAIT>30s loudly", "`loudly` is not understood"),
    ] {
        let said = rule(word).unwrap_err().message;
        assert!(said.contains(needle) && !said.contains('\n'), "{word}: {said}");
    }
}

#[test]
fn a_bare_number_is_a_count() {
    for (word, threshold) in [
        ("10", Threshold::Count(10)),
        ("count>10", Threshold::Count(10)),
        ("age>1h", Threshold::Age(Duration::from_secs(3600))),
        ("growth>5/m", Threshold::Growth(5)),
    ] {
        assert_eq!(limit("--warning", word), Ok(threshold));
    }
    assert!(limit("--warning", "often").unwrap_err().message.contains("is not a limit"));
}

#[test]
fn every_default_rule_is_its_own_spelling() {
    for (default, _) in DEFAULTS {
        assert_eq!(rule(&default.to_string()), Ok(default));
    }
}
