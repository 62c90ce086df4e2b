//! The load itself, with its view and its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadgen_core::condition::Threshold;
use loadgen_core::engine::{self, Event, Run};
use loadgen_core::record::{EarlyEnd, RunRecord};
use loadgen_core::report::Context;
use loadgen_core::scenario::ScenarioPlan;

use super::control::RunControl;
use super::error::RunError;
use super::events::{Events, Late, Restraint};
use super::journal::Following;
use super::{keys, together};
use crate::backend::Fleet;
use crate::coordinate::Together;
use crate::human;
use crate::screen::Screen;
use crate::screen::live::{Below, Live, Whole};
use crate::settings::RunSettings;
use crate::signals::Listener;
use crate::sinks::Sinks;
use crate::trace::Trace;
use crate::ui::Ui;

/// Those who listen to a run besides whoever looks at it.
pub(super) struct Listening<'a> {
    pub(super) sinks: &'a mut Sinks,
    pub(super) journal: Option<Following>,
    /// The page that shows the run, and what the result document says of it.
    pub(super) ui: Option<(&'a Ui, Context)>,
    /// The other shards of the run, where it begins with them.
    pub(super) together: Option<&'a Together>,
}

/// Carries the run out, with its view and its way out.
pub(super) fn execute(
    settings: &RunSettings,
    trace: Option<Arc<Trace>>,
    fleet: Option<&Arc<Fleet>>,
    listening: Listening<'_>,
    signals: &Listener,
    screen: &Screen,
) -> Result<RunRecord, RunError> {
    let plan = &settings.plan;
    let Listening {
        sinks,
        journal,
        ui,
        together,
    } = listening;
    let run = assemble(settings, trace)?;
    run.notices().iter().for_each(|it| screen.say(it));
    let run = sinks.listen(run, screen);
    let shown = settings.as_run();
    let whole = together.and_then(Together::whole);
    let (run, below) = watched(run, journal, &shown, whole.clone(), screen);
    let events =
        Events::wait(&settings.with_own_events(), fleet, &run.marker()).map_err(RunError::Event)?;
    let grace = plan.scenarios.iter().map(|it| it.graceful_stop).max();
    let grace = grace.unwrap_or_default();
    let run = ending_early(run, grace, events.restraint(), screen);
    let (mut run, granted) = granting(run, grace);
    let stops = stops_others(together);
    if let Some(together) = together {
        run = together::listen(run, together, events.restraint(), granted.clone(), screen);
    }
    let course = (events.restraint(), Arc::clone(&stops));
    stop_on_signal(signals, &run, course, granted.clone(), screen);
    let notice = move || stopping(granted());
    let control = RunControl::new(run.control(), events.restraint(), notice, stops);
    if let Some((ui, context)) = ui {
        run = ui.listen(run, control.clone(), &shown, context, (screen, whole));
    }
    let keys = below.and_then(|below| keys::listen(screen, below, control));
    let executed = run.execute();
    drop(keys);
    let late = events.end();
    let record = executed.map_err(|error| match error {
        engine::RunError::Unreachable { .. } => RunError::Unreachable(error.to_string()),
        engine::RunError::Setup { .. } => RunError::Setup(error.to_string()),
        engine::RunError::StoppedEarly => RunError::StoppedEarly,
        other => RunError::Engine(other),
    })?;
    let was_stopped = signals.any() || record.stopped;
    Ok(with_late(record, late, was_stopped))
}

/// The run, with its journal and its view; and what is below that, where there is one.
fn watched(
    mut run: Run,
    journal: Option<Following>,
    scenarios: &[ScenarioPlan],
    whole: Option<Whole>,
    screen: &Screen,
) -> (Run, Option<Below>) {
    if let Some(mut journal) = journal {
        run = run.listen(move |event: &Event<'_>| journal.hear(event));
    }
    if screen.is_quiet() {
        return (run, None);
    }
    let live = Live::new(screen.clone(), scenarios, run.control());
    let mut live = live.below_whole(whole);
    let below = live.below();
    (
        run.listen(move |event: &Event<'_>| live.hear(event)),
        Some(below),
    )
}

/// The run; when a condition ends it, that is said and no event begins any more.
fn ending_early(run: Run, grace: Duration, restraint: Restraint, screen: &Screen) -> Run {
    let screen = screen.clone();
    run.listen(move |event: &Event<'_>| {
        if let Event::Ending(end) = event {
            screen.say(&ending(end, grace));
            restraint.begin_no_more();
        }
    })
}

/// The run, and how long what is under way may take where it is stopped now: there is nothing before its load.
fn granting(run: Run, grace: Duration) -> (Run, impl Fn() -> Option<Duration> + Clone + use<>) {
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let run = run.listen(move |event: &Event<'_>| {
        if let Event::Connected = event {
            begins.store(true, Ordering::Relaxed);
        }
    });
    (run, move || begun.load(Ordering::Relaxed).then_some(grace))
}

/// The record with the events that the engine did not take any more. One that was not done, not undone or cut
/// off before a load was over that ended by itself has failed.
fn with_late(mut record: RunRecord, late: Vec<Late>, was_stopped: bool) -> RunRecord {
    let ended_early = was_stopped || record.early_end.is_some();
    for Late {
        scenario,
        mut event,
        cut_off,
    } in late
    {
        if !ended_early && event.failure.is_none() {
            let done = event.done.or(event.before);
            event.failure = Some(cut_off.unwrap_or_else(|| {
                let before = if done.is_none() {
                    "its time"
                } else {
                    "the server was back"
                };
                format!("the load was over before {before}")
            }));
        }
        if let Some(scenario) = record.scenarios.get_mut(scenario) {
            scenario.events.push(event);
        }
    }
    record
}

fn assemble(settings: &RunSettings, trace: Option<Arc<Trace>>) -> Result<Run, RunError> {
    let options = settings.options.clone();
    let assembled = match trace {
        Some(trace) => {
            let plan = &settings.plan;
            let assembled = loadgen_core::assemble_intercepted(plan, options, trace.clone());
            assembled.inspect(|run| trace.hide(run.secrets()))
        }
        None => loadgen_core::assemble(&settings.plan, options),
    };
    assembled.map_err(|error| {
        if error.is_unreachable() {
            RunError::Unreachable(error.to_string())
        } else {
            RunError::Assemble(error)
        }
    })
}

/// What has the other shards stop, called with whether at once.
fn stops_others(together: Option<&Together>) -> Arc<dyn Fn(bool) + Send + Sync> {
    match together {
        Some(together) => Arc::new(together.stopper()),
        None => Arc::new(|_| {}),
    }
}

/// The first signal drains, and what that means is said; the second cuts off; the third ends the process without a
/// report.
fn stop_on_signal(
    signals: &Listener,
    run: &Run,
    (restraint, stops): (Restraint, Arc<dyn Fn(bool) + Send + Sync>),
    granted: impl Fn() -> Option<Duration> + Send + 'static,
    screen: &Screen,
) {
    let (stopper, screen) = (run.stopper(), screen.clone());
    signals.react(move |count| {
        let said = match count {
            1 => {
                restraint.begin_no_more();
                let notice = stopping_by_signal(granted());
                stopper.drain();
                stops(false);
                notice
            }
            _ => {
                stopper.abort();
                stops(true);
                "stopping at once".to_owned()
            }
        };
        screen.say(&said);
    });
}

/// What is said when the run is told to stop. There is no grace while the load has not begun.
pub(super) fn stopping(grace: Option<Duration>) -> String {
    let Some(grace) = grace else {
        return "stopping: connecting is under way and no load has begun; nothing is waited for"
            .to_owned();
    };
    if grace.is_zero() {
        return "stopping: what is under way is cut off".to_owned();
    }
    format!(
        "stopping: what is under way may finish within {}",
        human::duration(grace)
    )
}

/// The same at the first signal: where something is waited for, a second one ends that.
fn stopping_by_signal(grace: Option<Duration>) -> String {
    let said = stopping(grace);
    match grace.is_some_and(|it| !it.is_zero()) {
        true => format!("{said}; once more to cut it off and report"),
        false => said,
    }
}

/// What is said when a condition ends the run.
fn ending(end: &EarlyEnd, grace: Duration) -> String {
    let condition: Option<Threshold> = end.condition.parse().ok();
    let unit = condition.map_or("", |it| it.unit());
    let blank = if unit.starts_with(|c: char| c.is_alphabetic()) {
        " "
    } else {
        ""
    };
    // A condition on a tag says itself whose it is.
    let of = end.scenario.as_ref().map(|it| format!("{it}: "));
    let of = of.unwrap_or_default();
    let so = match grace.is_zero() {
        true => "what is under way is cut off".to_owned(),
        false => format!(
            "what is under way may finish within {}",
            human::duration(grace)
        ),
    };
    format!(
        "ending the run: {of}`{}` does not hold, {}{blank}{unit} after {}; {so}",
        end.condition,
        human::significant(end.observed),
        human::duration(Duration::from_secs(end.at.as_secs())),
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use loadgen_core::record::{EventAction, EventRecord, GeneratorRecord, ScenarioRecord};
    use test_case::test_case;

    use super::*;

    #[test_case("error_rate < 1%", 31.27, 30 => "ending the run: greet: `error_rate < 1%` does not hold, 31.3% after 12 s; what is under way may finish within 30 s")]
    #[test_case("response_time.p99 < 5ms over any 10s", 7.0, 0 => "ending the run: greet: `response_time.p99 < 5ms over any 10s` does not hold, 7 ms after 12 s; what is under way is cut off")]
    #[test_case("tags.tier.gold.error_rate < 1%", 31.27, 30 => "ending the run: `tags.tier.gold.error_rate < 1%` does not hold, 31.3% after 12 s; what is under way may finish within 30 s"; "on a tag")]
    fn says_what_ended_the_run(condition: &str, observed: f64, grace_s: u64) -> String {
        let scenario = (!condition.starts_with("tags.")).then(|| "greet".to_owned());
        let end = EarlyEnd::new(scenario, condition, Duration::from_millis(12_004), observed);
        ending(&end, Duration::from_secs(grace_s))
    }

    #[test_case(Some(30) => "stopping: what is under way may finish within 30 s; once more to cut it off and report")]
    #[test_case(Some(0) => "stopping: what is under way is cut off"; "no grace")]
    #[test_case(None => "stopping: connecting is under way and no load has begun; nothing is waited for"; "connecting")]
    fn says_how_long_it_waits(seconds: Option<u64>) -> String {
        stopping_by_signal(seconds.map(Duration::from_secs))
    }

    #[test]
    fn only_a_signal_is_given_once_more() {
        assert_eq!(
            stopping(Some(Duration::from_secs(30))),
            "stopping: what is under way may finish within 30 s"
        );
    }

    /// One that was done before the scenario's measuring began was done all the same.
    #[test_case(None, None => "the load was over before its time")]
    #[test_case(Some(3), None => "the load was over before the server was back")]
    #[test_case(None, Some(3) => "the load was over before the server was back"; "before measuring")]
    fn says_what_the_end_cut_off(done: Option<u64>, before: Option<u64>) -> String {
        let mut event = EventRecord::new(EventAction::Kill, "kill b1");
        event.done = done.map(Duration::from_secs);
        event.before = before.map(Duration::from_secs);
        let scenario = ScenarioRecord::empty("s", "grpc", false, &[]);
        let generator = GeneratorRecord::default();
        let record = RunRecord::new(UNIX_EPOCH, Duration::ZERO, vec![scenario], generator);
        let late = Late {
            scenario: 0,
            event,
            cut_off: None,
        };
        let record = with_late(record, vec![late], false);
        let failure = record.scenarios[0].events[0].failure.clone();
        failure.expect("it failed")
    }
}
