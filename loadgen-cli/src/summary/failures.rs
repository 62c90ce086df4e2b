//! What failed and why.

use loadgen_core::report::Scenario;

use super::{LABEL, Look};
use crate::flow::{columns, cut, hanging};
use crate::human;

/// Classes of failure that are named.
const CLASSES: usize = 4;
/// Where the further lines of a failure's example begin.
const HANGING: usize = LABEL + 2;

/// The most frequent first.
pub(super) fn lines(scenario: &Scenario, look: Look) -> Vec<String> {
    let paint = look.paint;
    let mut lines = Vec::new();
    for (index, class) in scenario.failures.iter().take(CLASSES).enumerate() {
        let label = if index == 0 { "failed" } else { "" };
        let count = human::count(class.count);
        let mut text = format!("{count}\u{a0}×\u{a0}{}", class.outcome);
        if let Some(example) = &class.example {
            text.push_str(&format!(", e.g. {example}"));
        }
        let mut wrapped = hanging(&format!("{label:LABEL$}"), HANGING, &text, look.columns);
        if let Some(most) = look.example_lines.filter(|most| wrapped.len() > *most) {
            wrapped.truncate(most);
            // The ellipsis stands for a word, so the last line that is kept may have to lose one.
            let last = wrapped.pop().unwrap_or_default();
            let kept = match last.trim_start().rsplit_once(' ') {
                Some((kept, _)) if columns(&last) + 2 > look.columns => {
                    &last[..last.len() - last.trim_start().len() + kept.len()]
                }
                _ => &last,
            };
            let kept = cut(kept, look.columns.saturating_sub(2));
            // One endless word fills lines, and is cut already.
            let end = if kept.ends_with('…') { "" } else { " …" };
            wrapped.push(kept + end);
        }
        lines.extend(wrapped.iter().map(|line| paint.bad(line)));
    }
    let unnamed = scenario.failures.iter().skip(CLASSES);
    let (kinds, count) = unnamed.fold((0, 0), |(kinds, count), it| (kinds + 1, count + it.count));
    if kinds > 0 {
        let count = human::count(count);
        let text = format!("{:LABEL$}{count} of {kinds} more kinds", "");
        lines.push(paint.bad(&text));
    }
    lines
}
