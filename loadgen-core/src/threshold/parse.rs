//! The grammar of thresholds.

use super::metric::{
    ConnectionWord, LedgerWord, MESSAGE_FAULTS, Metric, Series, Statistic, StepMetric,
};
use super::{Operator, Threshold, Unit};
use crate::nearest::did_you_mean;
use crate::outcome::GrpcCode;

/// Why a text is not a threshold. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// A word that is none of those that may stand there.
    #[error("unknown {what} `{found}` at column {column}; {}", help.clone().unwrap_or_else(|| format!("expected {expected}")))]
    Unknown {
        /// What should stand there: `metric`, `statistic`, ….
        what: &'static str,
        /// What does.
        found: String,
        /// Where.
        column: usize,
        /// What may stand there.
        expected: String,
        /// The nearest valid word.
        help: Option<String>,
    },
    /// Something else was expected here.
    #[error("expected {expected} at column {column}, found {found}")]
    Unexpected {
        /// What does stand there.
        found: String,
        /// Where.
        column: usize,
        /// What may stand there.
        expected: String,
    },
}

impl ThresholdError {
    /// What was expected, without what was found.
    #[must_use]
    pub fn expected(&self) -> &str {
        match self {
            Self::Unknown { expected, .. } | Self::Unexpected { expected, .. } => expected,
        }
    }

    /// What is wrong beyond that something else was expected: the unknown word and its nearest.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Unknown {
                what, found, help, ..
            } => Some(match help {
                Some(help) => format!("unknown {what} `{found}`; {help}"),
                None => format!("unknown {what} `{found}`"),
            }),
            Self::Unexpected { .. } => None,
        }
    }

    /// Where, in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        match self {
            Self::Unknown { column, .. } | Self::Unexpected { column, .. } => *column,
        }
    }
}

/// The units that a metric's value may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Percent,
    Count,
    CountOrPercent,
    CountOrPerTime,
    Time,
    PerTime,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Percent => "a percentage such as `1%`",
            Self::Count => "a whole number",
            Self::CountOrPercent => "a whole number or a percentage such as `5` or `1%`",
            Self::CountOrPerTime => "a whole number or a rate such as `5` or `1000/s`",
            Self::Time => "a time with a unit (ns, us, ms, s, m or h) such as `5ms`",
            Self::PerTime => "a rate such as `1000/s`",
        }
    }
}

const TIMES: [(&str, f64); 6] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
];
const RATES: [(&str, f64); 3] = [("/s", 1.0), ("/m", 60.0), ("/h", 3600.0)];

pub(super) fn parse(text: &str) -> Result<Threshold, ThresholdError> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    let (metric, kind) = metric(&mut cursor)?;
    cursor.skip_space();
    let operator_at = cursor.at;
    let operator = operator(&mut cursor)?;
    if matches!(kind, Kind::Time | Kind::PerTime)
        && matches!(operator, Operator::Equal | Operator::NotEqual)
    {
        return Err(cursor.unexpected_at(
            operator_at,
            "`<`, `<=`, `>` or `>=` (a measured time or rate is never exactly equal)",
        ));
    }
    cursor.skip_space();
    let (value, unit) = value(&mut cursor, kind)?;
    cursor.skip_space();
    if !cursor.rest().is_empty() {
        return Err(cursor.unexpected_at(cursor.at, "the end of the condition"));
    }
    Ok(Threshold {
        expression: text.trim().to_owned(),
        metric,
        operator,
        value,
        unit,
    })
}

fn metric(cursor: &mut Cursor<'_>) -> Result<(Metric, Kind), ThresholdError> {
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
            let name = cursor.step_name()?;
            cursor.dot()?;
            let (metric, kind) = step_metric(cursor)?;
            (Metric::Step { name, metric }, kind)
        }
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
                let known = [
                    "error_rate",
                    "throughput",
                    "unanswered",
                    "silence",
                    "outcomes",
                    "connections",
                    "steps",
                ]
                .iter()
                .chain(LedgerWord::WORDS)
                .chain(Series::WORDS);
                return Err(cursor.unknown_metric(start, word, known));
            }
        }
    })
}

/// What a word that is no metric was likely meant to be: the names other tools use, and a
/// statistic without its series.
fn meant(word: &str) -> Option<String> {
    let metric = match word {
        "latency" | "duration" => "response_time.p95",
        "errors" | "failures" => "error_rate",
        "rate" | "rps" | "qps" => "throughput",
        _ => {
            Statistic::from_word(word)?;
            return Some(format!("did you mean `response_time.{word}`?"));
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
            let fault = MESSAGE_FAULTS.iter().find(|(known, _)| *known == word);
            let series = Series::from_word(word).filter(|_| Series::OF_STEPS.contains(&word));
            match (fault, series) {
                (Some((_, fault)), _) => (StepMetric::MessageFault(*fault), Kind::Count),
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
                    .chain(MESSAGE_FAULTS.iter().map(|(word, _)| word))
                    .chain(Series::OF_STEPS);
                    return Err(cursor.unknown("metric of a step", start, word, known));
                }
            }
        }
    })
}

fn statistic(cursor: &mut Cursor<'_>) -> Result<Statistic, ThresholdError> {
    if !cursor.rest().starts_with('.') {
        return Err(cursor.unexpected_at(cursor.at, "a statistic after a point such as `.p95`"));
    }
    cursor.dot()?;
    cursor.known("statistic", Statistic::WORDS, Statistic::from_word)
}

/// The key of an outcome, as reports show it.
fn outcome(cursor: &mut Cursor<'_>) -> Result<String, ThresholdError> {
    const PLAIN: [&str; 7] = [
        "ok",
        "timeout",
        "connect",
        "connection",
        "protocol",
        "check",
        "incomplete",
    ];
    const WITH_CODE: [&str; 5] = ["grpc", "reset", "http", "close", "custom"];
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

fn value(cursor: &mut Cursor<'_>, kind: Kind) -> Result<(f64, Unit), ThresholdError> {
    let start = cursor.at;
    let number = cursor.take_while(|c| c.is_ascii_digit() || c == '.');
    let whole = number.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit());
    let parsed = number
        .parse::<f64>()
        .ok()
        .filter(|value| well_formed && *value <= 1e15);
    let unit = cursor.take_while(|c| !c.is_whitespace());
    let named =
        |units: &[(&'static str, f64)]| units.iter().copied().find(|(name, _)| *name == unit);
    let unit = match kind {
        Kind::Percent | Kind::CountOrPercent if unit == "%" => Some(Unit::Percent),
        Kind::Count | Kind::CountOrPercent if unit.is_empty() && whole => Some(Unit::Count),
        Kind::CountOrPerTime if unit.is_empty() && whole => Some(Unit::Count),
        Kind::Percent | Kind::Count | Kind::CountOrPercent => None,
        Kind::Time => named(&TIMES).map(|(name, nanos)| Unit::Time { name, nanos }),
        Kind::PerTime | Kind::CountOrPerTime => {
            named(&RATES).map(|(name, seconds)| Unit::PerTime { name, seconds })
        }
    };
    match (parsed, unit) {
        (Some(value), Some(unit)) => Ok((value, unit)),
        _ => Err(cursor.unexpected_at(start, kind.expected())),
    }
}

/// A place in the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !matches(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn word(&mut self) -> &'a str {
        self.take_while(|c| c.is_alphanumeric() || c == '_')
    }

    /// A step's name may hold dashes too.
    fn step_name(&mut self) -> Result<String, ThresholdError> {
        let start = self.at;
        match self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            "" => Err(self.unexpected_at(start, "the name of a step")),
            name => Ok(name.to_owned()),
        }
    }

    fn dot(&mut self) -> Result<(), ThresholdError> {
        if !self.rest().starts_with('.') {
            return Err(self.unexpected_at(self.at, "a point"));
        }
        self.at += 1;
        Ok(())
    }

    fn known<T>(
        &mut self,
        what: &'static str,
        words: &[&'static str],
        from_word: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ThresholdError> {
        let start = self.at;
        let word = self.word();
        from_word(word).ok_or_else(|| self.unknown(what, start, word, words))
    }

    fn unknown<'w>(
        &self,
        what: &'static str,
        start: usize,
        found: &str,
        known: impl IntoIterator<Item = &'w &'w str>,
    ) -> ThresholdError {
        let known: Vec<&str> = known.into_iter().copied().collect();
        ThresholdError::Unknown {
            what,
            found: found.chars().take(60).collect(),
            column: self.column(start),
            expected: format!("one of {}", known.join(", ")),
            help: did_you_mean(found, known),
        }
    }

    /// There are too many metrics to list.
    fn unknown_metric<'w>(
        &self,
        start: usize,
        found: &str,
        known: impl IntoIterator<Item = &'w &'w str>,
    ) -> ThresholdError {
        ThresholdError::Unknown {
            what: "metric",
            found: found.chars().take(60).collect(),
            column: self.column(start),
            expected: "a metric such as `response_time.p95`, `error_rate` or `throughput`"
                .to_owned(),
            help: meant(found).or_else(|| did_you_mean(found, known.into_iter().copied())),
        }
    }

    fn unexpected_at(&self, at: usize, expected: &str) -> ThresholdError {
        let found: String = self.text[at..]
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        ThresholdError::Unexpected {
            found: if found.is_empty() {
                "the end".to_owned()
            } else {
                format!("`{found}`")
            },
            column: self.column(at),
            expected: expected.to_owned(),
        }
    }

    fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }
}
