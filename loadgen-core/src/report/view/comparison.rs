//! What is shown of a comparison, and of how much repeated runs differ.

use super::super::compare::{
    Change, Compared, ComparedRun, ComparedScenario, Comparison, Figures, Judgement, LimitResult,
    LimitVerdict, Spread, ToldFrom, Unit,
};
use super::{Cell, Column, Condition, Fact, Item, Row, Section, Table, Tone, column};
use crate::condition::ChangeLimit;
use crate::text::flow::glued;
use crate::units::human;

/// With more steps than this, those without a difference are not shown.
const MOST_STEPS: usize = 8;

/// What is shown of each figure; with little room the p-values are left out first, then the interval.
static COLUMNS: [Column; 7] = [
    column("base", 2),
    column("new", 1),
    column("change", 0),
    column("95 %", 3),
    column("p", 4),
    column("p of all", 5),
    column("verdict", 0),
];

/// What is shown of a capacity.
static CAPACITY: [Column; 5] = [
    column("base", 2),
    column("new", 1),
    column("change", 0),
    column("least .. most", 3),
    column("verdict", 0),
];

/// What is shown of how much runs differ.
static SPREAD: [Column; 4] = [
    column("median", 0),
    column("min", 1),
    column("max", 1),
    column("variation", 0),
];

/// A comparison as it is shown.
#[derive(Debug)]
pub(in crate::report) struct ComparisonView {
    /// Why there should be none, where there is one all the same.
    pub(in crate::report) unlike: Vec<String>,
    /// What came of it, in a word.
    pub(in crate::report) word: &'static str,
    pub(in crate::report) tone: Tone,
    /// And in a sentence.
    pub(in crate::report) text: String,
    pub(in crate::report) warnings: Vec<String>,
    pub(in crate::report) sections: Vec<Section>,
}

impl ComparisonView {
    pub(in crate::report) fn of(comparison: &Comparison) -> Self {
        let (word, tone) = word(comparison);
        let noun = match capacity(comparison) {
            Some(_) => "search",
            None => "run",
        };
        let runs = vec![
            Item::Fact(Fact::new("base", runs(&comparison.base, noun))),
            Item::Fact(Fact::new("new", runs(&comparison.new, noun))),
        ];
        let mut sections = vec![untitled(runs)];
        sections.extend(comparison.scenarios.iter().flat_map(of_scenario));
        if !comparison.limits.is_empty() {
            let limits = comparison.limits.iter().map(limit).collect();
            sections.push(untitled(vec![Item::Conditions("limits", limits)]));
        }
        Self {
            unlike: comparison.unlike.clone(),
            word,
            tone,
            text: sentence(comparison),
            warnings: comparison.warnings.clone(),
            sections,
        }
    }
}

fn untitled(items: Vec<Item>) -> Section {
    Section {
        title: String::new(),
        items,
    }
}

fn word(comparison: &Comparison) -> (&'static str, Tone) {
    let counts = comparison.counts;
    if comparison.fails() {
        ("FAIL", Tone::Bad)
    } else if counts.worse > 0 {
        ("WORSE", Tone::Bad)
    } else if counts.better > 0 {
        ("BETTER", Tone::Good)
    } else if counts.same > 0 && counts.undecided == 0 {
        ("NO DIFFERENCE", Tone::Strong)
    } else {
        ("UNDECIDED", Tone::Doubtful)
    }
}

fn sentence(comparison: &Comparison) -> String {
    let counts = comparison.counts;
    let within = human::percent(comparison.within);
    let searched = capacity(comparison).map(|it| changed(it, &within));
    let figures = [
        (counts.worse, "worse".to_owned()),
        (counts.better, "better".to_owned()),
        (counts.same, format!("the same within {within}")),
        (counts.undecided, "undecided".to_owned()),
    ];
    let mut parts: Vec<String> = Vec::new();
    let failed = comparison.limits.iter().filter(|it| it.verdict.fails());
    let failed = failed.count() as u64;
    if failed > 0 {
        parts.push(format!("{} not kept", human::counted(failed, "limit")));
    }
    if let Some(searched) = searched {
        parts.push(searched);
        return parts.join(", ");
    }
    let figures = figures.into_iter().filter(|(count, _)| *count > 0);
    for (nth, (count, what)) in figures.enumerate() {
        let counted = match nth {
            0 => human::counted(count, "figure"),
            _ => human::count(count),
        };
        parts.push(format!("{counted} {what}"));
    }
    let parts: Vec<String> = parts.iter().map(|it| glued(it)).collect();
    parts.join(", ")
}

/// How many runs, where their results came from, and when they were.
fn runs(runs: &[ComparedRun], noun: &str) -> String {
    let sources = match runs {
        [] => String::new(),
        [only] => only.source.clone(),
        [first, .., last] => format!("{} .. {}", first.source, last.source),
    };
    // To the second.
    let began = runs
        .iter()
        .map(|it| it.started_at.get(..19).unwrap_or_default());
    let (first, last) = (began.clone().min(), began.max());
    let when = match (first, last) {
        (Some(first), Some(last)) if first == last => format!("{first}Z"),
        (Some(first), Some(last)) => format!("{first}Z .. {last}Z"),
        _ => String::new(),
    };
    let plural = match (noun, runs.len()) {
        (_, 1) => "",
        ("search", _) => "es",
        _ => "s",
    };
    let count = format!("{} {noun}{plural}", human::count(runs.len() as u64));
    format!("{}, {sources}, {}", glued(&count), glued(&when))
}

/// What became of the capacity, where searches are compared.
fn capacity(comparison: &Comparison) -> Option<&Compared> {
    let mut figures = comparison.scenarios.iter().flat_map(|it| &it.figures);
    figures.find(|it| is_capacity(it))
}

fn is_capacity(compared: &Compared) -> bool {
    compared.metric == ChangeLimit::CAPACITY
}

/// That a capacity changed, and by how much; or that no change is shown.
fn changed(compared: &Compared, within: &str) -> String {
    let (rose, verb) = match compared.verdict {
        Judgement::Better => (true, "is more"),
        Judgement::Worse => (false, "is less"),
        Judgement::Same => return format!("the capacity is the same within {within}"),
        Judgement::Undecided => {
            let overlap = "the bounds overlap: no change of the capacity is shown";
            let between = compared.change.and_then(|it| possible(it, compared.unit));
            return match between {
                None => "a capacity is not known on both sides".to_owned(),
                Some(between) => format!("{overlap}, and one of {between} is possible"),
            };
        }
    };
    let change = compared.change.unwrap_or(Change {
        estimate: None,
        low: None,
        high: None,
    });
    let (least, most) = match rose {
        true => (change.low, change.high),
        false => (change.high, change.low),
    };
    let percent = |it: f64| human::percent(it.abs());
    let parts = [
        least.map(|it| format!("by {} at least", percent(it))),
        most.map(|it| format!("{} at most", percent(it))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("the capacity {verb}, {}", parts.join(" and "))
        .trim_end_matches([',', ' '])
        .to_owned()
}

/// From the least change to the greatest; an end that is open is told by the other.
fn possible(of: Change, unit: Unit) -> Option<String> {
    match (of.low, of.high) {
        (Some(_), Some(_)) => interval(unit, of),
        (Some(low), None) => Some(format!("≥ {}", change(unit, low))),
        (None, Some(high)) => Some(format!("≤ {}", change(unit, high))),
        (None, None) => None,
    }
}

/// The bounds of a capacity; where nothing is known to hold only the upper one.
fn between(bounds: Figures) -> String {
    let [lower, upper] = [bounds.min, bounds.max].map(human::rate);
    match bounds {
        it if it.at_least => format!("≥ {lower}"),
        it if it.max == 0.0 => "none".to_owned(),
        it if it.min == 0.0 => format!("< {upper}"),
        _ => format!("{} to {upper}", lower.trim_end_matches("/s")),
    }
}

/// The bounds, what they changed by, and that all else is of trials.
fn of_capacity(scenario: &ComparedScenario, compared: &Compared) -> Section {
    let bounds =
        |figures: Option<Figures>| figures.map_or_else(Cell::default, |it| Cell::of(between(it)));
    let estimate = compared.change.and_then(|it| it.estimate);
    let interval = compared.change.and_then(|it| possible(it, compared.unit));
    let mut table = Table::new("", false, &CAPACITY[..]);
    let cells = [
        bounds(compared.base),
        bounds(compared.new),
        estimate.map_or_else(Cell::default, |it| Cell::of(change(compared.unit, it))),
        interval.map_or_else(Cell::default, Cell::of),
        Cell::of(compared.verdict.as_str()),
    ];
    table.rows.push(Row {
        label: compared.metric.clone(),
        indent: 0,
        cells: cells.into(),
        tone: tone(compared),
    });
    let others =
        "all else in these results is of one trial each, at a rate of its own, and is not compared";
    Section {
        title: format!("{} ({})", scenario.name, scenario.protocol),
        items: vec![Item::Table(table), Item::Fact(Fact::new("trials", others))],
    }
}

fn of_scenario(scenario: &ComparedScenario) -> Vec<Section> {
    if let Some(capacity) = scenario.figures.iter().find(|it| is_capacity(it)) {
        return vec![of_capacity(scenario, capacity)];
    }
    let title = format!("{} ({})", scenario.name, scenario.protocol);
    let mut items = vec![Item::Table(table(scenario.figures.iter()))];
    let steps = &scenario.steps;
    let has_difference = |figures: &[Compared]| {
        let mut verdicts = figures.iter().map(|it| it.verdict);
        verdicts.any(|it| matches!(it, Judgement::Better | Judgement::Worse))
    };
    let shown = steps
        .iter()
        .filter(|it| steps.len() <= MOST_STEPS || has_difference(&it.figures));
    let mut sections = Vec::new();
    let mut count = 0;
    for step in shown {
        count += 1;
        // The times of the only step are the scenario's own.
        let is_own = |it: &&Compared| steps.len() > 1 || !is_of(it, "response_time");
        let table = table(step.figures.iter().filter(is_own));
        if !table.rows.is_empty() {
            sections.push(Section {
                title: format!("{}, step {}", scenario.name, step.name),
                items: vec![Item::Table(table)],
            });
        }
    }
    let hidden = steps.len() - count;
    if hidden > 0 {
        let text = format!(
            "{} without a difference left out; the JSON document has them",
            human::counted(hidden as u64, "step")
        );
        items.push(Item::Fact(Fact::new("steps", text)));
    }
    sections.insert(0, Section { title, items });
    sections
}

/// Whether a figure is of a series of this name.
fn is_of(compared: &Compared, series: &str) -> bool {
    let mut words = compared.metric.rsplit('.');
    words.nth(1) == Some(series)
}

fn table<'a>(figures: impl Iterator<Item = &'a Compared>) -> Table {
    let mut table = Table::new("", false, &COLUMNS);
    for compared in figures {
        let tone = tone(compared);
        table.rows.push(Row {
            label: label(&compared.metric),
            indent: 0,
            cells: cells(compared).into(),
            tone,
        });
    }
    table
}

fn tone(compared: &Compared) -> Tone {
    match compared.verdict {
        Judgement::Worse => Tone::Bad,
        Judgement::Better => Tone::Good,
        Judgement::Same | Judgement::Undecided => Tone::Plain,
    }
}

/// A metric as tables call it: `response p99.9`.
fn label(metric: &str) -> String {
    let mut words = metric.rsplit('.');
    let last = words.next().unwrap_or_default();
    let statistic = if last == "p999" { "p99.9" } else { last };
    let series = match words.next() {
        None => return metric.replace('_', " "),
        Some("response_time") => "response",
        Some("service_time") => "service",
        Some("first_message") => "first msg",
        Some(other) => return format!("{} {statistic}", other.replace('_', " ")),
    };
    format!("{series} {statistic}")
}

fn cells(compared: &Compared) -> [Cell; COLUMNS.len()] {
    let of = |figures: Option<Figures>| {
        figures.map_or_else(Cell::default, |it| {
            let bound = if it.at_least { "≥" } else { "" };
            Cell::of(format!("{bound}{}", value(compared.unit, it.median)))
        })
    };
    let p_value = |p: Option<f64>| {
        p.map_or_else(Cell::default, |p| {
            Cell::of(if p < 0.001 {
                "<0.001".to_owned()
            } else {
                format!("{p:.3}")
            })
        })
    };
    let estimate = compared.change.and_then(|it| it.estimate);
    let interval = compared
        .change
        .filter(|_| matches!(compared.told_from, ToldFrom::Runs | ToldFrom::Seconds))
        .and_then(|it| interval(compared.unit, it));
    let about = if compared.told_from == ToldFrom::Seconds {
        "≈ "
    } else {
        ""
    };
    [
        of(compared.base),
        of(compared.new),
        estimate.map_or_else(Cell::default, |it| Cell::of(change(compared.unit, it))),
        interval.map_or_else(Cell::default, |it| Cell::of(format!("{about}{it}"))),
        p_value(compared.p),
        p_value(compared.p_of_all),
        Cell::of(compared.verdict.as_str()),
    ]
}

fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Microseconds => human::micros(value),
        Unit::PerSecond => human::rate(value),
        Unit::Share => human::percent(value),
    }
}

/// `+12.9%`; of error rates percentage points.
fn change(unit: Unit, change: f64) -> String {
    match unit {
        Unit::Share => signed(change, 2) + " pp",
        Unit::Microseconds | Unit::PerSecond => signed(change, 1) + "%",
    }
}

/// Where a change lies; an end that is not known is open.
fn interval(unit: Unit, change: Change) -> Option<String> {
    let (decimals, sign) = match unit {
        Unit::Share => (2, " pp"),
        Unit::Microseconds | Unit::PerSecond => (1, "%"),
    };
    let end = |it: Option<f64>| it.map_or_else(String::new, |it| signed(it, decimals));
    let (low, high) = (end(change.low), end(change.high));
    (!low.is_empty() || !high.is_empty()).then(|| format!("{low} .. {high}{sign}"))
}

/// A share in percent with its sign; nothing has none.
fn signed(share: f64, decimals: usize) -> String {
    let text = format!("{:+.decimals$}", share * 100.0);
    let is_nothing = text.chars().all(|c| matches!(c, '+' | '-' | '0' | '.'));
    if is_nothing { "0".to_owned() } else { text }
}

fn limit(result: &LimitResult) -> Condition {
    let unit = result.unit;
    let changed = result.change.map(|it| {
        let estimate = it.estimate.map(|it| change(unit, it));
        let parts = [estimate, interval(unit, it)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    });
    let changed = changed.unwrap_or_default();
    let observed = match result.verdict {
        LimitVerdict::Kept if changed.is_empty() => {
            "it was not measured; both sides are the same runs".to_owned()
        }
        LimitVerdict::Kept | LimitVerdict::Broken => changed,
        LimitVerdict::Undecided => {
            format!("{changed}: undecided, chance may have it on either side")
        }
        LimitVerdict::Untold if changed.is_empty() => {
            let needed = result.samples_needed.map(|it| {
                let needed = human::counted(it, "sample");
                format!("; a run that has it takes {needed} at least")
            });
            format!(
                "it was not measured on both sides{}",
                needed.unwrap_or_default()
            )
        }
        LimitVerdict::Untold => format!("{changed}: whether that is chance cannot be told"),
    };
    let expression = match &result.scenario {
        Some(name) if !result.expression.starts_with("scenarios.") => {
            format!("{name}: {}", result.expression)
        }
        _ => result.expression.clone(),
    };
    Condition {
        pass: !result.verdict.fails(),
        expression,
        observed,
    }
}

/// How much runs differ, scenario by scenario.
pub(in crate::report) fn of_spread(spread: &Spread) -> Vec<Section> {
    let sections = spread.scenarios.iter().map(|scenario| {
        let mut table = Table::new("", false, &SPREAD);
        for figure in &scenario.figures {
            let of = |it: f64| Cell::of(value(figure.unit, it));
            let variation = figure.variation;
            table.row(
                0,
                &label(&figure.metric),
                [
                    of(figure.of.median),
                    of(figure.of.min),
                    of(figure.of.max),
                    variation.map_or_else(Cell::default, |it| Cell::of(human::percent(it))),
                ],
            );
        }
        let runs = scenario.figures.iter().map(|it| it.of.runs).max();
        let runs = human::counted(runs.unwrap_or_default(), "run");
        Section {
            title: format!("{} over {runs}", scenario.name),
            items: vec![Item::Table(table)],
        }
    });
    sections.collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(4_900.0, 5_000.0, false => "4,900 to 5,000/s")]
    #[test_case(4_900.0, 4_900.0, true => "≥ 4,900/s"; "an open end")]
    #[test_case(0.0, 5_000.0, false => "< 5,000/s"; "nothing that holds")]
    #[test_case(0.0, 0.0, false => "none"; "nothing at all")]
    fn bounds_of_capacities(min: f64, max: f64, at_least: bool) -> String {
        between(Figures {
            runs: 1,
            median: min.midpoint(max),
            min,
            max,
            at_least,
        })
    }

    #[test_case("throughput" => "throughput")]
    #[test_case("error_rate" => "error rate")]
    #[test_case("response_time.p999" => "response p99.9")]
    #[test_case("steps.'a.b'.round_trip.mean" => "round trip mean")]
    fn labels(metric: &str) -> String {
        label(metric)
    }

    #[test_case(0.129, 1 => "+12.9")]
    #[test_case(-0.000_4, 1 => "0"; "next to nothing")]
    #[test_case(-0.05, 1 => "-5.0")]
    #[test_case(12.0, 1 => "+1200.0")]
    fn changes(share: f64, decimals: usize) -> String {
        signed(share, decimals)
    }
}
