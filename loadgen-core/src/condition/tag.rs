//! `tags.KEY.VALUE.`: that a condition is on all scenarios with a tag.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::error::ThresholdError;

/// A label of scenarios: a key and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tag {
    /// Its key, such as `tier`.
    pub key: String,
    /// Its value, such as `gold`.
    pub value: String,
}

impl Tag {
    /// A tag.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// As conditions write it: `tags.tier.gold`, `tags.version.'1.2'`.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tags.{}.{}", quoted(&self.key), quoted(&self.value))
    }
}

/// A name as conditions write it: in quotes where it has to be.
pub(crate) fn quoted(name: &str) -> String {
    match name {
        _ if !name.is_empty() && name.chars().all(Cursor::is_of_names) => name.to_owned(),
        _ if name.contains('\'') => format!("\"{name}\""),
        _ => format!("'{name}'"),
    }
}

/// The tag that a condition begins with, and the point after it.
pub(super) fn tag(cursor: &mut Cursor<'_>) -> Result<Option<Tag>, ThresholdError> {
    let start = cursor.at;
    if cursor.word() != "tags" {
        cursor.at = start;
        return Ok(None);
    }
    cursor.dot()?;
    let key = cursor.name("the key of a tag")?;
    cursor.dot()?;
    let value = cursor.name("the value of a tag")?;
    cursor.dot()?;
    Ok(Some(Tag { key, value }))
}
