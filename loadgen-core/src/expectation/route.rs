//! Which servers answer whom.

use serde::{Deserialize, Serialize};

use super::Glob;

/// Which servers answer a scenario, by the value of one of its tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Route {
    /// The tag's key.
    pub tag: String,
    /// Patterns of its values, no two of which match the same, each with the pattern of the servers that may
    /// answer.
    pub table: Vec<(Glob, Glob)>,
}

impl Route {
    /// A route by this tag.
    #[must_use]
    pub fn new(tag: impl Into<String>, table: Vec<(Glob, Glob)>) -> Self {
        Self {
            tag: tag.into(),
            table,
        }
    }

    /// The servers that may answer where the tag has this value; `None` where nothing is said of it.
    #[must_use]
    pub fn servers(&self, value: &str) -> Option<&Glob> {
        let entry = self.table.iter().find(|(values, _)| values.matches(value));
        entry.map(|(_, servers)| servers)
    }
}
