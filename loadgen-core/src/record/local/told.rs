//! What the engine tells a recorder of iterations.

use crate::clock::Nanos;
use crate::outcome::Outcome;
use crate::workload::{
    BackendIndex, ConnectionId, Iteration, KeyIndex, Split, TargetIndex, UserId,
};

/// An arrival that started. Queue wait and start lag together are its start less its due time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    /// When.
    pub(crate) at: Nanos,
    /// What it waited for before; `None` where its user has to begin its life first.
    pub(crate) waited: Option<Waited>,
    /// Whether that is above the tolerance.
    pub(crate) is_late: bool,
    /// Whether it started within the plan's time.
    pub(crate) is_in_time: bool,
}

/// What an arrival waited for before its iteration started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    /// From due until a user was there who could start: the service's doing.
    pub(crate) queue_wait: Nanos,
    /// The rest until it started: the generator's own lateness.
    pub(crate) start_lag: Nanos,
}

/// An iteration that ended by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// When it was due.
    pub(crate) due: Nanos,
    /// When it was over for the service.
    pub(crate) at: Nanos,
    /// What its time is made of.
    pub(crate) split: Split,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Who it was with.
    pub(crate) via: Via,
    /// Which of the scenario's targets it went to, if to any.
    pub(crate) target: Option<TargetIndex>,
}

/// Who a request was with, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Via {
    /// Who answered, by its own word.
    pub(crate) backend: Option<BackendIndex>,
    /// Over which connection, where it came to have one.
    pub(crate) connection: Option<ConnectionId>,
    /// Whose it was, where a server is to stay with that.
    pub(crate) whose: Option<Whose>,
    /// Whether it was with nobody: no target was ever given it.
    pub(crate) is_unsent: bool,
}

/// Whose a request was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose {
    pub(crate) user: UserId,
    pub(crate) key: Option<KeyIndex>,
}

/// What the service left without an answer: its age is a lower bound of its response time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unanswered {
    /// When it was due.
    pub(crate) due: Nanos,
    /// What the time is made of that it has waited.
    pub(crate) split: Split,
    /// The step of several that it was at, and what that step's time is made of.
    pub(crate) step: Option<(usize, Split)>,
    /// Which of the scenario's targets it went to, where it was started.
    pub(crate) target: Option<TargetIndex>,
}

impl Via {
    /// Who the last request of an iteration was with.
    #[inline]
    pub(crate) fn of(iteration: &Iteration<'_>) -> Self {
        Self {
            backend: iteration.backend(),
            connection: iteration.connection(),
            // A stream was told of when it opened.
            whose: (!iteration.has_stream()).then(|| Whose {
                user: iteration.user(),
                key: iteration.key(),
            }),
            is_unsent: iteration.is_unsent(),
        }
    }
}

impl Unanswered {
    /// An arrival that no user came for until then.
    #[must_use]
    pub(crate) fn in_line(due: Nanos, until: Nanos) -> Self {
        Self {
            due,
            split: Split {
                queue_wait: until.saturating_sub(due),
                ..Split::default()
            },
            step: None,
            target: Some(0),
        }
    }
}
