//! What became of the steps that begin and end users' lives.

use super::super::document::{Scenario, Step};
use super::{Fact, Failures, Item, Tone};
use crate::outcome::Outcome;
use crate::record::LifePart;
use crate::text::flow::glued;
use crate::units::human;

/// How often each went well, and why it did not.
pub(super) fn of(scenario: &Scenario) -> Vec<Item> {
    let mut items = Vec::new();
    for part in [LifePart::Begin, LifePart::End] {
        items.extend(fact(scenario, part).map(Item::Fact));
        items.extend(steps(scenario, part).filter_map(|step| failures("", step)));
    }
    items
}

/// How often each went well.
#[cfg(feature = "page")]
pub(super) fn facts(scenario: &Scenario) -> impl Iterator<Item = Fact> {
    let parts = [LifePart::Begin, LifePart::End].into_iter();
    parts.filter_map(|part| fact(scenario, part))
}

fn fact(scenario: &Scenario, part: LifePart) -> Option<Fact> {
    let told: Vec<String> = steps(scenario, part).map(|it| glued(&ended(it))).collect();
    let has_failed = steps(scenario, part).any(|step| !step.failures.is_empty());
    let tone = if has_failed { Tone::Bad } else { Tone::Plain };
    (!told.is_empty()).then(|| Fact::new(word(part), told.join(", ")).toned(tone))
}

fn steps(scenario: &Scenario, part: LifePart) -> impl Iterator<Item = &Step> {
    let steps = scenario.steps.iter();
    steps.filter(move |it| it.part == Some(part))
}

/// Why they failed, of those that did.
pub(super) fn failed(scenario: &Scenario) -> impl Iterator<Item = Item> {
    let mut before = None;
    let steps = scenario.steps.iter();
    steps.filter_map(move |step| {
        let part = step.part?;
        let label = if before == Some(part) { "" } else { word(part) };
        let failures = failures(label, step)?;
        before = Some(part);
        Some(failures)
    })
}

fn failures(label: &'static str, step: &Step) -> Option<Item> {
    let classes = &step.failures;
    (!classes.is_empty()).then(|| Item::Failures(Failures::of(label, Some(&step.name), classes)))
}

fn word(part: LifePart) -> &'static str {
    match part {
        LifePart::Begin => "begin",
        LifePart::End => "end",
    }
}

/// `login 97 ok + 3 failed`.
fn ended(step: &Step) -> String {
    let ok = step.outcomes.get(&Outcome::Ok.to_string());
    let failed = step.failures.iter().map(|it| it.count).sum::<u64>();
    let mut text = format!(
        "{} {} ok",
        step.name,
        human::count(ok.copied().unwrap_or(0))
    );
    if failed > 0 {
        text.push_str(&format!(" + {} failed", human::count(failed)));
    }
    text
}
