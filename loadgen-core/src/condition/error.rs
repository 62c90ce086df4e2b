//! Why a text is not a condition.

/// Why a text is not a threshold. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// A word that is none of those that may stand there.
    #[error("unknown {what} `{found}` at column {column}; {}", help.clone().unwrap_or_else(|| format!("expected {expected}")))]
    Unknown {
        /// What should stand there: `metric`, `statistic`, ….
        what: &'static str,
        /// What does.
        found: String,
        /// Where.
        column: usize,
        /// What may stand there.
        expected: String,
        /// The nearest valid word.
        help: Option<String>,
    },
    /// Something else was expected here.
    #[error("expected {expected} at column {column}, found {found}")]
    Unexpected {
        /// What does stand there.
        found: String,
        /// Where.
        column: usize,
        /// What may stand there.
        expected: String,
    },
}

impl ThresholdError {
    /// What was expected, without what was found.
    #[must_use]
    pub fn expected(&self) -> &str {
        match self {
            Self::Unknown { expected, .. } | Self::Unexpected { expected, .. } => expected,
        }
    }

    /// What is wrong beyond that something else was expected: the unknown word and its nearest.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Unknown {
                what, found, help, ..
            } => Some(match help {
                Some(help) => format!("unknown {what} `{found}`; {help}"),
                None => format!("unknown {what} `{found}`"),
            }),
            Self::Unexpected { .. } => None,
        }
    }

    /// Where, in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        match self {
            Self::Unknown { column, .. } | Self::Unexpected { column, .. } => *column,
        }
    }
}
