//! Checks of a step: those that did not hold first, each with what was seen; the others in one line.

use super::super::view::Checks;
use super::failures::shortened;
use super::{LABEL, TextOptions};
use crate::text;
use crate::text::flow::{glued, hanging};

/// Columns of the word and of the blank after it, as of conditions.
const WORD: usize = 5;
/// Where the further lines of a check begin.
const HANGING: usize = LABEL + WORD;

/// Those of each step.
pub(super) fn lines(checks: &[Checks], options: TextOptions) -> Vec<String> {
    let mut lines = Vec::new();
    for of_step in checks {
        add(&mut lines, of_step, options);
    }
    lines
}

/// The step where it is named, a line or more for each that failed, and one for the others.
fn add(lines: &mut Vec<String>, checks: &Checks, options: TextOptions) {
    let TextOptions { width, paint, .. } = options;
    let begin = |lines: &[String]| {
        let label = if lines.is_empty() { "checks" } else { "" };
        format!("{label:LABEL$}")
    };
    if let Some(step) = &checks.step {
        lines.extend(hanging(&begin(lines), LABEL, &text::line(step), width));
    }
    for check in &checks.failed {
        let begin = begin(lines);
        let mut said = format!("{} {}", text::line(&check.expression), glued(&check.count));
        if let Some(example) = &check.example {
            said.push_str(&format!(", e.g. {example}"));
        }
        let wrapped = hanging(&format!("{begin}FAIL "), HANGING, &said, width);
        let word = paint.bad("FAIL ");
        lines.extend(worded(shortened(wrapped, options), &begin, "FAIL ", &word));
    }
    if let Some(more) = &checks.more {
        lines.push(paint.bad(&format!("{:HANGING$}{more}", "")));
    }
    if let Some(others) = &checks.others {
        let begin = begin(lines);
        let (word, painted) = if checks.has_passed {
            ("ok   ", paint.good("ok   "))
        } else {
            ("     ", "     ".to_owned())
        };
        let wrapped = hanging(&format!("{begin}{word}"), HANGING, others, width);
        lines.extend(worded(wrapped, &begin, word, &painted));
    }
}

/// The lines with the word that the first of them begins with painted.
fn worded(mut lines: Vec<String>, begin: &str, word: &str, painted: &str) -> Vec<String> {
    if let Some(first) = lines.first_mut() {
        let rest = first
            .strip_prefix(begin)
            .and_then(|it| it.strip_prefix(word));
        if let Some(rest) = rest {
            *first = format!("{begin}{painted}{rest}");
        }
    }
    lines
}
