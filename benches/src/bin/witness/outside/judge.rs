//! What loadgen prints beside what the witness knows.

use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::case::NAME;
use super::clock::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use super::figures::{Figure, Truth, percentile};

const PERCENTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p95", "p95", 0.95),
    ("p99", "p99", 0.99),
    ("p99.9", "p999", 0.999),
];

/// How far a figure may be from the truth: the larger of both.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    share: f64,
    time: Nanos,
}

/// Of a figure that is printed.
const TRUE: Tolerance = Tolerance {
    share: 0.01,
    time: 50 * MICROSECOND,
};

/// Of the generator's part in a figure before the run must say something of it: a tenth of what is
/// printed, which is a ninth of the truth, and 50 microseconds.
const UNSAID: Tolerance = Tolerance {
    share: 1.0 / 9.0,
    time: 50 * MICROSECOND,
};

impl Tolerance {
    fn of(self, truth: Nanos) -> f64 {
        (truth as f64 * self.share).max(self.time as f64)
    }
}

impl Figure {
    /// How far what is printed may be from the truth.
    fn allowed(self, truth: Nanos) -> f64 {
        match self {
            Self::Undisturbed => UNSAID.of(truth) + TRUE.of(truth),
            _ => TRUE.of(truth),
        }
    }
}

/// What is to be said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Judgement {
    /// It is within tolerance.
    True,
    /// It is not, and the run says that its generator is to blame.
    SaidSo,
    /// It is not, and nobody would know.
    Untrue,
}

impl Judgement {
    pub(super) const ALL: [Self; 3] = [Self::True, Self::SaidSo, Self::Untrue];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::SaidSo => "said so",
            Self::Untrue => "UNTRUE",
        }
    }
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) figure: &'static str,
    pub(super) percentile: &'static str,
    pub(super) witness: String,
    pub(super) loadgen: String,
    pub(super) difference: String,
    pub(super) judgement: Judgement,
}

/// What a document says against its own figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission<'a> {
    pub(super) sentence: &'a str,
    /// From which quantile on it is said of them.
    from: f64,
}

/// What the document says against its own figures, if anything: that the run is invalid, or that
/// the generator is in them. Of several sentences the one that says it of the most.
pub(super) fn admission(document: &Value) -> Option<Admission<'_>> {
    let verdict = &document["verdict"];
    let sentences = |key: &str| {
        let list = verdict[key].as_array().into_iter().flatten();
        list.filter_map(Value::as_str)
    };
    if verdict["status"] == "invalid" {
        let sentence = sentences("reasons").next().unwrap_or("invalid");
        return Some(Admission {
            sentence,
            from: 0.0,
        });
    }
    let is_about_it = |text: &&str| {
        let of_another = text.starts_with('`') && !text.starts_with(&format!("`{NAME}`"));
        !of_another && (text.contains("generator") || text.contains("worker "))
    };
    sentences("reasons")
        .chain(sentences("warnings"))
        .filter(is_about_it)
        .map(|sentence| Admission {
            sentence,
            from: lowest_quantile(sentence),
        })
        .min_by(|a, b| a.from.total_cmp(&b.from))
}

/// The lowest percentile that a sentence names, as a quantile; 0 where it names none and so means all.
fn lowest_quantile(sentence: &str) -> f64 {
    let words = sentence.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    let named = words.filter_map(|word| word.strip_prefix('p')?.trim_end_matches('.').parse().ok());
    let lowest = named.min_by(f64::total_cmp);
    lowest.map_or(0.0, |percent| percent / 100.0)
}

/// When the document says that the run began, if it says so to better than a millisecond.
pub(super) fn began(document: &Value) -> Option<Nanos> {
    let text = document.pointer("/run/started_at")?.as_str()?;
    let (_, fraction) = text.split_once('.')?;
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let at = humantime::parse_rfc3339(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    (digits > 3).then_some(since.as_nanos() as Nanos)
}

/// Every percentile that loadgen prints of what the witness knows, and the count of iterations.
pub(super) fn rows(document: &Value, truth: &Truth) -> Vec<Row> {
    let admission = admission(document);
    let off_from = |quantile: f64| match admission {
        Some(it) if it.from <= quantile => Judgement::SaidSo,
        _ => Judgement::Untrue,
    };
    let mut rows = vec![count(document, truth, off_from(1.0))];
    for (figure, times) in &truth.series {
        let statistics = document.pointer(figure.pointer());
        let samples = statistics.and_then(|it| it["count"].as_u64()).unwrap_or(0);
        if samples == 0 && !times.is_empty() {
            rows.push(Row {
                figure: figure.name(),
                percentile: "",
                witness: format!("{} samples", times.len()),
                loadgen: "none".to_owned(),
                difference: String::new(),
                judgement: Judgement::Untrue,
            });
        }
        for (name, key, quantile) in PERCENTILES {
            let printed = statistics.and_then(|it| it[key].as_f64());
            let (Some(us), Some(witness)) = (printed, percentile(times, quantile)) else {
                continue;
            };
            let loadgen = (us * MICROSECOND as f64).round() as Nanos;
            let within = loadgen.abs_diff(witness) as f64 <= figure.allowed(witness);
            rows.push(Row {
                figure: figure.name(),
                percentile: name,
                witness: time(witness),
                loadgen: time(loadgen),
                difference: difference(loadgen, witness),
                judgement: if within {
                    Judgement::True
                } else {
                    off_from(quantile)
                },
            });
        }
    }
    rows
}

/// Iterations that completed. There is no tolerance in counting, and no excuse but one: those that
/// the run's end cut off.
fn count(document: &Value, truth: &Truth, off: Judgement) -> Row {
    let completed = document.pointer("/scenarios/0/ledger/completed");
    let completed = completed.and_then(Value::as_u64).unwrap_or(0);
    Row {
        figure: "iterations",
        percentile: "",
        witness: truth.calls.to_string(),
        loadgen: completed.to_string(),
        difference: (completed.cast_signed() - truth.calls.cast_signed()).to_string(),
        judgement: if completed == truth.calls {
            Judgement::True
        } else {
            off
        },
    }
}

fn difference(printed: Nanos, truth: Nanos) -> String {
    let sign = if printed < truth { "-" } else { "+" };
    let by = printed.abs_diff(truth);
    let share = by as f64 / truth.max(1) as f64 * 100.0;
    if share > 1_000.0 {
        return format!("{sign}{}", time(by));
    }
    format!("{sign}{} ({sign}{share:.1} %)", time(by))
}

/// A time to three digits.
pub(super) fn time(nanos: Nanos) -> String {
    let (unit, name) = if nanos < MILLISECOND {
        (MICROSECOND, "µs")
    } else if nanos < SECOND {
        (MILLISECOND, "ms")
    } else {
        (SECOND, "s")
    };
    let value = nanos as f64 / unit as f64;
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    fn document(verdict: &Value, p50: f64) -> Value {
        json!({
            "verdict": verdict,
            "scenarios": [{
                "ledger": { "completed": 3 },
                "service_time_us": { "count": 3, "p50": p50 },
            }],
        })
    }

    fn truth() -> Truth {
        let ms = MILLISECOND;
        Truth {
            calls: 3,
            unanswered: 0,
            series: vec![(Figure::Service, vec![9 * ms, 10 * ms, 11 * ms])],
        }
    }

    #[test_case(10_000.0 => Judgement::True; "the same")]
    #[test_case(10_099.0 => Judgement::True; "less than a hundredth over")]
    #[test_case(9_901.0 => Judgement::True; "less than a hundredth under")]
    #[test_case(10_101.0 => Judgement::Untrue; "over")]
    #[test_case(9_899.0 => Judgement::Untrue; "under")]
    fn a_figure_of_a_run_that_says_nothing(p50: f64) -> Judgement {
        let verdict = json!({ "status": "pass", "reasons": [], "warnings": [] });
        rows(&document(&verdict, p50), &truth())[1].judgement
    }

    #[test_case(&json!({ "status": "invalid", "reasons": ["worker 0 stood still"], "warnings": [] }) => true; "invalid")]
    #[test_case(&json!({ "status": "pass", "reasons": [], "warnings": ["`witnessed`: p50 is mostly the generator's"] }) => true; "a warning of it")]
    #[test_case(&json!({ "status": "pass", "reasons": [], "warnings": ["`other`: p99 is mostly the generator's"] }) => false; "a warning of another scenario")]
    #[test_case(&json!({ "status": "fail", "reasons": ["`witnessed`: error_rate < 1% does not hold"], "warnings": [] }) => false; "the service's failure")]
    #[test_case(&json!({ "status": "pass", "reasons": [], "warnings": ["`witnessed`: all users were busy"] }) => false; "a warning of something else")]
    fn says_so(verdict: &Value) -> bool {
        let judged = rows(&document(verdict, 20_000.0), &truth())[1].judgement;
        assert_ne!(judged, Judgement::True);
        judged == Judgement::SaidSo
    }

    /// p50 is far off, and what is said begins above it, or does not.
    #[test_case("`witnessed`: 12% of response time p99 (1 ms) is the generator's part" => false; "above")]
    #[test_case("`witnessed`: 12% of response time p99 (1 ms) is the generator's part; more than 10% from p50 on" => true; "from there on")]
    #[test_case("`witnessed`: the generator read 7% of the replies together: p50 of their times and above may be too long" => true; "it itself")]
    fn says_so_of_that_percentile(warning: &str) -> bool {
        let verdict = json!({ "status": "pass", "reasons": [], "warnings": [warning] });
        rows(&document(&verdict, 20_000.0), &truth())[1].judgement == Judgement::SaidSo
    }

    #[test]
    fn small_times_have_fifty_microseconds() {
        assert_eq!(TRUE.of(100 * MICROSECOND), 50_000.0);
        assert_eq!(TRUE.of(10 * MILLISECOND), 100_000.0);
    }

    /// Of 1 ms that a tenth of what is printed is ours for makes 1.11 ms, and the service's part may be
    /// off by 50 µs.
    #[test]
    fn the_generators_part_may_be_a_tenth() {
        let allowed = Figure::Undisturbed.allowed(MILLISECOND);
        assert!((161_000.0..162_000.0).contains(&allowed), "{allowed}");
    }

    #[test]
    fn what_is_not_printed_is_untrue_and_counts_are_exact() {
        let verdict = json!({ "status": "pass", "reasons": [], "warnings": [] });
        let mut document = document(&verdict, 10_000.0);
        document["scenarios"][0]["service_time_us"] = Value::Null;
        document["scenarios"][0]["ledger"]["completed"] = json!(4);
        let judged: Vec<Judgement> = rows(&document, &truth())
            .iter()
            .map(|row| row.judgement)
            .collect();
        assert_eq!(judged, [Judgement::Untrue; 2]);
    }

    #[test_case("1970-01-01T00:00:07.000250Z" => Some(7_000_250_000); "microseconds")]
    #[test_case("1970-01-01T00:00:07.000Z" => None; "milliseconds")]
    #[test_case("1970-01-01T00:00:07Z" => None; "seconds")]
    #[test_case("7.123456" => None; "no time")]
    fn begins(started_at: &str) -> Option<Nanos> {
        began(&json!({ "run": { "started_at": started_at } }))
    }

    #[test_case(999 => "1.00 µs"; "nanoseconds")]
    #[test_case(349_400 => "349 µs"; "microseconds")]
    #[test_case(1_559_000 => "1.56 ms"; "a few milliseconds")]
    #[test_case(76_400_000 => "76.4 ms"; "many")]
    #[test_case(1_500_000_000 => "1.50 s"; "seconds")]
    fn times(nanos: Nanos) -> String {
        time(nanos)
    }

    #[test]
    fn differences_say_which_way() {
        let us = MICROSECOND;
        assert_eq!(difference(110 * us, 100 * us), "+10.0 µs (+10.0 %)");
        assert_eq!(difference(0, 100 * us), "-100 µs (-100.0 %)");
        assert_eq!(difference(1_200 * us, 100 * us), "+1.10 ms");
    }
}
