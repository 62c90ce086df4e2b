//! The view as markdown, as the pages of code hosts and CI servers show it (GitHub's dialect).

use super::super::document::{Document, Status};
use super::super::text::{TextOptions, curve, picture};
use super::super::view::{
    Checks, Condition, Fact, Failures, Headline, Item, Section, Table, Tone, View,
};
use crate::text::flow::unglued;
use crate::text::{self, Paint};

/// How a picture is drawn.
const PICTURE: TextOptions = TextOptions {
    width: 100,
    paint: Paint::OFF,
    example_lines: None,
};

impl Document {
    /// The summary as markdown with tables: for the page of a CI job.
    ///
    /// Whatever others said, names of servers for instance, is written so that it is shown as it is.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let view = View::of(self);
        let mut blocks = vec![headline(&view.headline)];
        blocks.extend(view.overview.as_ref().map(table));
        for section in &view.sections {
            blocks.extend(of_section(section));
        }
        blocks.extend(view.run.iter().map(fact));
        page(blocks)
    }
}

/// Blocks as a page, with an empty line between them.
pub(super) fn page(mut blocks: Vec<String>) -> String {
    blocks.retain(|it| !it.is_empty());
    let mut page = String::new();
    for block in blocks {
        // Points of one list follow each other.
        let goes_on =
            block.starts_with("- ") && page.lines().last().is_some_and(|it| it.starts_with("- "));
        let between = if page.is_empty() || goes_on { "" } else { "\n" };
        page.push_str(&format!("{between}{}\n", block.trim_end()));
    }
    page
}

fn headline(headline: &Headline) -> String {
    let sign = match headline.status {
        Status::Fail => "❌",
        Status::Pass | Status::Invalid if headline.is_cut_off => "✂️",
        Status::Pass if headline.is_stopped => "⏹️",
        Status::Pass if headline.is_part => "🧩",
        Status::Pass => "✅",
        Status::Invalid => "⚠️",
    };
    let mut lines = vec![
        format!("## {sign} {}: {}", headline.word(), escaped(&headline.text)),
        String::new(),
    ];
    let reasons = headline.reasons.iter();
    lines.extend(reasons.map(|it| format!("- **because** {}", escaped(it))));
    let warnings = headline.warnings.iter();
    lines.extend(warnings.map(|it| format!("- *warning* {}", escaped(it))));
    lines.join("\n")
}

/// A section, one without a title from its first item on.
pub(super) fn of_section(section: &Section) -> Vec<String> {
    let title = match section.title.as_str() {
        "" => String::new(),
        title => format!("### {}", escaped(title)),
    };
    let items = section.items.iter().map(|item| match item {
        Item::Fact(it) => fact(it),
        Item::Table(it) => table(it),
        Item::Failures(it) => failures(it),
        Item::Checks(it) => checks(it),
        Item::Conditions(what, it) => conditions(what, it),
        Item::Picture(it) => drawn(&picture::lines(it, PICTURE)),
        Item::Curve(it) => drawn(&curve::lines(it, PICTURE)),
    });
    std::iter::once(title).chain(items).collect()
}

fn fact(fact: &Fact) -> String {
    let text = toned(fact.tone, &escaped(&fact.text));
    match fact.label.as_str() {
        "" => format!("- {text}"),
        label => format!("- **{}**: {text}", escaped(label)),
    }
}

fn toned(tone: Tone, escaped: &str) -> String {
    match tone {
        Tone::Plain | Tone::Good => escaped.to_owned(),
        Tone::Strong | Tone::Bad => format!("**{escaped}**"),
        Tone::Doubtful => format!("*{escaped}*"),
    }
}

/// A table without the columns that have no figure; nothing where none has.
fn table(table: &Table) -> String {
    let has_any = |at: usize| table.rows.iter().any(|row| row.cells[at].text.is_some());
    let shown: Vec<usize> = (0..table.columns.len()).filter(|it| has_any(*it)).collect();
    if shown.is_empty() {
        return String::new();
    }
    let headings = shown.iter().map(|at| escaped(&table.columns[*at].heading));
    let mut lines = vec![
        line(std::iter::once(escaped(table.title)).chain(headings)),
        format!("|---|{}", "--:|".repeat(shown.len())),
    ];
    for row in &table.rows {
        let cell = |at: &usize| {
            let cell = &row.cells[*at];
            let mark = cell.mark.map(String::from).unwrap_or_default();
            let text = cell.text.as_deref().unwrap_or("-");
            toned(row.tone, &escaped(&format!("{text}{mark}")))
        };
        let label = "&emsp;".repeat(row.indent) + &toned(row.tone, &escaped(&row.label));
        lines.push(line(std::iter::once(label).chain(shown.iter().map(cell))));
    }
    if table.more > 0 {
        lines.push(format!("\n… and {} more", table.more));
    }
    lines.join("\n")
}

/// A line of a table.
fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |", cells.join(" | "))
}

fn failures(failures: &Failures) -> String {
    let step = failures.step.as_deref();
    let step = step.map_or_else(String::new, |it| format!("{}: ", escaped(it)));
    let label = match failures.label {
        "" => String::new(),
        label => format!("**{}**: ", escaped(label)),
    };
    let named = failures.named.iter().map(|it| {
        let example = it.example.as_deref();
        let example = example.map_or_else(String::new, |it| format!(", e.g. {}", escaped(it)));
        format!(
            "- {label}{step}{} × {}{example}",
            it.count,
            escaped(&it.outcome)
        )
    });
    let others = failures
        .others
        .iter()
        .map(|it| format!("- {label}{}", escaped(it)));
    named.chain(others).collect::<Vec<_>>().join("\n")
}

fn checks(checks: &[Checks]) -> String {
    let mut lines = Vec::new();
    for of in checks {
        let step = of.step.as_deref();
        let step = step.map_or_else(String::new, |it| format!("{}: ", escaped(it)));
        for failed in &of.failed {
            let (expression, count) = (escaped(&failed.expression), escaped(&failed.count));
            let example = failed.example.as_deref();
            let example = example.map_or_else(String::new, |it| format!(", e.g. {}", escaped(it)));
            lines.push(format!("- **check** {step}{expression} {count}{example}"));
        }
        let rest = of.more.iter().chain(&of.others);
        lines.extend(rest.map(|it| format!("- **checks**: {step}{}", escaped(it))));
    }
    lines.join("\n")
}

fn conditions(what: &str, conditions: &[Condition]) -> String {
    let mut lines = vec![
        format!("| | {} | |", escaped(what)),
        "|---|---|---|".to_owned(),
    ];
    for condition in conditions {
        let word = if condition.pass { "ok" } else { "**FAIL**" };
        let (expression, observed) = (escaped(&condition.expression), escaped(&condition.observed));
        lines.push(format!("| {word} | {expression} | {observed} |"));
    }
    lines.join("\n")
}

/// A picture as it is on a terminal; nothing where there is none. Names of servers are in it: no fence is as long as
/// its own.
fn drawn(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.join("\n");
    let longest = lines.split(|c| c != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}text\n{lines}\n{fence}")
}

/// A text that is shown as it is, in one line, also in a table: what would be markup, an HTML tag, a formula
/// or a link is none.
pub(super) fn escaped(said: &str) -> String {
    let shown = unglued(&text::line(said));
    let mut out = String::with_capacity(shown.len());
    for c in shown.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A backslash before it would be taken off with the table.
            '|' => out.push_str("&#124;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' | '#' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    // What begins like this is made a link.
    out.replace("://", ":&#47;&#47;")
        .replace("www.", "www&#46;")
}
