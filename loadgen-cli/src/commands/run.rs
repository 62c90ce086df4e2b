//! `loadgen run`: the whole life of a run, from settings to exit code.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::net::ToSocketAddrs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use loadgen_core::engine::{Event, Run, RunError, Stopper};
use loadgen_core::record::RunRecord;
use loadgen_core::report::{self, Document, Status, TextOptions};
use loadgen_core::sink::RunInfo;

use crate::args::RunArgs;
use crate::commands::list;
use crate::doctor::{Facts, Needs, Ports};
use crate::embedded::Embedded;
use crate::error::Error;
use crate::exit::Exit;
use crate::live::Live;
use crate::output::{Kind, Pending};
use crate::screen::Screen;
use crate::settings::{self, RunSettings};
use crate::signals::{Early, Listener};
use crate::sinks::Sinks;
use crate::{doctor, human, limits, output, paint, suite, terminal};

/// Runs scenarios and judges the results.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Error> {
    let given = args.suite_file();
    let config = given.or_else(|| original_config(args));
    let profile = args.profile.as_deref();
    if let (None, Some(found), false) = (given, config, args.quiet) {
        output::note(format_args!(
            "no scenario or file given: running {} of this folder",
            found.display()
        ));
    }
    let signals = Listener::install(Early::Ends).map_err(|source| Error::Unexpected {
        doing: "failed to listen for signals",
        source,
    })?;
    let suite = if args.scenarios.is_empty() {
        suite::load(config, profile)?
    } else {
        suite::load_over_shipped(config, profile)?
    };
    if args.scenarios.is_empty() && config.is_none() {
        let found_none = if args.chosen_protocol().is_some() {
            format!("; there is no {ORIGINAL_CONFIG} in this folder")
        } else {
            String::new()
        };
        output::note(format_args!(
            "error: say what to run: `loadgen run FILE` or `--scenario NAME`{found_none}"
        ));
        let protocol = settings::protocol(args.chosen_protocol().unwrap_or_default());
        output::print(&list::table(&suite, protocol))?;
        return Ok(Exit::Usage);
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let variable = |name: &str| std::env::var_os(name);
    let mut settings = RunSettings::resolve(args, &suite, variable, cores)?;
    settings.options.pacing.check()?;
    limits::raise();
    let facts = Facts::of_this_machine();
    let needs = needs(&settings, facts.ports.as_ref())?;
    needs.memory.check(facts.memory.as_ref())?;
    let info = RunInfo::new(
        report::new_run_id(SystemTime::now()),
        env!("CARGO_PKG_VERSION"),
    );
    let names = loadgen_core::names(&settings.plan);
    let mut sinks = Sinks::open(&settings, &names, &info)?;
    let outputs = settings
        .outputs
        .iter()
        .map(Pending::open)
        .collect::<Result<Vec<Pending>, _>>()?;

    let screen = Screen::stderr();
    let say = |text: &str| {
        if !args.quiet {
            screen.note(text);
        }
    };
    let mut embedded = None;
    if !settings.embedded.is_empty() {
        // The cores that the workers leave; both halves are at least one.
        let backend = Embedded::start(
            &settings.embedded,
            (cores - cores / 2).max(1),
            sinks.statsd(),
        )?;
        let protocols = settings.plan.scenarios.iter().map(|it| it.protocol());
        let several = protocols.collect::<BTreeSet<_>>().len() > 1;
        say(&backend.notice(several));
        for (protocol, target) in backend.targets() {
            settings.aim_at_embedded(protocol, &target);
        }
        embedded = Some(backend);
    }
    for warning in &settings.warnings {
        screen.note(warning);
    }
    for notice in &settings.notices {
        say(notice);
    }
    for notice in sinks.notices() {
        say(&notice);
    }
    for warning in doctor::warnings(&facts, &needs) {
        say(&format!("WARNING: {warning}"));
    }

    let executed = execute(&settings, &mut sinks, &signals, &screen, args.quiet);
    // What ends this process may end its children, too, and is then what happened.
    let lost = embedded
        .as_mut()
        .and_then(Embedded::ended)
        .filter(|_| !signals.any())
        .map(Error::EmbeddedEnded);
    let backend_said = embedded.map(Embedded::end).unwrap_or_default();
    let (record, lost) = match (executed, lost) {
        (Ok(record), lost) => (record, lost),
        (Err(_), Some(lost)) => return Err(lost),
        (Err(error), None) => return Err(error),
    };
    let stopped = signals.any();
    let told_to_end = no_more_to_stop(&signals);
    if let Some(complaint) = sinks.statsd_complaint() {
        say(&complaint);
    }
    for complaint in backend_said {
        say(&format!("{complaint} (the embedded backend's)"));
    }
    let mut context = context(&settings, info);
    context.sinks = sinks.deliveries();
    let document = report::build(&record, context);
    sinks.ended(&document);
    let written = write(outputs, &document);
    let told = tell(args, &document);
    for complaint in sinks.complaints() {
        say(&complaint);
    }
    if let Some(notice) = sinks.notice_of_wait() {
        say(&notice);
    }
    if let Some(complaint) = sinks.wait_for_scrape(told_to_end) {
        say(&complaint);
    }
    told?;
    written?;
    if let Some(panic) = &record.panic {
        output::note(format_args!("error: a workload panicked: {panic}"));
        return Ok(Exit::Unexpected);
    }
    if let Some(lost) = lost {
        return Err(lost);
    }
    let exit = exit(&document, stopped, args.strict);
    if !args.quiet
        && let Some(advice) = advice(&document, exit)
    {
        output::note(advice);
    }
    Ok(exit)
}

/// From here on a signal stops no load: it ends the wait for a scrape. Tells whether one has come
/// since.
fn no_more_to_stop(signals: &Listener) -> impl Fn() -> bool {
    let came = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&came);
    signals.react(move |_| heard.store(true, Ordering::Relaxed));
    // Those that ended the load are no reason not to show what it came to.
    came.store(false, Ordering::Relaxed);
    move || came.load(Ordering::Relaxed)
}

/// What the run needs of this machine, and whether it can have the files and ports for it.
fn needs(settings: &RunSettings, ports: Option<&Ports>) -> Result<Needs, Error> {
    let scenarios = &settings.plan.scenarios;
    let workers = loadgen_core::workers(&settings.plan, &settings.options);
    let needs = Needs::of(scenarios, workers, |_| 1);
    limits::check(needs.connections, needs.workers)?;
    if needs.check_ports(ports).is_ok() {
        return Ok(needs);
    }
    // Only now it matters that a name may have several addresses: looking it up takes time.
    let needs = Needs::of(scenarios, workers, |target| {
        let found = (target.host.as_str(), target.port).to_socket_addrs();
        found.map_or(1, |addresses| addresses.count() as u64)
    });
    needs.check_ports(ports)?;
    Ok(needs)
}

/// The configuration of the framework that this one follows.
const ORIGINAL_CONFIG: &str = "test-config.json";

/// The file that the framework this one follows ran when only a protocol was named, if it is here.
fn original_config(args: &RunArgs) -> Option<&'static Path> {
    let file = Path::new(ORIGINAL_CONFIG);
    let only_protocol = args.chosen_protocol().is_some() && args.scenarios.is_empty();
    (only_protocol && file.is_file()).then_some(file)
}

/// The last word on an invalid run that ends as if it were none.
fn advice(document: &Document, exit: Exit) -> Option<String> {
    let lenient = matches!(exit, Exit::Pass | Exit::Threshold);
    (lenient && document.verdict.status == Status::Invalid).then(|| {
        format!(
            "exit code {}; --strict makes an invalid run fail with {}",
            exit as u8,
            Exit::Invalid as u8
        )
    })
}

/// Carries the run out, with its view and its way out.
fn execute(
    settings: &RunSettings,
    sinks: &mut Sinks,
    signals: &Listener,
    screen: &Screen,
    quiet: bool,
) -> Result<RunRecord, Error> {
    let mut run = sinks.listen(assemble(settings)?, (!quiet).then_some(screen));
    if !quiet {
        let mut live = Live::new(screen.clone(), &settings.plan.scenarios);
        run = run.listen(move |event: &Event<'_>| live.hear(event));
    }
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    run = run.listen(move |event: &Event<'_>| {
        if let Event::Connected = event {
            begins.store(true, Ordering::Relaxed);
        }
    });
    let scenarios = settings.plan.scenarios.iter();
    let grace = scenarios.map(|it| it.graceful_stop).max();
    let grace = grace.unwrap_or_default();
    let notice = move || stopping(begun.load(Ordering::Relaxed).then_some(grace));
    let screen = (!quiet).then(|| screen.clone());
    stop_on_signal(signals, run.stopper(), notice, screen);
    run.execute().map_err(|error| match error {
        RunError::Unreachable { .. } => Error::Unreachable(error.to_string()),
        RunError::StoppedEarly => Error::StoppedEarly,
        other => Error::Engine(other),
    })
}

fn assemble(settings: &RunSettings) -> Result<Run, Error> {
    loadgen_core::assemble(&settings.plan, settings.options.clone()).map_err(|error| {
        if error.is_unreachable() {
            Error::Unreachable(error.to_string())
        } else {
            Error::Assemble(error)
        }
    })
}

/// The first signal drains, and `notice` says what that means; the second cuts off; the third ends the
/// process without a report.
fn stop_on_signal(
    signals: &Listener,
    stopper: Stopper,
    notice: impl Fn() -> String + Send + 'static,
    screen: Option<Screen>,
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
        if let Some(screen) = &screen {
            screen.note(&said);
        }
    });
}

/// What is said at the first signal. There is no grace while the load has not begun.
fn stopping(grace: Option<Duration>) -> String {
    let Some(grace) = grace else {
        return "stopping: connecting is under way and no load has begun; nothing is waited for"
            .to_owned();
    };
    if grace.is_zero() {
        return "stopping: what is under way is cut off".to_owned();
    }
    format!(
        "stopping: what is under way may finish within {}; once more to cut it off and report",
        human::duration(grace)
    )
}

fn context(settings: &RunSettings, info: RunInfo) -> report::Context {
    let mut context = report::Context::of(&settings.plan);
    context.run_id = info.id;
    context.version = info.version;
    context
}

/// Writes every file, also when one of them fails.
fn write(outputs: Vec<Pending>, document: &Document) -> Result<(), Error> {
    let mut result = Ok(());
    for output in outputs {
        let content = match output.kind() {
            Kind::Json => output::json(document),
        };
        if let Err(error) = output.write(&content) {
            result = Err(Error::WriteOutput(error));
        }
    }
    result
}

/// Prints the summary or the document.
fn tell(args: &RunArgs, document: &Document) -> Result<(), Error> {
    if args.json {
        output::print_whole(&output::json(document))?;
    } else if !args.quiet {
        output::print(&document.text(look()))?;
    }
    if args.json && !args.quiet && document.verdict.status == Status::Invalid {
        for reason in &document.verdict.reasons {
            output::note(format_args!("WARNING: the run is invalid: {reason}"));
        }
    }
    Ok(())
}

/// How the summary is to look on stdout: a screen has little room, a file has all that it takes.
fn look() -> TextOptions {
    TextOptions {
        width: terminal::columns_of_stdout(),
        paint: paint::for_stdout(),
        example_lines: io::stdout().is_terminal().then_some(3),
    }
}

/// The exit code of a run that was measured: a signal goes before an invalid run, and that before
/// a threshold.
fn exit(document: &Document, stopped: bool, strict: bool) -> Exit {
    match document.verdict.status {
        _ if stopped => Exit::Stopped,
        Status::Invalid if strict => Exit::Invalid,
        Status::Invalid if document.conditions_hold() => Exit::Pass,
        Status::Invalid | Status::Fail => Exit::Threshold,
        Status::Pass => Exit::Pass,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    /// The document of a run that found little.
    fn document(status: &str, thresholds_hold: bool) -> Document {
        let ledger = json!({
            "planned": 1, "started": 1, "completed": 1, "failed": 0, "interrupted": 0, "dropped": 0,
            "late": 0,
        });
        let sums = json!({
            "ledger": ledger,
            "throughput_per_s": 1.0,
            "response_time_us": {"count": 1},
            "service_time_us": {"count": 1},
            "outcomes": {"ok": 1},
            "bytes": {"sent": 1, "received": 1},
            "connections": {"opened": 1, "failed": 0, "dropped": 0},
        });
        let mut scenario = sums.clone();
        let of_scenario = json!({
            "name": "hello",
            "protocol": "grpc",
            "load_model": "closed",
            "duration_s": 1.0,
            "saturated_samples": 0,
            "failures": [],
            "steps": [],
            "backends": [],
            "thresholds": [{"expression": "error_rate < 1%", "observed": 0.0, "pass": thresholds_hold}],
            "series": [],
        });
        for (field, value) in of_scenario.as_object().unwrap() {
            scenario[field] = value.clone();
        }
        let document = json!({
            "schema": "loadgen.result/1",
            "run": {
                "id": "1",
                "started_at": "2026-11-20T19:32:18.123Z",
                "duration_s": 1.0,
                "version": "0.1.0",
                "host": {"os": "linux", "arch": "x86_64"},
                "plan": {},
                "generator": {
                    "workers": 1, "cpu_busy": 0.5, "saturated": false, "pacing": "exact", "per_worker": [],
                },
                "stopped": false,
            },
            "verdict": {"status": status, "reasons": [], "warnings": []},
            "scenarios": [scenario],
            "total": sums,
        });
        serde_json::from_value(document).unwrap()
    }

    #[test_case("invalid", Exit::Pass => Some("exit code 0; --strict makes an invalid run fail with 100".to_owned()))]
    #[test_case("invalid", Exit::Threshold => Some("exit code 99; --strict makes an invalid run fail with 100".to_owned()))]
    #[test_case("invalid", Exit::Invalid => None; "it was given")]
    #[test_case("invalid", Exit::Stopped => None; "it would change nothing")]
    #[test_case("fail", Exit::Threshold => None; "not invalid")]
    fn advises(status: &str, exit: Exit) -> Option<String> {
        advice(&document(status, true), exit)
    }

    #[test_case(Some(30) => "stopping: what is under way may finish within 30 s; once more to cut it off and report")]
    #[test_case(Some(0) => "stopping: what is under way is cut off"; "no grace")]
    #[test_case(None => "stopping: connecting is under way and no load has begun; nothing is waited for"; "connecting")]
    fn says_how_long_it_waits(seconds: Option<u64>) -> String {
        stopping(seconds.map(Duration::from_secs))
    }

    #[test_case("pass", true, false, false => Exit::Pass)]
    #[test_case("pass", true, false, true => Exit::Pass; "strict changes nothing of a pass")]
    #[test_case("fail", false, false, true => Exit::Threshold)]
    #[test_case("invalid", true, false, false => Exit::Pass; "thresholds decide and hold")]
    #[test_case("invalid", false, false, false => Exit::Threshold; "thresholds decide and fail")]
    #[test_case("invalid", false, false, true => Exit::Invalid; "invalid before fail")]
    #[test_case("invalid", false, true, true => Exit::Stopped; "stopped before invalid")]
    #[test_case("pass", true, true, false => Exit::Stopped; "stopped before pass")]
    fn exits(status: &str, thresholds_hold: bool, stopped: bool, strict: bool) -> Exit {
        exit(&document(status, thresholds_hold), stopped, strict)
    }
}
