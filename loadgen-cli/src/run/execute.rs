//! The load itself, with its view and its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadgen_core::condition::Threshold;
use loadgen_core::engine::{self, Event, Run, Stopper};
use loadgen_core::record::{EarlyEnd, RunRecord};
use loadgen_core::report::Context;

use super::control::RunControl;
use super::error::RunError;
use super::events::{Events, Late};
use super::journal::Following;
use super::keys;
use crate::backend::Fleet;
use crate::human;
use crate::screen::Screen;
use crate::screen::live::Live;
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
    let scenarios = settings.plan.scenarios.iter();
    let grace = scenarios.map(|it| it.graceful_stop).max();
    let grace = grace.unwrap_or_default();
    let mut run = listening.sinks.listen(assemble(settings, trace)?, screen);
    if let Some(mut journal) = listening.journal {
        run = run.listen(move |event: &Event<'_>| journal.hear(event));
    }
    let mut below = None;
    if !screen.is_quiet() {
        let mut live = Live::new(screen.clone(), &settings.plan.scenarios, run.control());
        below = Some(live.below());
        run = run.listen(move |event: &Event<'_>| live.hear(event));
    }
    let told = screen.clone();
    run = run.listen(move |event: &Event<'_>| {
        if let Event::Ending(end) = event {
            told.say(&ending(end, grace));
        }
    });
    let events = Events::wait(&settings.plan, fleet, &run.marker()).map_err(RunError::Event)?;
    let restraint = events.restraint();
    run = run.listen(move |event: &Event<'_>| {
        if let Event::Ending(_) = event {
            restraint.begin_no_more();
        }
    });
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    run = run.listen(move |event: &Event<'_>| {
        if let Event::Connected = event {
            begins.store(true, Ordering::Relaxed);
        }
    });
    let granted = move || begun.load(Ordering::Relaxed).then_some(grace);
    let for_control = granted.clone();
    let notice = move || stopping(for_control());
    let control = RunControl::new(run.control(), events.restraint(), notice);
    let restraint = events.restraint();
    let stops = move || {
        restraint.begin_no_more();
        stopping_by_signal(granted())
    };
    stop_on_signal(signals, run.stopper(), stops, screen.clone());
    if let Some((ui, context)) = listening.ui {
        run = ui.listen(
            run,
            control.clone(),
            &settings.plan.scenarios,
            context,
            screen,
        );
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

/// The first signal drains, and `notice` says what that means; the second cuts off; the third ends the
/// process without a report.
fn stop_on_signal(
    signals: &Listener,
    stopper: Stopper,
    notice: impl Fn() -> String + Send + 'static,
    screen: Screen,
) {
    signals.react(move |count| {
        let said = match count {
            1 => {
                let notice = notice();
                stopper.drain();
                notice
            }
            _ => {
                stopper.abort();
                "stopping at once".to_owned()
            }
        };
        screen.say(&said);
    });
}

/// What is said when the run is told to stop. There is no grace while the load has not begun.
fn stopping(grace: Option<Duration>) -> String {
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
