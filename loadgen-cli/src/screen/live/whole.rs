//! The view of all shards of a run, where one process sees them: a line above its own figures, or that line alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LINES_EVERY;
use crate::human;
use crate::moment::now;
use crate::screen::{Line, Screen, Tone};

/// The line of the whole run, for whoever shows it. Cheap to clone; empty while there is nothing to tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whole(Arc<Mutex<Option<String>>>);

impl Whole {
    fn line_now(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be shown at the moment.
    pub(crate) fn line(&self) -> Option<String> {
        self.line_now().clone()
    }

    pub(crate) fn put(&self, line: Option<String>) {
        *self.line_now() = line;
    }
}

pub(super) fn drawn(text: String) -> Line {
    Line {
        text,
        tone: Tone::Strong,
    }
}

/// The view of a process that makes no load and sees that of all shards. Dropping it takes away what it drew.
#[derive(Debug)]
pub(crate) struct WholeView {
    screen: Screen,
    whole: Whole,
    shown: Option<String>,
    begun: Option<Instant>,
    next_line: Duration,
}

impl WholeView {
    pub(crate) fn new(screen: Screen, whole: Whole) -> Self {
        Self {
            screen,
            whole,
            shown: None,
            begun: None,
            next_line: LINES_EVERY,
        }
    }

    /// Shows what there is, where it is new or due.
    pub(crate) fn show(&mut self) {
        let Some(line) = self.whole.line() else {
            return;
        };
        let elapsed = self.begun.get_or_insert_with(now).elapsed();
        if self.screen.is_quiet() {
            return;
        }
        if self.screen.is_terminal() {
            if self.shown.as_ref() != Some(&line) {
                self.screen.redraw(&[drawn(line.clone())]);
                self.shown = Some(line);
            }
        } else if elapsed >= self.next_line {
            self.screen
                .say(&format!("{} {line}", human::clock(elapsed)));
            self.next_line += LINES_EVERY;
        }
    }
}

impl Drop for WholeView {
    fn drop(&mut self) {
        if self.screen.is_terminal() {
            self.screen.clear();
        }
    }
}
