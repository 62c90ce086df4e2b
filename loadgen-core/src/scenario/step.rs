//! One step of an iteration, whatever is spoken in it.

use std::time::Duration;

/// One step of an iteration. `A` is what the protocol does in one: a [`GrpcCall`], a
/// [`WebsocketExchange`].
///
/// ```
/// use std::time::Duration;
/// use loadgen_core::scenario::{Action, GrpcCall, Step};
/// use serde_json::json;
///
/// let hello = GrpcCall::new("loadgen.v1.Greeter/Hello", json!({ "name": "world" }));
/// let steps = [Step::from(hello.clone()), Step::pause(Duration::from_millis(100))];
/// assert_eq!(steps[0].name, "hello");
/// assert_eq!(steps[0].action, Action::Speak(hello));
/// ```
///
/// [`GrpcCall`]: crate::scenario::GrpcCall
/// [`WebsocketExchange`]: crate::scenario::WebsocketExchange
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step<A> {
    /// Its series in every report. A pause has none and is named `pause` here.
    pub name: String,
    /// What it does.
    pub action: Action<A>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action<A> {
    /// Speak the scenario's protocol.
    Speak(A),
    /// Wait on purpose.
    Pause(Duration),
}

impl<A> Step<A> {
    /// A step that speaks.
    #[must_use]
    pub fn new(name: impl Into<String>, action: A) -> Self {
        Self {
            name: name.into(),
            action: Action::Speak(action),
        }
    }

    /// A step that waits on purpose.
    #[must_use]
    pub fn pause(duration: Duration) -> Self {
        Self {
            name: "pause".to_owned(),
            action: Action::Pause(duration),
        }
    }

    /// What it says; `None` for a pause.
    #[must_use]
    pub fn spoken(&self) -> Option<&A> {
        match &self.action {
            Action::Speak(action) => Some(action),
            Action::Pause(_) => None,
        }
    }
}

/// When a stream of messages is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// After so many messages, at least 1.
    Messages(u32),
    /// After this time, however many messages came.
    After(Duration),
}

/// The names of the steps, pauses left out.
pub(in crate::scenario) fn names<A>(steps: &[Step<A>]) -> Vec<&str> {
    steps
        .iter()
        .filter(|step| step.spoken().is_some())
        .map(|step| step.name.as_str())
        .collect()
}
