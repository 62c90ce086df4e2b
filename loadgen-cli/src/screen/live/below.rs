//! What stands below the figures: what keys do, or what somebody types.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::screen::{Line, Screen};

/// What is drawn, of which who draws figures and who takes keys each know a part. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Below {
    screen: Screen,
    drawn: Arc<Mutex<Drawn>>,
}

#[derive(Debug, Default)]
struct Drawn {
    figures: Vec<Line>,
    below: Vec<Line>,
    is_over: bool,
}

impl Below {
    pub(super) fn new(screen: Screen) -> Self {
        Self {
            screen,
            drawn: Arc::default(),
        }
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws these lines below the figures from here on.
    pub(crate) fn show(&self, lines: Vec<Line>) {
        let mut drawn = self.drawn();
        drawn.below = lines;
        self.draw(&drawn);
    }

    /// Draws these figures above it.
    pub(super) fn put_under(&self, figures: Vec<Line>) {
        let mut drawn = self.drawn();
        drawn.figures = figures;
        self.draw(&drawn);
    }

    /// How many rows it takes.
    pub(super) fn height(&self) -> usize {
        self.drawn().below.len()
    }

    /// Takes away what was drawn, and draws no more.
    pub(super) fn clear(&self) {
        self.drawn().is_over = true;
        if self.screen.is_terminal() {
            self.screen.clear();
        }
    }

    /// The lock is held meanwhile, so that what was drawn last is what is known last.
    fn draw(&self, drawn: &Drawn) {
        if drawn.is_over || !self.screen.is_terminal() {
            return;
        }
        let (_, rows) = self.screen.room();
        // What somebody types, and what is asked of them, is seen however low the terminal is.
        let figures = rows.saturating_sub(drawn.below.len());
        let figures = drawn.figures.iter().take(figures);
        let lines: Vec<Line> = figures.chain(&drawn.below).cloned().collect();
        self.screen.redraw(&lines);
    }
}
