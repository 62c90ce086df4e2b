//! Searches for a capacity: which of them may be held against each other, and whether what they found differs.
//!
//! A search knows bounds, and no spread: capacities differ where the bounds of one side lie above all of the other's.
//! What else is in such results is of one trial each, at a rate of its own, and is not compared.

use serde_json::{Value, json};

use super::super::document::{Capacity, CapacityEnd, Document, TrialPurpose, TrialResult};
use super::comparison::{
    Better, Change, Compared, ComparedScenario, Figures, Judgement, ToldFrom, Unit,
};
use super::{Common, CompareError, Group, NamedRun};
use crate::condition::ChangeLimit;

/// What is said of searches by their capacity, as limits write it.
const CAPACITY: &str = ChangeLimit::CAPACITY;
/// Fields of a scenario that a search sets for each trial.
const OF_TRIALS: [&str; 5] = [
    "start_after",
    "warm_up",
    "graceful_stop",
    "thresholds",
    "capacity",
];
/// What of an open load it leaves as it is.
const OF_ALL_TRIALS: [&str; 2] = ["arrivals", "users"];

/// Whether these are searches; runs where they are not.
///
/// # Errors
/// [`CompareError::Mixed`] where some are and others are not.
pub(super) fn are_searches<'a>(
    results: &(impl Iterator<Item = (&'a str, bool)> + Clone),
) -> Result<bool, CompareError> {
    let first = |searches: bool| {
        let mut of_kind = results.clone().filter(|(_, is)| *is == searches);
        of_kind.next().map(|(source, _)| source.to_owned())
    };
    match (first(true), first(false)) {
        (Some(search), Some(run)) => Err(CompareError::Mixed { search, run }),
        (search, _) => Ok(search.is_some()),
    }
}

/// Makes sure that limits are on what is compared.
pub(super) fn refuse_limits(limits: &[ChangeLimit], is_search: bool) -> Result<(), CompareError> {
    let is_other = |it: &&ChangeLimit| it.metric().is_none() != is_search;
    match limits.iter().find(is_other) {
        None => Ok(()),
        Some(limit) => Err(CompareError::OtherLimit {
            limit: limit.to_string(),
            is_search,
        }),
    }
}

/// What a search's plan has in common with that of another of the same: each scenario without what a trial sets, and
/// with what has to hold as its goals.
pub(super) fn without_trial(plan: &Value) -> Value {
    let mut plan = plan.clone();
    let scenarios = plan.get_mut("scenarios").and_then(Value::as_array_mut);
    for scenario in scenarios.into_iter().flatten() {
        of_scenario(scenario);
    }
    plan
}

/// The same of one scenario.
pub(super) fn of_scenario(scenario: &mut Value) {
    let Some(fields) = scenario.as_object_mut() else {
        return;
    };
    let goals = fields.get("thresholds").and_then(Value::as_array);
    let mut goals = goals.cloned().unwrap_or_default();
    goals.sort_by_key(Value::to_string);
    fields.retain(|name, _| !OF_TRIALS.contains(&name.as_str()));
    fields.insert("goals".to_owned(), Value::Array(goals));
    let load = fields.remove("load");
    // A search that got no further than one user has no open load.
    let open = load.as_ref().and_then(|it| it["open"].as_object());
    if let Some(open) = open {
        let kept = open
            .iter()
            .filter(|(name, _)| OF_ALL_TRIALS.contains(&name.as_str()));
        let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
        fields.insert(
            "load".to_owned(),
            json!({ "open": kept.collect::<serde_json::Map<_, _>>() }),
        );
    }
}

/// Takes the load out of both where one has none: of that nothing is known.
pub(super) fn level(a: &mut Value, b: &mut Value) {
    if a.get("load").is_none() || b.get("load").is_none() {
        for it in [a, b] {
            it.as_object_mut().map(|it| it.remove("load"));
        }
    }
}

/// The capacity of each scenario, judged.
pub(super) fn scenarios(
    [base, new]: [&Group<'_>; 2],
    common: &[Common<'_>],
    within: f64,
    is_same: bool,
) -> Vec<ComparedScenario> {
    let each = common.iter().map(|of| {
        let bounds = [base, new].map(|it| Bounds::of(&it.runs, of.name));
        ComparedScenario {
            name: of.name.to_owned(),
            protocol: of.protocol.to_owned(),
            figures: vec![compared(bounds, within, is_same)],
            steps: Vec::new(),
        }
    });
    each.collect()
}

/// What a reader should know of searches that did not come to their end.
pub(super) fn warnings(base: &Group<'_>, new: &Group<'_>) -> Vec<String> {
    let all = base.runs.iter().chain(&new.runs);
    let unsettled = all.filter_map(|it| {
        let capacity = it.document.capacity.as_ref()?;
        (capacity.end != CapacityEnd::Settled)
            .then(|| format!("{}: {}", it.source, capacity.summary))
    });
    unsettled.collect()
}

fn compared(bounds: [Option<Bounds>; 2], within: f64, is_same: bool) -> Compared {
    let change = match bounds {
        [Some(_), Some(_)] if is_same => Some(Change {
            estimate: Some(0.0),
            low: Some(0.0),
            high: Some(0.0),
        }),
        [Some(base), Some(new)] => Some(base.change_to(new)),
        _ => None,
    };
    let [base, new] = bounds.map(|it| it.map(Bounds::figures));
    let mut compared = Compared {
        metric: CAPACITY.to_owned(),
        unit: Unit::PerSecond,
        better: Better::Higher,
        base,
        new,
        change,
        told_from: match is_same {
            true => ToldFrom::SameRuns,
            false => ToldFrom::Bounds,
        },
        p: None,
        p_of_all: None,
        verdict: Judgement::Undecided,
    };
    compared.verdict = compared.judged(within);
    compared.round();
    compared
}

/// Whether a search that did not come to its end had done more at a rate than to look at it for a moment: chance alone
/// has a service break there.
fn is_more_than_looked_at(capacity: &Capacity, rate: f64) -> bool {
    let mut there = capacity
        .trials
        .iter()
        .filter(|it| it.rate_per_s == Some(rate) && it.result != TrialResult::Invalid);
    there.any(|it| matches!(it.purpose, TrialPurpose::Refine | TrialPurpose::Confirm))
}

/// Between which rates the capacity lies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    searches: u64,
    lower: f64,
    /// Open where nothing is known to be too much.
    upper: Option<f64>,
}

impl Bounds {
    /// Those of a scenario in several searches: all of what each leaves open. Nothing where nothing is known.
    fn of(runs: &[&NamedRun<'_>], scenario: &str) -> Option<Self> {
        let is_it = |it: &Document| it.scenarios.iter().any(|it| it.name == scenario);
        let all = runs.iter().map(|it| it.document).filter(|it| is_it(it));
        let known = all.filter_map(|it| Self::of_one(it.capacity.as_ref()?));
        known.reduce(|a, b| Self {
            searches: a.searches + b.searches,
            lower: a.lower.min(b.lower),
            upper: a.upper.zip(b.upper).map(|(a, b)| a.max(b)),
        })
    }

    fn of_one(capacity: &Capacity) -> Option<Self> {
        let is_shown = |rate: &f64| match capacity.end {
            CapacityEnd::Budget
            | CapacityEnd::Stopped
            | CapacityEnd::Died
            | CapacityEnd::Failed => is_more_than_looked_at(capacity, *rate),
            _ => true,
        };
        let (lower, upper) = match capacity.end {
            CapacityEnd::Idle => (Some(0.0), Some(0.0)),
            // What the generator could not offer, the service may hold.
            CapacityEnd::Generator => (capacity.lower_per_s, None),
            _ => (
                capacity.lower_per_s.filter(is_shown),
                capacity.upper_per_s.filter(is_shown),
            ),
        };
        (lower.is_some() || upper.is_some()).then(|| Self {
            searches: 1,
            lower: lower.unwrap_or_default(),
            upper,
        })
    }

    /// The least and the greatest change that is possible between these and the others.
    fn change_to(self, new: Self) -> Change {
        let ratio = |base: f64, new: f64| match (base, new) {
            (base, new) if base == new => Some(0.0),
            (base, new) => Some((new - base) / base).filter(|it| it.is_finite()),
        };
        Change {
            estimate: ratio(self.middle(), new.middle()),
            low: self.upper.and_then(|base| ratio(base, new.lower)),
            high: new.upper.and_then(|new| ratio(self.lower, new)),
        }
    }

    /// The middle; where there is no upper one, the lower.
    fn middle(self) -> f64 {
        self.upper.map_or(self.lower, |it| self.lower.midpoint(it))
    }

    fn figures(self) -> Figures {
        Figures {
            runs: self.searches,
            median: self.middle(),
            min: self.lower,
            max: self.upper.unwrap_or(self.lower),
            at_least: self.upper.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::sample::compared;
    use super::super::{CompareOptions, Comparison, LimitVerdict, Unlike};
    use super::*;
    use crate::report::sample::capacity;

    /// The n-th search, which found these bounds, changed as told.
    fn search(nth: u32, bounds: [Option<f64>; 2], change: impl FnOnce(&mut Value)) -> Document {
        capacity(|json| {
            json["run"]["id"] = format!("20261129T{nth:06}Z-000000").into();
            // Of the trial that stands for it, and so never the same.
            json["run"]["plan"] = json!({"scenarios": [{
                "name": "hello_high",
                "targets": ["there:1"],
                "load": {"open": {"rate": format!("{nth}/s"), "duration": format!("{nth}s"), "when_busy": "queue",
                    "arrivals": "uniform", "users": {"max": 1000}}},
                "warm_up": format!("{nth}ms"),
                "thresholds": ["response_time.p99 < 5ms", "error_rate < 1%"],
            }]});
            let found = json["capacity"].as_object_mut().unwrap();
            for (name, bound) in ["lower_per_s", "upper_per_s"].into_iter().zip(bounds) {
                match bound {
                    Some(bound) => found.insert(name.to_owned(), bound.into()),
                    None => found.remove(name),
                };
            }
            change(json);
        })
    }

    fn settled(nth: u32, lower: f64, upper: f64) -> Document {
        search(nth, [Some(lower), Some(upper)], |_| {})
    }

    fn of(
        base: &[Document],
        new: &[Document],
        limits: &[&str],
    ) -> Result<Comparison, CompareError> {
        let limits = limits.iter().map(|it| it.parse().unwrap());
        let options = CompareOptions {
            limits: limits.collect(),
            ..CompareOptions::default()
        };
        super::super::sample::compared(base, new, &options)
    }

    fn only(comparison: &Comparison) -> &Compared {
        let [scenario] = comparison.scenarios.as_slice() else {
            panic!("{comparison:?}");
        };
        let [figure] = scenario.figures.as_slice() else {
            panic!("{comparison:?}");
        };
        assert!(scenario.steps.is_empty());
        figure
    }

    #[test_case([1000., 1020.], [1200., 1224.] => (Judgement::Better, Some(0.176_471), Some(0.224)); "above")]
    #[test_case([1000., 1020.], [800., 816.] => (Judgement::Worse, Some(-0.215_686), Some(-0.184)); "below")]
    #[test_case([1000., 1020.], [1010., 1030.] => (Judgement::Same, Some(-0.009_804), Some(0.03)); "overlapping and close")]
    #[test_case([1000., 1020.], [1021., 1040.] => (Judgement::Same, Some(0.000_980), Some(0.04)); "above and not to speak of")]
    #[test_case([1000., 1200.], [1100., 1300.] => (Judgement::Undecided, Some(-0.083_333), Some(0.3)); "overlapping and wide")]
    fn whether_it_changed(base: [f64; 2], new: [f64; 2]) -> (Judgement, Option<f64>, Option<f64>) {
        let (base, new) = (settled(1, base[0], base[1]), settled(2, new[0], new[1]));
        let comparison = of(&[base], &[new], &[]).unwrap();
        let figure = only(&comparison);
        assert_eq!(figure.told_from, ToldFrom::Bounds);
        let change = figure.change.unwrap();
        (figure.verdict, change.low, change.high)
    }

    #[test_case("generator", [Some(1000.), Some(1100.)], "settled", [Some(2000.), Some(2040.)] => Judgement::Undecided; "it may have been as much")]
    #[test_case("settled", [Some(1000.), Some(1020.)], "to", [Some(2000.), None] => Judgement::Better; "and may be more")]
    #[test_case("settled", [Some(1000.), Some(1020.)], "from", [None, Some(500.)] => Judgement::Worse; "and may be less")]
    #[test_case("settled", [Some(1000.), Some(1020.)], "idle", [None, None] => Judgement::Worse; "nothing is left")]
    #[test_case("idle", [None, None], "settled", [Some(1000.), Some(1020.)] => Judgement::Better; "from nothing")]
    #[test_case("idle", [None, None], "idle", [None, None] => Judgement::Same; "nothing twice")]
    #[test_case("failed", [None, Some(1000.)], "settled", [Some(2000.), Some(2040.)] => Judgement::Undecided; "an error, and what was looked at")]
    #[test_case("unbounded", [None, None], "settled", [Some(1000.), Some(1020.)] => Judgement::Undecided; "not known")]
    fn without_a_bound(
        base_end: &str,
        base: [Option<f64>; 2],
        new_end: &str,
        new: [Option<f64>; 2],
    ) -> Judgement {
        let ended =
            |nth, end: &str, bounds| search(nth, bounds, |it| it["capacity"]["end"] = end.into());
        let base = ended(1, base_end, base);
        let comparison = of(&[base], &[ended(2, new_end, new)], &[]).unwrap();
        let unsettled = [base_end, new_end]
            .into_iter()
            .filter(|it| *it != "settled");
        assert_eq!(comparison.warnings.len(), unsettled.count());
        only(&comparison).verdict
    }

    /// The search that all begin with has its trials at 48,000 and 48,960/s.
    #[test_case([48_000., 48_960.] => (Judgement::Better, LimitVerdict::Kept); "what was more than looked at is a bound")]
    #[test_case([47_300., 66_000.] => (Judgement::Undecided, LimitVerdict::Untold); "what was looked at is none")]
    #[test_case([47_300., 48_960.] => (Judgement::Undecided, LimitVerdict::Undecided); "nor is one of two")]
    fn a_search_that_did_not_come_to_its_end(new: [f64; 2]) -> (Judgement, LimitVerdict) {
        let bounds = new.map(Some);
        let new = search(2, bounds, |it| it["capacity"]["end"] = "budget".into());
        let base = settled(1, 40_000., 40_800.);
        let comparison = of(&[base], &[new], &["capacity < -5%"]).unwrap();
        (only(&comparison).verdict, comparison.limits[0].verdict)
    }

    /// All that any of them leaves open.
    #[test]
    fn several_searches_of_a_side() {
        let base = [settled(1, 1000., 1020.), settled(2, 1050., 1071.)];
        let comparison = of(&base, &[settled(3, 1060., 1080.)], &[]).unwrap();
        let figure = only(&comparison);
        let base = figure.base.unwrap();
        assert_eq!((base.runs, base.min, base.max), (2, 1000., 1071.));
        assert_eq!(figure.verdict, Judgement::Undecided);
    }

    #[test]
    fn a_search_and_itself_differ_in_nothing() {
        let one = settled(1, 1000., 1100.);
        let comparison = of(
            std::slice::from_ref(&one),
            std::slice::from_ref(&one),
            &["capacity < -1%"],
        )
        .unwrap();
        assert_eq!(only(&comparison).verdict, Judgement::Same);
        assert!(!comparison.fails());
    }

    #[test_case("capacity < -10%", [800., 816.] => LimitVerdict::Broken)]
    #[test_case("scenarios.hello_high.capacity < -10%", [800., 816.] => LimitVerdict::Broken; "of a scenario")]
    #[test_case("capacity < -20%", [800., 816.] => LimitVerdict::Undecided)]
    #[test_case("capacity < -30%", [800., 816.] => LimitVerdict::Kept)]
    fn limits(limit: &str, new: [f64; 2]) -> LimitVerdict {
        let base = settled(1, 1000., 1020.);
        let comparison = of(&[base], &[settled(2, new[0], new[1])], &[limit]).unwrap();
        let [limit] = comparison.limits.as_slice() else {
            panic!("{:?}", comparison.limits);
        };
        limit.verdict
    }

    #[test]
    fn what_is_not_compared_has_no_limit() {
        let searches = [settled(1, 1000., 1020.), settled(2, 1000., 1020.)];
        let refused = |base: &Document, new: &Document, limit| {
            let refused = of(
                std::slice::from_ref(base),
                std::slice::from_ref(new),
                &[limit],
            );
            refused.unwrap_err().to_string()
        };
        assert_eq!(
            refused(&searches[0], &searches[1], "response_time.p99 > +10%"),
            "`response_time.p99 > +10%` cannot be judged: of searches the capacity is compared, and nothing else; \
             expected a limit such as `capacity < -5%`"
        );
        let runs = [1, 2].map(|nth| super::super::sample::run(nth, |_| {}));
        assert_eq!(
            refused(&runs[0], &runs[1], "capacity < -5%"),
            "`capacity < -5%` cannot be judged: these are runs, and only searches (`loadgen capacity`) find a capacity; \
             expected a limit on what runs are compared by"
        );
        assert_eq!(
            refused(&searches[0], &runs[1], "capacity < -5%"),
            "base/1 is a search for a capacity and new/1 is a run, which has none to compare; expected searches on \
             both sides, or runs"
        );
    }

    fn differing(change: impl FnOnce(&mut Value)) -> Vec<(Unlike, String)> {
        let bounds = [Some(1000.), Some(1020.)];
        let changed = search(2, bounds, |it| {
            change(&mut it["run"]["plan"]["scenarios"][0]);
        });
        match of(&[settled(1, 1000., 1020.)], &[changed], &[]) {
            Err(CompareError::Unlike { differences }) => differences,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_goals_and_users_are_another_plan() {
        let goals = differing(|it| it["thresholds"][0] = "response_time.p99 < 9ms".into());
        let expected = "`scenarios.hello_high.goals[1]` is \"response_time.p99 < 5ms\" in base/1 and \
                        \"response_time.p99 < 9ms\" in new/1";
        assert_eq!(goals, [(Unlike::Plan, expected.to_owned())]);
        let users = differing(|it| it["load"]["open"]["users"]["max"] = 7.into());
        let expected =
            "`scenarios.hello_high.load.open.users.max` is 1000 in base/1 and 7 in new/1";
        assert_eq!(users, [(Unlike::Plan, expected.to_owned())]);
    }

    #[test]
    fn the_order_of_goals_is_no_difference() {
        let bounds = [Some(1000.), Some(1020.)];
        let turned = search(2, bounds, |it| {
            let scenario = &mut it["run"]["plan"]["scenarios"][0];
            scenario["thresholds"] = json!(["error_rate < 1%", "response_time.p99 < 5ms"]);
            // One user alone was too much: it is of a closed load.
            scenario["load"] = json!({"closed": {"users": 1}});
        });
        assert!(of(&[settled(1, 1000., 1020.)], &[turned], &[]).is_ok());
    }

    /// A document's plan is whatever whoever made the search wrote.
    #[test]
    fn plans_of_another_form_are_compared_all_the_same() {
        let bounds = [Some(1000.), Some(1020.)];
        let of_form = |nth, plan: Value| search(nth, bounds, |it| it["run"]["plan"] = plan);
        let same = of(&[of_form(1, json!([1]))], &[of_form(2, json!([1]))], &[]);
        assert!(same.is_ok(), "{same:?}");
        let other = of(
            &[of_form(1, json!([1]))],
            &[of_form(2, json!({"scenarios": 2}))],
            &[],
        );
        assert!(
            matches!(other, Err(CompareError::Unlike { .. })),
            "{other:?}"
        );
    }

    #[test]
    fn told_as_text() {
        let told = |new: [f64; 2], limits: &[&str]| {
            let base = settled(1, 41_200., 42_000.);
            let comparison = of(&[base], &[settled(2, new[0], new[1])], limits).unwrap();
            comparison.text(crate::report::TextOptions::default())
        };
        insta::assert_snapshot!("worse", told([37_000., 37_700.], &["capacity < -5%"]));
        insta::assert_snapshot!("better", told([47_000., 47_900.], &[]));
        insta::assert_snapshot!("same", told([41_300., 42_100.], &[]));
        insta::assert_snapshot!("undecided", told([39_000., 43_000.], &[]));
        let forced = {
            let base = settled(1, 41_200., 42_000.);
            let bounds = [Some(60_000.), None];
            let new = search(2, bounds, |it| {
                it["verdict"]["status"] = "invalid".into();
                it["capacity"]["end"] = "generator".into();
                it["capacity"]["summary"] = "capacity ≥ 60,000/s, the generator's limit".into();
            });
            let options = CompareOptions {
                overlook: vec![Unlike::Invalid],
                ..CompareOptions::default()
            };
            compared(&[base], &[new], &options).unwrap().to_markdown()
        };
        insta::assert_snapshot!("forced", forced);
    }
}
