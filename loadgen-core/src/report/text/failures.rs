//! What failed and why.

use super::super::view::Failures;
use super::{LABEL, TextOptions};
use crate::text;
use crate::text::flow::{columns, cut, hanging};

/// Where the further lines of a failure's example begin.
const HANGING: usize = LABEL + 2;

/// The most frequent first.
pub(super) fn lines(failures: &Failures, options: TextOptions) -> Vec<String> {
    let TextOptions { width, paint, .. } = options;
    let mut lines = Vec::new();
    for (index, class) in failures.named.iter().enumerate() {
        let label = if index == 0 { failures.label } else { "" };
        let mut text = format!("{}\u{a0}×\u{a0}{}", class.count, class.outcome);
        if let Some(step) = &failures.step {
            text = format!("{}: {text}", text::line(step));
        }
        if let Some(example) = &class.example {
            text.push_str(&format!(", e.g. {example}"));
        }
        let wrapped = hanging(&format!("{label:LABEL$}"), HANGING, &text, width);
        let wrapped = shortened(wrapped, options);
        lines.extend(wrapped.iter().map(|line| paint.bad(line)));
    }
    if let Some(others) = &failures.others {
        lines.push(paint.bad(&format!("{:LABEL$}{others}", "")));
    }
    lines
}

/// The lines of something with an example in it, as many as an example may have.
pub(super) fn shortened(mut wrapped: Vec<String>, options: TextOptions) -> Vec<String> {
    let width = options.width;
    if let Some(most) = options.example_lines.filter(|most| wrapped.len() > *most) {
        wrapped.truncate(most);
        // The ellipsis stands for a word, so the last line that is kept may have to lose one.
        let last = wrapped.pop().unwrap_or_default();
        let kept = match last.trim_start().rsplit_once(' ') {
            Some((kept, _)) if columns(&last) + 2 > width => {
                &last[..last.len() - last.trim_start().len() + kept.len()]
            }
            _ => &last,
        };
        let kept = cut(kept, width.saturating_sub(2));
        // One endless word fills lines, and is cut already.
        let end = if kept.ends_with('…') { "" } else { " …" };
        wrapped.push(kept + end);
    }
    wrapped
}
