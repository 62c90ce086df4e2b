//! The run as a table: a row for each scenario and each of its steps, and one for each point of their time.

mod trials;

use csv::Writer;

use super::super::document::{
    Confidence, Document, Method, Point, PointStatistics, Scenario, Statistics, Step, StepPoint,
};
use crate::outcome::Outcome;

impl Document {
    /// The run as a table, for spreadsheets and data frames: comma-separated values as RFC 4180 has them, the
    /// first line the names of the columns.
    ///
    /// For each scenario there is a row of the whole run (`span` is `run`), one of each step, and one for
    /// each point of its series and of its steps' (`span` is `point`). A figure that is not there, or that too few samples
    /// support, is an empty field; those of a point are of its own samples only. Of a point without a
    /// histogram there is what the document says of it, and no count.
    ///
    /// Of a search for a capacity there is a row of each trial instead, in their order (`span` is `trial`), with
    /// columns of its own.
    #[must_use]
    pub fn to_csv(&self) -> String {
        if let Some(capacity) = &self.capacity {
            return trials::table(self, capacity);
        }
        let mut rows = vec![COLUMNS.map(str::to_owned)];
        for scenario in &self.scenarios {
            rows.push(Row::of_run(scenario).fields());
            rows.extend(
                scenario
                    .steps
                    .iter()
                    .map(|it| Row::of_step(scenario, it).fields()),
            );
            rows.extend(
                scenario
                    .series
                    .iter()
                    .map(|it| Row::of_point(scenario, it).fields()),
            );
            for step in &scenario.steps {
                let points = step.series.iter();
                rows.extend(points.map(|it| Row::of_step_point(scenario, step, it).fields()));
            }
        }
        table(&rows).unwrap_or_default()
    }
}

/// Fails only where a writer does, and where rows have not the same length; memory takes all, and these have.
fn table<const N: usize>(rows: &[[String; N]]) -> Option<String> {
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).ok()?;
    }
    String::from_utf8(writer.into_inner().ok()?).ok()
}

/// The names of the columns.
const COLUMNS: [&str; 30] = [
    "span",
    "scenario",
    "protocol",
    "step",
    "t_s",
    "seconds",
    "users",
    "started",
    "completed",
    "failed",
    "completed_per_s",
    "response_time_count",
    "response_time_mean_us",
    "response_time_min_us",
    "response_time_p50_us",
    "response_time_p90_us",
    "response_time_p95_us",
    "response_time_p99_us",
    "response_time_p999_us",
    "response_time_p9999_us",
    "response_time_max_us",
    "response_time_at_least_from",
    "response_time_p95_low_us",
    "response_time_p95_high_us",
    "response_time_p99_low_us",
    "response_time_p99_high_us",
    "response_time_p999_low_us",
    "response_time_p999_high_us",
    "confidence",
    "unanswered",
];

/// What a row says.
struct Row<'a> {
    span: &'static str,
    scenario: &'a Scenario,
    step: &'a str,
    t_s: f64,
    seconds: f64,
    /// How much of `seconds` was measured; nothing where that is too little to tell a rate.
    covered_s: Option<f64>,
    users: Option<u64>,
    started: Option<u64>,
    completed: u64,
    failed: u64,
    unanswered: Option<u64>,
    times: Statistics,
    /// Samples that `times` is of, where that is known.
    count: Option<u64>,
    confidence: Option<Confidence>,
}

impl<'a> Row<'a> {
    /// A row of the whole of a scenario without any figure.
    fn empty(scenario: &'a Scenario) -> Self {
        Self {
            span: "run",
            scenario,
            step: "",
            t_s: 0.0,
            seconds: scenario.duration_s,
            covered_s: Some(scenario.duration_s),
            users: None,
            started: None,
            completed: 0,
            failed: 0,
            unanswered: None,
            times: Statistics::default(),
            count: None,
            confidence: None,
        }
    }

    fn of_run(scenario: &'a Scenario) -> Self {
        Self {
            started: Some(scenario.ledger.started),
            completed: scenario.ledger.completed,
            failed: scenario.ledger.failed,
            unanswered: Some(scenario.unanswered),
            times: scenario.response_time_us.clone(),
            count: Some(scenario.response_time_us.count),
            confidence: scenario.response_time_confidence_us,
            ..Self::empty(scenario)
        }
    }

    fn of_step(scenario: &'a Scenario, step: &'a Step) -> Self {
        let ok = step.outcomes.get(&Outcome::Ok.to_string());
        let completed = ok.copied().unwrap_or_default();
        Self {
            step: &step.name,
            completed,
            failed: step.outcomes.values().sum::<u64>() - completed,
            unanswered: Some(step.unanswered),
            count: Some(step.response_time_us.as_ref().map_or(0, |it| it.count)),
            times: step.response_time_us.clone().unwrap_or_default(),
            ..Self::empty(scenario)
        }
    }

    fn of_point(scenario: &'a Scenario, point: &Point) -> Self {
        let (times, count) = times_of(point.response_time_us.as_ref());
        Self {
            span: "point",
            t_s: point.t_s as f64,
            seconds: point.seconds as f64,
            covered_s: covered(scenario, [point.t_s, point.seconds]),
            users: Some(point.users),
            started: Some(point.started),
            completed: point.completed,
            failed: point.failed,
            times,
            count,
            ..Self::empty(scenario)
        }
    }

    fn of_step_point(scenario: &'a Scenario, step: &'a Step, point: &StepPoint) -> Self {
        let (times, count) = times_of(point.response_time_us.as_ref());
        Self {
            span: "point",
            step: &step.name,
            t_s: point.t_s as f64,
            seconds: point.seconds as f64,
            covered_s: covered(scenario, [point.t_s, point.seconds]),
            completed: point.completed,
            failed: point.failed,
            times,
            count,
            ..Self::empty(scenario)
        }
    }

    fn fields(&self) -> [String; COLUMNS.len()] {
        let times = &self.times;
        let per_s = self.covered_s.map(|seconds| match seconds > 0.0 {
            true => (self.completed as f64 / seconds * 1e3).round() / 1e3,
            false => 0.0,
        });
        let interval = |of: fn(&Confidence) -> Option<[f64; 2]>| {
            let ends = self.confidence.as_ref().and_then(of);
            [ends.map(|it| it[0]), ends.map(|it| it[1])].map(figure)
        };
        let [p95_low, p95_high] = interval(|it| it.p95);
        let [p99_low, p99_high] = interval(|it| it.p99);
        let [p999_low, p999_high] = interval(|it| it.p999);
        let confidence = match self.confidence.as_ref().map(|it| it.method) {
            None => "",
            Some(Method::Ranks) => "ranks",
            Some(Method::Seconds) => "seconds",
        };
        [
            self.span.to_owned(),
            self.scenario.name.clone(),
            self.scenario.protocol.clone(),
            self.step.to_owned(),
            self.t_s.to_string(),
            self.seconds.to_string(),
            figure(self.users),
            figure(self.started),
            self.completed.to_string(),
            self.failed.to_string(),
            figure(per_s),
            figure(self.count),
            figure(times.mean),
            figure(times.min),
            figure(times.p50),
            figure(times.p90),
            figure(times.p95),
            figure(times.p99),
            figure(times.p999),
            figure(times.p9999),
            figure(times.max),
            figure(times.at_least_from),
            p95_low,
            p95_high,
            p99_low,
            p99_high,
            p999_low,
            p999_high,
            confidence.to_owned(),
            figure(self.unanswered),
        ]
    }
}

/// A figure, or an empty field.
fn figure(figure: Option<impl ToString>) -> String {
    figure.map_or_else(String::new, |it| it.to_string())
}

/// How much of a point was measured: the last may stand for more than that. Nothing where it is less than
/// half, which tells no rate.
fn covered(scenario: &Scenario, point: [u64; 2]) -> Option<f64> {
    let [from, seconds] = point.map(|it| it as f64);
    let covered = (scenario.duration_s - from).min(seconds);
    (covered >= 0.5 * seconds).then_some(covered)
}

/// The figures of a point's own samples, and how many these are. Without its histogram that is not known.
fn times_of(own: Option<&PointStatistics>) -> (Statistics, Option<u64>) {
    let Some(own) = own else {
        return (Statistics::default(), Some(0));
    };
    if let Some(samples) = &own.histogram {
        let times = Statistics::of(samples);
        let count = times.count;
        return (times, Some(count));
    }
    // Of more than its own seconds it is not the point's.
    let its_own = |us: Option<f64>, over_s: Option<u64>| us.filter(|_| over_s.is_none());
    let times = Statistics {
        p50: its_own(own.p50, own.p50_over_s),
        p95: its_own(own.p95, own.p95_over_s),
        p99: its_own(own.p99, own.p99_over_s),
        max: Some(own.max),
        ..Statistics::default()
    };
    (times, None)
}
