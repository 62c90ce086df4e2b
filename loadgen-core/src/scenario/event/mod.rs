//! What is done during a run: raw form, validation, plan, printing.
//!
//! Owns when it is done and what it is. Doing it is for whoever runs the scenario.

mod print;
pub(in crate::scenario) mod raw;
mod validate;

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::fault::Faults;
use super::value::Source;
use crate::secrets;

pub(in crate::scenario) use self::print::print;

/// How long what is done elsewhere may take unless told.
pub(in crate::scenario) const TIMEOUT: Duration = Duration::from_secs(10);

/// Something that is done during a run.
///
/// ```
/// use std::time::Duration;
/// use loadgen_core::scenario::{Deed, EventPlan};
///
/// let event = EventPlan::new(Duration::from_secs(5), Deed::Kill {
///     backend: "b2".to_owned(),
///     back_after: Some(Duration::from_secs(3)),
/// });
/// assert_eq!(event.deed.to_string(), "kill b2");
/// assert_eq!(event.over_at(), Duration::from_secs(8));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EventPlan {
    /// When, from where the scenario's measuring begins.
    pub at: Duration,
    /// What.
    pub deed: Deed,
}

/// What is done. Servers are those that the run starts, by their names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Deed {
    /// A server's process is killed; no connection of its is closed in good order.
    Kill {
        /// Which server.
        backend: String,
        /// When it is started again, counted from then; `None` leaves it dead.
        back_after: Option<Duration>,
    },
    /// A server is told to end, and started again as soon as it has.
    Restart {
        /// Which server.
        backend: String,
    },
    /// A server's process is stopped: its connections stay open and nothing is answered.
    Freeze {
        /// Which server.
        backend: String,
        /// When it goes on, counted from then; `None` leaves it so.
        back_after: Option<Duration>,
    },
    /// A server is told to end: it takes no more connections and finishes what it has begun.
    Drain {
        /// Which server.
        backend: String,
        /// When it is started again, counted from then; `None` leaves it gone.
        back_after: Option<Duration>,
    },
    /// Something goes wrong at a fault proxy, in place of what did before.
    Fault {
        /// Which proxy.
        backend: String,
        /// What goes wrong.
        faults: Faults,
        /// When it is as from its start again, counted from then; `None` leaves it so.
        back_after: Option<Duration>,
    },
    /// A request to somebody else.
    Http(HttpDeed),
    /// A command.
    Exec(ExecDeed),
    /// A note, of something that others do.
    Mark(String),
}

/// A request that is sent once.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HttpDeed {
    /// Its method, in capital letters.
    pub method: String,
    /// Where it goes.
    pub url: String,
    /// Its header fields.
    pub headers: Vec<(String, Source)>,
    /// What is sent with it, if anything.
    pub body: Option<DeedBody>,
    /// The longest that it may take.
    pub timeout: Duration,
}

/// What is sent with a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DeedBody {
    /// A JSON value.
    Json(Value),
    /// A text.
    Text(String),
}

/// A command that is run once.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExecDeed {
    /// The program and its arguments, never empty; no shell reads them.
    pub command: Vec<String>,
    /// The longest that it may take.
    pub timeout: Duration,
}

impl EventPlan {
    /// This deed at that time.
    #[must_use]
    pub fn new(at: Duration, deed: Deed) -> Self {
        Self { at, deed }
    }

    /// When it is over: when a server comes back, where it does, and otherwise when it is done.
    #[must_use]
    pub fn over_at(&self) -> Duration {
        self.at
            .saturating_add(self.deed.back_after().unwrap_or_default())
    }
}

impl Deed {
    /// Whom it is done to, of those that the run starts.
    #[must_use]
    pub fn backend(&self) -> Option<&str> {
        match self {
            Self::Kill { backend, .. }
            | Self::Restart { backend }
            | Self::Freeze { backend, .. }
            | Self::Drain { backend, .. }
            | Self::Fault { backend, .. } => Some(backend),
            Self::Http(_) | Self::Exec(_) | Self::Mark(_) => None,
        }
    }

    /// How long afterwards the server comes back, where it is told to.
    #[must_use]
    pub fn back_after(&self) -> Option<Duration> {
        match self {
            Self::Kill { back_after, .. }
            | Self::Freeze { back_after, .. }
            | Self::Drain { back_after, .. }
            | Self::Fault { back_after, .. } => *back_after,
            _ => None,
        }
    }

    /// Whether the server may have something done to it again once this is over: it is back then, or was never gone.
    pub(in crate::scenario) fn is_over(&self) -> bool {
        matches!(self, Self::Restart { .. } | Self::Fault { .. }) || self.back_after().is_some()
    }

    /// Whether it leaves a server gone, or things wrong in front of it, until something else is done to it.
    pub(in crate::scenario) fn stays(&self) -> bool {
        let does_harm = match self {
            Self::Kill { .. } | Self::Freeze { .. } | Self::Drain { .. } => true,
            Self::Fault { faults, .. } => !faults.is_done_once() && !faults.is_harmless(),
            _ => false,
        };
        does_harm && self.back_after().is_none()
    }

    /// Whether it is done to what the run did not start, and so needs leave.
    #[must_use]
    pub fn needs_leave(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Exec(_))
    }
}

/// In words, without secrets: `kill b2`, `POST http://127.0.0.1/drain`, ``run `nginx -s reload` ``, or the mark's
/// own text.
impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { backend, .. } => write!(f, "kill {backend}"),
            Self::Restart { backend } => write!(f, "restart {backend}"),
            Self::Freeze { backend, .. } => write!(f, "freeze {backend}"),
            Self::Drain { backend, .. } => write!(f, "drain {backend}"),
            Self::Fault {
                backend, faults, ..
            } => write!(f, "fault {backend}: {faults}"),
            Self::Http(deed) => write!(f, "{} {}", deed.method, secrets::address(&deed.url)),
            Self::Exec(deed) => write!(f, "run `{}`", deed.command.join(" ")),
            Self::Mark(text) => f.write_str(text),
        }
    }
}
