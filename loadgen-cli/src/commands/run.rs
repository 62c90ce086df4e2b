//! `loadgen run`: what to run, and what its end means for whoever started it.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use loadgen_core::report::{Document, Status};
use loadgen_core::scenario::Suite;

use super::exit::{Exit, stop_at_once};
use super::repeat::carry_out;
use crate::args::{ProtocolChoice, RunArgs, RunCommand, WhatArgs};
use crate::error::Error;
use crate::run::Ran;
use crate::screen::{self, Screen};
use crate::settings::RunSettings;
use crate::signals::{Early, Listener};
use crate::suite::{self, LoadError};
use crate::{protocols, trying};

/// Runs scenarios and judges the results.
///
/// # Errors
/// Why nothing could be measured.
pub(crate) fn run(command: &RunCommand) -> Result<Exit, Error> {
    let RunCommand {
        what,
        run: args,
        repeat,
    } = command;
    let config = what.suite_file().or_else(|| original_config(what));
    if let (None, Some(found), false) = (what.suite_file(), config, args.quiet) {
        screen::note(format_args!(
            "no scenario or file given: running {} of this folder",
            found.display()
        ));
    }
    let signals = Listener::install(Early::Ends, stop_at_once)?;
    if what.scenarios.is_empty() && config.is_none() {
        return Ok(nothing_chosen(what));
    }
    let suite = load(what, config)?;
    let settings = RunSettings::resolve(what, args, &suite, variable, cores())?;
    let is_trial = config.is_none() && repeat.is_none() && !args.json;
    let tried = settings.only_embedded().filter(|_| is_trial);
    let exit = carry_out(settings, args, *repeat, &signals)?;
    let screen = Screen::stderr(args.quiet);
    if let Some(row) = tried.filter(|_| exit == Exit::Pass && screen.is_terminal()) {
        screen.say("\nNext, a service of yours:");
        screen::command(&trying::next(row));
    }
    Ok(exit)
}

/// A variable of the environment.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The cores of this machine.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What the end of one run means, which is said where it needs saying.
pub(super) fn of_one(ran: &Ran, args: &RunArgs) -> Exit {
    meaning(&ran.document, ran.stopped, args.strict, args.quiet)
}

/// What a result means for whoever asked for it, which is said where it needs saying.
pub(super) fn meaning(document: &Document, stopped: bool, strict: bool, quiet: bool) -> Exit {
    let exit = exit(document, stopped, strict);
    if let Some(advice) = advice(document, exit).filter(|_| !quiet) {
        screen::note(advice);
    }
    exit
}

/// What scenarios are chosen from: by name, the shipped ones too.
pub(super) fn load(what: &WhatArgs, config: Option<&Path>) -> Result<Suite, LoadError> {
    suite::load(suite::Choice {
        file: config,
        profile: what.profile.as_deref(),
        set: &what.set,
        over_shipped: !what.scenarios.is_empty(),
    })
}

/// Nothing was chosen: says what could be.
fn nothing_chosen(what: &WhatArgs) -> Exit {
    let protocol = what.chosen_protocol();
    let found_none = match protocol {
        Some(_) => format!(", there is no {ORIGINAL_CONFIG} in this folder"),
        None => String::new(),
    };
    let row = match protocol {
        Some(ProtocolChoice::Only(protocol)) => protocols::of(protocol),
        Some(ProtocolChoice::All) | None => None,
    };
    let expected = format!("error: name a FILE or a --scenario{found_none}");
    // What is to be tried first goes to the embedded backend.
    match what.names_target() {
        true => screen::note(format_args!(
            "{expected}; `loadgen grpc`, `websocket`, `http` and `tcp` need neither"
        )),
        false => {
            screen::note(format_args!("{expected}; try:"));
            screen::command(&trying::first(row.unwrap_or(protocols::ALL[0])));
        }
    }
    Exit::Usage
}

/// The configuration of the framework that this one follows.
const ORIGINAL_CONFIG: &str = "test-config.json";

/// The file that the framework this one follows ran when only a protocol was named, if it is here.
fn original_config(what: &WhatArgs) -> Option<&'static Path> {
    let file = Path::new(ORIGINAL_CONFIG);
    let only_protocol = what.chosen_protocol().is_some() && what.scenarios.is_empty();
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
