//! The capacity that a search found: what broke first, how sure the bounds are, and what was tried.

use std::cmp::Reverse;

use super::super::document::{
    Breach, BreachCause, Capacity, CapacityGoal, Scalability, ThresholdResult, Trial, TrialCount,
    TrialPurpose, TrialResult,
};
use super::curve::{Curve, Dots};
use super::{Cell, Condition, Fact, Item, Section, Table, Tone, column, observed};
use crate::condition::{Metric, Series, Threshold, Unit};
use crate::units::human;

/// So many loads have a row: those that tell most of the capacity. The document has all.
const MOST_ROWS: usize = 8;

/// All that is shown of a search but the sentence that the headline is, and what a reader should know of it, which
/// is with the verdict's warnings.
pub(super) fn section(capacity: &Capacity) -> Section {
    let mut items = Vec::new();
    items.extend(capacity.breaks_first.as_ref().map(breach).map(Item::Fact));
    items.extend(lower_bound(capacity).map(Item::Fact));
    items.extend(upper_bound(capacity).map(Item::Fact));
    items.push(Item::Conditions("goals", goals(&capacity.goals)));
    let loads = Load::all(capacity);
    items.push(Item::Table(table(capacity, &loads)));
    items.extend(curve(capacity, &loads).map(Item::Curve));
    items.extend(capacity.scalability.as_ref().map(law).map(Item::Fact));
    items.push(Item::Fact(search(capacity)));
    Section {
        title: "capacity".to_owned(),
        items,
    }
}

/// Which trial the figures of a document are of: `the trial of 10 s at 41,200/s, which held`.
pub(super) fn of_trial(trial: &Trial) -> String {
    let result = match trial.result {
        TrialResult::Held => "which held",
        TrialResult::Broke => "which broke",
        TrialResult::Invalid => "which says nothing of the service",
    };
    let (lasted, load) = (human::micros(trial.lasted_s() * 1e6), trial.load());
    let preposition = match trial.rate_per_s {
        Some(_) => "at",
        None => "with",
    };
    format!("the trial of {lasted} {preposition} {load}, {result}")
}

/// What became of a goal: that it holds, and up to which rate.
pub(in crate::report) fn goal(goal: &CapacityGoal) -> Condition {
    let observed = match (goal.holds_at_per_s, goal.breaks_at_per_s) {
        (Some(holds), Some(breaks)) => {
            let (holds, breaks) = (human::rate(holds), human::rate(breaks));
            format!("holds up to {holds}, does not at {breaks}")
        }
        (Some(holds), None) => format!("holds up to {} at least", human::rate(holds)),
        (None, Some(breaks)) => format!("does not hold at {}", human::rate(breaks)),
        (None, None) => "holds at no rate that is known".to_owned(),
    };
    Condition {
        pass: goal.holds_at_per_s.is_some(),
        expression: goal.expression.clone(),
        observed,
    }
}

fn goals(goals: &[CapacityGoal]) -> Vec<Condition> {
    goals.iter().map(goal).collect()
}

fn breach(breach: &Breach) -> Fact {
    let (value, remark) = observed(&ThresholdResult {
        // What is above is not of this trial.
        few_samples: false,
        ..breach.goal.clone()
    });
    let few = if breach.goal.few_samples {
        ", of few samples,"
    } else {
        ""
    };
    let observed = match value {
        Some(value) => format!("was {value}{few}"),
        None => remark,
    };
    let cause = match breach.cause {
        BreachCause::Slow => "answers took too long",
        BreachCause::Failing => "requests failed",
        BreachCause::Connections => "connections were refused or lost",
        BreachCause::Streams => "requests waited for a stream",
        BreachCause::Users => "arrivals waited for a user",
    };
    let mut text = format!(
        "{} {observed} at {}: {cause}",
        breach.goal.expression,
        human::rate(breach.at_per_s)
    );
    let places = [
        ("at step", &breach.step),
        ("on backend", &breach.backend),
        ("with", &breach.outcome),
    ];
    for (what, name) in places {
        if let Some(name) = name {
            text.push_str(&format!(", {what} {name}"));
        }
    }
    text.push_str(&format!("; {}", breach.explanation));
    Fact::new("broke first", text)
}

/// How sure the lower bound is, where there is one.
fn lower_bound(capacity: &Capacity) -> Option<Fact> {
    let mut parts = tried_at(capacity.lower_per_s?, capacity.at_lower);
    let completed = capacity.conditional_per_s.map(human::rate);
    parts.extend(completed.map(|it| format!("{it} of it completed in the worst that counts")));
    let mut confirmations = capacity
        .trials
        .iter()
        .filter(|it| it.purpose == TrialPurpose::Confirm && it.rate_per_s == capacity.lower_per_s);
    let is_tried = confirmations.any(|it| it.result == TrialResult::Broke);
    parts.push(match (capacity.confirmed, is_tried) {
        (true, _) => "confirmed by one longer than all others".to_owned(),
        (false, true) => "and one longer than all others, that was to confirm it, broke".to_owned(),
        (false, false) => "not confirmed by a longer one".to_owned(),
    });
    Some(Fact::new("lower bound", parts.join(", ")))
}

/// How sure the upper bound is, where it is one of the service's.
fn upper_bound(capacity: &Capacity) -> Option<Fact> {
    let parts = tried_at(capacity.upper_per_s?, capacity.at_upper);
    (capacity.at_upper.of > 0).then(|| Fact::new("upper bound", parts.join(", ")))
}

fn tried_at(rate: f64, count: TrialCount) -> Vec<String> {
    let mut parts = vec![format!(
        "{}: {} of {} held",
        human::rate(rate),
        human::count(count.held),
        human::counted(count.of, "trial")
    )];
    if !count.settled {
        parts.push("too few to be sure".to_owned());
    }
    parts
}

/// One line: what the law says lies in the measured range, and how far it is off there.
fn law(law: &Scalability) -> Fact {
    let of = human::significant;
    let mut parts = vec![
        format!("{} with one at a time", human::rate(law.lambda_per_s)),
        format!("σ {:.3}", law.sigma),
        format!("κ {:.6}", law.kappa),
        format!("off by {}", human::percent(law.residual)),
        format!(
            "from {} to {} under way",
            of(law.from_users),
            of(law.to_users)
        ),
    ];
    let peak = law.peak_users;
    parts.extend(peak.map(|it| format!("the most with {}", of(it))));
    Fact::of_parts("scalability", &parts)
}

fn search(capacity: &Capacity) -> Fact {
    let seconds = |s: f64| human::micros(s * 1e6);
    let trials = human::counted(capacity.trials.len() as u64, "trial");
    let invalid = capacity
        .trials
        .iter()
        .filter(|it| it.result == TrialResult::Invalid);
    let mut parts = vec![format!("{trials} in {}", seconds(capacity.took_s))];
    let invalid = invalid.count() as u64;
    if invalid > 0 {
        let text = format!(
            "{} of them invalid by the generator's doing",
            human::count(invalid)
        );
        parts.push(text);
    }
    parts.push(format!("given {}", seconds(capacity.budget_s)));
    parts.push(format!(
        "for a width of {}",
        human::percent(capacity.wanted_width)
    ));
    Fact::new("search", parts.join(", "))
}

/// All trials of one load.
struct Load<'a> {
    trials: Vec<&'a Trial>,
    /// The longest of those that came to what the load did: whose figures are shown.
    shown: &'a Trial,
    held: usize,
    broke: usize,
    bound: Option<&'static str>,
}

impl<'a> Load<'a> {
    /// Users before rates, each the least first.
    fn all(capacity: &'a Capacity) -> Vec<Self> {
        let mut groups: Vec<Vec<&Trial>> = Vec::new();
        for trial in &capacity.trials {
            let is_same = |it: &&mut Vec<&Trial>| {
                it[0].rate_per_s == trial.rate_per_s
                    && it[0].users == trial.users
                    && it[0].held_to_per_s == trial.held_to_per_s
            };
            match groups.iter_mut().find(is_same) {
                Some(group) => group.push(trial),
                None => groups.push(vec![trial]),
            }
        }
        groups.sort_by(|a, b| {
            let of = |it: &[&Trial]| (it[0].rate_per_s.unwrap_or(0.0), it[0].users);
            let ((rate, users), (other, others)) = (of(a), of(b));
            rate.total_cmp(&other).then(users.cmp(&others))
        });
        let each = groups.into_iter().map(|it| Self::of(it, capacity));
        each.collect()
    }

    fn of(trials: Vec<&'a Trial>, capacity: &Capacity) -> Self {
        let count = |result| trials.iter().filter(|it| it.result == result).count();
        let (held, broke) = (count(TrialResult::Held), count(TrialResult::Broke));
        let is = |bound: Option<f64>| bound.is_some() && trials[0].rate_per_s == bound;
        let (is_lower, is_upper) = (is(capacity.lower_per_s), is(capacity.upper_per_s));
        let result = match (held, broke) {
            (0, 0) => TrialResult::Invalid,
            (held, broke) if is_lower || held > broke => TrialResult::Held,
            _ => TrialResult::Broke,
        };
        let mut came_to_it = trials.iter().copied();
        let first = trials[0];
        let shown = came_to_it
            .clone()
            .filter(|it| it.result == result)
            .max_by(|a, b| a.lasted_s().total_cmp(&b.lasted_s()))
            .or_else(|| came_to_it.next())
            .unwrap_or(first);
        let bound = match (is_lower, is_upper) {
            (true, true) => Some("both"),
            (true, false) => Some("lower"),
            (false, true) => Some("upper"),
            (false, false) => None,
        };
        Self {
            trials,
            shown,
            held,
            broke,
            bound,
        }
    }

    fn invalid(&self) -> usize {
        self.trials.len() - self.held - self.broke
    }

    fn tone(&self) -> Tone {
        match self.shown.result {
            _ if self.bound == Some("lower") => Tone::Strong,
            TrialResult::Held => Tone::Plain,
            TrialResult::Broke => Tone::Bad,
            TrialResult::Invalid => Tone::Doubtful,
        }
    }
}

/// The places of the loads that tell most: the bounds, one user alone, the most that users got, and then the rates
/// nearest to the bounds.
fn most_telling(capacity: &Capacity, loads: &[Load<'_>]) -> Vec<usize> {
    let bounds = [capacity.lower_per_s, capacity.upper_per_s];
    let counts = |it: &&Load<'_>| it.shown.result != TrialResult::Invalid;
    let of_users = loads.iter().filter(|it| it.shown.rate_per_s.is_none());
    let of_users = of_users.filter(counts);
    let most = of_users.max_by(|a, b| a.shown.completed_per_s.total_cmp(&b.shown.completed_per_s));
    let most = most.map(|it| it.shown.users);
    // Of rates how many times as much, or as little, as the nearer bound; in thousandths, so that it has an order.
    let distance = |load: &Load<'_>| match load.shown.rate_per_s {
        _ if load.bound.is_some() => 0,
        None if load.shown.purpose == TrialPurpose::Idle || most == Some(load.shown.users) => 0,
        None => u64::MAX,
        Some(rate) => {
            let known = bounds.iter().flatten();
            let ratios = known.map(|it| (rate / it).max(it / rate));
            (ratios.fold(1e9, f64::min) * 1e3) as u64
        }
    };
    let mut places: Vec<usize> = (0..loads.len()).collect();
    places.sort_by_key(|it| (distance(&loads[*it]), Reverse(*it)));
    places.truncate(MOST_ROWS);
    places.sort_unstable();
    places
}

fn table(capacity: &Capacity, loads: &[Load<'_>]) -> Table {
    let shown = most_telling(capacity, loads);
    let shown = || shown.iter().map(|it| &loads[*it]);
    let has_invalid = shown().any(|it| it.invalid() > 0);
    let has_errors = shown().any(|it| it.shown.error_rate > Some(0.0));
    let of_counts = [column("held", 0), column("invalid", 1)];
    let of_counts = of_counts.into_iter().take(1 + usize::from(has_invalid));
    let of_times = [
        column("longest", 7),
        column("completed", 6),
        column("p50", 4),
        column("p95", 5),
        column("p99", 1),
    ];
    let mut columns: Vec<_> = of_counts.chain(of_times).collect();
    if has_errors {
        columns.push(column("errors", 2));
    }
    columns.extend([column("purpose", 8), column("bound", 0)]);
    let mut table = Table::new("trials", false, columns);
    for of in shown() {
        let trial = of.shown;
        let count = of.held + of.broke;
        let held = (count > 0).then(|| format!("{} of {count}", of.held));
        let mut cells = vec![held.map_or_else(Cell::default, Cell::of)];
        if has_invalid {
            let invalid = Some(of.invalid()).filter(|it| *it > 0);
            cells.push(invalid.map_or_else(Cell::default, |it| Cell::of(it.to_string())));
        }
        let times = &trial.response_time_us;
        let at_least = |percentage: f64, us: Option<f64>| {
            let is_bound = times.at_least_from.is_some_and(|from| percentage > from);
            let bound = if is_bound { "≥" } else { "" };
            us.map_or_else(Cell::default, |us| {
                Cell::of(format!("{bound}{}", human::micros(us)))
            })
        };
        cells.extend([
            Cell::of_time(Some(trial.lasted_s() * 1e6)),
            Cell::of(human::rate(trial.completed_per_s)),
            at_least(50.0, trial.percentile_us("p50")),
            at_least(95.0, trial.percentile_us("p95")),
            at_least(99.0, trial.percentile_us("p99")),
        ]);
        if has_errors {
            let errors = trial.error_rate.map(human::percent);
            cells.push(errors.map_or_else(Cell::default, Cell::of));
        }
        let last = of.trials.last().map_or(trial.purpose, |it| it.purpose);
        cells.extend([
            Cell::of(last.as_str()),
            of.bound.map_or_else(Cell::default, Cell::of),
        ]);
        table.row(0, &trial.load(), cells);
        if let Some(row) = table.rows.last_mut() {
            row.tone = of.tone();
        }
    }
    table.more = loads.len() - table.rows.len();
    table
}

/// Rate against response times, where at least two rates have any that are the service's.
fn curve(capacity: &Capacity, loads: &[Load<'_>]) -> Option<Curve> {
    let shown = most_telling(capacity, loads).into_iter();
    let rates = shown
        .map(|it| &loads[it])
        .filter(|it| it.shown.rate_per_s.is_some() && it.shown.result != TrialResult::Invalid);
    let rows: Vec<Dots> = rates
        .filter_map(|it| {
            let times_us = ["p50", "p95", "p99"].map(|name| it.shown.percentile_us(name));
            let errors = it.shown.error_rate.filter(|it| *it > 0.0);
            let errors = errors.map(|it| format!("{} errors", human::percent(it)));
            let bound = it.bound.map(str::to_owned);
            let beside: Vec<String> = bound.into_iter().chain(errors).collect();
            times_us.iter().any(Option::is_some).then(|| Dots {
                label: it.shown.load(),
                times_us,
                beside: beside.join(", "),
                tone: it.tone(),
            })
        })
        .collect();
    let limits = capacity.goals.iter();
    let limits: Vec<(f64, String)> = limits
        .filter_map(|it| Some((limit_us(&it.expression)?, it.expression.clone())))
        .collect();
    (rows.len() > 1).then_some(Curve { rows, limits })
}

/// The response time that a goal allows, where that is what it is about.
fn limit_us(goal: &str) -> Option<f64> {
    let goal: Threshold = goal.parse().ok()?;
    match (goal.metric(), goal.value_unit()) {
        (Metric::Series(Series::ResponseTime, _), Unit::Time { nanos, .. }) => {
            Some(goal.value() * nanos / 1e3)
        }
        _ => None,
    }
}
