//! What was done to servers while a run was under way.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScenarioRecord;

/// The most events that a scenario's record keeps.
const MOST_EVENTS: usize = 1000;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum EventAction {
    /// Ends a server without a warning.
    Kill,
    /// Ends a server as it likes to be ended, and starts it again.
    Restart,
    /// Stops a server's process where it stands; its sockets stay.
    Freeze,
    /// Asks a server to end, which may first say so.
    Drain,
    /// Makes what stands before a server do harm.
    Fault,
    /// Sends an HTTP request to somebody else.
    Http,
    /// Runs a command.
    Exec,
    /// Nothing: a moment that somebody wants to remember.
    Mark,
}

/// What was done to a server, or said, while a run was under way. Times count from where measuring of the
/// scenario begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventRecord {
    /// What kind of event it is.
    pub action: EventAction,
    /// The server that it was done to, by the name it gives itself.
    pub backend: Option<String>,
    /// The servers that answer behind it, where it was done to what stands in front of them: they are the ones that
    /// went away. Empty where the server answers itself.
    #[serde(default)]
    pub behind: Vec<String>,
    /// What it was, in words: `kill b2`, `POST http://127.0.0.1:9901/…`, the text of a mark.
    pub said: String,
    /// When it was to be done; `None` where nobody had planned it, or before measuring of the scenario began.
    pub planned: Option<Duration>,
    /// When it was done, as measured; `None` where it never was, or [`before`](Self::before).
    pub done: Option<Duration>,
    /// How long before measuring of the scenario began it was done, where it was and was not over by then; it has no
    /// time of its own there.
    #[serde(default)]
    pub before: Option<Duration>,
    /// When the server was ready again, as measured; `None` where it never was, or was never gone.
    pub ready: Option<Duration>,
    /// Why it could not be done, or not be undone.
    pub failure: Option<String>,
}

impl EventRecord {
    /// One of this kind, in these words, that was not done yet.
    #[must_use]
    pub fn new(action: EventAction, said: impl Into<String>) -> Self {
        Self {
            action,
            backend: None,
            behind: Vec::new(),
            said: said.into(),
            planned: None,
            done: None,
            before: None,
            ready: None,
            failure: None,
        }
    }
}

impl EventRecord {
    /// From when on it holds in the scenario: when it was done, or where measuring begins.
    pub(crate) fn holds_from(&self) -> Option<Duration> {
        self.done.or(self.before.map(|_| Duration::ZERO))
    }

    /// The servers that it took away, by the names that they give themselves.
    pub(crate) fn taken_away(&self) -> Vec<&str> {
        match self.behind.as_slice() {
            [] => self.backend.iter().map(String::as_str).collect(),
            behind => behind.iter().map(String::as_str).collect(),
        }
    }
}

impl ScenarioRecord {
    /// Adds what was done to servers, in the order in which it was. What is above the first 1,000 is not kept.
    pub(crate) fn happened(&mut self, events: impl IntoIterator<Item = EventRecord>) {
        self.events.extend(events);
        self.events.sort_by_key(|it| it.done.or(it.planned));
        self.events.truncate(MOST_EVENTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a record that was stored, too, which may have any number of them.
    #[test]
    fn the_first_thousand_events_are_kept() {
        let event = |ms: u64| EventRecord {
            done: Some(Duration::from_millis(ms)),
            ..EventRecord::new(EventAction::Mark, ms.to_string())
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened((0..800).map(|nth| event(2 * nth)));
        let mut other = ScenarioRecord::empty("s", "grpc", true, &[]);
        other.events = (0..800).map(|nth| event(2 * nth + 1)).collect();
        record.merge(&other).unwrap();
        let said: Vec<_> = record.events.iter().map(|it| it.said.clone()).collect();
        let wanted: Vec<_> = (0..1000).map(|nth: u64| nth.to_string()).collect();
        assert_eq!(said, wanted);
    }
}
