//! A result as text: one screen, the verdict first.
//!
//! Written from [the view](super::view), and so from the result document alone: it can be made again
//! from a stored one. Owns layout, no figures and no words. No line is wider than it may be; what there
//! is no room for is wrapped, and columns of tables are left out.

mod checks;
mod comparison;
mod conditions;
pub(super) mod curve;
mod failures;
mod grid;
pub(super) mod picture;

#[cfg(test)]
mod tests;

use std::fmt;

use super::document::{Document, Status};
use super::view::{Fact, Headline, Item, Section, Table, Tone, View};
use crate::text::Paint;
use crate::text::flow::{columns, hanging};

/// Columns of a line's label and what divides it from the text.
const LABEL: usize = 12;

/// How a result is to look as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns that no line goes beyond. Below 40 there is no layout to speak of.
    pub width: usize,
    /// Colour.
    pub paint: Paint,
    /// Lines that one example of a failure may take; `None` is as many as it has.
    pub example_lines: Option<usize>,
}

impl Default for TextOptions {
    /// 80 columns, no colour, examples in full.
    fn default() -> Self {
        Self {
            width: 80,
            paint: Paint::OFF,
            example_lines: None,
        }
    }
}

impl Document {
    /// What the command line prints at the end of a run: lines, each with its end.
    ///
    /// What servers said is made fit to be shown, as by [`text::line`](crate::text::line()).
    #[must_use]
    pub fn text(&self, options: TextOptions) -> String {
        let lines = Writer(options).view(&View::of(self));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// As [`text`](Document::text) by default, without the end of the last line.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(TextOptions::default()).trim_end())
    }
}

/// Lays a view out.
#[derive(Debug, Clone, Copy)]
struct Writer(TextOptions);

impl Writer {
    fn view(self, view: &View) -> Vec<String> {
        let mut lines = self.headline(&view.headline);
        if let Some(overview) = &view.overview {
            lines.push(String::new());
            lines.extend(self.table(overview));
        }
        for section in &view.sections {
            lines.push(String::new());
            lines.extend(self.section(section));
        }
        if view.overview.is_some() {
            lines.push(String::new());
        }
        lines.extend(view.run.iter().flat_map(|it| self.fact(it)));
        lines
    }

    fn headline(self, headline: &Headline) -> Vec<String> {
        let TextOptions { width, paint, .. } = self.0;
        let word = headline.word();
        let painted = match headline.status {
            Status::Pass if headline.is_stopped => paint.strong(&paint.doubtful(word)),
            Status::Pass if headline.is_part => paint.strong(word),
            Status::Pass => paint.strong(&paint.good(word)),
            Status::Fail => paint.strong(&paint.bad(word)),
            Status::Invalid => paint.loud(word),
        };
        let begin = format!("{word}  ");
        let title = hanging(&begin, columns(&begin), &headline.text, width);
        let mut lines: Vec<String> = title
            .iter()
            .map(|line| match line.strip_prefix(word) {
                Some(rest) => painted.clone() + &paint.strong(rest),
                None => paint.strong(line),
            })
            .collect();
        for reason in &headline.reasons {
            lines.extend(hanging("  because ", 10, reason, width));
        }
        for warning in &headline.warnings {
            let text = hanging("  warning ", 10, warning, width);
            lines.extend(text.iter().map(|line| paint.doubtful(line)));
        }
        lines
    }

    fn section(self, section: &Section) -> Vec<String> {
        let title = hanging("", 2, &section.title, self.0.width);
        let mut lines: Vec<String> = title.iter().map(|it| self.0.paint.strong(it)).collect();
        lines.extend(self.items(&section.items));
        lines
    }

    fn items(self, items: &[Item]) -> Vec<String> {
        let mut lines = Vec::new();
        for item in items {
            lines.extend(match item {
                Item::Fact(fact) => self.fact(fact),
                Item::Table(table) => self.table(table),
                Item::Failures(failures) => failures::lines(failures, self.0),
                Item::Checks(checks) => checks::lines(checks, self.0),
                Item::Conditions(what, conditions) => conditions::lines(what, conditions, self.0),
                Item::Picture(picture) => picture::lines(picture, self.0),
                Item::Curve(curve) => curve::lines(curve, self.0),
            });
        }
        lines
    }

    fn fact(self, fact: &Fact) -> Vec<String> {
        let label = format!("{:LABEL$}", fact.label);
        let lines = hanging(&label, LABEL, &fact.text, self.0.width);
        let painted = lines.iter().map(|line| self.toned(fact.tone, line));
        painted.collect()
    }

    fn table(self, table: &Table) -> Vec<String> {
        let laid = grid::laid(table, self.0.width);
        let mut lines = vec![self.0.paint.faint(&laid.heading)];
        for (row, laid) in table.rows.iter().zip(&laid.rows) {
            lines.extend(laid.iter().map(|line| self.toned(row.tone, line)));
        }
        if table.more > 0 {
            lines.push(format!("  … and {} more", table.more));
        }
        lines
    }

    fn toned(self, tone: Tone, line: &str) -> String {
        toned(self.0.paint, tone, line)
    }
}

fn toned(paint: Paint, tone: Tone, line: &str) -> String {
    match tone {
        Tone::Plain => line.to_owned(),
        Tone::Good => paint.good(line),
        Tone::Strong => paint.strong(line),
        Tone::Bad => paint.bad(line),
        Tone::Doubtful => paint.doubtful(line),
    }
}
