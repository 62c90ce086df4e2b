//! What a person sees while a run is under way.
//!
//! Turns the engine's events into lines: redrawn once a second on a terminal, one line a scenario
//! every few seconds elsewhere. Owns no figures; everything shown comes from the snapshot.

mod figures;
mod moment;
mod planned;
mod view;

use std::time::Duration;

use loadgen_core::engine::{Event, Snapshot};
use loadgen_core::scenario::ScenarioPlan;

use self::moment::Moment;
use self::planned::Planned;
use crate::human;
use crate::screen::keys::Keys;
use crate::screen::{Line, Screen, Tone};

/// How often a line is printed where nothing can be drawn over again.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// The view of one run. Dropping it takes away what it drew.
#[derive(Debug)]
pub(crate) struct Live {
    screen: Screen,
    planned: Vec<Planned>,
    next_line: Duration,
    /// How many changes of files have been told of, of each scenario.
    told: Vec<usize>,
    /// Whether somebody can press keys.
    takes_keys: bool,
}

impl Live {
    /// A view of these scenarios; draws that connections are being opened.
    pub(crate) fn new(screen: Screen, plans: &[ScenarioPlan]) -> Self {
        if screen.is_terminal() {
            screen.redraw(&[Line {
                text: "connecting …".to_owned(),
                tone: Tone::Plain,
            }]);
        }
        Self {
            takes_keys: Keys::are_there(&screen),
            screen,
            planned: Planned::all(plans),
            told: vec![0; plans.len()],
            next_line: LINES_EVERY,
        }
    }

    /// Shows what an event says.
    pub(crate) fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Snapshot(snapshot) => {
                self.tell_of_files(snapshot);
                self.show(snapshot);
            }
            Event::Finished(_) => self.clear(),
            _ => {}
        }
    }

    /// Files that changed since the last time.
    fn tell_of_files(&mut self, snapshot: &Snapshot<'_>) {
        let scenarios = self.planned.iter().zip(&snapshot.scenarios);
        for ((planned, scenario), told) in scenarios.zip(&mut self.told) {
            for change in scenario.total.changes.iter().skip(*told) {
                let at = human::micros(change.at.as_secs_f64() * 1e6);
                self.screen.say(&format!("{} {at}: {change}", planned.name));
            }
            *told = scenario.total.changes.len();
        }
    }

    fn show(&mut self, snapshot: &Snapshot<'_>) {
        let due = snapshot.elapsed >= self.next_line;
        if !self.screen.is_terminal() && !due {
            return;
        }
        let scenarios = self.planned.iter().zip(&snapshot.scenarios);
        let scenarios = scenarios.map(|(planned, it)| {
            let mut now = Moment::of(snapshot.elapsed, it);
            now.phase = planned.phase(&now);
            (planned, now)
        });
        if self.screen.is_terminal() {
            let scenarios: Vec<_> = scenarios.collect();
            let (columns, rows) = self.screen.room();
            let mut lines = view::fitted(&scenarios, columns, rows);
            if self.takes_keys && lines.len() < rows {
                lines.push(Line {
                    text: "  m sets a mark".to_owned(),
                    tone: Tone::Plain,
                });
            }
            self.screen.redraw(&lines);
        } else {
            for (planned, now) in scenarios {
                self.screen.say(&view::line(planned, &now));
            }
            while self.next_line <= snapshot.elapsed {
                self.next_line += LINES_EVERY;
            }
        }
    }

    fn clear(&self) {
        if self.screen.is_terminal() {
            self.screen.clear();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}
