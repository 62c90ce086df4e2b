//! The grammar of conditions.

use super::cursor::Cursor;
use super::error::ThresholdError;
use super::metric::{
    BackendMetric, BalanceWord, ConnectionWord, FailoverWord, FaultWord, LedgerWord, Left, Metric,
    RetryWord, Series, Statistic, StepMetric,
};
use super::unit::{Kind, value};
use super::{Operator, Tag, Threshold, tag, window};
use crate::outcome::GrpcCode;

pub(super) fn parse(text: &str) -> Result<Threshold, ThresholdError> {
    let mut cursor = Cursor::new(text);
    cursor.skip_space();
    let tag = tag::tag(&mut cursor)?;
    let (metric, kind) = match &tag {
        Some(tag) => metric_of_tag(&mut cursor, tag)?,
        None => metric(&mut cursor)?,
    };
    cursor.skip_space();
    let operator_at = cursor.at;
    let operator = operator(&mut cursor)?;
    if matches!(kind, Kind::Time | Kind::PerTime | Kind::Number)
        && matches!(operator, Operator::Equal | Operator::NotEqual)
    {
        return Err(cursor.unexpected_at(
            operator_at,
            "`<`, `<=`, `>` or `>=` (a measured time or rate is never exactly equal)",
        ));
    }
    cursor.skip_space();
    let (value, unit) = value(&mut cursor, kind)?;
    let over_at = cursor.at;
    let window = window::length(&mut cursor)?;
    if window.is_some() && !metric.has_windows() {
        cursor.at = over_at;
        cursor.skip_space();
        return Err(cursor.unexpected_at(
            cursor.at,
            "the end of the condition (this is of a whole run)",
        ));
    }
    if window.is_some() && matches!(operator, Operator::Equal | Operator::NotEqual) {
        return Err(cursor.unexpected_at(
            operator_at,
            "`<`, `<=`, `>` or `>=` (with `over any` the worst window is compared)",
        ));
    }
    Ok(Threshold {
        expression: text.trim().to_owned(),
        tag,
        metric,
        operator,
        value,
        unit,
        window,
        abort_after: None,
    })
}

/// What a condition on all scenarios with a tag is about: whatever one on a scenario is, but for what is
/// known of each scenario by itself only.
fn metric_of_tag(cursor: &mut Cursor<'_>, tag: &Tag) -> Result<(Metric, Kind), ThresholdError> {
    let start = cursor.at;
    match metric(cursor) {
        Ok((Metric::Silence, _)) => Err(cursor.unexpected_at(
            start,
            "a metric that scenarios have together (how long a service was silent is of each scenario: \
             `silence` belongs to its own `thresholds`)",
        )),
        Ok((Metric::Failover { left, .. }, _)) => Err(cursor.unexpected_at(
            start,
            &format!(
                "a metric that scenarios have together (what became of a server's load is of each \
                 scenario: `{}` belongs to its own `thresholds`)",
                left.word()
            ),
        )),
        Err(_) if is_metric(&tag.value) => Err(cursor.unexpected_at(
            start,
            "a metric after the tag's key and value: `tags.KEY.VALUE.METRIC`",
        )),
        Err(_) if cursor.since(start, "") == "tags" => {
            Err(cursor.unexpected_at(start, "a metric (a condition is on one tag)"))
        }
        metric => metric,
    }
}

/// Whether a metric begins with this word.
fn is_metric(word: &str) -> bool {
    let words = PLAIN_METRICS.iter().chain(LedgerWord::WORDS);
    words.chain(Series::WORDS).any(|it| *it == word)
}

/// The metrics that are neither a ledger's word nor a series.
const PLAIN_METRICS: [&str; 12] = [
    "error_rate",
    "throughput",
    "unanswered",
    "silence",
    "outcomes",
    "connections",
    "steps",
    "backends",
    "balance",
    "failover",
    "drain",
    "retries",
];

pub(super) fn metric(cursor: &mut Cursor<'_>) -> Result<(Metric, Kind), ThresholdError> {
    let start = cursor.at;
    let word = cursor.word();
    Ok(match word {
        "" => return Err(cursor.unexpected_at(start, "the name of a metric")),
        "error_rate" => (Metric::ErrorRate, Kind::Percent),
        "throughput" => (Metric::Throughput, Kind::PerTime),
        "unanswered" => (Metric::Unanswered, Kind::CountOrPercent),
        "silence" => (Metric::Silence, Kind::Time),
        "outcomes" => {
            cursor.dot()?;
            (Metric::Outcome(outcome(cursor)?), Kind::CountOrPercent)
        }
        "connections" => {
            cursor.dot()?;
            let word = cursor.known("event", ConnectionWord::WORDS, ConnectionWord::from_word)?;
            (Metric::Connections(word), Kind::CountOrPercent)
        }
        "steps" => {
            cursor.dot()?;
            let name = cursor.name("the name of a step")?;
            cursor.dot()?;
            let (metric, kind) = step_metric(cursor)?;
            (Metric::Step { name, metric }, kind)
        }
        "backends" => {
            cursor.dot()?;
            let name = cursor.name("the name that a server gives itself")?;
            cursor.dot()?;
            let (metric, kind) = backend_metric(cursor)?;
            (Metric::Backend { name, metric }, kind)
        }
        "balance" => {
            cursor.dot()?;
            let word = cursor.known(
                "figure of balance",
                BalanceWord::WORDS,
                BalanceWord::from_word,
            )?;
            let kind = match word {
                BalanceWord::Idle => Kind::Count,
                _ => Kind::Number,
            };
            (Metric::Balance(word), kind)
        }
        "retries" => {
            cursor.dot()?;
            let word = cursor.known("count of retries", RetryWord::WORDS, RetryWord::from_word)?;
            (Metric::Retries(word), Kind::Count)
        }
        "failover" => failover(cursor, Left::Unannounced)?,
        "drain" => failover(cursor, Left::Drained)?,
        _ => {
            if let Some(word) = LedgerWord::from_word(word) {
                let kind = match word.whole() {
                    Some(_) => Kind::CountOrPercent,
                    None => Kind::Count,
                };
                (Metric::Ledger(word), kind)
            } else if let Some(series) = Series::from_word(word) {
                (Metric::Series(series, statistic(cursor)?), Kind::Time)
            } else {
                let known = PLAIN_METRICS.iter().chain(["tags"].iter());
                let known = known.chain(LedgerWord::WORDS).chain(Series::WORDS);
                let word = cursor.since(start, fraction(cursor));
                return Err(cursor.unknown_metric(start, word, meant(word), known));
            }
        }
    })
}

fn failover(cursor: &mut Cursor<'_>, left: Left) -> Result<(Metric, Kind), ThresholdError> {
    cursor.dot()?;
    let word = cursor.known(
        "figure of a failover",
        FailoverWord::WORDS,
        FailoverWord::from_word,
    )?;
    let kind = if word.is_time() {
        Kind::Time
    } else {
        Kind::Count
    };
    Ok((Metric::Failover { left, word }, kind))
}

/// What a word that is no metric was likely meant to be: the names other tools use, and a
/// statistic without its series.
fn meant(word: &str) -> Option<String> {
    let metric = match word {
        "latency" | "duration" => "response_time.p95",
        "errors" | "failures" => "error_rate",
        "rate" | "rps" | "qps" => "throughput",
        _ => {
            let statistic = word.replacen('.', "", 1);
            Statistic::from_word(&statistic)?;
            return Some(format!("did you mean `response_time.{statistic}`?"));
        }
    };
    Some(format!("did you mean `{metric}`?"))
}

fn step_metric(cursor: &mut Cursor<'_>) -> Result<(StepMetric, Kind), ThresholdError> {
    let start = cursor.at;
    let word = cursor.word();
    Ok(match word {
        "error_rate" => (StepMetric::ErrorRate, Kind::Percent),
        "messages_sent" => (StepMetric::MessagesSent, Kind::CountOrPerTime),
        "messages_received" => (StepMetric::MessagesReceived, Kind::CountOrPerTime),
        "outcomes" => {
            cursor.dot()?;
            (StepMetric::Outcome(outcome(cursor)?), Kind::CountOrPercent)
        }
        _ => {
            let fault = FaultWord::from_word(word);
            let series = Series::from_word(word).filter(|_| Series::OF_STEPS.contains(&word));
            match (fault, series) {
                (Some(fault), _) => (StepMetric::MessageFault(fault), Kind::Count),
                (None, Some(series)) => {
                    (StepMetric::Series(series, statistic(cursor)?), Kind::Time)
                }
                (None, None) => {
                    let known = [
                        "error_rate",
                        "outcomes",
                        "messages_sent",
                        "messages_received",
                    ]
                    .iter()
                    .chain(FaultWord::WORDS)
                    .chain(Series::OF_STEPS);
                    return Err(cursor.unknown("metric of a step", start, word, known));
                }
            }
        }
    })
}

fn backend_metric(cursor: &mut Cursor<'_>) -> Result<(BackendMetric, Kind), ThresholdError> {
    let start = cursor.at;
    let word = cursor.word();
    Ok(match word {
        "requests" => (BackendMetric::Requests, Kind::CountOrPerTime),
        "share" => (BackendMetric::Share, Kind::Percent),
        "failed" => (BackendMetric::Failed, Kind::Count),
        "error_rate" => (BackendMetric::ErrorRate, Kind::Percent),
        "response_time" => (BackendMetric::ResponseTime(statistic(cursor)?), Kind::Time),
        // The rest of an address, most likely.
        "" => {
            return Err(cursor.unexpected_at(start, QUOTES));
        }
        _ if word.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(cursor.unexpected_at(start, QUOTES));
        }
        _ => {
            return Err(cursor.unknown("metric of a backend", start, word, BackendMetric::WORDS));
        }
    })
}

const QUOTES: &str = "a metric of a backend such as `error_rate` (a name with other characters than \
                      letters, digits, `_` and `-` stands in quotes: `backends.'10.0.0.1:8080'.error_rate`)";

fn statistic(cursor: &mut Cursor<'_>) -> Result<Statistic, ThresholdError> {
    if !cursor.rest().starts_with('.') {
        return Err(cursor.unexpected_at(cursor.at, "a statistic after a point such as `.p95`"));
    }
    cursor.dot()?;
    let start = cursor.at;
    let statistic = cursor.known("statistic", Statistic::WORDS, Statistic::from_word)?;
    match fraction(cursor) {
        "" => Ok(statistic),
        fraction => {
            let written = cursor.since(start, fraction);
            Err(cursor.unknown("statistic", start, written, Statistic::WORDS))
        }
    }
}

/// The rest of a percentile that is written as people say it: `.9` of `p99.9`.
fn fraction<'a>(cursor: &Cursor<'a>) -> &'a str {
    let rest = cursor.rest();
    let digits = rest.strip_prefix('.').unwrap_or_default();
    let end = digits.find(|c: char| !c.is_ascii_digit());
    match end.unwrap_or(digits.len()) {
        0 => "",
        digits => &rest[..=digits],
    }
}

/// The key of an outcome, as reports show it.
fn outcome(cursor: &mut Cursor<'_>) -> Result<String, ThresholdError> {
    const PLAIN: [&str; 9] = [
        "ok",
        "timeout",
        "connect",
        "connection",
        "protocol",
        "check",
        "expression",
        "incomplete",
        "rejected",
    ];
    const WITH_CODE: [&str; 6] = ["grpc", "reset", "health", "http", "close", "custom"];
    let start = cursor.at;
    let class = cursor.word();
    if PLAIN.contains(&class) {
        return Ok(class.to_owned());
    }
    if !WITH_CODE.contains(&class) {
        return Err(cursor.unknown("outcome", start, class, PLAIN.iter().chain(&WITH_CODE)));
    }
    cursor.dot()?;
    let start = cursor.at;
    let code = cursor.word();
    let upper_case = |code: &str| {
        code.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match class {
        _ if code.is_empty() => Err(cursor.unexpected_at(start, "a code")),
        "grpc" => {
            let names: Vec<String> = (1..=16).map(|n| GrpcCode::new(n).to_string()).collect();
            let numbered = code
                .strip_prefix("CODE_")
                .is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 16));
            if numbered || names.iter().any(|name| name == code) {
                return Ok(format!("grpc.{code}"));
            }
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(cursor.unknown("gRPC status", start, code, &names))
        }
        "reset" if !upper_case(code) => Err(cursor.unexpected_at(
            start,
            "the reason of a reset in capitals such as `REFUSED_STREAM`",
        )),
        "health" if !upper_case(code) => Err(cursor.unexpected_at(
            start,
            "a status of gRPC's health protocol such as `NOT_SERVING`",
        )),
        "http" if !matches!(code.parse::<u16>(), Ok(100..=599)) => {
            Err(cursor.unexpected_at(start, "an HTTP status such as `503`"))
        }
        "close" if !matches!(code.parse::<u16>(), Ok(1000..=4999)) => {
            Err(cursor.unexpected_at(start, "the status code of a close such as `1011`"))
        }
        _ => Ok(format!("{class}.{code}")),
    }
}

fn operator(cursor: &mut Cursor<'_>) -> Result<Operator, ThresholdError> {
    let (text, operator) = Operator::ALL
        .into_iter()
        .find(|(text, _)| cursor.rest().starts_with(text))
        .ok_or_else(|| {
            cursor.unexpected_at(cursor.at, "one of `<`, `<=`, `>`, `>=`, `==`, `!=`")
        })?;
    cursor.at += text.len();
    Ok(operator)
}
