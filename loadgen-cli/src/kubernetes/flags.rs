//! What the shards are told: flags of `run`, settled as it settles them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use loadgen_core::scenario::{ScenarioPlan, Target};

use super::KubernetesError;
use super::manifests::PORT;
use crate::args::{Args, Command, KubernetesArgs, RunCommand};
use crate::error::Error;
use crate::settings::RunSettings;
use crate::suite;

/// What is run in each pod.
#[derive(Debug)]
pub(super) struct Run {
    /// The flags, without the file.
    pub(super) flags: Vec<String>,
    /// The scenarios.
    pub(super) scenarios: Vec<ScenarioPlan>,
    /// The files that theirs includes.
    pub(super) included: Vec<PathBuf>,
    /// Whether the flags say how long shards wait for one another.
    pub(super) says_how_long_to_wait: bool,
    /// What is to be known of it.
    pub(super) notes: Vec<String>,
}

/// Settles the run that the flags behind `--` are of.
///
/// # Errors
/// Whatever `run` would refuse, and what no pod could do.
pub(super) fn settle(args: &KubernetesArgs, file: Option<&Path>) -> Result<Run, Error> {
    if file == Some(Path::new("-")) {
        return Err(KubernetesError::StandardInput.into());
    }
    refuse_told(&args.run)?;
    let command = parse(args, file)?;
    refuse_ours(&command)?;
    if let Some(behind) = command.what.suite_file().filter(|_| file.is_none()) {
        let file = behind.to_owned();
        return Err(KubernetesError::FileBehind { file }.into());
    }
    if file.is_none() && command.what.scenarios.is_empty() {
        return Err(KubernetesError::NoScenario.into());
    }
    let (suite, included) = suite::load_noting(suite::Choice {
        file,
        profile: command.what.profile.as_deref(),
        set: &command.what.set,
        over_shipped: !command.what.scenarios.is_empty(),
    })?;
    let settings = RunSettings::resolve(&command.what, &command.run, &suite, |_| None, 1)?;
    let mut scenarios = settings.plan.scenarios.iter();
    if let Some(aimless) = scenarios.find(|it| it.targets.is_empty()) {
        let scenario = aimless.name.clone();
        return Err(KubernetesError::NoTarget { scenario }.into());
    }
    let scenarios = settings.plan.scenarios;
    let notes = settings.warnings.into_iter().chain(settings.notices);
    Ok(Run {
        flags: args.run.clone(),
        says_how_long_to_wait: command.run.together.wait_for_shards.is_some(),
        notes: notes
            .chain(scenarios.iter().filter_map(to_itself))
            .collect(),
        scenarios,
        included,
    })
}

/// What is said of a scenario that goes nowhere but to the pod itself.
fn to_itself(scenario: &ScenarioPlan) -> Option<String> {
    let is_own = |it: &&Target| {
        it.host == "localhost" || it.host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
    };
    let own = scenario.targets.iter().find(is_own)?;
    Some(format!(
        "WARNING: `{}` sends to {own}, which in a pod is the pod itself",
        scenario.name
    ))
}

/// The command of one shard, as it would be called here.
fn parse(args: &KubernetesArgs, file: Option<&Path>) -> Result<RunCommand, KubernetesError> {
    // The last one has nothing to do where any has not.
    let last = format!("{}/{}", args.shards - 1, args.shards);
    // Which address the manifests have for it is nothing to this one.
    let meeting = format!("shard-0:{PORT}");
    let of_shard = [
        "--shard".to_owned(),
        last,
        "--coordinator".to_owned(),
        meeting,
    ];
    let file = file.map(|it| it.as_os_str().to_owned());
    let words = ["loadgen".into(), "run".into()]
        .into_iter()
        .chain(file)
        .chain(args.run.iter().map(Into::into))
        .chain(of_shard.into_iter().map(Into::into));
    let problem = match Args::try_parse_from(words) {
        Ok(Args {
            command: Command::Run(command),
        }) => return Ok(*command),
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let first = problem.lines().next().unwrap_or_default();
    Err(KubernetesError::Flags {
        problem: first.trim_start_matches("error: ").to_owned(),
    })
}

/// What each pod is told by the manifests, and can be told once only.
fn refuse_told(flags: &[String]) -> Result<(), KubernetesError> {
    const TOLD: [(&str, &str); 4] = [
        (
            "--shard",
            "each pod is told its own part; `--shards N` before `--` says how many there are",
        ),
        ("--coordinator", "the pods meet at the first of them"),
        (
            "--run-id",
            "a run is called as its Job is, by an identifier that no other has",
        ),
        (
            "--merged-out",
            "the merging Job writes the result of the whole, whoever is lost",
        ),
    ];
    let is_given = |flag: &str| {
        let is = |it: &String| it.split('=').next() == Some(flag);
        flags.iter().any(is)
    };
    match TOLD.into_iter().find(|(flag, _)| is_given(flag)) {
        Some((flag, instead)) => Err(KubernetesError::Ours { flag, instead }),
        None => Ok(()),
    }
}

/// What the manifests settle for all shards, and what names files of this machine.
fn refuse_ours(command: &RunCommand) -> Result<(), KubernetesError> {
    const RESULTS: &str = "results go to the volume of the run";
    const HERE: &str = "a file of this machine is not in a pod; leave it out";
    const TLS: &str = "a file of this machine is not in a pod; name it with its whole path in the image or /secrets";
    const UNREACHED: &str = "nobody reaches a pod but other shards; have it send its figures, by `--otlp`, `--statsd` or `--graphite`";
    let RunCommand { run, repeat, .. } = command;
    let is_here = |path: &Path| !path.is_absolute();
    let ours = [
        ("--out", !run.outputs.is_empty(), RESULTS),
        ("--journal", run.journal.is_some(), RESULTS),
        (
            "--repeat",
            repeat.is_some(),
            "each repeated run is a run of its own: apply the manifests again under another `--name`",
        ),
        ("--baseline", !run.baseline.is_empty(), HERE),
        (
            "--coordinator-ca",
            run.together.coordinator_ca.as_deref().is_some_and(is_here),
            TLS,
        ),
        (
            "--coordinator-cert",
            run.together
                .coordinator_cert
                .as_deref()
                .is_some_and(is_here),
            TLS,
        ),
        (
            "--coordinator-key",
            run.together.coordinator_key.as_deref().is_some_and(is_here),
            TLS,
        ),
        ("--ui", run.ui.is_some(), UNREACHED),
        ("--prometheus", run.prometheus.is_some(), UNREACHED),
        (
            "--tls-ca",
            run.tls_ca.as_deref().is_some_and(is_here),
            "a file of this machine is not in a pod; name it in the scenario (`tls.ca_file`), or with its whole path in the image or /secrets",
        ),
    ];
    let mut ours = ours.into_iter();
    match ours.find(|(_, is_given, _)| *is_given) {
        Some((flag, _, instead)) => Err(KubernetesError::Ours { flag, instead }),
        None => Ok(()),
    }
}
