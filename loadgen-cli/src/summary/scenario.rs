//! One scenario of the summary, as a block of lines.

use loadgen_core::record::{ByteCount, Ledger};
use loadgen_core::report::{
    Backend, LoadModel, Messages, Method, Scenario, Statistics, Step, ThresholdResult, Total,
};

use super::{Look, WIDTH, cut, field, hanging};
use crate::human;
use crate::paint::Paint;

/// Classes of failure that are named.
const CLASSES: usize = 4;
/// Backends that are named.
const BACKENDS: usize = 6;
/// Where the further lines of a failure's example begin.
const HANGING: usize = 14;
/// Width of one figure in the table.
const CELL: usize = 9;

/// Everything of one scenario.
pub(super) fn block(scenario: &Scenario, look: Look) -> Vec<String> {
    let paint = look.paint;
    let mut lines = vec![
        paint.strong(&format!("{}  {}", scenario.name, scenario.protocol)),
        requests(&scenario.ledger, scenario.load_model == LoadModel::Open),
    ];
    lines.extend(unanswered(scenario).map(|line| paint.bad(&line)));
    lines.extend(silence(scenario).map(|line| paint.bad(&line)));
    lines.push(throughput(scenario.throughput_per_s, scenario.bytes));
    lines.extend(messages(scenario));
    lines.extend(times(scenario, paint));
    lines.extend(confidence(scenario));
    lines.extend(failures(scenario, look));
    lines.extend(connections(scenario));
    lines.extend(backends(&scenario.backends));
    lines.extend(thresholds(&scenario.thresholds, paint));
    lines
}

/// The sums over several scenarios.
pub(super) fn total(total: &Total, paint: Paint) -> Vec<String> {
    vec![
        paint.strong("total"),
        requests(&total.ledger, total.ledger.dropped > 0),
        throughput(total.throughput_per_s, total.bytes),
        row("response", &total.response_time_us),
        row("service", &total.service_time_us),
    ]
}

/// The ledger: nothing planned is left out.
fn requests(ledger: &Ledger, may_drop: bool) -> String {
    let mut parts = vec![format!("{} ok", human::count(ledger.completed))];
    let others = [
        (ledger.failed, "failed", true),
        (ledger.interrupted, "interrupted", false),
        (ledger.dropped, "dropped", may_drop),
    ];
    for (count, word, always) in others {
        if count > 0 || always {
            parts.push(format!("{} {word}", human::count(count)));
        }
    }
    let mut text = format!(
        "{} planned = {}",
        human::count(ledger.planned),
        parts.join(" + ")
    );
    if ledger.late > 0 {
        text.push_str(&format!("; {} late", human::count(ledger.late)));
    }
    field("requests", &text)
}

/// What the service left without an answer.
fn unanswered(scenario: &Scenario) -> Option<String> {
    let count = scenario.unanswered;
    (count > 0).then(|| field("unanswered", &human::count(count)))
}

/// How long nothing ended ok, where that is longer than a second.
fn silence(scenario: &Scenario) -> Option<String> {
    let silence = scenario.silence.filter(|it| it.longest_s > 1.0)?;
    let seconds = |s: f64| human::micros(s * 1e6);
    let end = if silence.to_end { " to the end" } else { "" };
    let text = format!(
        "none ended ok for {} from {} on{end}",
        seconds(silence.longest_s),
        seconds(silence.from_s)
    );
    Some(field("silence", &text))
}

fn throughput(per_s: f64, bytes: ByteCount) -> String {
    field(
        "throughput",
        &format!(
            "{}, {} sent, {} received",
            human::rate(per_s),
            human::bytes(bytes.sent),
            human::bytes(bytes.received)
        ),
    )
}

/// Messages, where they are not one and its answer for each iteration.
fn messages(scenario: &Scenario) -> Option<String> {
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
    let faults = [
        (sum.missing, "missing"),
        (sum.out_of_order, "out of order"),
        (sum.unexpected, "unexpected"),
        (sum.too_late, "too late"),
    ];
    let faults: String = faults
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!(", {} {word}", human::count(count)))
        .collect();
    let started = scenario.ledger.started;
    let is_plain = sum.sent == started && sum.received == scenario.ledger.completed;
    let is_told = sum.sent + sum.received > 0 && !(is_plain && faults.is_empty());
    is_told.then(|| {
        let text = format!(
            "{} sent, {} received ({}){faults}",
            human::count(sum.sent),
            human::count(sum.received),
            human::rate(sum.received_per_s)
        );
        field("messages", &text)
    })
}

fn times(scenario: &Scenario, paint: Paint) -> Vec<String> {
    let heading = ["p50", "p90", "p95", "p99", "p99.9", "max", "mean"];
    let cells: String = heading.iter().map(|it| format!("{it:>CELL$}")).collect();
    let mut lines = vec![
        paint.faint(&field("", &cells)),
        marked_row(
            "response",
            &scenario.response_time_us,
            scenario.undelayed_us.as_ref(),
        ),
        row("service", &scenario.service_time_us),
    ];
    let parts = [
        ("queue wait", &scenario.queue_wait_us),
        ("start lag", &scenario.start_lag_us),
        ("send lag", &scenario.send_lag_us),
        ("read lag", &scenario.read_lag_us),
    ];
    for (label, statistics) in parts {
        // What is no part of anything that is shown would only be in the way.
        let any = statistics.as_ref().filter(|it| it.max > Some(0.0));
        lines.extend(any.map(|it| row(label, it)));
    }
    if keeps_own_connections(scenario) {
        let connect = scenario.connections.connect_time_us.as_ref();
        lines.extend(connect.map(|it| row("connect", it)));
    }
    let back_off = scenario.connections.back_off_us.as_ref();
    let any = back_off.filter(|it| it.max > Some(0.0));
    lines.extend(any.map(|it| row("back-off", it)));
    if let [only] = scenario.steps.as_slice() {
        lines.extend(message_rows(only, ""));
    } else {
        for step in &scenario.steps {
            let name = cut(&step.name, 11);
            let undelayed = step.undelayed_us.as_ref();
            let times = step.response_time_us.as_ref();
            lines.extend(times.map(|it| marked_row(&name, it, undelayed)));
            // One blank before each: they are the step's.
            lines.extend(message_rows(step, " "));
        }
    }
    if lines.iter().any(|line| line.contains(MOSTLY_OURS)) {
        let note = format!("{MOSTLY_OURS} mostly the generator's own");
        lines.push(paint.doubtful(&field("", &note)));
    }
    lines
}

/// Where the p99, else the p95, of response times lies in 95 of 100 such runs, where that is known.
fn confidence(scenario: &Scenario) -> Option<String> {
    let of = scenario.response_time_confidence_us?;
    let p99 = of.p99.map(|interval| ("p99", interval));
    let (name, [low, high]) = p99.or(of.p95.map(|interval| ("p95", interval)))?;
    let how = match of.method {
        Method::Ranks => "",
        Method::Seconds => " (≈, spread of the seconds)",
    };
    let (low, high) = (human::micros(low), human::micros(high));
    let text = format!("response within {low} .. {high}{how}");
    Some(field(&format!("{name} 95 %"), &text))
}

/// The further series of a step.
fn message_rows(step: &Step, indent: &str) -> impl Iterator<Item = String> {
    let series = [
        ("first msg", &step.first_message_us),
        ("msg gap", &step.message_gap_us),
        ("round trip", &step.round_trip_us),
        ("msg lag", &step.message_lag_us),
        ("stream wait", &step.stream_wait_us),
    ];
    series.into_iter().filter_map(move |(label, statistics)| {
        let row = |it| row(&format!("{indent}{label}"), it);
        statistics.as_ref().map(row)
    })
}

/// Marks a percentile that is mostly the generator's own.
const MOSTLY_OURS: char = '!';
/// Where that is more than this, in microseconds: nobody would notice less.
const NOTABLE_US: f64 = 50.0;

/// A series as figures under the heading; `-` where too few samples support one.
fn row(label: &str, of: &Statistics) -> String {
    marked_row(label, of, None)
}

/// The same of a series that the generator's part is in, with what it would be without.
fn marked_row(label: &str, of: &Statistics, undelayed: Option<&Statistics>) -> String {
    let without = undelayed.copied().unwrap_or(*of);
    let figures = [
        (50.0, of.p50, without.p50),
        (90.0, of.p90, without.p90),
        (95.0, of.p95, without.p95),
        (99.0, of.p99, without.p99),
        (99.9, of.p999, without.p999),
        (100.0, of.max, of.max),
        (100.0, of.mean, of.mean),
    ];
    let cells: String = figures
        .into_iter()
        .map(|(percentage, us, without)| {
            let Some(us) = us else {
                return "-".to_owned();
            };
            let is_bound = of.at_least_from.is_some_and(|from| percentage > from);
            let bound = if is_bound { "≥" } else { "" };
            let is_ours = without.is_some_and(|without| us - without > (us / 2.0).max(NOTABLE_US));
            let mark = if is_ours {
                MOSTLY_OURS.to_string()
            } else {
                String::new()
            };
            format!("{bound}{}{mark}", human::micros(us))
        })
        .map(|text| format!("{text:>CELL$}"))
        .collect();
    field(label, &cells)
}

/// What failed and why, the most frequent first.
pub(super) fn failures(scenario: &Scenario, look: Look) -> Vec<String> {
    let paint = look.paint;
    let mut lines = Vec::new();
    for (index, class) in scenario.failures.iter().take(CLASSES).enumerate() {
        let label = if index == 0 { "failed" } else { "" };
        let mut text = format!("{} × {}", human::count(class.count), class.outcome);
        if let Some(example) = &class.example {
            text.push_str(&format!(", e.g. {example}"));
        }
        let text = match look.example_lines {
            // One endless word must not fill the screen, either.
            Some(most) => cut(&text, most * (WIDTH - HANGING)),
            None => text,
        };
        let mut wrapped = hanging(&field(label, ""), HANGING, &text);
        if let Some(most) = look.example_lines.filter(|most| wrapped.len() > *most) {
            wrapped.truncate(most);
            // The ellipsis stands for a word, so the last line that is kept may have to lose one.
            let last = wrapped.pop().unwrap_or_default();
            let kept = match last.rsplit_once(' ') {
                Some((kept, _)) if last.chars().count() + 2 > WIDTH => kept,
                _ => &last,
            };
            wrapped.push(format!("{kept} …"));
        }
        lines.extend(wrapped.iter().map(|line| paint.bad(line)));
    }
    let unnamed = scenario.failures.iter().skip(CLASSES);
    let (kinds, count) = unnamed.fold((0, 0), |(kinds, count), it| (kinds + 1, count + it.count));
    if kinds > 0 {
        let count = human::count(count);
        lines.push(paint.bad(&field("", &format!("{count} × {kinds} more kinds"))));
    }
    lines
}

/// Whether each user has connections of its own, so that connecting is part of what is measured.
fn keeps_own_connections(scenario: &Scenario) -> bool {
    scenario.protocol == "websocket"
}

/// Connections, where they are measured or anything became of them that was not meant to.
fn connections(scenario: &Scenario) -> Option<String> {
    let connections = &scenario.connections;
    let troubled = connections.failed > 0 || connections.dropped > 0;
    (troubled || keeps_own_connections(scenario)).then(|| {
        field(
            "connections",
            &format!(
                "{} opened, {} failed, {} ended by the other side",
                human::count(connections.opened),
                human::counted(connections.failed, "attempt"),
                human::count(connections.dropped)
            ),
        )
    })
}

/// Who answered.
fn backends(backends: &[Backend]) -> Vec<String> {
    if let [only] = backends {
        let text = format!("{}, {}", only.id, human::counted(only.requests, "answer"));
        return vec![field("backend", &cut(&text, WIDTH - 12))];
    }
    let mut lines: Vec<String> = backends
        .iter()
        .take(BACKENDS)
        .enumerate()
        .map(|(index, backend)| {
            let label = if index == 0 { "backends" } else { "" };
            let p99 = backend.response_time_us.and_then(|it| it.p99);
            let p99 = p99.map_or_else(String::new, |us| format!(", p99 {}", human::micros(us)));
            let text = format!(
                "{:>6}  {}: {}, {} failed{p99}",
                human::percent(backend.share),
                cut(&backend.id, 24),
                human::counted(backend.requests, "answer"),
                human::count(backend.failed)
            );
            field(label, &text)
        })
        .collect();
    if backends.len() > BACKENDS {
        lines.push(field(
            "",
            &format!("… and {} more", backends.len() - BACKENDS),
        ));
    }
    lines
}

fn thresholds(thresholds: &[ThresholdResult], paint: Paint) -> Vec<String> {
    thresholds
        .iter()
        .enumerate()
        .map(|(index, it)| {
            field(
                if index == 0 { "thresholds" } else { "" },
                &threshold(it, paint),
            )
        })
        .collect()
}

/// A condition with the value that was compared.
pub(super) fn threshold(threshold: &ThresholdResult, paint: Paint) -> String {
    let word = if threshold.pass {
        paint.good("ok  ")
    } else {
        paint.bad("FAIL")
    };
    let observed = match threshold.observed {
        Some(value) => format!("was {}", in_unit_of(&threshold.expression, value)),
        None => "nothing was measured".to_owned(),
    };
    format!("{word} {}  ({observed})", cut(&threshold.expression, 40))
}

/// The observed value is in the expression's own unit, which stands at its end. Times are shown as
/// everywhere else on the screen.
fn in_unit_of(expression: &str, value: f64) -> String {
    let last_digit = expression.rfind(|c: char| c.is_ascii_digit());
    let unit = last_digit.map_or("", |last| &expression[last + 1..]);
    if unit.is_empty() && value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return human::count(value as u64);
    }
    match unit {
        "us" => human::micros(value),
        "ms" => human::micros(value * 1e3),
        "s" => human::micros(value * 1e6),
        _ => format!("{}{unit}", human::significant(value)),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("error_rate < 1%", 0.25 => "0.25%")]
    #[test_case("response_time.p95 < 5ms", 7.234 => "7.23 ms")]
    #[test_case("throughput > 1000/s", 812.0 => "812/s")]
    #[test_case("dropped == 0", 12_345.0 => "12,345")]
    #[test_case("dropped==0", 1.0 => "1"; "without blanks")]
    fn observed(expression: &str, value: f64) -> String {
        in_unit_of(expression, value)
    }
}
