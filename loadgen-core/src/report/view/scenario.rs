//! One scenario: everything that there is to say of it.

use serde_json::Value;

use super::super::document::{LoadModel, Messages, Scenario, ThresholdResult, Total};
use super::names::Names;
use super::{
    Condition, Fact, Failures, Item, Section, Tone, balance, by_hand, checks, lives, peers, times,
};
use crate::record::{ByteCount, Ledger};
use crate::text::flow::glued;
use crate::units::human;
use crate::workload::Standing;

/// Everything of one scenario. `plan` is that of the run, `trial` which one of a search it is of.
pub(super) fn section(scenario: &Scenario, plan: &Value, trial: Option<&str>) -> Section {
    let names = Names::of(scenario, plan);
    let mut items: Vec<Item> = counts(scenario).map(Item::Fact).collect();
    items.extend(messages(scenario).map(Item::Fact));
    items.extend(times::of(scenario));
    items.extend(times::confidence(scenario).map(Item::Fact));
    items.extend(failures(scenario));
    items.extend(retries(scenario).map(Item::Fact));
    items.extend(lives::of(scenario));
    items.extend(checks::item(checks::of(scenario)));
    items.extend(peers::connections(scenario).map(Item::Fact));
    items.extend(peers::targets(&scenario.targets, &names).map(Item::Table));
    items.extend(peers::addresses(scenario).map(Item::Table));
    items.extend(peers::backends(scenario));
    items.extend(standings(scenario, &names).map(Item::Fact));
    items.extend(changes(scenario).map(Item::Fact));
    items.extend(balance::failovers(scenario));
    items.extend(balance::ejections(scenario));
    items.extend(balance::expectations(scenario));
    items.extend(conditions(scenario));
    let title = title(scenario);
    let title = trial.map_or(title.clone(), |trial| format!("{title}: {trial}"));
    Section { title, items }
}

/// The ledger, what is missing, and throughput.
pub(super) fn counts(scenario: &Scenario) -> impl Iterator<Item = Fact> {
    let may_drop = scenario.load_model == LoadModel::Open;
    let requests = requests(&scenario.ledger, may_drop);
    let pauses = by_hand::pauses(std::slice::from_ref(scenario));
    let throughput = throughput(scenario.throughput_per_s, scenario.bytes, pauses);
    let facts = std::iter::once(requests).chain(missing(scenario));
    facts.chain(std::iter::once(throughput))
}

/// The sums over several scenarios, and the conditions on their tags.
pub(super) fn total(total: &Total, scenarios: &[Scenario]) -> Section {
    let requests = requests(&total.ledger, total.ledger.dropped > 0);
    let pauses = by_hand::pauses(scenarios);
    let throughput = throughput(total.throughput_per_s, total.bytes, pauses);
    let mut items = vec![Item::Fact(requests), Item::Fact(throughput)];
    items.extend(times::of_all(
        &total.response_time_us,
        &total.service_time_us,
    ));
    items.extend(peers::matrix(total, scenarios, peers::NAMED).map(Item::Table));
    items.extend(conditions_of(&total.thresholds));
    Section {
        title: "total".to_owned(),
        items,
    }
}

/// Its name and its protocol.
pub(super) fn title(scenario: &Scenario) -> String {
    format!("{}\u{a0}\u{a0}{}", scenario.name, scenario.protocol)
}

/// What the service left without an answer, and how long it was silent.
pub(super) fn missing(scenario: &Scenario) -> impl Iterator<Item = Fact> {
    let facts = [unanswered(scenario), silence(scenario)];
    facts.into_iter().flatten().map(|it| it.toned(Tone::Bad))
}

/// What failed, where anything did.
pub(super) fn failures(scenario: &Scenario) -> Option<Item> {
    let classes = &scenario.failures;
    (!classes.is_empty()).then(|| Item::Failures(Failures::of("failed", None, classes)))
}

/// How often calls were made again, and what came of it.
pub(super) fn retries(scenario: &Scenario) -> Option<Fact> {
    let retries = scenario.retries.as_ref()?;
    if retries.attempts + retries.throttled == 0 {
        return Some(Fact::new("retries", "none"));
    }
    let mut parts = vec![
        human::counted(retries.attempts, "further attempt"),
        format!("{} ok after all", human::count(retries.ok)),
        format!("{} failed all the same", human::count(retries.failed)),
    ];
    if retries.throttled > 0 {
        parts.push(format!("{} throttled", human::count(retries.throttled)));
    }
    let parts: Vec<String> = parts.iter().map(|it| glued(it)).collect();
    let mut text = parts.join(", ");
    for (word, counts) in [("after", &retries.outcomes), ("of", &retries.backends)] {
        let counts = counts.iter();
        let counts = counts.map(|(name, count)| glued(&format!("{name} {}", human::count(*count))));
        let counts: Vec<String> = counts.collect();
        if !counts.is_empty() {
            text.push_str(&format!("; {word}\u{a0}{}", counts.join(", ")));
        }
    }
    Some(Fact::new("retries", text))
}

/// How those stood that calls went to, the first times that this changed.
fn standings(scenario: &Scenario, names: &Names<'_>) -> Option<Fact> {
    const MOST_NAMED: usize = 6;
    let all = &scenario.standings;
    let mut parts: Vec<String> = all
        .iter()
        .take(MOST_NAMED)
        .map(|it| {
            let to = standing(it.to);
            let peer = names.name(&it.peer);
            format!("{peer} {to} at {}", human::micros(it.t_s * 1e6))
        })
        .collect();
    let more = all.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        parts.push(format!("{} more", human::count(more as u64)));
    }
    (!parts.is_empty()).then(|| Fact::of_parts("standing", &parts))
}

/// How somebody stands that calls go to, in words.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Serving => "serving",
        Standing::NotServing => "not serving",
        Standing::Closed => "closed",
        Standing::Open => "open",
        Standing::HalfOpen => "half open",
        Standing::Unknown => "unknown",
    }
}

/// Files that changed and were read again. Of those that could not be the verdict tells.
fn changes(scenario: &Scenario) -> Option<Fact> {
    const MOST_NAMED: usize = 3;
    let taken = || scenario.changes.iter().filter(|it| it.problem.is_none());
    let mut parts: Vec<String> = taken()
        .take(MOST_NAMED)
        .map(|it| format!("{} at {}", it.file, human::micros(it.t_s * 1e6)))
        .collect();
    let more = taken().count().saturating_sub(MOST_NAMED);
    if more > 0 {
        parts.push(format!("{} more", human::count(more as u64)));
    }
    (!parts.is_empty()).then(|| Fact::of_parts("read again", &parts))
}

/// Each condition, those that hold too, where there are any.
pub(super) fn conditions(scenario: &Scenario) -> Option<Item> {
    conditions_of(&scenario.thresholds)
}

fn conditions_of(thresholds: &[ThresholdResult]) -> Option<Item> {
    let conditions = thresholds.iter().map(Condition::of);
    (!thresholds.is_empty()).then(|| Item::Conditions("thresholds", conditions.collect()))
}

/// Who answered which scenario, and the conditions on tags; where there are any and the sums are shown
/// elsewhere.
pub(super) fn together(total: &Total, scenarios: &[Scenario]) -> Option<Section> {
    let matrix = peers::matrix(total, scenarios, peers::NAMED).map(Item::Table);
    let title = match matrix {
        Some(_) => "total",
        None => "tags",
    };
    let conditions = conditions_of(&total.thresholds);
    let items: Vec<Item> = matrix.into_iter().chain(conditions).collect();
    (!items.is_empty()).then(|| Section {
        title: title.to_owned(),
        items,
    })
}

/// The ledger: nothing planned is left out.
fn requests(ledger: &Ledger, may_drop: bool) -> Fact {
    let mut parts = vec![glued(&format!("{} ok", human::count(ledger.completed)))];
    let begun = ledger.started + ledger.dropped;
    let others = [
        (ledger.failed, "failed", true),
        (ledger.interrupted, "interrupted", false),
        (ledger.dropped, "dropped", may_drop),
        // Of a run that is under way.
        (ledger.in_flight(), "under way", false),
        (ledger.planned.saturating_sub(begun), "in line", false),
    ];
    for (count, word, always) in others {
        if count > 0 || always {
            parts.push(glued(&format!("{} {word}", human::count(count))));
        }
    }
    let mut text = format!(
        "{}\u{a0}planned =\u{a0}{}",
        human::count(ledger.planned),
        parts.join(" +\u{a0}")
    );
    if ledger.withheld > 0 {
        let withheld = human::count(ledger.withheld);
        text.push_str(&format!("; {withheld}\u{a0}of these withheld while paused"));
    }
    if ledger.late > 0 {
        text.push_str(&format!("; {}\u{a0}late", human::count(ledger.late)));
    }
    Fact::new("requests", text)
}

fn unanswered(scenario: &Scenario) -> Option<Fact> {
    let count = scenario.unanswered;
    (count > 0).then(|| Fact::new("unanswered", human::count(count)))
}

/// How long nothing ended ok, where that is longer than a second.
fn silence(scenario: &Scenario) -> Option<Fact> {
    let silence = scenario.silence.filter(|it| it.longest_s > 1.0)?;
    let seconds = |s: f64| human::micros(s * 1e6);
    let end = if silence.to_end { " to the end" } else { "" };
    let from = match silence.from_s {
        0.0 => "the start".to_owned(),
        from => seconds(from),
    };
    let text = format!(
        "none ended ok for {} from {from} on{end}",
        seconds(silence.longest_s),
    );
    Some(Fact::new("silence", text))
}

fn throughput(per_s: f64, bytes: ByteCount, pauses: Option<String>) -> Fact {
    let pauses = pauses.map(|it| format!(" ({it})"));
    let parts = [
        human::rate(per_s) + &pauses.unwrap_or_default(),
        format!("{} sent", human::bytes(bytes.sent)),
        format!("{} received", human::bytes(bytes.received)),
    ];
    Fact::of_parts("throughput", &parts)
}

/// Messages, where they are not one and its answer for each iteration.
pub(super) fn messages(scenario: &Scenario) -> Option<Fact> {
    let mut sum = Messages::default();
    let iterated = scenario.steps.iter().filter(|step| step.part.is_none());
    for of in iterated.filter_map(|step| step.messages) {
        sum.sent += of.sent;
        sum.received += of.received;
        sum.received_per_s += of.received_per_s;
        sum.missing = sum.missing.saturating_add(of.missing);
        sum.out_of_order = sum.out_of_order.saturating_add(of.out_of_order);
        sum.unexpected = sum.unexpected.saturating_add(of.unexpected);
        sum.too_late = sum.too_late.saturating_add(of.too_late);
    }
    let started = scenario.ledger.started;
    let faults = [
        (sum.missing, "missing"),
        (sum.out_of_order, "out of order"),
        (sum.unexpected, "unexpected"),
        (sum.too_late, "too late"),
    ];
    let is_plain = sum.sent == started
        && sum.received == scenario.ledger.completed
        && faults.iter().all(|(count, _)| *count == 0);
    if is_plain || sum.sent + sum.received == 0 {
        return None;
    }
    let mut parts = vec![
        format!("{} sent", human::count(sum.sent)),
        format!(
            "{} received ({})",
            human::count(sum.received),
            human::rate(sum.received_per_s)
        ),
    ];
    let faults = faults.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(faults.map(|(count, word)| format!("{} {word}", human::count(count))));
    Some(Fact::of_parts("messages", &parts))
}
