//! What the command line asks of whatever takes a run's figures while it is under way.

use std::fmt;
use std::time::Duration;

use loadgen_core::clock::Clock;
use loadgen_core::engine::Run;
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, Document};
use loadgen_core::sink::RunInfo;

use crate::screen::Screen;

/// How long the end of a run waits for what is still to be posted, all sinks together.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where figures of a run go. It is opened before anything is started, and asked in this order.
pub(crate) trait Sink: fmt::Debug {
    /// What a person should know before the load.
    fn notices(&self) -> Vec<String>;

    /// Has it hear what the run tells. What a person should know meanwhile is said on `screen`.
    fn listen(&mut self, run: Run, screen: &Screen) -> Run;

    /// The load is over: what is known of it by now.
    fn conclude(&mut self) -> Conclusion;

    /// The result is there, and is about to be written and shown.
    fn judged(&mut self, _document: &Document) {}

    /// The result has been shown. Waits for what is still under way, as long as `end` lets it.
    fn finish(&mut self, _end: &End<'_>) {}
}

/// What comes of a sink when the load is over.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// For the result document.
    pub(crate) delivery: Delivery,
    /// For a person, where there is something to say already.
    pub(crate) complaint: Option<String>,
}

/// The run that is about to start, as sinks name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// What it records under.
    pub(crate) names: &'a [Names],
    /// Which run it is.
    pub(crate) run: &'a RunInfo,
}

/// The end of a run.
pub(crate) struct End<'a> {
    clock: Clock,
    screen: &'a Screen,
    is_told_to_end: &'a dyn Fn() -> bool,
}

impl<'a> End<'a> {
    /// It begins now. `is_told_to_end` says whether nobody is to wait for anything any more.
    pub(crate) fn now(screen: &'a Screen, is_told_to_end: &'a dyn Fn() -> bool) -> Self {
        Self {
            clock: Clock::start(),
            screen,
            is_told_to_end,
        }
    }

    /// What is left of the time for what is still to be posted. All have been posting all the while: what
    /// one takes is time for the others.
    pub(crate) fn patience(&self) -> Duration {
        PATIENCE.saturating_sub(Duration::from_nanos(self.clock.now()))
    }

    /// Whether nobody is to wait for anything any more.
    pub(crate) fn is_told_to_end(&self) -> bool {
        (self.is_told_to_end)()
    }

    /// Says something.
    pub(crate) fn say(&self, line: &str) {
        self.screen.say(line);
    }
}
