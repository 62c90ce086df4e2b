//! Conditions, each with the value that was compared.

use loadgen_core::report::ThresholdResult;
use loadgen_core::text;

use super::Look;
use crate::flow::{columns, glued, hanging};
use crate::human;

/// Columns of the word and of the blank after it.
const WORD: usize = 5;

/// Each condition, those that hold too, after a label or what stands in its place.
pub(super) fn lines(thresholds: &[ThresholdResult], label: &str, look: Look) -> Vec<String> {
    let lengths = thresholds.iter().map(|it| columns(&it.expression));
    let longest = lengths.max().unwrap_or(0);
    let observed: Vec<String> = thresholds.iter().map(observed).collect();
    let indent = columns(label) + WORD;
    let widest = observed.iter().map(|it| columns(it) + 2).max().unwrap_or(0);
    // The values stand below each other where there is room for that.
    let aligned = indent + longest + widest <= look.columns;
    let mut lines = Vec::new();
    for (threshold, observed) in thresholds.iter().zip(&observed) {
        let expression = text::line(&threshold.expression);
        let label = if lines.is_empty() { label } else { "" };
        let begin = format!("{label:0$}", indent - WORD);
        let word = if threshold.pass { "ok   " } else { "FAIL " };
        let text = if aligned {
            let blanks = longest.saturating_sub(columns(&expression)) + 1;
            format!("{expression} {}{observed}", glued(&" ".repeat(blanks)))
        } else {
            format!("{expression} {observed}")
        };
        let wrapped = hanging(&format!("{begin}{word}"), indent, &text, look.columns);
        for (index, line) in wrapped.into_iter().enumerate() {
            let painted = line
                .strip_prefix(&begin)
                .and_then(|it| it.strip_prefix(word));
            lines.push(match painted.filter(|_| index == 0) {
                Some(rest) if threshold.pass => format!("{begin}{}{rest}", look.paint.good(word)),
                Some(rest) => format!("{begin}{}{rest}", look.paint.bad(word)),
                None => line,
            });
        }
    }
    lines
}

fn observed(threshold: &ThresholdResult) -> String {
    match threshold.observed {
        Some(value) => {
            let value = in_unit_of(&threshold.expression, value);
            let doubt = if threshold.few_samples {
                ", withheld above: too few samples"
            } else {
                ""
            };
            format!("(was {value}{doubt})")
        }
        None => "(nothing was measured)".to_owned(),
    }
}

/// The observed value is in the expression's own unit, which stands at its end. Times are shown as
/// everywhere else on the screen.
fn in_unit_of(expression: &str, value: f64) -> String {
    let last_digit = expression.rfind(|c: char| c.is_ascii_digit());
    let unit = last_digit.map_or("", |last| &expression[last + 1..]);
    if unit.is_empty() && value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return human::count(value as u64);
    }
    match unit {
        "us" => human::micros(value),
        "ms" => human::micros(value * 1e3),
        "s" => human::micros(value * 1e6),
        "%" => human::percent(value / 100.0),
        "/s" => human::rate(value),
        _ => format!("{}{unit}", human::significant(value)),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("error_rate < 1%", 0.25 => "0.25%")]
    #[test_case("error_rate < 1%", 24.329 => "24.33%"; "as in the verdict")]
    #[test_case("response_time.p95 < 5ms", 7.234 => "7.23 ms")]
    #[test_case("throughput > 1000/s", 812.0 => "812/s")]
    #[test_case("throughput > 1000/s", 48_211.4 => "48,211/s"; "as above the table")]
    #[test_case("dropped == 0", 12_345.0 => "12,345")]
    #[test_case("dropped==0", 1.0 => "1"; "without blanks")]
    fn in_its_unit(expression: &str, value: f64) -> String {
        in_unit_of(expression, value)
    }
}
