//! Runs that are carried out once or several times, and held against earlier ones.

use std::path::{Path, PathBuf};

use loadgen_core::record::Names;
use loadgen_core::report::compare::Spread;
use loadgen_core::report::{Context, Document};

use super::compare;
use super::exit::Exit;
use super::run::of_one;
use crate::args::RunArgs;
use crate::comparing::{self, ComparingError, Stored};
use crate::error::Error;
use crate::output::{self, Pending, Shown, Spec};
use crate::run::{self, RunError};
use crate::screen::Screen;
use crate::settings::RunSettings;
use crate::signals::Listener;
use crate::ui::Ui;

/// Carries a run out, as often as is asked for, and says what its end means: the worst of all ends.
///
/// # Errors
/// Why nothing could be measured, or not be compared.
pub(super) fn carry_out(
    settings: RunSettings,
    args: &RunArgs,
    repeat: Option<u64>,
    signals: &Listener,
) -> Result<Exit, Error> {
    let baseline = baseline(args)?;
    let shown = Shown::with(args.json, args.quiet);
    let Some(times) = repeat else {
        let check = comparable(&baseline, 1, false, args);
        let ui = Ui::open(settings.ui.as_ref())?;
        let screen = Screen::stderr(args.quiet);
        let ran = run::run(settings, ui.as_ref(), signals, &screen, check)?;
        drop(ui);
        let exit = of_one(&ran, args);
        let ran = [stored(ran.document, None)];
        return held_against(&baseline, &ran, args, exit);
    };
    let series = Series::of(settings, times)?;
    let ui = Ui::open(series.settings.ui.as_ref())?;
    let (ran, exit, failed) = series.carry_out(&baseline, args, ui.as_ref(), signals);
    drop(ui);
    if shown == Shown::Summary && !ran.is_empty() {
        let documents: Vec<&Document> = ran.iter().map(|it| &it.document).collect();
        let spread = Spread::of(&documents).text(output::look());
        output::print(&format!("\n{spread}"))?;
    }
    let exit = match ran.is_empty() {
        true => exit,
        false => held_against(&baseline, &ran, args, exit)?,
    };
    failed.map_or(Ok(exit), |error| Err(error.into()))
}

/// The results that a run is held against. They are read before it begins.
pub(super) fn baseline(args: &RunArgs) -> Result<Vec<Stored>, ComparingError> {
    match (args.baseline.is_empty(), args.comparing.given()) {
        (true, Some(flag)) => Err(ComparingError::WithoutBaseline { flag }),
        _ => comparing::load(&args.baseline, &Screen::stderr(args.quiet)),
    }
}

/// Makes sure that so many runs, or a search, may be held against the baseline, where there is one.
pub(super) fn comparable<'a>(
    baseline: &'a [Stored],
    count: usize,
    is_search: bool,
    args: &'a RunArgs,
) -> impl Fn(&Context, &[Names]) -> Result<(), ComparingError> + 'a {
    move |context, names| match baseline.is_empty() {
        true => Ok(()),
        false => comparing::check(
            baseline,
            (context, names),
            count,
            is_search,
            &args.comparing,
        ),
    }
}

/// What a run's result is called in messages.
pub(super) fn stored(document: Document, nth: Option<u64>) -> Stored {
    let source = match nth {
        None => comparing::THIS_RUN.to_owned(),
        Some(nth) => format!("run {nth}"),
    };
    Stored { source, document }
}

/// Holds runs against the baseline, where there is one; how a run ended goes before what came of that.
pub(super) fn held_against(
    baseline: &[Stored],
    ran: &[Stored],
    args: &RunArgs,
    exit: Exit,
) -> Result<Exit, Error> {
    if baseline.is_empty() {
        return Ok(exit);
    }
    match comparing::compare(baseline, ran, &args.comparing) {
        Ok(comparison) => {
            let shown = Shown::with(args.json, args.quiet);
            if shown == Shown::Summary {
                output::print("\n")?;
            }
            compare::print(&comparison, shown)?;
            Ok(exit.or_worse(compare::exit(&comparison)))
        }
        Err(error) if exit == Exit::Pass => Err(error.into()),
        Err(error) => {
            Error::from(error).say();
            Ok(exit)
        }
    }
}

/// Runs one after another.
struct Series {
    settings: RunSettings,
    /// The files of each run.
    outputs: Vec<Vec<Spec>>,
}

impl Series {
    /// So many of these runs.
    ///
    /// # Errors
    /// For a path that one of them cannot be written to, before the first begins.
    fn of(settings: RunSettings, times: u64) -> Result<Self, Error> {
        for spec in &settings.outputs {
            spec.takes_several().map_err(RunError::Output)?;
        }
        let of_run = |nth: u64| {
            let specs = settings.outputs.iter().map(|it| Spec {
                kind: it.kind,
                path: numbered(&it.path, nth),
            });
            specs.collect()
        };
        let outputs: Vec<Vec<Spec>> = (1..=times).map(of_run).collect();
        for spec in outputs.iter().flatten() {
            Pending::open(spec).map_err(RunError::Output)?;
        }
        Ok(Self { settings, outputs })
    }

    /// Carries them out until one is stopped, or cannot be measured. Tells what was measured, the worst of the
    /// runs' ends, and why there are no more.
    fn carry_out(
        self,
        baseline: &[Stored],
        args: &RunArgs,
        ui: Option<&Ui>,
        signals: &Listener,
    ) -> (Vec<Stored>, Exit, Option<RunError>) {
        let screen = Screen::stderr(args.quiet);
        let all = self.outputs.len();
        let (mut done, mut worst) = (Vec::new(), Exit::Pass);
        for (nth, outputs) in (1..).zip(self.outputs) {
            if nth > 1 && Shown::with(args.json, args.quiet) == Shown::Summary {
                // What cannot be printed is told when the summary cannot.
                let _ = output::print("\n");
            }
            screen.say(&format!("run {nth} of {all}"));
            let mut settings = self.settings.clone();
            settings.outputs = outputs;
            let check = comparable(baseline, all, false, args);
            match run::run(settings, ui, signals, &screen, check) {
                Ok(ran) => {
                    worst = worst.or_worse(of_one(&ran, args));
                    done.push(stored(ran.document, Some(nth)));
                }
                // Between two runs, or while the next one was connecting.
                Err(RunError::StoppedEarly) if !done.is_empty() => {}
                Err(error) => return (done, worst, Some(error)),
            }
            if signals.any() {
                screen.say(&format!(
                    "stopped: {} of {all} runs were carried out",
                    done.len()
                ));
                return (done, worst.or_worse(Exit::Stopped), None);
            }
        }
        (done, worst, None)
    }
}

/// The path of the n-th run's file: `r.1.json` for `r.json`. A device is one for all of them, and a folder stays
/// what no run can write to.
fn numbered(path: &Path, nth: u64) -> PathBuf {
    if path.exists() && !path.is_file() {
        return path.to_owned();
    }
    let (Some(stem), ending) = (path.file_stem(), path.extension()) else {
        return path.to_owned();
    };
    let mut name = stem.to_owned();
    name.push(format!(".{nth}"));
    if let Some(ending) = ending {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("r.json", 1 => "r.1.json")]
    #[test_case("out/r.json", 12 => "out/r.12.json")]
    #[test_case("out/r", 2 => "out/r.2"; "without an ending")]
    #[test_case("a.b.json", 2 => "a.b.2.json"; "several points")]
    #[test_case(".hidden", 2 => ".hidden.2"; "a point at the beginning")]
    #[test_case("/dev/null", 2 => "/dev/null"; "a device")]
    #[test_case("/dev", 2 => "/dev"; "a folder")]
    fn numbers(path: &str, nth: u64) -> String {
        numbered(Path::new(path), nth).display().to_string()
    }
}
