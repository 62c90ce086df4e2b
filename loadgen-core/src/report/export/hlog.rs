//! Histograms over time in the log format of HdrHistogram, version 1.3.
//!
//! Source: <https://github.com/HdrHistogram/HdrHistogram/blob/master/src/main/java/org/HdrHistogram/HistogramLogWriter.java>
//! and `HistogramLogReader.java` beside it.

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::document::{Document, Scenario};
use crate::record::{Samples, Sparse};
use crate::units::human;

/// What stands as it is in the part of a tag that is somebody's name; a tag has no comma and no blank.
const IN_TAGS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');

/// Nanoseconds in the unit of `Interval_Max`.
const MAX_UNIT: f64 = 1_000_000.0;

impl Document {
    /// Response times over time, as HdrHistogram's tools for looking at and merging logs read them: log format
    /// 1.3. Values are nanoseconds, `Interval_Max` is in milliseconds.
    ///
    /// An interval for each point of each scenario's series, with the scenario's name as its tag
    /// (`NAME:PROTOCOL` where two have the same); and one of the whole run for each step of a scenario that
    /// has several (`NAME/STEP`). Other characters than letters, digits, `_`, `.` and `-` of a name are
    /// percent-encoded there. Points and steps that have times and no histogram are counted in a comment.
    #[must_use]
    pub fn to_hlog(&self) -> String {
        let mut intervals: Vec<Interval<'_>> = Vec::new();
        for scenario in &self.scenarios {
            intervals.extend(of_steps(scenario, &tag(scenario, &self.scenarios)));
            intervals.extend(over_time(scenario, &tag(scenario, &self.scenarios)));
        }
        // Readers stop at one that begins too late for them.
        intervals.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
        let mut log = header(&self.run.started_at);
        log.extend(self.scenarios.iter().filter_map(|it| {
            let (missing, tag) = (without_histogram(it), tag(it, &self.scenarios));
            let count = human::count(missing);
            (missing > 0).then(|| {
                format!(
                    "#[{tag}: {count} series of times of its points and steps missing: \
                     the document has no histogram of them]\n"
                )
            })
        }));
        for it in &intervals {
            let largest = it.times.largest() as f64 / MAX_UNIT;
            let (tag, from, length) = (&it.tag, it.from_s, it.length_s);
            let times = it.times.to_text();
            // A string takes all.
            let _ = writeln!(log, "Tag={tag},{from:.3},{length:.3},{largest:.3},{times}");
        }
        log
    }
}

/// A stretch of time with its samples.
struct Interval<'a> {
    tag: String,
    /// In seconds since the run began.
    from_s: f64,
    length_s: f64,
    times: &'a Sparse,
}

/// The lines before the intervals. Times in the log count from when the run began.
fn header(started_at: &str) -> String {
    let mut lines = "#[Histogram log format version 1.3]\n".to_owned();
    let began = humantime::parse_rfc3339(started_at).ok();
    if let Some(since) = began.and_then(|it| it.duration_since(UNIX_EPOCH).ok()) {
        let epoch_s = since.as_secs_f64();
        lines.push_str(&format!(
            "#[StartTime: {epoch_s:.3} (seconds since epoch), {started_at}]\n\
             #[BaseTime: {epoch_s:.3} (seconds since epoch)]\n"
        ));
    }
    lines.push_str(
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
    );
    lines
}

/// What a scenario is called, and no other.
fn tag(scenario: &Scenario, all: &[Scenario]) -> String {
    let name = encoded(&scenario.name);
    let alike = all.iter().filter(|it| it.name == scenario.name);
    match alike.count() {
        0 | 1 => name,
        _ => format!("{name}:{}", encoded(&scenario.protocol)),
    }
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, IN_TAGS).to_string()
}

/// Points and steps that have times, but in figures only: they cannot be in a log.
fn without_histogram(scenario: &Scenario) -> u64 {
    let points = scenario.series.iter();
    let points = points.filter_map(|it| Some(it.response_time_us.as_ref()?.histogram.is_none()));
    let steps = scenario.steps.iter().filter(|_| has_own_steps(scenario));
    let steps = steps.filter_map(|it| Some(it.response_time_us.as_ref()?.histogram.is_none()));
    points.chain(steps).filter(|it| *it).count() as u64
}

/// Whether its steps are something else than the scenario.
fn has_own_steps(scenario: &Scenario) -> bool {
    !matches!(scenario.steps.as_slice(), [only] if !only.apart)
}

fn over_time<'a>(scenario: &'a Scenario, tag: &str) -> Vec<Interval<'a>> {
    let points = scenario.series.iter().filter_map(|point| {
        Some(Interval {
            tag: tag.to_owned(),
            from_s: scenario.measured_from_s + point.t_s as f64,
            length_s: point.seconds as f64,
            times: point.response_time_us.as_ref()?.histogram.as_ref()?,
        })
    });
    points.collect()
}

/// Those of each step over the whole run, where they are not the scenario's.
fn of_steps<'a>(scenario: &'a Scenario, tag: &str) -> Vec<Interval<'a>> {
    if !has_own_steps(scenario) {
        return Vec::new();
    }
    let steps = scenario.steps.iter().filter_map(|step| {
        Some(Interval {
            tag: format!("{tag}/{}", encoded(&step.name)),
            from_s: scenario.measured_from_s,
            length_s: scenario.duration_s,
            times: step.response_time_us.as_ref()?.histogram.as_ref()?,
        })
    });
    steps.collect()
}
