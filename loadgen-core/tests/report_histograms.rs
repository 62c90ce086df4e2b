//! Histograms in documents: the samples that the figures beside them are of, read back and merged.

use std::time::{Duration, UNIX_EPOCH};

use loadgen_core::record::{
    BackendRecord, GeneratorRecord, Histogram, RunRecord, Samples, ScenarioRecord, SeriesPoint,
    Sparse, new_coarse_histogram, new_histogram,
};
use loadgen_core::report::{self, Context, Document, PointStatistics, Statistics};
use proptest::prelude::*;

/// Samples of nanoseconds, each so many times.
type Counted = Vec<(u64, u64)>;

fn samples() -> impl Strategy<Value = Counted> {
    let values = prop_oneof![0_u64..100_000, 0_u64..5_000_000_000_000];
    prop::collection::vec((values, 1_u64..2_000), 0..200)
}

fn filled(mut histogram: Histogram, samples: &Counted) -> Histogram {
    for (value, count) in samples {
        histogram.saturating_record_n(*value, *count);
    }
    histogram
}

/// A run of an open scenario whose times are all these.
fn run(samples: &Counted) -> RunRecord {
    let times = filled(new_histogram(), samples);
    let mut record = ScenarioRecord::empty("greet", "grpc", true, &["one".into(), "two".into()]);
    record.response_time = times.clone();
    record.service_time = times.clone();
    record.parts.start_lag = times.clone();
    record.parts.queue_wait = times.clone();
    record.steps[0].response_time = times.clone();
    record.steps[1].response_time = filled(new_coarse_histogram(), samples);
    let mut backend = BackendRecord::empty("b1");
    backend.response_time.add(&Sparse::of(&times));
    record.backends = vec![backend];
    let mut point = SeriesPoint::empty(0, 1);
    point.response_time = Sparse::coarse(&times);
    record.series = vec![point];
    let second = Duration::from_secs(1);
    RunRecord::new(UNIX_EPOCH, second, vec![record], GeneratorRecord::default())
}

/// The document of it, as it is written and read again.
fn read_back(record: &RunRecord) -> Document {
    let document = report::build(record, Context::new());
    report::read(&serde_json::to_string(&document).expect("JSON")).expect("a result")
}

/// All series of a document that have their samples with them.
fn series(document: &Document) -> Vec<(&'static str, &Statistics)> {
    let scenario = &document.scenarios[0];
    let total = &document.total;
    let all = [
        ("response", Some(&scenario.response_time_us)),
        ("service", Some(&scenario.service_time_us)),
        ("start lag", scenario.start_lag_us.as_ref()),
        ("queue wait", scenario.queue_wait_us.as_ref()),
        ("step", scenario.steps[0].response_time_us.as_ref()),
        ("coarse step", scenario.steps[1].response_time_us.as_ref()),
        ("backend", scenario.backends[0].response_time_us.as_ref()),
        ("total response", Some(&total.response_time_us)),
        ("total service", Some(&total.service_time_us)),
        ("total backend", total.backends[0].response_time_us.as_ref()),
    ];
    all.into_iter()
        .filter_map(|(name, of)| Some((name, of?)))
        .collect()
}

/// Nanoseconds as the document has them.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

fn points(document: &Document) -> Vec<&PointStatistics> {
    let points = document.scenarios[0].series.iter();
    points
        .filter_map(|it| it.response_time_us.as_ref())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn figures_are_those_of_the_samples(samples in samples()) {
        let document = read_back(&run(&samples));
        for (name, figures) in series(&document) {
            let Some(times) = &figures.histogram else {
                prop_assert_eq!(figures.count, 0, "{}", name);
                continue;
            };
            prop_assert_eq!(times.len(), figures.count, "{}", name);
            prop_assert_eq!(figures.min, Some(micros(times.least())), "{}", name);
            prop_assert_eq!(figures.max, Some(micros(times.largest())), "{}", name);
            let (mean, found) = (figures.mean.unwrap(), times.mean() / 1e3);
            prop_assert!((mean - found).abs() <= 0.001 + found * 1e-9, "{name}: {mean} {found}");
            for (quantile, printed) in [
                (0.5, figures.p50),
                (0.9, figures.p90),
                (0.95, figures.p95),
                (0.99, figures.p99),
                (0.999, figures.p999),
                (0.9999, figures.p9999),
            ] {
                let found = micros(times.at(quantile));
                prop_assert!(printed.is_none_or(|it| it == found), "{name} {quantile}: {found}");
            }
        }
        for point in points(&document) {
            let times = point.histogram.as_ref().unwrap();
            prop_assert_eq!(point.max, micros(times.largest()));
            let own = point.p99.filter(|_| point.p99_over_s.is_none());
            prop_assert!(own.is_none_or(|it| it == micros(times.at(0.99))));
        }
    }

    /// As if all had been one run.
    #[test]
    fn documents_merge_exactly(one in samples(), other in samples()) {
        let documents = [read_back(&run(&one)), read_back(&run(&other))];
        let both = read_back(&run(&[one, other].concat()));
        for (name, expected) in series(&both) {
            let parts = documents.iter().filter_map(|document| {
                let of = series(document).into_iter().find(|(of, _)| *of == name);
                of?.1.histogram.as_ref()
            });
            let merged = Sparse::sum(parts);
            prop_assert_eq!(Some(&merged).filter(|it| !it.is_empty()), expected.histogram.as_ref(), "{}", name);
        }
    }
}

#[test]
fn one_that_is_damaged_is_told_by_its_place() {
    let document = report::build(&run(&vec![(1_000, 5)]), Context::new());
    let mut json = serde_json::to_value(&document).unwrap();
    json["scenarios"][0]["response_time_us"]["histogram"] = "HISTFAAAABA=".into();
    let error = report::read(&serde_json::to_string_pretty(&json).unwrap()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains(": a histogram is cut off;"), "{error}");
    assert!(error.starts_with("it is no whole result: line "), "{error}");
}
