//! What a call waits for, for the example of one that waited in vain.

use std::cell::Cell;

use http::Uri;

use crate::driver::http2::Place;
use crate::outcome::Failure;
use crate::workload::Iteration;

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for a connection, or for a stream on one.
    StreamPermit { is_connected: bool },
    /// It was handed over.
    Sending,
    /// The whole of it has left, or has begun to where there are more messages.
    Answer,
    /// The answer's head has come.
    Rest { messages: u64 },
}

impl Stage {
    fn has_no_connection(self) -> bool {
        let is_connected = false;
        self == Self::StreamPermit { is_connected }
    }

    fn in_words(self) -> String {
        match self {
            Self::StreamPermit { is_connected: true } => {
                "waiting for a free stream: as many calls are under way as the server or \
                 `streams_per_connection` allows"
                    .to_owned()
            }
            Self::StreamPermit {
                is_connected: false,
            } => "waiting for a connection".to_owned(),
            Self::Sending => "sending: the server takes nothing more".to_owned(),
            Self::Answer => "waiting for the answer; the request has left".to_owned(),
            Self::Rest { messages: 0 } => {
                "waiting for the rest of the answer; its head has come".to_owned()
            }
            Self::Rest { messages: 1 } => {
                "waiting for the rest of the answer; its head and 1 message have come".to_owned()
            }
            Self::Rest { messages } => format!(
                "waiting for the rest of the answer; its head and {messages} messages have come"
            ),
        }
    }
}

/// A call under way. One that is cut off has no other way to say what it waited for.
pub(super) struct Waiting<'a> {
    pub(super) stage: Cell<Stage>,
    uri: &'a Uri,
    path: &'a str,
    place: &'a Place,
    iteration: &'a Iteration<'a>,
}

impl<'a> Waiting<'a> {
    /// `path` comes after the address.
    #[inline]
    pub(super) fn new(
        uri: &'a Uri,
        path: &'a str,
        place: &'a Place,
        iteration: &'a Iteration<'a>,
    ) -> Self {
        Self {
            stage: Cell::new(Stage::StreamPermit { is_connected: true }),
            uri,
            path,
            place,
            iteration,
        }
    }

    /// The call came to an end of its own.
    #[inline]
    pub(super) fn over(self) {
        std::mem::forget(self);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.iteration.explain(Failure::Timeout, || {
            let (uri, path) = (self.uri, self.path);
            let uri = uri.to_string();
            let uri = match path {
                "" => uri,
                path => format!("{}{path}", uri.trim_end_matches('/')),
            };
            let stage = self.stage.get();
            let cut_off = format!("cut off while {} ({uri})", stage.in_words());
            match self.place.last_problem() {
                problem if stage.has_no_connection() && !problem.is_empty() => {
                    format!("{cut_off}; the last attempt to open one: {problem}")
                }
                _ => cut_off,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(Stage::StreamPermit { is_connected: false } => "waiting for a connection")]
    #[test_case(Stage::Answer => "waiting for the answer; the request has left")]
    #[test_case(Stage::Rest { messages: 0 } => "waiting for the rest of the answer; its head has come")]
    #[test_case(Stage::Rest { messages: 1 } => "waiting for the rest of the answer; its head and 1 message have come")]
    #[test_case(Stage::Rest { messages: 7 } => "waiting for the rest of the answer; its head and 7 messages have come")]
    fn stages(stage: Stage) -> String {
        stage.in_words()
    }
}
