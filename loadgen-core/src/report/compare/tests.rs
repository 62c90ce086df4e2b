//! Comparing as a whole: what is told, what is not, and how often chance is taken for more.

use serde_json::{Value, json};
use test_case::test_case;

use super::super::document::Point;
use super::sample::{compared, histogram, run, statistics};
use super::*;
use crate::record::Sparse;

/// Runs with a p99 each, in microseconds.
fn with_p99(first: u32, values: &[f64]) -> Vec<Document> {
    let each = values.iter().zip(first..);
    each.map(|(p99, nth)| {
        run(nth, |it| {
            it["scenarios"][0]["response_time_us"]["p99"] = json!(p99);
        })
    })
    .collect()
}

fn figure<'a>(comparison: &'a Comparison, metric: &str) -> &'a Compared {
    let mut all = comparison.scenarios[0].all_figures();
    all.find(|it| it.metric == metric)
        .unwrap_or_else(|| panic!("no {metric}"))
}

fn of(base: &[Document], new: &[Document]) -> Comparison {
    compared(base, new, &CompareOptions::default()).unwrap()
}

const TEN: [f64; 10] = [
    2000., 2010., 2020., 2030., 2040., 2050., 2060., 2070., 2080., 2090.,
];

#[test_case(1.2 => (Judgement::Worse, Some(0.2)); "worse")]
#[test_case(0.8 => (Judgement::Better, Some(-0.2)); "better")]
#[test_case(1.0 => (Judgement::Same, Some(0.0)); "the same")]
#[test_case(1.02 => (Judgement::Same, Some(0.02)); "more than chance and not to speak of")]
fn ten_runs_a_side(factor: f64) -> (Judgement, Option<f64>) {
    let comparison = of(
        &with_p99(1, &TEN),
        &with_p99(11, &TEN.map(|it| it * factor)),
    );
    let p99 = figure(&comparison, "response_time.p99");
    assert_eq!(p99.told_from, ToldFrom::Runs);
    let estimate = p99.change.unwrap().estimate;
    (p99.verdict, estimate.map(|it| (it * 100.0).round() / 100.0))
}

#[test]
fn what_chance_may_have_done_is_undecided() {
    let wide = TEN.map(|it| (it - 1900.0) * 10.0);
    let comparison = of(&with_p99(1, &wide), &with_p99(11, &wide.map(|it| it * 1.2)));
    let p99 = figure(&comparison, "response_time.p99");
    assert_eq!(p99.verdict, Judgement::Undecided);
    let change = p99.change.unwrap();
    assert!(
        change.low < Some(0.0) && change.high > Some(0.0),
        "{change:?}"
    );
}

/// One figure of many that differs by p < 0.05 is what chance does in most comparisons.
#[test]
fn a_figure_is_held_against_all() {
    let moved = TEN.map(|it| it + 35.0);
    let comparison = of(&with_p99(1, &TEN), &with_p99(11, &moved));
    let p99 = figure(&comparison, "response_time.p99");
    assert!(
        p99.p.unwrap() < 0.05 && p99.p_of_all.unwrap() > 0.05,
        "{p99:?}"
    );
    let within = CompareOptions {
        within: 0.001,
        ..CompareOptions::default()
    };
    let strict = compared(&with_p99(1, &TEN), &with_p99(11, &moved), &within).unwrap();
    assert_eq!(
        figure(&strict, "response_time.p99").verdict,
        Judgement::Undecided
    );
    let told = "1 figure differs by p < 0.05 and not once held against all ";
    assert!(
        strict.warnings.iter().any(|it| it.starts_with(told)),
        "{:?}",
        strict.warnings
    );
}

#[test]
fn few_runs_say_what_cannot_be_told() {
    let comparison = of(&with_p99(1, &TEN[..3]), &with_p99(11, &[9_000.0]));
    let p99 = figure(&comparison, "response_time.p99");
    assert_eq!(
        (p99.told_from, p99.verdict),
        (ToldFrom::Nothing, Judgement::Undecided)
    );
    assert!(p99.change.unwrap().estimate.unwrap() > 3.0);
    let told = &comparison.warnings[0];
    assert!(
        told.starts_with("3 runs in the base and 1 new: how much one run differs"),
        "{told}"
    );
    assert!(
        told.contains("whether they are more than chance is not said"),
        "{told}"
    );
}

/// A minute's seconds, of so many requests each.
fn with_seconds(nth: u32, completed: impl Fn(u64) -> u64) -> Document {
    let points = (0..60).map(|t_s| {
        json!({"t_s": t_s, "seconds": 1, "started": 0, "completed": completed(t_s), "failed": 0, "users": 1})
    });
    let points: Vec<Value> = points.collect();
    let all: u64 = (0..60).map(completed).sum();
    run(nth, |it| {
        let scenario = &mut it["scenarios"][0];
        scenario["series"] = json!(points);
        scenario["duration_s"] = json!(60.0);
        scenario["throughput_per_s"] = json!(all as f64 / 60.0);
    })
}

#[test_case(700 => (Judgement::Worse, ToldFrom::Seconds); "beyond what is the same")]
#[test_case(1_000 => (Judgement::Same, ToldFrom::Seconds); "the same")]
#[test_case(945 => (Judgement::Undecided, ToldFrom::Seconds); "more than its seconds, and not more than runs")]
fn one_run_a_side_is_told_from_its_seconds(per_second: u64) -> (Judgement, ToldFrom) {
    let uneven = |of: u64| move |t_s: u64| of + t_s * 37 % 90;
    let comparison = of(
        &[with_seconds(1, uneven(1_000))],
        &[with_seconds(2, uneven(per_second))],
    );
    let throughput = figure(&comparison, "throughput");
    assert!(throughput.p.is_none());
    assert!(comparison.warnings[0].contains("approximate (≈), and too narrow"));
    (throughput.verdict, throughput.told_from)
}

/// Half a minute whose seconds have histograms, with times that are so much of what they would be.
fn with_histograms(nth: u32, factor: f64) -> Document {
    let mut random = fastrand::Rng::with_seed(nth.into());
    let mut document = run(nth, |_| {});
    let scenario = &mut document.scenarios[0];
    let mut all = Vec::new();
    for t_s in 0..30 {
        let times = (0..400).map(|_| 300.0 * factor * (0.5 + random.f64()));
        let times: Vec<f64> = times.collect();
        let point = json!({
            "t_s": t_s, "seconds": 1, "started": 400, "completed": 400, "failed": 0, "users": 1,
            "response_time_us": {"max": 900.0},
        });
        let mut point: Point = serde_json::from_value(point).unwrap();
        let second = point.response_time_us.as_mut().unwrap();
        second.histogram = Some(Sparse::coarse(&histogram(times.iter().copied())));
        scenario.series.push(point);
        all.extend(times);
    }
    scenario.duration_s = 30.2;
    scenario.response_time_us = statistics(all);
    document
}

#[test_case(1.2 => [(Judgement::Worse, ToldFrom::Seconds); 3]; "worse")]
#[test_case(1.0 => [(Judgement::Same, ToldFrom::Seconds); 3]; "the same")]
fn times_of_one_run_are_told_from_the_histograms_of_its_seconds(
    factor: f64,
) -> [(Judgement, ToldFrom); 3] {
    let comparison = of(&[with_histograms(1, 1.0)], &[with_histograms(2, factor)]);
    let service = figure(&comparison, "service_time.p50");
    assert_eq!(
        service.told_from,
        ToldFrom::Nothing,
        "seconds have none of it"
    );
    [
        "response_time.mean",
        "response_time.p50",
        "response_time.p99",
    ]
    .map(|metric| {
        let compared = figure(&comparison, metric);
        let change = compared.change.unwrap();
        assert!(
            change.low <= change.estimate && change.estimate <= change.high,
            "{change:?}"
        );
        (compared.verdict, compared.told_from)
    })
}

/// The interval of the seconds is one of the percentile: it holds what is there in most of the cases.
#[test]
fn seconds_hold_what_is_there() {
    const TRIALS: u32 = 40;
    let within = (0..TRIALS).filter(|nth| {
        let base = [with_histograms(2 * nth, 1.0)];
        let comparison = of(&base, &[with_histograms(2 * nth + 1, 1.1)]);
        let change = figure(&comparison, "response_time.p95").change.unwrap();
        change.low.unwrap() <= 0.1 && change.high.unwrap() >= 0.1
    });
    let within = within.count();
    assert!(within >= 34, "{within} of {TRIALS}");
}

#[test]
fn a_run_and_itself_differ_in_nothing() {
    let runs = with_p99(1, &TEN[..1]);
    let limit = "response_time.p99 > +0%".parse().unwrap();
    let options = CompareOptions {
        limits: vec![limit],
        ..CompareOptions::default()
    };
    let comparison = compared(&runs, &runs, &options).unwrap();
    let counts = comparison.counts;
    assert_eq!((counts.better, counts.worse, counts.undecided), (0, 0, 0));
    assert!(counts.same > 0 && !comparison.fails());
    assert_eq!(
        figure(&comparison, "response_time.p99").told_from,
        ToldFrom::SameRuns
    );
    let told = "both sides are the same runs: they differ in nothing, which says nothing";
    assert_eq!(comparison.warnings, [told]);
}

/// What was left unanswered may have taken any time, and the same on both sides.
#[test]
fn a_run_with_requests_that_were_left_unanswered_and_itself_differ_in_nothing() {
    let mut runs = with_p99(1, &TEN[..1]);
    runs[0].scenarios[0].response_time_us.at_least_from = Some(50.0);
    let limits = ["response_time.p99 > +0%", "response_time.p999 > +10%"];
    let options = CompareOptions {
        limits: limits.map(|it| it.parse().unwrap()).into(),
        ..CompareOptions::default()
    };
    let comparison = compared(&runs, &runs, &options).unwrap();
    let p99 = figure(&comparison, "response_time.p99");
    assert!(p99.base.unwrap().at_least);
    assert_eq!(p99.verdict, Judgement::Same);
    assert_eq!(comparison.counts.undecided, 0);
    let kept = comparison.limits.iter().map(|it| it.verdict);
    assert_eq!(kept.collect::<Vec<_>>(), [LimitVerdict::Kept; 2]);
    assert!(!comparison.fails());
}

#[test]
fn a_run_that_is_given_twice_counts_once() {
    let runs = with_p99(1, &[2_000.0, 2_010.0]);
    let twice = [runs.clone(), runs].concat();
    let comparison = of(&twice, &with_p99(11, &TEN));
    assert_eq!(comparison.base.len(), 2);
    assert_eq!(
        comparison.warnings[0],
        "base/3 is the same run as base/1, and counts once"
    );
}

#[test]
fn runs_that_are_not_whole_and_other_versions_are_told() {
    let mut new = with_p99(11, &TEN);
    new[0].run.stopped = true;
    new[1].run.cut_off = true;
    new[2].run.version = "0.2.0".to_owned();
    assert_eq!(
        of(&with_p99(1, &TEN), &new).warnings,
        [
            "the runs are of different versions of loadgen: 0.1.0, 0.2.0",
            "new/1 was stopped before all was done",
            "new/2 was cut off: what came after the last second that was kept is not there",
        ]
    );
}

#[test]
fn runs_on_both_sides_are_told() {
    let comparison = of(&with_p99(1, &TEN), &with_p99(10, &TEN));
    assert_eq!(
        comparison.warnings,
        ["base/10 is on both sides: differences are smaller than they are"]
    );
}

#[test]
fn unlike_runs_are_refused_and_compared_all_the_same() {
    let base = with_p99(1, &TEN);
    let mut new = with_p99(11, &TEN);
    new[0].run.host.cores = Some(8);
    let refused = compared(&base, &new, &CompareOptions::default()).unwrap_err();
    let expected =
        "these runs are not alike:\n  machine: `host.cores` is 2 in base/1 and 8 in new/1";
    assert_eq!(refused.to_string(), expected);
    let overlook = |overlook| CompareOptions {
        overlook,
        ..CompareOptions::default()
    };
    assert!(compared(&base, &new, &overlook(vec![Unlike::Plan])).is_err());
    let forced = compared(&base, &new, &overlook(vec![Unlike::Machine])).unwrap();
    assert_eq!(
        forced.unlike,
        ["machine: `host.cores` is 2 in base/1 and 8 in new/1"]
    );
}

#[test]
fn nothing_in_common() {
    let new = [run(2, |it| {
        it["scenarios"][0]["name"] = json!("echo_light");
        it["scenarios"][0]["protocol"] = json!("websocket");
    })];
    let told = compared(&[run(1, |_| {})], &new, &CompareOptions::default()).unwrap_err();
    assert_eq!(
        told.to_string(),
        "they have nothing in common: hello_high (grpc) in the base, echo_light (websocket) in the new runs"
    );
}

fn without_samples(nth: u32) -> Document {
    run(nth, |it| {
        let scenario = &mut it["scenarios"][0];
        scenario["ledger"]["completed"] = json!(0);
        scenario["response_time_us"] = json!({"count": 0});
        scenario["service_time_us"] = json!({"count": 0});
        scenario["steps"] = json!([]);
        scenario["throughput_per_s"] = json!(0.0);
    })
}

#[test]
fn nothing_measured() {
    let options = CompareOptions::default();
    let told = compared(&[run(1, |_| {})], &[without_samples(2)], &options).unwrap_err();
    assert_eq!(
        told.to_string(),
        "there is nothing to compare: in no run among the new ones did anything end of hello_high (grpc)"
    );
}

#[test_case(0, 1 => "there is no run in the base")]
#[test_case(1, 1_001 => "there are 1001 runs among the new ones; expected 1000 at the most")]
fn numbers_of_runs(base: usize, new: usize) -> String {
    let document = run(1, |_| {});
    let [base, new] = [base, new].map(|it| vec![document.clone(); it]);
    compared(&base, &new, &CompareOptions::default())
        .unwrap_err()
        .to_string()
}

/// What was left unanswered may have taken any time.
#[test]
fn a_lower_bound_is_at_least_as_bad() {
    let bounded = |factor: f64| {
        let mut new = with_p99(11, &TEN.map(|it| it * factor));
        for run in &mut new {
            run.scenarios[0].response_time_us.at_least_from = Some(98.0);
        }
        new
    };
    let verdict = |base: &[Document], new: &[Document]| {
        let comparison = of(base, new);
        let p99 = figure(&comparison, "response_time.p99");
        (
            p99.verdict,
            p99.change.unwrap().low.is_some(),
            p99.change.unwrap().high.is_some(),
        )
    };
    let base = with_p99(1, &TEN);
    assert_eq!(
        verdict(&base, &bounded(1.5)),
        (Judgement::Worse, true, false)
    );
    assert_eq!(
        verdict(&base, &bounded(1.0)),
        (Judgement::Undecided, true, false)
    );
    assert_eq!(
        verdict(&base, &bounded(0.5)),
        (Judgement::Undecided, true, false)
    );
    assert_eq!(
        verdict(&bounded(1.5), &base),
        (Judgement::Better, false, true)
    );
}

#[test_case("response_time.p99 > +10%", 1.2 => LimitVerdict::Broken)]
#[test_case("response_time.p99 > +10%", 1.1 => LimitVerdict::Undecided)]
#[test_case("response_time.p99 > +10%", 1.0 => LimitVerdict::Kept)]
#[test_case("response_time.p99 < -10%", 0.8 => LimitVerdict::Broken; "a fall")]
#[test_case("response_time.p999 > +10%", 1.0 => LimitVerdict::Untold; "not measured")]
#[test_case("steps.hello.response_time.p99 > +10%", 1.2 => LimitVerdict::Kept; "of a step")]
fn limits(limit: &str, factor: f64) -> LimitVerdict {
    let options = CompareOptions {
        limits: vec![limit.parse().unwrap()],
        ..CompareOptions::default()
    };
    let new = with_p99(11, &TEN.map(|it| it * factor));
    let comparison = compared(&with_p99(1, &TEN), &new, &options).unwrap();
    let [only] = comparison.limits.as_slice() else {
        panic!("{:?}", comparison.limits);
    };
    assert_eq!(comparison.fails(), only.verdict.fails());
    only.verdict
}

/// How many more it takes is what somebody wants to know.
#[test]
fn a_limit_on_what_too_few_samples_tell_says_how_many_it_takes() {
    let options = CompareOptions {
        limits: vec!["response_time.p999 > +10%".parse().unwrap()],
        ..CompareOptions::default()
    };
    let comparison = compared(&with_p99(1, &TEN), &with_p99(11, &TEN), &options).unwrap();
    assert_eq!(comparison.limits[0].samples_needed, Some(10_000));
    let text = comparison.text(crate::report::TextOptions::default());
    let told = "a run that has it takes 10,000 samples";
    assert!(
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains(told),
        "{text}"
    );
}

/// Seconds do not know by how much runs differ of themselves.
#[test_case("throughput < -5%", 700 => LimitVerdict::Broken; "beyond it by more than runs differ by")]
#[test_case("throughput < -25%", 700 => LimitVerdict::Undecided; "beyond it by less than runs differ by")]
#[test_case("throughput < -25%", 950 => LimitVerdict::Kept; "within it")]
fn limits_on_what_seconds_tell(limit: &str, per_second: u64) -> LimitVerdict {
    let options = CompareOptions {
        limits: vec![limit.parse().unwrap()],
        ..CompareOptions::default()
    };
    let uneven = |of: u64| move |t_s: u64| of + t_s * 37 % 90;
    let base = [with_seconds(1, uneven(1_000))];
    let new = [with_seconds(2, uneven(per_second))];
    let comparison = compared(&base, &new, &options).unwrap();
    assert_eq!(
        figure(&comparison, "throughput").told_from,
        ToldFrom::Seconds
    );
    comparison.limits[0].verdict
}

/// Nothing is known of it over the seconds of single runs.
#[test_case("service_time.p99 > +10%")]
#[test_case("steps.hello.first_message.p99 > +10%")]
fn limits_that_so_few_runs_do_not_tell(limit: &str) {
    let options = CompareOptions {
        limits: vec![limit.parse().unwrap()],
        ..CompareOptions::default()
    };
    let runs = |first: u32, count: u32| -> Vec<Document> {
        (first..first + count).map(|nth| run(nth, |_| {})).collect()
    };
    let told = compared(&runs(1, 4), &runs(11, 3), &options).unwrap_err();
    let untellable = CompareError::Untellable {
        limit: limit.to_owned(),
        base: 4,
        new: 3,
    };
    assert_eq!(told, untellable);
    assert!(compared(&runs(1, 4), &runs(11, 4), &options).is_ok());
    assert!(
        compared(&runs(1, 1), &runs(1, 1), &options).is_ok(),
        "the same runs"
    );
}

/// What is said of the iterations over the seconds is said of their only step.
#[test]
fn the_only_step_is_told_of_as_the_iterations_are() {
    let [base, new] = [(1, 1.0), (2, 1.5)].map(|(nth, factor)| {
        let mut run = with_histograms(nth, factor);
        let scenario = &mut run.scenarios[0];
        scenario.steps[0].response_time_us = Some(scenario.response_time_us.clone());
        [run]
    });
    let comparison = of(&base, &new);
    let of_all = figure(&comparison, "response_time.p50");
    assert_eq!(of_all.told_from, ToldFrom::Seconds);
    let of_step = &comparison.scenarios[0].steps[0].figures;
    let metric = "steps.hello.response_time.p50";
    let of_step = of_step.iter().find(|it| it.metric == metric).unwrap();
    assert_eq!(of_step.told_from, ToldFrom::Seconds);
    assert_eq!(of_step.change, of_all.change);
}

#[test_case("steps.helo.response_time.p99 > +1%" => "`steps.helo.response_time.p99 > +1%`: no step `helo`; did you mean `hello`?")]
#[test_case("scenarios.other.throughput < -1%" => "`scenarios.other.throughput < -1%`: no scenario `other`; there is hello_high")]
fn limits_on_what_is_not_there(limit: &str) -> String {
    let options = CompareOptions {
        limits: vec![limit.parse().unwrap()],
        ..CompareOptions::default()
    };
    let runs = [run(1, |_| {})];
    compared(&runs, &[run(2, |_| {})], &options)
        .unwrap_err()
        .to_string()
}

/// Runs as they come: the service's times have a long tail, and each run has a machine of its own mood.
struct Service {
    random: fastrand::Rng,
    like: Document,
    runs: u32,
}

impl Service {
    const SAMPLES: usize = 1_000;

    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            like: run(0, |_| {}),
            runs: 0,
        }
    }

    /// Of a normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.random.f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.random.f64()).cos()
    }

    /// Runs whose times are so much of what they would be.
    fn runs(&mut self, count: usize, factor: f64) -> Vec<Document> {
        (0..count).map(|_| self.run(factor)).collect()
    }

    fn run(&mut self, factor: f64) -> Document {
        // Runs differ by 4 %, and their tails by 15 %.
        let mood = factor * (0.04 * self.normal()).exp();
        let tail = 0.5 * (0.15 * self.normal()).exp();
        let times: Vec<f64> = (0..Self::SAMPLES)
            .map(|_| 300.0 * mood * (tail * self.normal()).exp())
            .collect();
        let all: f64 = times.iter().sum();
        let service = statistics(times.iter().map(|it| it * 0.8));
        let response = statistics(times);
        let failed = self.random.u64(..4);
        self.runs += 1;
        let mut document = self.like.clone();
        document.run.id = self.runs.to_string();
        let scenario = &mut document.scenarios[0];
        scenario.steps[0].response_time_us = Some(response.clone());
        scenario.response_time_us = response;
        scenario.service_time_us = service;
        scenario.throughput_per_s = 100.0 * Self::SAMPLES as f64 / all * 1e6;
        scenario.ledger.failed = failed;
        document
    }
}

/// Of 200 pairs of groups of one build, 10 are expected to differ by chance; more than 18 would be in one
/// of 100 such tests.
#[test_case(10, 10)]
#[test_case(4, 4; "as few as are told from runs")]
fn chance_is_seldom_taken_for_more(base: usize, new: usize) {
    const TRIALS: usize = 200;
    const MOST: usize = 18;
    let mut service = Service::new(15);
    // Without a margin, as every difference is to be seen.
    let options = CompareOptions {
        within: 0.0,
        ..CompareOptions::default()
    };
    let (mut claims, mut by_metric) = (0, std::collections::BTreeMap::<String, usize>::new());
    for _ in 0..TRIALS {
        let (base, new) = (service.runs(base, 1.0), service.runs(new, 1.0));
        let comparison = compared(&base, &new, &options).unwrap();
        claims += usize::from(comparison.counts.better + comparison.counts.worse > 0);
        for compared in comparison.scenarios[0].all_figures() {
            let count = by_metric.entry(compared.metric.clone()).or_default();
            *count += usize::from(compared.p.unwrap() <= 0.05);
        }
    }
    assert!(claims <= MOST, "{claims} of {TRIALS} comparisons");
    assert!(by_metric.len() > 10);
    for (metric, count) in by_metric {
        assert!(count <= MOST, "{metric}: {count} of {TRIALS}");
    }
}

#[test]
fn ten_percent_are_found_with_ten_runs_a_side() {
    const TRIALS: usize = 50;
    let mut service = Service::new(16);
    let mut found = 0;
    for _ in 0..TRIALS {
        let (base, new) = (service.runs(10, 1.0), service.runs(10, 1.1));
        let comparison = of(&base, &new);
        found += usize::from(figure(&comparison, "response_time.p50").verdict == Judgement::Worse);
    }
    assert!(found >= TRIALS * 94 / 100, "{found} of {TRIALS}");
}

#[test]
fn a_run_that_somebody_changed_is_like_none() {
    let base = with_p99(1, &TEN);
    let changed = |event: Value| {
        let mut new = with_p99(11, &TEN);
        let mut document = serde_json::to_value(&new[0]).unwrap();
        document["scenarios"][0]["events"] = json!([event, event]);
        new[0] = serde_json::from_value(document).unwrap();
        new
    };
    let rate = changed(json!({ "action": "rate", "event": "rate 500/s", "done_s": 2.0 }));
    let refused = compared(&base, &rate, &CompareOptions::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "these runs are not alike:\n  changed: new/1 was changed by hand: `rate 500/s` in `hello_high` and by 1 more change"
    );
    let overlook = vec![Unlike::Changed];
    let options = CompareOptions {
        overlook,
        ..CompareOptions::default()
    };
    assert!(compared(&base, &rate, &options).is_ok());
    let note = changed(json!({ "action": "mark", "event": "deployed", "done_s": 2.0 }));
    assert!(compared(&base, &note, &CompareOptions::default()).is_ok());
}

/// What workers did tells runs apart, not what they were asked for.
#[test_case("auto", None => None; "none was chosen")]
#[test_case("auto", Some(250) => Some("the runs are of different kinds of pacing: a grid of 250 µs, exact".to_owned()); "one was chosen")]
#[test_case("busy=50us", None => Some("the runs are of different kinds of pacing: busy=50us, exact".to_owned()); "awake")]
fn kinds_of_pacing(pacing: &str, ticks_us: Option<u32>) -> Option<String> {
    let paced = run(2, |it| {
        let generator = &mut it["run"]["generator"];
        generator["pacing"] = pacing.into();
        let mut worker = json!({"cpu_busy": 0.5, "cpu_starved": 0.0, "longest_stall_us": 0.0});
        if let Some(ticks_us) = ticks_us {
            worker["grid"] = json!({"ticks_us": ticks_us, "share": 0.99});
        }
        generator["per_worker"] = json!([worker]);
    });
    let comparison = of(&[run(1, |_| ())], &[paced]);
    let mut warnings = comparison.warnings.into_iter();
    warnings.find(|it| it.contains("pacing"))
}
