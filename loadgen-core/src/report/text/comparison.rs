//! A comparison as text: what came of it first.

use super::super::compare::{Comparison, Spread};
use super::super::view::{ComparisonView, Section, Tone, of_spread};
use super::{TextOptions, Writer};
use crate::text::flow::{columns, hanging};

impl Comparison {
    /// What the command line prints of a comparison: lines, each with its end.
    #[must_use]
    pub fn text(&self, options: TextOptions) -> String {
        let lines = Writer(options).comparison(&ComparisonView::of(self));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Spread {
    /// How much the main figures of runs differ: lines, each with its end.
    #[must_use]
    pub fn text(&self, options: TextOptions) -> String {
        let lines = Writer(options).sections(&of_spread(self));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Writer {
    fn comparison(self, view: &ComparisonView) -> Vec<String> {
        let TextOptions { width, paint, .. } = self.0;
        let mut lines = Vec::new();
        if !view.unlike.is_empty() {
            let forced = "FORCED  These runs are not alike, and are compared all the same.";
            let forced = hanging("", 8, forced, width);
            lines.extend(forced.iter().map(|it| paint.loud(it)));
            for reason in &view.unlike {
                lines.extend(hanging("  because ", 10, reason, width));
            }
            lines.push(String::new());
        }
        let begin = format!("{}  ", view.word);
        let painted = self.toned(view.tone, view.word);
        let title = hanging(&begin, columns(&begin), &view.text, width);
        lines.extend(title.iter().map(|line| match line.strip_prefix(view.word) {
            Some(rest) => painted.clone() + &paint.strong(rest),
            None => paint.strong(line),
        }));
        for warning in &view.warnings {
            let text = hanging("  warning ", 10, warning, width);
            lines.extend(text.iter().map(|line| self.toned(Tone::Doubtful, line)));
        }
        lines.push(String::new());
        lines.extend(self.sections(&view.sections));
        lines
    }

    /// Sections with an empty line between them.
    fn sections(self, sections: &[Section]) -> Vec<String> {
        let each = sections.iter().map(|it| match it.title.is_empty() {
            true => self.items(&it.items),
            false => self.section(it),
        });
        each.collect::<Vec<_>>().join(&String::new())
    }
}
