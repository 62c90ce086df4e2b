//! Many scenarios of the summary, a row each, and below them what went wrong.

use loadgen_core::report::Scenario;

use super::{Look, cut, scenario};
use crate::human;
use crate::paint::Paint;

/// The rows, then failures and failed conditions of each scenario that has any.
pub(super) fn rows(scenarios: &[Scenario], look: Look) -> Vec<String> {
    let paint = look.paint;
    let heading =
        line(["scenario", "ok", "failed", "rate", "p50", "p95", "p99"].map(str::to_owned));
    let mut lines = vec![paint.faint(&heading)];
    lines.extend(scenarios.iter().map(|it| row(it, paint)));
    for it in scenarios {
        let failed: Vec<String> = it
            .thresholds
            .iter()
            .filter(|threshold| !threshold.pass)
            .map(|threshold| format!("  {}", scenario::threshold(threshold, paint)))
            .collect();
        let failures = scenario::failures(it, look);
        if !failed.is_empty() || !failures.is_empty() {
            lines.push(paint.strong(&it.name));
            lines.extend(failed);
            lines.extend(failures);
        }
    }
    lines
}

fn row(scenario: &Scenario, paint: Paint) -> String {
    let times = &scenario.response_time_us;
    let time = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), human::micros);
    let text = line([
        cut(&scenario.name, 22),
        human::count(scenario.ledger.completed),
        human::count(scenario.ledger.failed),
        human::rate(scenario.throughput_per_s),
        time(times.p50),
        time(times.p95),
        time(times.p99),
    ]);
    if scenario.thresholds.iter().all(|it| it.pass) {
        text
    } else {
        paint.bad(&text)
    }
}

fn line([name, ok, failed, rate, p50, p95, p99]: [String; 7]) -> String {
    format!("{name:<22}{ok:>12}{failed:>9}{rate:>12}{p50:>8}{p95:>8}{p99:>8}")
}
