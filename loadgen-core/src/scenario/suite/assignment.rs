//! `PATH=VALUE`: a change to a suite before it is validated, as it is written.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::scenario::reader::json;
use crate::scenario::reader::problem::Problems;

/// The most parts of a path: as deep as a suite can be.
const MOST_PARTS: usize = 127;

/// A value that is put into a suite before it is validated: `scenarios.greet.load.open.rate=200/s`.
///
/// The path begins with `scenarios`, `defaults`, `profiles` or `thresholds`. What lies in a list is called by its `name`, a
/// step without one as in reports, or by its number from 0: `steps.hello` or `steps[0]`. A name that has
/// other characters than letters, digits, `_` and `-` stands in brackets and quotes: `["x.y"]`. The value is
/// JSON where it is, and a text otherwise.
///
/// ```
/// use loadgen_core::scenario::Assignment;
///
/// let rate: Assignment = "scenarios.greet.load.open.rate=200/s".parse()?;
/// assert_eq!(rate.path(), "scenarios.greet.load.open.rate");
/// assert!("scenarios.greet".parse::<Assignment>().is_err());
/// # Ok::<(), loadgen_core::scenario::AssignmentError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub(super) parts: Vec<Part>,
    pub(super) value: Value,
}

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Name(String),
    Index(usize),
}

/// Why a text is no [`Assignment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssignmentError {
    /// There is no `=` behind a path.
    #[error("expected PATH=VALUE, such as scenarios.greet.load.open.rate=200/s")]
    NoValue,
    /// What stands before the `=` is no path.
    #[error(
        "the path is wrong at character {at}; expected one such as scenarios.greet.steps[0].grpc.method"
    )]
    Path {
        /// Where, from 1.
        at: usize,
    },
    /// The path has too many parts.
    #[error("the path is longer than {MOST_PARTS} parts")]
    TooDeep,
    /// The value is an object with a field twice.
    #[error("the value has a field twice")]
    Twice,
}

impl Assignment {
    /// Where the value is put.
    #[must_use]
    pub fn path(&self) -> String {
        self.path_to(self.parts.len())
    }

    /// The path up to so many parts.
    pub(super) fn path_to(&self, parts: usize) -> String {
        let mut path = String::new();
        for part in self.parts.iter().take(parts) {
            let part = match part {
                Part::Name(name) => json::join(&path, name),
                Part::Index(index) => format!("[{index}]"),
            };
            path.push_str(&part);
        }
        path
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Index(index) => write!(f, "item {index}"),
        }
    }
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let (parts, value) = path(text)?;
        if parts.len() > MOST_PARTS {
            return Err(AssignmentError::TooDeep);
        }
        let problems = Problems::default();
        let value = json::parse("", value, &problems).unwrap_or_else(|_| Value::from(value));
        match problems.into_vec().is_empty() {
            true => Ok(Self { parts, value }),
            false => Err(AssignmentError::Twice),
        }
    }
}

/// The parts of a path, and what stands behind its `=`.
fn path(text: &str) -> Result<(Vec<Part>, &str), AssignmentError> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let at = 1 + text[..text.len() - rest.len()].chars().count();
        let wrong = AssignmentError::Path { at };
        let (part, behind) = match rest.strip_prefix('[') {
            Some(bracket) if !parts.is_empty() => in_brackets(bracket).ok_or(wrong)?,
            _ => {
                let name = match rest.strip_prefix('.') {
                    Some(name) if !parts.is_empty() => name,
                    None if parts.is_empty() => rest,
                    _ => return Err(wrong),
                };
                let end = name.find(['.', '[', '=']).unwrap_or(name.len());
                if end == 0 {
                    return Err(wrong);
                }
                (Part::Name(name[..end].to_owned()), &name[end..])
            }
        };
        parts.push(part);
        if let Some(value) = behind.strip_prefix('=') {
            return Ok((parts, value));
        }
        if behind.is_empty() {
            return Err(AssignmentError::NoValue);
        }
        rest = behind;
    }
}

/// A number or a name in quotes, and what stands behind the closing bracket.
fn in_brackets(text: &str) -> Option<(Part, &str)> {
    if text.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let name = values.next()?.ok()?;
        let behind = text[values.byte_offset()..].strip_prefix(']')?;
        return Some((Part::Name(name), behind));
    }
    let (number, behind) = text.split_once(']')?;
    Some((Part::Index(number.parse().ok()?), behind))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("scenarios.a.load.open.rate=200/s" => "scenarios.a.load.open.rate <- \"200/s\"")]
    #[test_case("scenarios[0].steps[1].pause=1s" => "scenarios[0].steps[1].pause <- \"1s\"")]
    #[test_case("scenarios.0.steps.1.pause=1s" => "scenarios.0.steps.1.pause <- \"1s\"")]
    #[test_case("defaults.metadata[\"x.y=]\"]=a=b" => "defaults.metadata[\"x.y=]\"] <- \"a=b\"")]
    #[test_case("defaults.a=5" => "defaults.a <- 5")]
    #[test_case("defaults.a=1.50e3" => "defaults.a <- 1.50e3")]
    #[test_case("defaults.a=\"5\"" => "defaults.a <- \"5\"")]
    #[test_case("defaults.a=007" => "defaults.a <- \"007\"")]
    #[test_case("defaults.a=" => "defaults.a <- \"\"")]
    #[test_case("defaults.a={\"b\": [1]}" => "defaults.a <- {\"b\":[1]}")]
    #[test_case("defaults.a={{ user }}" => "defaults.a <- \"{{ user }}\"")]
    #[test_case("defaults.a={\"b\": 1, \"b\": 2}" => "the value has a field twice")]
    #[test_case("defaults.a" => "expected PATH=VALUE, such as scenarios.greet.load.open.rate=200/s")]
    #[test_case("" => matches it if it.starts_with("the path is wrong at character 1;"))]
    #[test_case("=5" => matches it if it.starts_with("the path is wrong at character 1;"))]
    #[test_case("é..b=5" => matches it if it.starts_with("the path is wrong at character 2;"))]
    #[test_case("[0]=5" => matches it if it.starts_with("the path is wrong at character 1;"))]
    #[test_case("a[x]=5" => matches it if it.starts_with("the path is wrong at character 2;"))]
    #[test_case("a[\"x\"=5" => matches it if it.starts_with("the path is wrong at character 2;"))]
    #[test_case("a[0]b=5" => matches it if it.starts_with("the path is wrong at character 5;"))]
    #[test_case("a.=5" => matches it if it.starts_with("the path is wrong at character 2;"))]
    #[test_case(&("a.".repeat(200) + "a=5") => "the path is longer than 127 parts")]
    fn is_read_as(text: &str) -> String {
        match text.parse::<Assignment>() {
            Ok(it) => format!("{} <- {}", it.path(), it.value),
            Err(error) => error.to_string(),
        }
    }
}
