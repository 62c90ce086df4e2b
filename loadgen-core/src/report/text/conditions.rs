//! Conditions, each with the value that was compared.

use super::super::view::Condition;
use super::{LABEL, TextOptions};
use crate::text;
use crate::text::flow::{columns, glued, hanging};

/// Columns of the word and of the blank after it.
const WORD: usize = 5;

/// Each condition, the word for what became of it before it.
pub(super) fn lines(what: &str, conditions: &[Condition], options: TextOptions) -> Vec<String> {
    const INDENT: usize = LABEL + WORD;
    let TextOptions { width, paint, .. } = options;
    let lengths = conditions.iter().map(|it| columns(&it.expression));
    let longest = lengths.max().unwrap_or(0);
    let observed = conditions.iter().map(|it| columns(&it.observed) + 4);
    let widest = observed.max().unwrap_or(0);
    // The values stand below each other where there is room for that.
    let aligned = INDENT + longest + widest <= width;
    let mut lines = Vec::new();
    for condition in conditions {
        let observed = format!("({})", condition.observed);
        let expression = text::line(&condition.expression);
        let label = if lines.is_empty() { what } else { "" };
        let begin = format!("{label:LABEL$}");
        let word = if condition.pass { "ok   " } else { "FAIL " };
        let text = if aligned {
            let blanks = longest.saturating_sub(columns(&expression)) + 1;
            format!("{expression} {}{observed}", glued(&" ".repeat(blanks)))
        } else {
            format!("{expression} {observed}")
        };
        let wrapped = hanging(&format!("{begin}{word}"), INDENT, &text, width);
        for (index, line) in wrapped.into_iter().enumerate() {
            let painted = line
                .strip_prefix(&begin)
                .and_then(|it| it.strip_prefix(word));
            lines.push(match painted.filter(|_| index == 0) {
                Some(rest) if condition.pass => format!("{begin}{}{rest}", paint.good(word)),
                Some(rest) => format!("{begin}{}{rest}", paint.bad(word)),
                None => line,
            });
        }
    }
    lines
}
