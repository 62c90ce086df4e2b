//! Conditions on all scenarios with a tag: that there are such scenarios, and that they have what the
//! condition is about.

use std::time::Duration;

use super::raw::RawSuite;
use crate::condition::{Tag, Threshold};
use crate::nearest::did_you_mean;
use crate::scenario::plan::ScenarioPlan;
use crate::scenario::plan::thresholds::fits_into;
use crate::scenario::reader::problem::Problems;
use crate::schedule::Load;

/// The conditions of a suite. `scenarios` is `None` where not all of them could be read, and so not all tags
/// are known.
pub(super) fn of(
    raw: &RawSuite,
    scenarios: Option<&[ScenarioPlan]>,
    problems: &Problems,
) -> Vec<Threshold> {
    let given = raw.thresholds.given().into_iter();
    for (index, threshold) in given.clone().flat_map(|it| it.given()) {
        let path = format!("thresholds[{index}]");
        let Some(tag) = threshold.tag() else {
            problems.add(
                path,
                format!("`{threshold}`"),
                "a condition on all scenarios with a tag: `tags.KEY.VALUE.METRIC`",
                Some(
                    "one on each scenario belongs to its `thresholds`, or to those of `defaults`"
                        .to_owned(),
                ),
            );
            continue;
        };
        let Some(scenarios) = scenarios else { continue };
        if is_known(tag, scenarios, &path, problems) {
            check(threshold, tag, scenarios, &path, problems);
        }
    }
    let conditions = given.flat_map(|it| it.given());
    conditions.map(|(_, it)| it.clone()).collect()
}

/// Holds a condition to the scenarios with its tag, where there are any.
pub(in crate::scenario) fn check(
    threshold: &Threshold,
    tag: &Tag,
    scenarios: &[ScenarioPlan],
    path: &str,
    problems: &Problems,
) {
    let members: Vec<&ScenarioPlan> = scenarios.iter().filter(|it| it.has(tag)).collect();
    if members.is_empty() {
        return;
    }
    if let Some(name) = threshold.step() {
        has_step(name, &members, path, problems);
    }
    let is_closed = |it: &&ScenarioPlan| matches!(it.load, Load::Closed(_));
    if threshold.needs_open_model() && members.iter().all(is_closed) {
        problems.add(
            path,
            format!("`{threshold}` of scenarios with closed loads"),
            "something that closed loads have",
            Some("start lag and queue wait are of open models only".to_owned()),
        );
    }
    if let Some(lasts) = lasts(&members) {
        fits_into(lasts, threshold, path, problems);
    }
}

fn is_known(tag: &Tag, scenarios: &[ScenarioPlan], path: &str, problems: &Problems) -> bool {
    let Tag { key, value, .. } = tag;
    let mut keys: Vec<&str> = scenarios
        .iter()
        .flat_map(|it| it.tags.keys())
        .map(String::as_str)
        .collect();
    let values = scenarios.iter().filter_map(|it| it.tags.get(key));
    let mut values: Vec<&str> = values.map(String::as_str).collect();
    for names in [&mut keys, &mut values] {
        names.sort_unstable();
        names.dedup();
    }
    let (found, expected, wrong, names, what) = match (keys.is_empty(), values.is_empty()) {
        _ if values.contains(&&**value) => return true,
        (true, _) => {
            problems.add(
                path,
                format!("`{tag}`"),
                "a tag of a scenario",
                Some("no scenario has `tags`".to_owned()),
            );
            return false;
        }
        (false, true) => {
            let found = format!("the unknown tag `{key}`");
            (found, "a tag of a scenario", key, keys, "tags")
        }
        (false, false) => {
            let found = format!("the tag `{key}` with the unknown value `{value}`");
            let expected = "a value that a scenario has";
            (found, expected, value, values, "values")
        }
    };
    let help = did_you_mean(wrong, names.iter().copied())
        .unwrap_or_else(|| format!("the {what} are {}", names.join(", ")));
    problems.add(path, found, expected, Some(help));
    false
}

fn has_step(name: &str, members: &[&ScenarioPlan], path: &str, problems: &Problems) {
    let names = members.iter().flat_map(|it| it.step_names());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.contains(&name) {
        return;
    }
    let help = did_you_mean(name, names.iter().copied())
        .unwrap_or_else(|| format!("the steps are {}", names.join(", ")));
    problems.add(
        path,
        format!("the unknown step `{name}`"),
        "the name of a step of a scenario with the tag",
        Some(help),
    );
}

/// From when the first of them begins to be measured to when the load of the last is over, where all plans
/// fix that.
fn lasts(members: &[&ScenarioPlan]) -> Option<Duration> {
    let from = |it: &&ScenarioPlan| it.start_after.saturating_add(it.warm_up);
    let until = |it| Some(from(it).saturating_add(it.load.duration()?));
    let ends: Option<Vec<Duration>> = members.iter().map(until).collect();
    let first = members.iter().map(from).min()?;
    Some(ends?.into_iter().max()?.saturating_sub(first))
}
