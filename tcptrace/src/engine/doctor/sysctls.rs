//! The live sysctls of each namespace against the kernel's defaults.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::facts::{Facts, Space};
use super::folklore::{Default, Judgement, Knob, Scene, knobs};
use super::words::{count, list};
use super::{Finding, Severity};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let scenes: Vec<(&Space, Scene<'_>)> =
        facts.now.spaces.iter().map(|space| (space, Scene::of(facts, Some(space.netns)))).collect();
    let mut findings = Vec::new();
    let mut usual = Map::new();
    for knob in knobs().filter(|knob| knob.default != Default::Gone) {
        // Containers share their values by the hundred: told once.
        let mut values: BTreeMap<String, Vec<(&Space, Judgement)>> = BTreeMap::new();
        for (space, scene) in &scenes {
            let Some(value) = space.sysctls.get(knob.name) else { continue };
            let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            if knob.default.figure(Some(space)).is_some_and(|default| default == value) {
                usual.insert(knob.name.to_owned(), Value::from(value));
                continue;
            }
            // By a default that is not known a value cannot be judged.
            if facts.recorded && knob.default.figure(Some(space)).is_none() {
                continue;
            }
            let judgement = knob.judge(&value, scene);
            values.entry(value).or_default().push((space, judgement));
        }
        for (value, spaces) in values {
            findings.extend(changed(facts, knob, &value, &spaces));
        }
    }
    let same = count(u64::try_from(usual.len()).unwrap_or_default(), "sysctl");
    let mut finding = Finding::new("sysctl", Severity::Ok, "sysctls at their defaults", "ip-sysctl.rst")
        .saying(format!(
            "{same} of TCP {} at the default somewhere",
            if usual.len() == 1 { "is" } else { "are" }
        ));
    finding.observed = usual;
    findings.push(finding);
    findings
}

/// A value other than the default, in the namespaces that have it.
fn changed(facts: &Facts, knob: &Knob, value: &str, spaces: &[(&Space, Judgement)]) -> Option<Finding> {
    // The namespace where it matters most speaks for all.
    let (space, judgement) = spaces.iter().max_by_key(|(_, judgement)| judgement.severity)?;
    let places: Vec<String> = spaces
        .iter()
        .map(|(space, _)| match facts.in_space(space.netns) {
            own if own.is_empty() => "our own".to_owned(),
            other => other.trim_start_matches(" in namespace ").to_owned(),
        })
        .collect();
    let place = if spaces.len() == 1 && space.netns == facts.own_netns {
        String::new()
    } else if let [only] = &places[..] {
        format!(" in namespace {only}")
    } else {
        format!(" in {} namespaces", places.len())
    };
    let default = knob.default.figure(Some(space));
    let mut finding = Finding::new(
        "sysctl",
        judgement.severity.max(Severity::Info),
        format!("{} = {value}{place}", knob.name),
        knob.source,
    )
    .with("name", knob.name)
    .with("value", value)
    .with("default", default.clone())
    .with("namespaces", spaces.iter().map(|(space, _)| space.netns).collect::<Vec<_>>())
    .saying(match &default {
        Some(default) => format!("default {default}; {}", judgement.said),
        None => judgement.said.clone(),
    });
    if places.len() > 1 {
        finding.explanation += &format!(" (namespaces {})", list(&places, 4));
    }
    finding.advice.clone_from(&judgement.advice);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_changed_value_is_told_with_its_default_and_what_it_affects_here() {
        let mut facts = sample::counts(&[(crate::model::state::TcpState::TimeWait, 100)]);
        sample::sysctl(&mut facts, "net.ipv4.tcp_fin_timeout", "15");
        sample::sysctl(&mut facts, "net.ipv4.tcp_retries2", "15");
        let found = check(&facts);
        assert_eq!(found.len(), 2);
        assert_eq!((&found[0].observed["default"], found[0].severity), (&"60".into(), Severity::Info));
        assert!(found[0].explanation.contains("0 of 100 TIME_WAITs"), "{}", found[0].explanation);
        assert_eq!(found[1].observed["net.ipv4.tcp_retries2"], "15");
    }

    #[test]
    fn namespaces_with_the_same_value_are_told_once() {
        let mut facts = sample::host(Vec::new());
        sample::sysctl(&mut facts, "net.core.somaxconn", "128");
        let mut other = facts.now.spaces[0].clone();
        (other.netns, other.name) = (8, Some("blue".into()));
        facts.now.spaces.push(other);
        let found = check(&facts);
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].subject.ends_with("in 2 namespaces"), "{}", found[0].subject);
        assert!(found[0].explanation.contains("blue"), "{}", found[0].explanation);
    }
}
