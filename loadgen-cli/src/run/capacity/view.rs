//! What a person sees while a capacity is looked for: what is known, the trial, and the last ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loadgen_core::capacity::{Offered, Step, Upcoming};
use loadgen_core::engine::{Event, Run, Snapshot};
use loadgen_core::report::{Capacity, Trial, TrialPurpose, TrialResult};

use crate::screen::{Line, Screen, Tone};
use crate::{flow, human};

/// How many of the trials before stand below.
const TRIALS_SHOWN: usize = 8;
/// Goals of which it is shown what is known.
const GOALS_SHOWN: usize = 6;
/// So wide is a line of a trial where nothing can be drawn over again.
const LINE: usize = 110;

/// The view of a search. Dropping it takes away what it drew.
pub(super) struct View {
    screen: Screen,
    below: Below,
}

/// What is drawn, of which who follows the search and who takes keys each know a part. Cheap to clone.
#[derive(Clone)]
pub(super) struct Below {
    screen: Screen,
    drawn: Arc<Mutex<Drawn>>,
}

/// What is on the screen.
#[derive(Default)]
struct Drawn {
    known: Option<Capacity>,
    step: Option<Step>,
    /// How long the step has gone on, and its figures.
    at: Duration,
    figures: Option<String>,
    below: Vec<Line>,
}

impl View {
    pub(super) fn new(screen: Screen) -> Self {
        let below = Below {
            screen: screen.clone(),
            drawn: Arc::default(),
        };
        Self { screen, below }
    }

    /// What stands below it.
    pub(super) fn below(&self) -> Below {
        self.below.clone()
    }

    /// A run of it is about to begin.
    pub(super) fn begin(&mut self, next: &Upcoming<'_>, run: Run) -> Run {
        if !is_drawn(&self.screen) {
            return run;
        }
        self.rests(next.step, next.so_far);
        let below = self.below.clone();
        run.listen(move |event: &Event<'_>| {
            if let Event::Snapshot(snapshot) = event {
                below.change(|drawn| {
                    drawn.at = snapshot.elapsed;
                    drawn.figures = figures(snapshot);
                });
            }
        })
    }

    /// This is being done, of which there are no figures yet.
    pub(super) fn rests(&mut self, step: Step, so_far: &Capacity) {
        if !is_drawn(&self.screen) {
            return;
        }
        self.below.change(|drawn| {
            drawn.known = Some(so_far.clone());
            drawn.step = Some(step);
            drawn.at = Duration::ZERO;
            drawn.figures = None;
        });
    }

    /// A trial is over.
    pub(super) fn ended(&mut self, so_far: &Capacity) {
        if is_drawn(&self.screen) {
            self.below
                .change(|drawn| drawn.known = Some(so_far.clone()));
        } else if let Some(trial) = so_far.trials.last() {
            self.screen.say(&told(so_far.trials.len(), trial));
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if is_drawn(&self.screen) {
            self.screen.clear();
        }
    }
}

impl Below {
    /// Draws these lines below all else from here on.
    pub(super) fn show(&self, lines: Vec<Line>) {
        self.change(|drawn| drawn.below = lines);
    }

    /// The lock is held while it is drawn, so that what was drawn last is what is known last.
    fn change(&self, change: impl FnOnce(&mut Drawn)) {
        let mut drawn = self.drawn();
        change(&mut drawn);
        let (columns, rows) = self.screen.room();
        self.screen.redraw(&drawn.lines(columns, rows));
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_drawn(screen: &Screen) -> bool {
    screen.is_terminal() && !screen.is_quiet()
}

impl Drawn {
    /// In so much room: what is known and the trial go before the trials before it.
    fn lines(&self, columns: usize, rows: usize) -> Vec<Line> {
        let plain = |text: String| Line {
            text,
            tone: Tone::Plain,
        };
        let Some(known) = &self.known else {
            return self.below.clone();
        };
        let mut lines = vec![Line {
            text: self::known(known),
            tone: Tone::Strong,
        }];
        lines.extend(self.step.map(|step| plain(now(step, known.trials.len()))));
        lines.push(plain(self.figures(known)));
        lines.extend(goals(known, columns).into_iter().map(plain));
        let left = rows.saturating_sub(lines.len() + self.below.len());
        let shown = left.min(TRIALS_SHOWN);
        lines.extend(trials(&known.trials, shown));
        lines.extend(self.below.iter().cloned());
        lines
    }

    fn figures(&self, known: &Capacity) -> String {
        let took = Duration::from_secs_f64(known.took_s.max(0.0)) + self.at;
        let time = |it: Duration| human::duration(Duration::from_secs(it.as_secs()));
        let budget = human::duration(Duration::from_secs_f64(known.budget_s.max(0.0)));
        let figures = self.figures.as_deref().unwrap_or("…");
        format!("  {figures} · {} of {budget} used", time(took))
    }
}

/// What is known of the capacity.
fn known(known: &Capacity) -> String {
    let apart = known.width.map(human::percent);
    let apart = apart.map_or_else(String::new, |it| format!(", {it} apart"));
    format!("capacity {} so far{apart}", known.bounds())
}

/// What is being done after so many trials.
fn now(step: Step, trials: usize) -> String {
    match step {
        Step::Trial(trial) => {
            let offered = match trial.offered {
                Offered::Users(users) => human::counted(u64::from(users), "user"),
                Offered::Rate(per_second) => human::rate(per_second),
            };
            let (nth, time) = (trials + 1, human::duration(trial.duration));
            format!(
                "  trial {nth}: {offered} for {time}, {}",
                purpose(trial.purpose)
            )
        }
        Step::CoolDown(_) => "  rest: until one user is answered as before all load".to_owned(),
        Step::Rest(_) => "  rest: the service is left alone".to_owned(),
        Step::Done => String::new(),
    }
}

fn purpose(purpose: TrialPurpose) -> &'static str {
    match purpose {
        TrialPurpose::Idle => "one user alone",
        TrialPurpose::Ramp => "to see where to look",
        TrialPurpose::Explore => "to find bounds",
        TrialPurpose::Refine => "to settle a bound",
        TrialPurpose::Confirm => "to confirm the lower bound",
        _ => "",
    }
}

/// How the trial fares.
fn figures(snapshot: &Snapshot<'_>) -> Option<String> {
    let scenario = snapshot.scenarios.first()?;
    let seconds = scenario.interval.length.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    let ledger = &scenario.interval.ledger;
    let times = scenario.interval.response_time.second();
    let time = |quantile| human::micros(times.value_at_quantile(quantile) as f64 / 1e3);
    let mut parts = vec![format!(
        "{} ok",
        human::rate(ledger.completed as f64 / seconds)
    )];
    if !times.is_empty() {
        parts.push(format!("p50 {}", time(0.5)));
        parts.push(format!("p99 {}", time(0.99)));
    }
    if ledger.failed > 0 {
        parts.push(format!("{} failed", human::count(ledger.failed)));
    }
    Some(parts.join(" · "))
}

/// What is known of each goal, the rates in one column.
fn goals(known: &Capacity, columns: usize) -> Vec<String> {
    let names = known.goals.iter().map(|it| flow::columns(&it.expression));
    let longest = names.max().unwrap_or(0).min(columns / 2);
    let mut lines: Vec<String> = known
        .goals
        .iter()
        .map(|goal| {
            let name = flow::shortened(&goal.expression, longest);
            let blanks = " ".repeat(longest.saturating_sub(flow::columns(&name)));
            let part =
                |word: &str, rate: Option<f64>| Some(format!("{word} {}", human::rate(rate?)));
            let parts = [
                part("holds", goal.holds_at_per_s),
                part("breaks", goal.breaks_at_per_s),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            let parts = match parts.is_empty() {
                true => "not known yet".to_owned(),
                false => parts.join(" · "),
            };
            format!("  {name}{blanks}  {parts}")
        })
        .collect();
    if lines.len() > GOALS_SHOWN {
        let more = lines.len() - GOALS_SHOWN + 1;
        lines.truncate(GOALS_SHOWN - 1);
        lines.push(format!("  … and {more} more goals"));
    }
    lines
}

/// The last of the trials, the newest first.
fn trials(all: &[Trial], most: usize) -> Vec<Line> {
    let last = all.iter().enumerate().rev().take(most);
    let last: Vec<(usize, &Trial)> = last.map(|(index, it)| (index + 1, it)).collect();
    let widest = |texts: &dyn Fn(&Trial) -> String| {
        let widths = last.iter().map(|(_, it)| flow::columns(&texts(it)));
        widths.max().unwrap_or(0)
    };
    let (of_load, of_time) = (widest(&Trial::load), widest(&lasted));
    let lines = last.iter().map(|(nth, trial)| {
        let (load, time) = (trial.load(), lasted(trial));
        let figures = [result(trial).to_owned()].into_iter().chain(times(trial));
        let mut text = format!("  {nth:>3}  {load:>of_load$}  {time:>of_time$}");
        for figure in figures.chain(trial.reason.clone()) {
            text.push_str("  ");
            text.push_str(&figure);
        }
        Line {
            text,
            tone: match trial.result {
                TrialResult::Held => Tone::Plain,
                _ => Tone::Bad,
            },
        }
    });
    lines.collect()
}

fn lasted(trial: &Trial) -> String {
    human::duration(Duration::from_secs_f64(trial.lasted_s().max(0.0)))
}

fn times(trial: &Trial) -> impl Iterator<Item = String> {
    let times = &trial.response_time_us;
    [("p50", times.p50), ("p99", times.p99)]
        .into_iter()
        .filter_map(|(name, time)| Some(format!("{name} {}", human::micros(time?))))
}

fn result(trial: &Trial) -> &'static str {
    match trial.result {
        TrialResult::Held => "held ",
        TrialResult::Broke => "broke",
        _ => "invalid",
    }
}

/// A trial in a line that stays.
fn told(nth: usize, trial: &Trial) -> String {
    let result = result(trial).trim_end();
    let result = match &trial.reason {
        Some(reason) => format!("{result}: {reason}"),
        None => result.to_owned(),
    };
    let completed = format!("{} completed", human::rate(trial.completed_per_s));
    let figures: Vec<String> = [completed].into_iter().chain(times(trial)).collect();
    let text = format!(
        "trial {nth}: {} for {}, {}, {result}",
        trial.load(),
        lasted(trial),
        figures.join(", ")
    );
    match flow::columns(&text) > LINE {
        true => format!("{}…", &text[..flow::end(&text, LINE - 1)]),
        false => text,
    }
}

#[cfg(test)]
mod tests;
