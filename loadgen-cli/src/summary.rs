//! The summary of a run: one screen, the verdict first.
//!
//! Made from the result document alone, so that it can be made again from a stored one. Owns
//! layout, no figures: nothing is computed here that the document does not say. No line is wider
//! than the terminal; what there is no room for is wrapped, and columns of tables are left out.

mod failures;
mod generator;
mod grid;
mod many;
mod peers;
mod scenario;
mod thresholds;
mod times;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use loadgen_core::report::{Document, Scenario, Status};

use crate::flow::{columns, glued, hanging};
use crate::paint::Paint;
use crate::{human, terminal};

/// With more scenarios than this, each gets a row instead of a block.
const MOST_BLOCKS: usize = 2;
/// Columns of a line's label and what divides it from the text.
const LABEL: usize = 12;

/// How a summary is to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Colour.
    pub(crate) paint: Paint,
    /// Columns that no line goes beyond.
    pub(crate) columns: usize,
    /// Lines that one example of a failure may take; `None` is as many as it has.
    pub(crate) example_lines: Option<usize>,
}

impl Look {
    /// What suits stdout: a screen has little room, a file has all that it takes.
    pub(crate) fn for_stdout() -> Self {
        Self {
            paint: Paint::for_stdout(),
            columns: terminal::columns_of_stdout(),
            example_lines: io::stdout().is_terminal().then_some(3),
        }
    }
}

/// The summary as text that ends with a newline.
pub(crate) fn render(document: &Document, look: Look) -> String {
    let mut lines = verdict(document, look);
    if document.scenarios.len() > MOST_BLOCKS {
        lines.push(String::new());
        lines.extend(many::rows(document, look));
    } else {
        for scenario in &document.scenarios {
            lines.push(String::new());
            lines.extend(scenario::block(scenario, look));
        }
        if document.scenarios.len() > 1 {
            lines.push(String::new());
            lines.extend(scenario::total(&document.total, look));
        }
    }
    lines.extend(generator::lines(document, look));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn verdict(document: &Document, look: Look) -> Vec<String> {
    let paint = look.paint;
    let verdict = &document.verdict;
    let (word, painted) = match verdict.status {
        Status::Pass => ("PASS", paint.strong(&paint.good("PASS"))),
        Status::Fail => ("FAIL", paint.strong(&paint.bad("FAIL"))),
        Status::Invalid => ("INVALID", paint.loud("INVALID")),
    };
    let what = match document.scenarios.as_slice() {
        [only] => only.name.clone(),
        several => format!("{} scenarios", several.len()),
    };
    let stopped = if document.run.stopped {
        ", stopped early"
    } else {
        ""
    };
    let took = human::micros(document.run.duration_s.max(0.0) * 1e6);
    let text = format!("{what} {}", glued(&format!("in {took}{stopped}")));
    let begin = format!("{word}  ");
    let title = hanging(&begin, columns(&begin), &text, look.columns);
    let mut lines: Vec<String> = title
        .iter()
        .map(|line| match line.strip_prefix(word) {
            Some(rest) => painted.clone() + &paint.strong(rest),
            None => paint.strong(line),
        })
        .collect();
    for reason in &verdict.reasons {
        lines.extend(hanging("  because ", 10, reason, look.columns));
    }
    for warning in &verdict.warnings {
        let text = hanging("  warning ", 10, warning, look.columns);
        lines.extend(text.iter().map(|line| paint.doubtful(line)));
    }
    lines
}

/// A labelled text.
fn field(label: &str, text: &str, look: Look) -> Vec<String> {
    hanging(&format!("{label:LABEL$}"), LABEL, text, look.columns)
}

/// Whether each user has connections of its own, so that connecting is part of what is measured.
fn keeps_own_connections(scenario: &Scenario) -> bool {
    scenario.protocol == "websocket"
}
