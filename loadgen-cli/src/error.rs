//! Whatever ends a command before its work is done, from whichever part it comes.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, IsTerminal};

use loadgen_core::AssembleError;
use loadgen_core::driver::grpc::DescribeError;
use loadgen_core::merge::MergeError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::ad_hoc::AdHocError;
use crate::args;
use crate::backend::ServerError;
use crate::commands::ClientError;
use crate::comparing::ComparingError;
use crate::coordinate::CoordinateError;
use crate::history::HistoryError;
use crate::init::InitError;
use crate::kubernetes::KubernetesError;
use crate::output::PrintError;
use crate::paint::{self, Paint};
use crate::results::ResultError;
use crate::run::RunError;
use crate::settings::SettingsError;
use crate::signals::SignalError;
use crate::suite::LoadError;
use crate::ui::UiError;
use crate::{human, screen};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Scenarios that cannot be read or are not valid.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Scenarios that read well and name what is not there; every one of them.
    #[error("{file}: {}", listed(problems))]
    Check {
        /// What the file is called.
        file: String,
        /// What is wrong with each scenario.
        problems: Vec<AssembleError>,
    },
    /// Flags that make no scenario.
    #[error(transparent)]
    AdHoc(#[from] AdHocError),
    /// Flags of visits that contradict one another.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A server that does not say what it offers, or has not what was asked for.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// A scenario file that was not made.
    #[error(transparent)]
    Init(#[from] InitError),
    /// What is wrong with a scenario that was made of flags, in words of flags.
    #[error("{text}")]
    InFlags {
        /// What it is.
        error: Box<Error>,
        /// What is said of it.
        text: String,
    },
    /// A folder without results.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Flags, scenarios and environment that do not fit together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The result of an earlier run.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// Results that are not merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// Shards that did not come together.
    #[error(transparent)]
    Coordinate(#[from] CoordinateError),
    /// Runs that are not compared.
    #[error(transparent)]
    Comparing(#[from] ComparingError),
    /// A run that cannot be put into a cluster.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// A run that cannot be shown.
    #[error(transparent)]
    Ui(#[from] UiError),
    /// A run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Reference servers that could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Standard output.
    #[error(transparent)]
    Print(#[from] PrintError),
    /// Signals that cannot be listened for.
    #[error(transparent)]
    Signals(#[from] SignalError),
}

fn listed(problems: &[AssembleError]) -> String {
    let each = problems.iter().flat_map(|of_scenario| {
        let scenario = of_scenario.scenario();
        let problems = of_scenario.problems().iter();
        problems.map(move |it| format!("\n  scenario `{scenario}`: {it}"))
    });
    let lines: Vec<String> = each.collect();
    human::counted(lines.len() as u64, "problem") + &lines.concat()
}

impl Error {
    /// Says on standard error why a command could not do its work. Of a reader that went away nothing is said, unless
    /// what it did not take was measured, and cannot be had again.
    pub(crate) fn say(&self) {
        if let Self::Print(error) = self
            && error.is_unread()
        {
            return;
        }
        let paint = paint::for_stderr();
        // A list of problems reads best as it is; a syntax error with the line that it stands in.
        if let Self::Load(LoadError::Suite(suite)) = self
            && suite.problems().is_empty()
            && io::stderr().is_terminal()
        {
            screen::note(diagnostic(suite, paint));
            return;
        }
        let mut text = format!("{} {self}", paint.bad("error:"));
        let mut source = self.source();
        while let Some(cause) = source {
            // Messages that already carry their cause do not repeat it.
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        // A word that was to be a flag's value has been taken for a file.
        if let Self::Load(LoadError::Read { .. }) | Self::Comparing(_) = self
            && let Some(meant) = args::meant()
        {
            text.push_str(&format!("; {meant}"));
        }
        screen::note(text);
    }
}

fn diagnostic(diagnostic: &dyn Diagnostic, paint: Paint) -> String {
    let theme = if paint.is_on() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    match GraphicalReportHandler::new_themed(theme).render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(fmt::Error) => diagnostic.to_string(),
    }
}
