//! Conditions on all scenarios with a tag.

use loadgen_core::condition::Tag;

use super::*;

/// A scenario with tags, for a run of several.
struct Tagged {
    spec: ScenarioSpec,
    service: Service,
}

impl Tagged {
    fn new(name: &str, load: Load, tags: &[(&str, &str)], service: Service) -> Self {
        let mut spec = ScenarioSpec::new(name, load);
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        spec.tags = tags.iter().map(owned).collect();
        spec.graceful_stop = Duration::from_secs(5);
        Self { spec, service }
    }

    fn named(name: &str, tier: &str, service: Service) -> Self {
        Self::new(name, open_for(3), &[("tier", tier)], service)
    }
}

/// A run of these scenarios, and what became of conditions on their tags; theirs are none.
fn run_all(scenarios: Vec<Tagged>, conditions: Vec<Threshold>) -> (RunRecord, Document) {
    let mut context = Context::new();
    context.thresholds = vec![Vec::new(); scenarios.len()];
    context.tag_thresholds.clone_from(&conditions);
    let run = Run::new(Options::default().workers(2)).thresholds(conditions);
    let run = scenarios
        .into_iter()
        .fold(run, |run, Tagged { spec, service }| {
            run.scenario(spec, move |_| service.clone())
        });
    let record = run.execute().expect("a run");
    let document = build(&record, context);
    (record, document)
}

fn observed(document: &Document) -> Vec<(bool, f64)> {
    let thresholds = document.total.thresholds.iter();
    thresholds
        .map(|it| (it.pass, it.observed.expect("a value")))
        .collect()
}

fn soon() -> Service {
    Service::new(|_| SOON, |_| false)
}

fn failing(fails: fn(u64) -> bool) -> Service {
    Service::new(|_| SOON, fails)
}

/// Of 300 iterations each: a fifth of `a`'s fail and none of `b`'s, which is a tenth of both. What a
/// condition of `a`'s own would refuse holds of both; the mean of their percentiles is not the percentile of
/// all.
#[test]
fn sums_and_not_means() {
    let slow = Service::new(|_| Duration::from_millis(60), |number| number % 5 == 0);
    let scenarios = vec![
        Tagged::named("a", "gold", slow),
        Tagged::named("b", "gold", soon()),
        Tagged::named("c", "silver", failing(|_| true)),
    ];
    let conditions = thresholds(&[
        "tags.tier.gold.error_rate < 15%",
        "tags.tier.gold.completed == 540",
        "tags.tier.gold.response_time.p90 >= 60ms",
        "tags.tier.gold.response_time.min < 30ms",
        "tags.tier.silver.outcomes.check == 100%",
        "tags.tier.gold.error_rate < 5%",
        "tags.tier.gold.throughput > 100/s",
        "tags.tier.gold.steps.a.error_rate < 25%",
        "tags.tier.gold.backends.a.share == 50%",
    ]);
    let (record, document) = run_all(scenarios, conditions);
    let found = observed(&document);
    let holds: Vec<bool> = found.iter().map(|it| it.0).collect();
    assert_eq!(
        holds,
        [true, true, true, true, true, false, true, true, true],
        "{:#?}",
        document.total.thresholds
    );
    assert_eq!(found[0].1, 10.0);
    assert_eq!(found[7].1, 20.0);
    let gold = record.tag(&Tag::new("tier", "gold")).expect("it is there");
    assert_eq!(gold.members.iter().map(|it| it.scenario).sum::<usize>(), 1);
    assert_eq!(document.verdict.status, Status::Fail);
    assert!(!document.conditions_hold());
    let reasons = document.verdict.reasons.join("\n");
    assert!(
        reasons.contains("`tags.tier.gold.error_rate < 5%` does not hold, observed 10%"),
        "{reasons}"
    );
    assert!(!reasons.contains("error_rate < 15%"), "{reasons}");
}

/// 100 a second each are more than any of them alone has.
#[test]
fn what_only_both_together_do() {
    let scenarios = vec![
        Tagged::named("a", "gold", soon()),
        Tagged::named("b", "gold", soon()),
    ];
    let conditions = thresholds(&[
        "tags.tier.gold.started < 400",
        "tags.tier.gold.throughput < 150/s over any 1s",
        "tags.tier.gold.started < 700",
    ]);
    let (_, document) = run_all(scenarios, conditions);
    let found = observed(&document);
    let passes: Vec<bool> = found.iter().map(|it| it.0).collect();
    assert_eq!(passes, [false, false, true], "{found:?}");
    assert_eq!(found[0].1, 600.0);
    let window = document.total.thresholds[1].window.expect("a window");
    assert_eq!(window.to_s - window.from_s, 1);
}

/// A window of a step's has what that step took, and nothing of a scenario without it, whose only step is
/// another.
#[test]
fn a_window_of_a_step_is_of_this_step() {
    let scenarios = vec![
        Tagged::named("a", "gold", soon()),
        Tagged::named(
            "b",
            "gold",
            Service::new(|_| Duration::from_millis(200), |_| false),
        ),
    ];
    let conditions = thresholds(&[
        "tags.tier.gold.steps.a.response_time.p99 < 150ms over any 1s",
        "tags.tier.gold.steps.b.response_time.p50 < 150ms over any 1s",
    ]);
    let (_, document) = run_all(scenarios, conditions);
    let found = observed(&document);
    let passes: Vec<bool> = found.iter().map(|it| it.0).collect();
    assert_eq!(passes, [true, false], "{found:?}");
}

/// A scenario that begins later adds to the seconds in which it was there, and the time of both is that from
/// the first's beginning to the last's end.
#[test]
fn one_that_begins_later() {
    let mut later = Tagged::named("b", "gold", failing(|_| true));
    later.spec.start_after = Duration::from_secs(3);
    later.spec.warm_up = Duration::from_secs(1);
    let scenarios = vec![Tagged::named("a", "gold", soon()), later];
    let conditions = thresholds(&[
        "tags.tier.gold.error_rate < 1% over any 1s",
        "tags.tier.gold.throughput > 1/s over any 1s",
        "tags.tier.gold.throughput < 60/s",
        "tags.tier.gold.error_rate < 99% over any 7s",
    ]);
    let (record, document) = run_all(scenarios, conditions);
    let found = &document.total.thresholds;
    let gold = record.tag(&Tag::new("tier", "gold")).expect("it is there");
    assert_eq!(gold.members[1].from, Duration::from_secs(4));
    let window = found[0].window.expect("a window");
    assert!((4..7).contains(&window.from_s), "{window:?}");
    assert_eq!(found[0].observed, Some(100.0));
    assert_eq!(found[1].observed, Some(0.0), "nothing ends ok after 3 s");
    let rate = found[2].observed.expect("a rate");
    assert!((20.0..50.0).contains(&rate), "300 in 7 s, not in 3: {rate}");
    let whole = found[3].window.expect("one window");
    assert_eq!((whole.from_s, whole.to_s, found[3].pass), (0, 7, true));
}

/// Neither fails often enough by itself to be ended.
#[test]
fn a_condition_on_a_tag_ends_the_run() {
    let load = || open_for(60);
    let tags = [("tier", "gold"), ("region", "eu")];
    let scenarios = vec![
        Tagged::new("a", load(), &tags, failing(|number| number % 2 == 0)),
        Tagged::new("b", load(), &tags[..1], soon()),
    ];
    let text = |text: &str, after| {
        let condition = text.parse::<Threshold>().expect("a condition");
        condition.aborting(Duration::from_secs(after))
    };
    let conditions = vec![
        text("tags.tier.gold.error_rate < 40%", 0),
        text("tags.tier.gold.failed < 100", 2),
        text("tags.region.eu.failed < 1000", 0),
    ];
    let (record, document) = run_all(scenarios, conditions);
    let end = record.early_end.as_ref().expect("an early end");
    assert_eq!(
        (end.scenario.as_deref(), &*end.condition),
        (None, "tags.tier.gold.failed < 100")
    );
    assert!(end.at >= Duration::from_secs(2), "{end:?}");
    assert!(record.elapsed < Duration::from_secs(50));
    assert!(record.scenarios.iter().all(|it| it.ledger.balances()));
    let found = &document.total.thresholds;
    let passes: Vec<bool> = found.iter().map(|it| it.pass).collect();
    assert_eq!(passes, [true, false, true], "{found:#?}");
    assert!(found[1].ended_run.is_some());
    assert!(document.run.stopped);
    let reasons = document.verdict.reasons.join("\n");
    assert!(
        reasons.starts_with("`tags.tier.gold.failed < 100` ended the run after "),
        "{reasons}"
    );
}

/// A scenario that is over by its iterations does not hold up the windows of the others.
#[test]
fn a_window_of_a_tag_ends_the_run() {
    let short = Load::closed(1).iterations(10).into();
    let scenarios = vec![
        Tagged::new("a", short, &[("tier", "gold")], soon()),
        Tagged::new(
            "b",
            open_for(60),
            &[("tier", "gold")],
            failing(|number| number > 200),
        ),
    ];
    let condition: Threshold = "tags.tier.gold.error_rate < 50% over any 1s"
        .parse()
        .unwrap();
    let (record, _) = run_all(scenarios, vec![condition.aborting(Duration::ZERO)]);
    let end = record.early_end.expect("an early end");
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(40)).contains(&end.at),
        "{end:?}"
    );
}

#[test]
fn a_tag_that_nobody_has_is_not_judged() {
    let scenarios = vec![Tagged::new(
        "a",
        Load::closed(1).iterations(5).into(),
        &[("tier", "gold")],
        soon(),
    )];
    let conditions = thresholds(&[
        "tags.tier.silver.error_rate < 1%",
        "tags.tier.gold.error_rate < 1%",
    ]);
    let (_, document) = run_all(scenarios, conditions);
    assert_eq!(observed(&document), [(true, 0.0)]);
    assert!(
        document.verdict.warnings.contains(
            &"`tags.tier.silver.error_rate < 1%` was not judged: no scenario of this run has the tag"
                .to_owned()
        ),
        "{:?}",
        document.verdict.warnings
    );
}

/// What two processes found is added, and windows of each are a bound.
#[test]
fn records_of_several_processes() {
    let record = || {
        let conditions = thresholds(&["tags.tier.gold.failed < 1 over any 1s"]);
        let scenarios = vec![
            Tagged::named("a", "gold", soon()),
            Tagged::named("b", "gold", failing(|number| number == 0)),
        ];
        run_all(scenarios, conditions).0
    };
    let stored = serde_json::to_string(&record()).expect("JSON");
    let mut merged: RunRecord = serde_json::from_str(&stored).expect("a record");
    merged.merge(&record()).expect("the same plan");
    let mut context = Context::new();
    context.tag_thresholds = thresholds(&[
        "tags.tier.gold.failed < 1 over any 1s",
        "tags.tier.gold.failed == 2",
    ]);
    let document = build(&merged, context);
    let found = &document.total.thresholds;
    assert!(found[0].window.is_some_and(|it| it.is_bound) && !found[0].pass);
    assert_eq!((found[1].observed, found[1].pass), (Some(2.0), true));
}
