//! What a run is to be, once flags, scenarios and environment are settled against one another.
//!
//! Owns every rule of precedence. Starts nothing and prints nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::{fs, io};

use loadgen_core::engine::Options;
use loadgen_core::scenario::{self, Overrides, Plan, Protocol, ScenarioPlan, Suite, Target};

use crate::args::{ProtocolChoice, RunArgs};
use crate::error::Error;
use crate::output::Spec;
use crate::{env, targets};

/// Flags that contradict one another or the scenario. Each message stands alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SettingsError {
    /// An override that does not fit a scenario.
    #[error("scenario `{scenario}`: {source}")]
    Override {
        /// Which scenario.
        scenario: String,
        /// What does not fit.
        source: scenario::OverrideError,
    },
    /// The same file twice.
    #[error("`--out` names {} twice", path.display())]
    SameOutputTwice {
        /// Which file.
        path: PathBuf,
    },
    /// A file of authorities that cannot be read.
    #[error("`--tls-ca`: failed to read {}: {source}", path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A target that is plain text by its scheme, and a flag that turns TLS on.
    #[error(
        "`--grpc-target {target}` is plain text and `{flag}` turns TLS on; write https:// or leave the flag out"
    )]
    PlainTarget {
        /// As it was given.
        target: String,
        /// Which flag.
        flag: &'static str,
    },
    /// TLS towards the embedded backend, which has none.
    #[error(
        "scenario `{scenario}` asks for TLS and names no target; the embedded backend speaks \
         plain text. Name one with `--grpc-target`"
    )]
    TlsWithoutTarget {
        /// Which scenario.
        scenario: String,
    },
}

/// A run, settled.
#[derive(Debug)]
pub(crate) struct RunSettings {
    /// What is run, overrides applied. Scenarios that the embedded backend is to answer have no
    /// targets yet.
    pub(crate) plan: Plan,
    /// Whether any scenario needs the embedded backend.
    pub(crate) embedded: bool,
    /// How it is carried out.
    pub(crate) options: Options,
    /// What was changed against the scenario, for a person to read.
    pub(crate) notices: Vec<String>,
    /// Files to write.
    pub(crate) outputs: Vec<Spec>,
}

impl RunSettings {
    /// Settles a run.
    ///
    /// # Errors
    /// The first contradiction found.
    pub(crate) fn resolve(
        args: &RunArgs,
        suite: &Suite,
        variable: impl Fn(&str) -> Option<OsString>,
        cores: usize,
    ) -> Result<Self, Error> {
        refuse_same_output(&args.outputs)?;
        refuse_contradicting_tls(args)?;
        let overrides = overrides(args)?;
        let mut plan = suite.select(&args.scenarios, protocol(args.protocol))?;
        let mut notices = override_all(&mut plan, &overrides)?;
        apply_tls(&mut plan, args, &mut notices);
        let embedded = aim(&mut plan, variable)?;
        let users = plan
            .scenarios
            .iter()
            .map(|it| it.load.max_users() as usize)
            .fold(0, usize::saturating_add);
        let workers = match args.workers {
            Some(workers) => usize::try_from(workers).ok(),
            None => default_workers(embedded, cores, users),
        };
        Ok(Self {
            plan,
            embedded,
            options: Options {
                workers,
                seed: args.seed,
            },
            notices,
            outputs: args.outputs.clone(),
        })
    }

    /// Fills in the embedded backend where no target is set.
    pub(crate) fn aim_at_embedded(&mut self, target: &Target) {
        for scenario in &mut self.plan.scenarios {
            if scenario.targets.is_empty() {
                scenario.targets.push(target.clone());
            }
        }
    }

    /// How many connections the run will open at a time.
    pub(crate) fn connections(&self, workers: usize) -> u64 {
        self.plan
            .scenarios
            .iter()
            .map(|it| {
                let by_default = workers * it.targets.len().max(1);
                it.connections.map_or(by_default as u64, u64::from)
            })
            .sum()
    }
}

/// The protocol to select by; `None` is all of them.
pub(crate) fn protocol(choice: ProtocolChoice) -> Option<&'static str> {
    match choice {
        ProtocolChoice::All => None,
        ProtocolChoice::Grpc => Some(Protocol::Grpc.as_str()),
        ProtocolChoice::Websocket => Some(Protocol::Websocket.as_str()),
    }
}

/// Half the cores when the embedded backend has the other half; otherwise the engine's own rule.
fn default_workers(embedded: bool, cores: usize, users: usize) -> Option<usize> {
    embedded.then(|| (cores / 2).min(users).max(1))
}

fn override_all(plan: &mut Plan, overrides: &Overrides) -> Result<Vec<String>, SettingsError> {
    let mut notices = Vec::new();
    for scenario in &mut plan.scenarios {
        let (changed, said) =
            scenario
                .with_overrides(overrides)
                .map_err(|source| SettingsError::Override {
                    scenario: scenario.name.clone(),
                    source,
                })?;
        *scenario = changed;
        notices.extend(said);
    }
    Ok(notices)
}

fn overrides(args: &RunArgs) -> Result<Overrides, Error> {
    // The parser of the flags has made sure that the counts fit.
    let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Overrides {
        requests: args.requests,
        concurrency: args.concurrency.map(narrow),
        duration: args.duration,
        rate: args.rate,
        connections: args.connections.map(narrow),
        timeout: args.timeout,
        targets: targets::parse_all(&args.grpc_targets)?,
    })
}

fn apply_tls(plan: &mut Plan, args: &RunArgs, notices: &mut Vec<String>) {
    let asked =
        args.tls_ca.is_some() || args.tls_server_name.is_some() || args.insecure_skip_verify;
    for scenario in &mut plan.scenarios {
        if asked {
            let tls = scenario.tls.get_or_insert_default();
            tls.ca_file = args.tls_ca.clone().or(tls.ca_file.take());
            tls.server_name = args.tls_server_name.clone().or(tls.server_name.take());
            tls.insecure_skip_verify |= args.insecure_skip_verify;
        }
        if scenario
            .tls
            .as_ref()
            .is_some_and(|it| it.insecure_skip_verify)
        {
            notices.push(format!(
                "WARNING: `{}` accepts any certificate; whoever answers is not verified",
                scenario.name
            ));
        }
    }
}

/// Sets the environment's target where neither flag nor scenario names one. Says whether any
/// scenario is left without, for the embedded backend.
fn aim(plan: &mut Plan, variable: impl Fn(&str) -> Option<OsString>) -> Result<bool, Error> {
    if plan.scenarios.iter().all(|it| !it.targets.is_empty()) {
        return Ok(false);
    }
    let environment = env::grpc_target(variable)?;
    let without = |it: &&mut ScenarioPlan| it.targets.is_empty();
    for scenario in plan.scenarios.iter_mut().filter(without) {
        match &environment {
            Some(target) => scenario.targets.push(target.clone()),
            None if scenario.tls.is_some() => {
                return Err(SettingsError::TlsWithoutTarget {
                    scenario: scenario.name.clone(),
                }
                .into());
            }
            None => {}
        }
    }
    Ok(environment.is_none())
}

/// What is wrong with the TLS flags themselves is the command line's fault, not a scenario's.
fn refuse_contradicting_tls(args: &RunArgs) -> Result<(), SettingsError> {
    if let Some(path) = &args.tls_ca
        && let Err(source) = fs::read(path)
    {
        let path = path.clone();
        return Err(SettingsError::Authorities { path, source });
    }
    let flags = [
        ("--tls-ca", args.tls_ca.is_some()),
        ("--tls-server-name", args.tls_server_name.is_some()),
        ("--insecure-skip-verify", args.insecure_skip_verify),
    ];
    let given = flags.into_iter().find(|(_, given)| *given);
    let plain = targets::parts(&args.grpc_targets).find(|it| it.starts_with("http://"));
    match (given, plain) {
        (Some((flag, _)), Some(target)) => Err(SettingsError::PlainTarget {
            target: target.to_owned(),
            flag,
        }),
        _ => Ok(()),
    }
}

fn refuse_same_output(outputs: &[Spec]) -> Result<(), SettingsError> {
    for (index, output) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|it| it.path == output.path) {
            return Err(SettingsError::SameOutputTwice {
                path: output.path.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::exit::Exit;
    use crate::output::Kind;

    fn args() -> RunArgs {
        RunArgs {
            scenarios: vec!["hello_light".to_owned()],
            ..RunArgs::default()
        }
    }

    fn resolve(args: &RunArgs, environment: &[(&str, &str)]) -> Result<RunSettings, Error> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        RunSettings::resolve(args, &scenario::shipped(), variable, 8)
    }

    fn addresses(settings: &RunSettings) -> Vec<String> {
        let targets = settings.plan.scenarios.iter().flat_map(|it| &it.targets);
        targets
            .map(|it| format!("{}:{}", it.host, it.port))
            .collect()
    }

    #[test]
    fn flags_go_before_the_environment() {
        let mut args = args();
        args.grpc_targets = vec!["a:1,b:2".to_owned()];
        let settings = resolve(&args, &[("GRPC_HOST", "c"), ("GRPC_PORT", "3")]).unwrap();
        assert_eq!(addresses(&settings), ["a:1", "b:2"]);
        assert!(!settings.embedded);
    }

    #[test]
    fn the_environment_goes_before_the_embedded_backend() {
        let settings = resolve(&args(), &[("GRPC_HOST", "c"), ("GRPC_PORT", "3")]).unwrap();
        assert_eq!(addresses(&settings), ["c:3"]);
        assert!(!settings.embedded);
    }

    #[test]
    fn a_scenarios_own_targets_go_before_the_environment() {
        let mut plan = scenario::shipped().select(&args().scenarios, None).unwrap();
        plan.scenarios[0].targets = targets::parse_all(&["own:1".to_owned()]).unwrap();
        let embedded = aim(&mut plan, |_| panic!("not asked")).unwrap();
        assert!(!embedded);
        assert_eq!(plan.scenarios[0].targets[0].host, "own");
    }

    #[test]
    fn nothing_set_means_the_embedded_backend() {
        let mut settings = resolve(&args(), &[]).unwrap();
        assert!(settings.embedded);
        assert_eq!(settings.options.workers, Some(4), "half the cores");
        settings.aim_at_embedded(&Target {
            host: "127.0.0.1".to_owned(),
            port: 9,
            tls: false,
        });
        assert_eq!(addresses(&settings), ["127.0.0.1:9"]);
    }

    #[test]
    fn nonsense_in_the_environment_matters_only_where_it_would_be_used() {
        let kubernetes = [("GRPC_PORT", "tcp://10.0.0.1:50051")];
        let error = resolve(&args(), &kubernetes).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        let mut args = args();
        args.grpc_targets = vec!["a:1".to_owned()];
        assert!(resolve(&args, &kubernetes).is_ok());
    }

    #[test_case(true, 8, 100 => Some(4); "half the cores")]
    #[test_case(true, 1, 100 => Some(1); "one core")]
    #[test_case(true, 8, 2 => Some(2); "few users")]
    #[test_case(false, 8, 100 => None; "the engine decides")]
    fn workers(embedded: bool, cores: usize, users: usize) -> Option<usize> {
        default_workers(embedded, cores, users)
    }

    #[test]
    fn tls_needs_a_target() {
        let mut args = args();
        args.insecure_skip_verify = true;
        let error = resolve(&args, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        args.grpc_targets = vec!["a:1".to_owned()];
        let settings = resolve(&args, &[]).unwrap();
        assert!(
            settings.notices[0].starts_with("WARNING"),
            "{:?}",
            settings.notices
        );
        let tls = settings.plan.scenarios[0].tls.as_ref().unwrap();
        assert!(tls.insecure_skip_verify);
    }

    #[test]
    fn tls_flags_that_cannot_hold_name_themselves() {
        let mut args = args();
        args.grpc_targets = vec!["a:1,http://b:2".to_owned()];
        args.tls_server_name = Some("x".to_owned());
        let error = resolve(&args, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        insta::assert_snapshot!(error, @"`--grpc-target http://b:2` is plain text and `--tls-server-name` turns TLS on; write https:// or leave the flag out");
        args.tls_ca = Some(PathBuf::from("/no/such.pem"));
        let error = resolve(&args, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        insta::assert_snapshot!(error, @"`--tls-ca`: failed to read /no/such.pem: No such file or directory (os error 2)");
    }

    #[test]
    fn a_name_is_looked_for_within_the_protocol() {
        let mut args = args();
        args.protocol = ProtocolChoice::Websocket;
        let error = resolve(&args, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Scenario);
        assert_eq!(
            error.to_string(),
            "no scenario that speaks websocket to run"
        );
    }

    #[test]
    fn the_same_output_twice_is_refused() {
        let mut args = args();
        let spec = Spec {
            kind: Kind::Json,
            path: PathBuf::from("x"),
        };
        args.outputs = vec![spec.clone(), spec];
        let error = resolve(&args, &[]).unwrap_err();
        assert_eq!(error.to_string(), "`--out` names x twice");
    }

    #[test]
    fn connections_default_to_one_per_worker_and_target() {
        let mut args = args();
        let mut settings = resolve(&args, &[]).unwrap();
        assert_eq!(settings.connections(4), 4);
        let target = Target {
            host: "greeter.example".to_owned(),
            port: 443,
            tls: false,
        };
        for scenario in &mut settings.plan.scenarios {
            scenario.targets = vec![target.clone(); 3];
        }
        assert_eq!(settings.connections(4), 12);
        args.connections = Some(500);
        assert_eq!(resolve(&args, &[]).unwrap().connections(4), 500);
    }

    #[test]
    fn unknown_scenarios_are_the_scenarios_fault() {
        let mut args = args();
        args.scenarios = vec!["hello_hihg".to_owned()];
        assert_eq!(resolve(&args, &[]).unwrap_err().exit(), Exit::Scenario);
    }
}
