//! What is wrong at a place in a scenario, found before the run.

/// What is wrong at a place in a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
#[non_exhaustive]
pub struct Mistake {
    /// The place in the scenario: `steps[0].grpc.message.name`.
    pub path: String,
    /// What is wrong there, and what was expected.
    pub problem: String,
}

impl Mistake {
    pub(super) fn new(path: &str, problem: String) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }
}

/// One on each line; lines after the first stand in as much as lists of problems do.
pub(super) fn lines(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n  ")
}
