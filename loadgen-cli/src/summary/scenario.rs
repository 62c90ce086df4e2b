//! One scenario of the summary, as a block of lines.

use loadgen_core::record::{ByteCount, Ledger};
use loadgen_core::report::{LoadModel, Messages, Scenario, Total};

use super::{Look, failures, field, peers, thresholds, times};
use crate::flow::{glued, hanging};
use crate::human;

/// Everything of one scenario.
pub(super) fn block(scenario: &Scenario, look: Look) -> Vec<String> {
    let title = format!("{}\u{a0}\u{a0}{}", scenario.name, scenario.protocol);
    let mut lines = strong(&title, look);
    let may_drop = scenario.load_model == LoadModel::Open;
    lines.extend(requests(&scenario.ledger, may_drop, look));
    lines.extend(missing(scenario, look));
    lines.extend(throughput(scenario.throughput_per_s, scenario.bytes, look));
    lines.extend(messages(scenario, look));
    lines.extend(times::of(scenario, look));
    if let Some((label, text)) = times::confidence(scenario) {
        lines.extend(field(&label, &text, look));
    }
    lines.extend(failures::lines(scenario, look));
    lines.extend(peers::connections(scenario, look));
    lines.extend(peers::targets(&scenario.targets, look));
    lines.extend(peers::backends(&scenario.backends, look));
    let label = "thresholds  ";
    lines.extend(thresholds::lines(&scenario.thresholds, label, look));
    lines
}

/// The sums over several scenarios.
pub(super) fn total(total: &Total, look: Look) -> Vec<String> {
    let mut lines = strong("total", look);
    lines.extend(requests(&total.ledger, total.ledger.dropped > 0, look));
    lines.extend(throughput(total.throughput_per_s, total.bytes, look));
    let (response, service) = (&total.response_time_us, &total.service_time_us);
    lines.extend(times::of_all(response, service, look));
    lines
}

/// A title.
pub(super) fn strong(title: &str, look: Look) -> Vec<String> {
    let lines = hanging("", 2, title, look.columns);
    lines.iter().map(|line| look.paint.strong(line)).collect()
}

/// What the service left without an answer, and how long it was silent.
pub(super) fn missing(scenario: &Scenario, look: Look) -> Vec<String> {
    let mut lines = unanswered(scenario, look);
    lines.extend(silence(scenario, look));
    lines.iter().map(|line| look.paint.bad(line)).collect()
}

/// The ledger: nothing planned is left out.
fn requests(ledger: &Ledger, may_drop: bool, look: Look) -> Vec<String> {
    let mut parts = vec![glued(&format!("{} ok", human::count(ledger.completed)))];
    let others = [
        (ledger.failed, "failed", true),
        (ledger.interrupted, "interrupted", false),
        (ledger.dropped, "dropped", may_drop),
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
    if ledger.late > 0 {
        text.push_str(&format!("; {}\u{a0}late", human::count(ledger.late)));
    }
    field("requests", &text, look)
}

fn unanswered(scenario: &Scenario, look: Look) -> Vec<String> {
    match scenario.unanswered {
        0 => Vec::new(),
        count => field("unanswered", &human::count(count), look),
    }
}

/// How long nothing ended ok, where that is longer than a second.
fn silence(scenario: &Scenario, look: Look) -> Vec<String> {
    let Some(silence) = scenario.silence.filter(|it| it.longest_s > 1.0) else {
        return Vec::new();
    };
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
    field("silence", &text, look)
}

fn throughput(per_s: f64, bytes: ByteCount, look: Look) -> Vec<String> {
    let parts = [
        human::rate(per_s),
        format!("{} sent", human::bytes(bytes.sent)),
        format!("{} received", human::bytes(bytes.received)),
    ];
    field("throughput", &parts.map(|it| glued(&it)).join(", "), look)
}

/// Messages, where they are not one and its answer for each iteration.
fn messages(scenario: &Scenario, look: Look) -> Vec<String> {
    let mut sum = Messages::default();
    for of in scenario.steps.iter().filter_map(|step| step.messages) {
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
        return Vec::new();
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
    let parts: Vec<String> = parts.iter().map(|it| glued(it)).collect();
    field("messages", &parts.join(", "), look)
}
