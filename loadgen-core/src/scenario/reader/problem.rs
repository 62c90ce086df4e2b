//! What is wrong with a suite: every problem with its JSON path, and the errors they make up.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, SourceCode};
use serde_json::Value;

use super::origin::{Origin, Origins};

/// One thing that is wrong with a suite.
///
/// Shown on one line that can be read on its own:
/// ``scenarios[0].load.closed.users: found 0, expected a whole number from 1 to 1000000``.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Problem {
    /// The included file that it is in, or the flag that it came by; `None` is the suite's own file.
    pub file: Option<String>,
    /// Where, as a JSON path: `scenarios[0].load.closed.users`; empty for the whole file.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// What to do about it, or the nearest valid name.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        let path = if self.path.is_empty() {
            "top level"
        } else {
            &self.path
        };
        write!(
            f,
            "{path}: found {}, expected {}",
            self.found, self.expected
        )?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl Problem {
    pub(in crate::scenario) fn in_file(self, file: Option<&str>) -> Self {
        Self {
            file: file.map(str::to_owned),
            ..self
        }
    }
}

/// Where problems are gathered while a suite is read; the same one is kept once.
#[derive(Debug, Default)]
pub(in crate::scenario) struct Problems {
    origins: Origins,
    list: RefCell<Vec<Problem>>,
    /// The fields that misspelt ones were likely meant to be.
    meant: RefCell<HashSet<String>>,
    seen: RefCell<HashSet<Problem>>,
}

impl Problems {
    /// Of a suite whose parts come from there.
    pub(in crate::scenario) fn of(origins: Origins) -> Self {
        Self {
            origins,
            ..Self::default()
        }
    }

    /// Where a part of the suite comes from.
    pub(in crate::scenario) fn origin(&self, path: &str) -> Origin {
        self.origins.of(path)
    }

    /// A place as another's message calls it.
    pub(in crate::scenario) fn named(&self, path: &str) -> String {
        let origin = self.origins.of(path);
        match origin.source {
            Some(source) => format!("{} of {source}", origin.path),
            None => origin.path,
        }
    }

    pub(in crate::scenario) fn add(
        &self,
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Problem {
            file: None,
            path: path.into(),
            found: found.into(),
            expected: expected.into(),
            help,
        };
        if self.seen.borrow_mut().insert(problem.clone()) {
            self.list.borrow_mut().push(problem);
        }
    }

    /// Notes a field that stands twice.
    pub(in crate::scenario) fn add_repeated(&self, path: String) {
        self.add(path, "the field a second time", "each field once", None);
    }

    /// Notes the field that one with an unknown name was likely meant to be: that it is not there is no
    /// problem of its own.
    pub(in crate::scenario) fn note_meant(&self, path: String) {
        self.meant.borrow_mut().insert(path);
    }

    /// Whether the field is there under a misspelt name.
    pub(in crate::scenario) fn is_misspelt(&self, path: &str) -> bool {
        self.meant.borrow().contains(path)
    }

    /// Whether anything in this object has been complained about already.
    pub(in crate::scenario) fn any_below(&self, path: &str) -> bool {
        self.list.borrow().iter().any(|problem| {
            problem
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// Takes back what was said of the parts of an object that does not belong where it is.
    pub(in crate::scenario) fn forget_below(&self, path: &str) {
        let is_below = |it: &Problem| {
            let rest = it.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        self.list.borrow_mut().retain(|it| !is_below(it));
        self.seen.borrow_mut().retain(|it| !is_below(it));
    }

    /// All problems so far, each with its path in the file that it is in.
    pub(in crate::scenario) fn take(&self) -> Vec<Problem> {
        let mut told = HashSet::new();
        let mut list = self.list.take();
        list.retain(|it| it.found != "nothing" || !self.is_misspelt(&it.path));
        for problem in &mut list {
            let Origin { source, path, .. } = self.origins.of(&problem.path);
            problem.file = source.map(|it| it.to_string());
            problem.path = path;
        }
        // A field may have been copied for a change in it.
        list.retain(|problem| told.insert(problem.clone()));
        list
    }

    pub(in crate::scenario) fn into_vec(self) -> Vec<Problem> {
        self.take()
    }
}

/// A JSON value as a message shows it: short ones as they are, others by their kind.
pub(in crate::scenario) fn describe(value: &Value) -> String {
    const MOST: usize = 60;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => match text.char_indices().nth(MOST) {
            Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
            None => format!("\"{}\"", text.escape_debug()),
        },
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Why a suite cannot be used.
///
/// Its text has every problem, one per line. As a [`Diagnostic`] it also points at a syntax error
/// in the source; nothing fancy is drawn unless the program asks for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// The text is neither JSON nor YAML.
    #[error("{source_name}: line {line}, column {column}: {message}")]
    Syntax {
        /// What the text came from, usually a path.
        source_name: String,
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
        /// The text, for a diagnostic to point into.
        text: String,
    },
    /// The text can be read and is not a suite.
    #[error("{source_name}: {}{}", count(problems), lines(problems))]
    Invalid {
        /// What the text came from, usually a path.
        source_name: String,
        /// Everything that is wrong with it, in the order it was met. Never empty.
        problems: Vec<Problem>,
    },
}

fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    }
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}

impl SuiteError {
    /// What is wrong, where the text can be read; empty for a syntax error.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Syntax { .. } => &[],
            Self::Invalid { problems, .. } => problems,
        }
    }
}

impl Diagnostic for SuiteError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(match self {
            Self::Syntax { .. } => "loadgen::scenario::syntax",
            Self::Invalid { .. } => "loadgen::scenario::invalid",
        }))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(match self {
            Self::Syntax { .. } => {
                "scenario files are strict JSON (no comments, no trailing commas) or YAML 1.2"
            }
            Self::Invalid { .. } => "the scenario reference in the book lists every field",
        }))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Syntax { text, .. } => Some(text),
            Self::Invalid { .. } => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self {
            Self::Syntax {
                line,
                column,
                message,
                text,
                ..
            } => {
                let offset = byte_offset(text, *line, *column);
                let label = LabeledSpan::new(Some(message.clone()), offset, 0);
                Some(Box::new(std::iter::once(label)))
            }
            Self::Invalid { .. } => None,
        }
    }
}

/// The parser counts columns in bytes.
pub(in crate::scenario) fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (start + column.saturating_sub(1)).min(text.len())
}
