//! Limits on changes between runs: `response_time.p99 > +10%`.

use std::fmt;
use std::str::FromStr;

use super::cursor::Cursor;
use super::error::ThresholdError;
use super::metric::{Metric, Series, Statistic, StepMetric};
use super::parse;

/// The series of a scenario that runs are compared by.
pub(crate) const SERIES: [Series; 2] = [Series::ResponseTime, Series::ServiceTime];
/// Those of a step.
pub(crate) const STEP_SERIES: [Series; 3] = [
    Series::ResponseTime,
    Series::FirstMessage,
    Series::RoundTrip,
];
/// What of a series.
pub(crate) const STATISTICS: [Statistic; 6] = [
    Statistic::Mean,
    Statistic::P50,
    Statistic::P90,
    Statistic::P95,
    Statistic::P99,
    Statistic::P999,
];

/// A change from one group of runs to another that is too much, as written.
///
/// ```
/// use loadgen_core::condition::ChangeLimit;
///
/// let limit: ChangeLimit = "response_time.p99 > +10%".parse()?;
/// assert_eq!(limit.to_string(), "response_time.p99 > +10%");
/// let error = "response_time.p9 > +10%".parse::<ChangeLimit>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown statistic `p9` at column 15; did you mean `p90`?");
/// # Ok::<(), loadgen_core::condition::ThresholdError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeLimit {
    expression: String,
    scenario: Option<String>,
    /// Nothing of a limit on the capacity.
    metric: Option<Metric>,
    is_rise: bool,
    change: f64,
}

impl ChangeLimit {
    /// What the capacity is called in a limit on it.
    pub(crate) const CAPACITY: &'static str = "capacity";

    /// The only scenario that it is for.
    pub(crate) fn scenario(&self) -> Option<&str> {
        self.scenario.as_deref()
    }

    /// What of runs may not change so much; nothing where it is the capacity that searches find.
    pub(crate) fn metric(&self) -> Option<&Metric> {
        self.metric.as_ref()
    }

    /// Whether a change is beyond the limit by more than `by`, as a share of what it was before; of an error rate
    /// as it is.
    pub(crate) fn is_beyond(&self, change: f64, by: f64) -> bool {
        if self.is_rise {
            change > self.change + by
        } else {
            change < self.change - by
        }
    }

    /// Which end of an interval is the nearer one to the limit, seen from beyond it: 0 is the lower one.
    pub(crate) fn nearer_end(&self) -> usize {
        usize::from(!self.is_rise)
    }
}

impl fmt::Display for ChangeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

impl FromStr for ChangeLimit {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut cursor = Cursor::new(text);
        cursor.skip_space();
        let scenario = scenario(&mut cursor)?;
        let metric = match is_capacity(&mut cursor) {
            true => None,
            false => Some(metric(&mut cursor)?),
        };
        cursor.skip_space();
        let is_rise = match cursor.rest().chars().next() {
            Some(sign @ ('>' | '<')) => {
                cursor.at += 1;
                sign == '>'
            }
            _ => return Err(cursor.unexpected_at(cursor.at, "`>` or `<`")),
        };
        cursor.skip_space();
        let change = change(&mut cursor, metric.as_ref())?;
        cursor.skip_space();
        if !cursor.rest().is_empty() {
            return Err(cursor.unexpected_at(cursor.at, "the end"));
        }
        Ok(Self {
            expression: text.trim().to_owned(),
            scenario,
            metric,
            is_rise,
            change,
        })
    }
}

/// `scenarios.NAME.`
fn scenario(cursor: &mut Cursor<'_>) -> Result<Option<String>, ThresholdError> {
    let start = cursor.at;
    if cursor.word() != "scenarios" {
        cursor.at = start;
        return Ok(None);
    }
    cursor.dot()?;
    let name = cursor.name("the name of a scenario")?;
    cursor.dot()?;
    Ok(Some(name))
}

/// `capacity`, where it stands there.
fn is_capacity(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    let is_it = cursor.word() == ChangeLimit::CAPACITY && !cursor.rest().starts_with('.');
    if !is_it {
        cursor.at = start;
    }
    is_it
}

/// One of the metrics that runs are compared by.
fn metric(cursor: &mut Cursor<'_>) -> Result<Metric, ThresholdError> {
    let start = cursor.at;
    let (metric, _) = parse::metric(cursor)?;
    let is_compared = match &metric {
        Metric::Throughput | Metric::ErrorRate => true,
        Metric::Series(series, statistic) => {
            SERIES.contains(series) && STATISTICS.contains(statistic)
        }
        Metric::Step {
            metric: StepMetric::Series(series, statistic),
            ..
        } => STEP_SERIES.contains(series) && STATISTICS.contains(statistic),
        _ => false,
    };
    is_compared.then_some(metric).ok_or_else(|| {
        cursor.unexpected_at(
            start,
            "what runs are compared by (`throughput`, `error_rate`, `response_time.` or `service_time.` with \
             `mean`, `p50`, `p90`, `p95`, `p99` or `p999`, and of steps, as in `steps.NAME.response_time.p99`, \
             `response_time`, `first_message` or `round_trip`)",
        )
    })
}

/// `+10%`, as a share. Of error rates `pp` says the same: they change in percentage points.
fn change(cursor: &mut Cursor<'_>, metric: Option<&Metric>) -> Result<f64, ThresholdError> {
    let start = cursor.at;
    let sign = cursor.take_while(|c| matches!(c, '+' | '-'));
    let number = cursor.take_while(|c| c.is_ascii_digit() || c == '.');
    let unit = cursor.take_while(|c| !c.is_whitespace());
    let in_points = metric == Some(&Metric::ErrorRate);
    let is_unit = unit == "%" || (in_points && unit == "pp");
    let well_formed = matches!(sign, "+" | "-")
        && number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit());
    let value = number.parse::<f64>().ok().filter(|it| *it <= 1e6);
    match value.filter(|_| well_formed && is_unit) {
        Some(value) if sign == "-" => Ok(-value / 100.0),
        Some(value) => Ok(value / 100.0),
        None if in_points => Err(cursor.unexpected_at(
            start,
            "a change in percentage points, with its sign, such as `+0.5pp`",
        )),
        None => Err(cursor.unexpected_at(start, "a change with its sign, such as `+10%` or `-5%`")),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn parsed(text: &str) -> ChangeLimit {
        text.parse().unwrap()
    }

    #[test_case("response_time.p99 > +10%", 0.101 => true)]
    #[test_case("response_time.p99 > +10%", 0.1 => false; "not beyond")]
    #[test_case("throughput < -5%", -0.06 => true)]
    #[test_case("throughput<-5%", -0.04 => false; "without blanks")]
    #[test_case("error_rate > +0.5pp", 0.006 => true; "points")]
    #[test_case("error_rate > +0.5%", 0.004 => false; "points as percent")]
    #[test_case("response_time.p50 > -1%", 0.0 => true; "has to be better")]
    #[test_case("scenarios.a.capacity < -5%", -0.06 => true; "of a search")]
    fn beyond(text: &str, change: f64) -> bool {
        parsed(text).is_beyond(change, 0.0)
    }

    #[test]
    fn of_a_scenario_and_a_step() {
        let limit = parsed("scenarios.'a.b'.steps.hello.round_trip.p99 > +10%");
        assert_eq!(limit.scenario(), Some("a.b"));
        let expected = Metric::Step {
            name: "hello".to_owned(),
            metric: StepMetric::Series(Series::RoundTrip, Statistic::P99),
        };
        assert_eq!(limit.metric(), Some(&expected));
    }

    #[test_case("respons_time.p99 > +10%" => "unknown metric `respons_time` at column 1; did you mean `response_time`?")]
    #[test_case("scenarios.a.p99 > +10%" => "unknown metric `p99` at column 13; did you mean `response_time.p99`?"; "in a scenario")]
    #[test_case("response_time.p99 > 10%" => "expected a change with its sign, such as `+10%` or `-5%` at column 21, found `10%`"; "without a sign")]
    #[test_case("response_time.p99 > +2ms" => "expected a change with its sign, such as `+10%` or `-5%` at column 21, found `+2ms`"; "a time")]
    #[test_case("error_rate > 1" => "expected a change in percentage points, with its sign, such as `+0.5pp` at column 14, found `1`"; "a share")]
    #[test_case("response_time.p99 >= +10%" => "expected a change with its sign, such as `+10%` or `-5%` at column 20, found `=`"; "or equal")]
    #[test_case("response_time.p99 +10%" => "expected `>` or `<` at column 19, found `+10%`"; "without an operator")]
    #[test_case("throughput < -5% now" => "expected the end at column 18, found `now`"; "something behind it")]
    #[test_case("" => "expected the name of a metric at column 1, found the end"; "nothing")]
    fn refused(text: &str) -> String {
        text.parse::<ChangeLimit>().unwrap_err().to_string()
    }

    #[test_case("capacity.p99 < -5%" => "unknown metric `capacity` at column 1; expected a metric such as `response_time.p95`, `error_rate` or `throughput`"; "of a capacity")]
    fn of_no_figure(text: &str) -> String {
        text.parse::<ChangeLimit>().unwrap_err().to_string()
    }

    #[test_case("late > +1%")]
    #[test_case("response_time.max > +1%")]
    #[test_case("steps.a.error_rate > +1%")]
    fn what_runs_are_not_compared_by(text: &str) {
        let told = text.parse::<ChangeLimit>().unwrap_err().to_string();
        assert!(
            told.starts_with("expected what runs are compared by ("),
            "{told}"
        );
    }
}
