//! How far a run is that is under way, in the words that stand where a verdict will.

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) word: &'static str,
    /// A word for it that layout goes by.
    pub(crate) class: &'static str,
    pub(crate) what: String,
    pub(crate) sentence: &'static str,
    /// How all shards of the run do, where that is known on the page of one.
    pub(crate) whole: Option<String>,
}

impl Progress {
    /// There are no figures yet.
    pub(crate) fn waiting(what: impl Into<String>) -> Self {
        Self {
            word: "CONNECTING",
            class: "running",
            what: what.into(),
            sentence: "No load has begun. Figures come once a second when it has.",
            whole: None,
        }
    }

    /// There are figures.
    pub(crate) fn running(word: &'static str, what: impl Into<String>) -> Self {
        Self {
            word,
            class: "running",
            what: what.into(),
            sentence: "",
            whole: None,
        }
    }

    /// There will be no result.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self {
            word: "NOT RUN",
            class: "bad",
            what: what.into(),
            sentence: "There is no result.",
            whole: None,
        }
    }
}
