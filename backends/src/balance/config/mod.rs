//! Configurations of balancers: JSON, read strictly, with everything that is wrong told at once.
//!
//! Owns the errors ([`ConfigError`]) and what balancers' configurations share (`shared`). How values are read
//! is `reader`'s; what else a balancer can be told stands in its own room.

pub(crate) mod reader;
pub(crate) mod shared;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The most that is read of a configuration.
pub(crate) const MOST_BYTES: u64 = 16 << 20;

/// One thing that is wrong with a configuration, on a line that can be read on its own:
/// ``backends[0].weight: found 0, expected a whole number from 1 to 65535``.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where, as a JSON path; empty for the whole file.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// What to try.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self.path.as_str() {
            "" => "top level",
            path => path,
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

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The text is no JSON.
    #[error(
        "{source_name}: line {line}, column {column}: {message}; a configuration is JSON, without comments and trailing commas"
    )]
    Syntax {
        /// What the text came from, usually a path.
        source_name: String,
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// The text is JSON and no configuration.
    #[error("{source_name}: {}", listed(problems))]
    Invalid {
        /// What the text came from, usually a path.
        source_name: String,
        /// Everything that is wrong with it, in the order it was met. Never empty.
        problems: Vec<Problem>,
    },
}

/// A new configuration changes what only a new start can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{field}` cannot change while the balancer runs; nothing was changed: start it anew for that"
)]
pub struct ReloadError {
    /// The field.
    pub field: &'static str,
}

fn listed(problems: &[Problem]) -> String {
    let lines: String = problems.iter().map(|it| format!("\n  {it}")).collect();
    match problems.len() {
        1 => format!("1 problem{lines}"),
        several => format!("{several} problems{lines}"),
    }
}

/// Where problems are gathered while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(crate) fn add(
        &self,
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: Option<String>,
    ) {
        self.0.borrow_mut().push(Problem {
            path: path.into(),
            found: found.into(),
            expected: expected.into(),
            help,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// Reads a configuration's file.
///
/// # Errors
/// [`ConfigError::Read`].
pub(crate) fn read_file(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| {
        // Some devices have no end.
        if file.take(MOST_BYTES + 1).read_to_string(&mut text)? as u64 > MOST_BYTES {
            let problem = format!("it is longer than {} MiB", MOST_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(text),
        Err(reason) => Err(ConfigError::Read {
            path: path.to_owned(),
            reason,
        }),
    }
}

/// Reads a configuration with `make`, which is given the top level and complains to the problems.
///
/// # Errors
/// [`ConfigError::Syntax`] or [`ConfigError::Invalid`].
pub(crate) fn parse<T>(
    source_name: &str,
    text: &str,
    make: impl FnOnce(&reader::Field<'_>, &Problems) -> Option<T>,
) -> Result<T, ConfigError> {
    let raw: Box<serde_json::value::RawValue> =
        serde_json::from_str(text).map_err(|error| syntax(source_name, &error))?;
    let problems = Problems::default();
    let made = make(&reader::Field::top(&raw, &problems), &problems);
    match made {
        Some(made) if problems.is_empty() => Ok(made),
        _ => Err(ConfigError::Invalid {
            source_name: source_name.to_owned(),
            problems: problems.into_vec(),
        }),
    }
}

/// Why a text is no JSON.
pub(crate) fn syntax(source_name: &str, error: &serde_json::Error) -> ConfigError {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    ConfigError::Syntax {
        source_name: source_name.to_owned(),
        line: error.line().max(1),
        column: error.column().max(1),
        message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
    }
}
