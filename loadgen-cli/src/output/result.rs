//! The result of a run: how it is printed, and what a file of each kind has of it.

use std::io::{self, IsTerminal};

use loadgen_core::report::{Document, Status, TextOptions, page};

use super::{Kind, OutputError, Pending, PrintError, json, print, print_whole};
use crate::{paint, screen, terminal};

/// What of a result goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The summary, for people.
    Summary,
    /// The document, for programs.
    Document,
    /// Nothing.
    Nothing,
}

impl Shown {
    /// What is shown with these flags.
    pub(crate) fn with(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Document,
            (false, false) => Self::Summary,
            (false, true) => Self::Nothing,
        }
    }

    /// Prints that.
    ///
    /// # Errors
    /// [`PrintError`] when standard output does not take it.
    pub(crate) fn print(self, document: &Document) -> Result<(), PrintError> {
        match self {
            Self::Summary => print(&document.text(look())),
            Self::Document => print_whole(&json(document)),
            Self::Nothing => Ok(()),
        }
    }
}

/// Says beside a document that nobody may read that its run is invalid.
pub(crate) fn warn_beside(json: bool, document: &Document) {
    if json && document.verdict.status == Status::Invalid {
        for reason in &document.verdict.reasons {
            screen::note(format_args!("WARNING: the run is invalid: {reason}"));
        }
    }
}

/// Writes every file, also when one of them fails.
///
/// # Errors
/// [`OutputError`] of the last that failed.
pub(crate) fn write(outputs: Vec<Pending>, document: &Document) -> Result<(), OutputError> {
    let mut result = Ok(());
    for output in outputs {
        let content = match output.kind() {
            Kind::Csv => document.to_csv(),
            Kind::Hlog => document.to_hlog(),
            Kind::Json => json(document),
            Kind::Html => page::html(document),
            Kind::Junit => document.to_junit(),
            Kind::Markdown => document.to_markdown(),
        };
        result = output.write(&content).and(result);
    }
    result
}

/// How the summary is to look on stdout: a screen has little room, a file has all that it takes.
pub(crate) fn look() -> TextOptions {
    TextOptions {
        width: terminal::columns_of_stdout(),
        paint: paint::for_stdout(),
        example_lines: io::stdout().is_terminal().then_some(3),
    }
}
