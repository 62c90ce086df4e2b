//! What a person sees while a run is under way.
//!
//! Turns the engine's events into lines: redrawn once a second on a terminal, one line a scenario
//! every few seconds elsewhere. Owns no figures; everything shown comes from the snapshot.

mod below;
mod figures;
mod moment;
mod planned;
mod view;
mod whole;

use std::time::Duration;

use loadgen_core::engine::{Control, Event, Snapshot};
use loadgen_core::scenario::ScenarioPlan;

pub(crate) use self::below::Below;
use self::moment::{Moment, told};
use self::planned::Planned;
pub(crate) use self::whole::{Whole, WholeView};
use crate::human;
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
    /// What it was told is asked of this.
    control: Control,
    below: Below,
    /// The line of all shards, where it is shown here.
    whole: Option<Whole>,
}

impl Live {
    /// A view of these scenarios, of a run that `control` changes; draws that connections are being opened.
    pub(crate) fn new(screen: Screen, plans: &[ScenarioPlan], control: Control) -> Self {
        let below = Below::new(screen.clone());
        below.put_under(vec![Line {
            text: "connecting …".to_owned(),
            tone: Tone::Plain,
        }]);
        Self {
            screen,
            planned: Planned::all(plans),
            next_line: LINES_EVERY,
            told: vec![0; plans.len()],
            control,
            below,
            whole: None,
        }
    }

    /// With the line of all shards above it, where there is one.
    pub(crate) fn below_whole(mut self, whole: Option<Whole>) -> Self {
        self.whole = whole;
        self
    }

    /// What stands below it.
    pub(crate) fn below(&self) -> Below {
        self.below.clone()
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
        let mut standing = self.control.standing().into_iter();
        let scenarios = self.planned.iter().zip(&snapshot.scenarios);
        let scenarios = scenarios.map(|(planned, it)| {
            let mut now = Moment::of(snapshot.elapsed, it);
            now.phase = planned.phase(&now);
            now.told = standing
                .next()
                .map_or_else(Vec::new, |it| told(&it, &now.ledger));
            (planned, now)
        });
        let whole = self.whole.as_ref().and_then(Whole::line);
        if self.screen.is_terminal() {
            let scenarios: Vec<_> = scenarios.collect();
            let (columns, rows) = self.screen.room();
            let mut lines = whole.map(whole::drawn).into_iter().collect::<Vec<_>>();
            let rows = rows.saturating_sub(self.below.height() + lines.len());
            lines.extend(view::fitted(&scenarios, columns, rows.max(1)));
            self.below.put_under(lines);
        } else {
            if let Some(line) = whole {
                let at = human::clock(snapshot.elapsed);
                self.screen.say(&format!("{at} {line}"));
            }
            for (planned, now) in scenarios {
                self.screen.say(&view::line(planned, &now));
            }
            while self.next_line <= snapshot.elapsed {
                self.next_line += LINES_EVERY;
            }
        }
    }

    fn clear(&self) {
        self.below.clear();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}
