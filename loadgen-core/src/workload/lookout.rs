//! Files that a workload was made of, and whether they have changed since.
//!
//! Owns what the engine asks, on a thread of its own, and what it is told. Who reads such a file takes its
//! new contents by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// A file that changed while the run was under way: a certificate, a key, a token; or a list of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileChange {
    /// When it was read, since the scenario was first measured; zero for one before that.
    pub at: Duration,
    /// Its path; a list's target as it is written.
    pub file: String,
    /// The field of the scenario that names it: `tls.cert_file`, `metadata.authorization`.
    pub field: String,
    /// Why it could not be taken, so that what it was before went on being used; `None` where it was.
    pub problem: Option<String>,
}

impl FileChange {
    pub(crate) fn new(
        file: impl fmt::Display,
        field: impl Into<String>,
        problem: Option<String>,
    ) -> Self {
        Self {
            at: Duration::ZERO,
            file: file.to_string(),
            field: field.into(),
            problem,
        }
    }

    /// Whether it is a list of addresses: those are targets, and nothing else of a scenario's is.
    fn is_list(&self) -> bool {
        self.field.starts_with("targets[")
    }
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, field, .. } = self;
        match &self.problem {
            Some(problem) if self.is_list() => write!(
                f,
                "no new list could be had of {file}, so that the one before went on being used (`{field}`): \
                 {problem}"
            ),
            None => write!(f, "{file} changed and was read again (`{field}`)"),
            Some(problem) => write!(
                f,
                "{file} changed and was not taken, so that what it was before went on being used \
                 (`{field}`): {problem}"
            ),
        }
    }
}

/// What a look at files came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing is new.
    Same,
    /// Something is being written: look again soon.
    Unsettled,
    /// This is new, each since when it was read.
    Changed(Vec<(Moment, FileChange)>),
}

/// Something that is made of files.
pub(crate) trait Lookout: Send + Sync {
    /// Reads them again, and takes what is new and whole.
    fn look(&self) -> Look;
}

/// All that a scenario has of these. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lookouts(pub(crate) Vec<Arc<dyn Lookout>>);

impl fmt::Debug for Lookouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookouts").field(&self.0.len()).finish()
    }
}
