//! Many scenarios of the summary, a row each, and below them their conditions and what went wrong.

use loadgen_core::record::Ledger;
use loadgen_core::report::{Document, Scenario, Statistics};

use super::{Look, cut, scenario};
use crate::human;

/// Columns of a name.
const NAME: usize = 22;

/// The rows and their total, then failures and conditions of each scenario that has any.
pub(super) fn rows(document: &Document, look: Look) -> Vec<String> {
    let paint = look.paint;
    let (scenarios, total) = (&document.scenarios, &document.total);
    let heading =
        line(["scenario", "ok", "failed", "rate", "p50", "p95", "p99"].map(str::to_owned));
    let mut lines = vec![paint.faint(&heading)];
    for it in scenarios {
        let name = title(it, scenarios);
        let text = row(&name, &it.ledger, it.throughput_per_s, &it.response_time_us);
        lines.push(if it.thresholds.iter().all(|it| it.pass) {
            text
        } else {
            paint.bad(&text)
        });
    }
    let (ledger, times) = (&total.ledger, &total.response_time_us);
    let sums = row("total", ledger, total.throughput_per_s, times);
    lines.push(paint.strong(&sums));
    for it in scenarios {
        let thresholds: Vec<String> = it
            .thresholds
            .iter()
            .map(|threshold| format!("  {}", scenario::threshold(threshold, paint)))
            .collect();
        let failures = scenario::failures(it, look);
        if !thresholds.is_empty() || !failures.is_empty() {
            lines.push(paint.strong(&title(it, scenarios)));
            lines.extend(thresholds);
            lines.extend(failures);
        }
    }
    lines
}

/// Its name, and its protocol where another scenario has the same name.
fn title(scenario: &Scenario, all: &[Scenario]) -> String {
    let alike = all.iter().filter(|it| it.name == scenario.name);
    if alike.count() > 1 {
        let room = NAME - scenario.protocol.len() - 2;
        format!("{}  {}", cut(&scenario.name, room), scenario.protocol)
    } else {
        scenario.name.clone()
    }
}

fn row(name: &str, ledger: &Ledger, per_s: f64, times: &Statistics) -> String {
    let time = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), human::micros);
    line([
        cut(name, NAME),
        human::count(ledger.completed),
        human::count(ledger.failed),
        human::rate(per_s),
        time(times.p50),
        time(times.p95),
        time(times.p99),
    ])
}

fn line([name, ok, failed, rate, p50, p95, p99]: [String; 7]) -> String {
    format!("{name:<NAME$}{ok:>12}{failed:>9}{rate:>12}{p50:>8}{p95:>8}{p99:>8}")
}
