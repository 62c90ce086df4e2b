//! What a run is to be, once flags, scenarios and environment are settled against one another.
//!
//! Owns every rule of precedence. Starts nothing and prints nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use loadgen_core::engine::Options;
use loadgen_core::input;
use loadgen_core::scenario::{self, Overrides, Plan, Protocol, ScenarioPlan, Suite, Target};
use loadgen_core::schedule::Load;
use loadgen_core::sink::otlp;
use loadgen_core::sink::post::Url;
use loadgen_core::sink::statsd::Prefix;

use crate::args::{ProtocolChoice, RunArgs, TagList};
use crate::error::Error;
use crate::output::Spec;
use crate::sinks::{OtlpSettings, PrometheusSettings};
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
    /// A target that could be meant for either protocol of a run.
    #[error(
        "`--target {target}` could be for gRPC or for WebSocket, and this run has both; say which \
         with `--grpc-target` or `--websocket-target`"
    )]
    WhoseTarget {
        /// As it was given.
        target: String,
    },
    /// A target that is plain text by its scheme, and a flag that turns TLS on.
    #[error(
        "`{target_flag} {target}` is plain text and `{tls_flag}` turns TLS on; write {encrypted} or leave the flag out"
    )]
    PlainTarget {
        /// The flag it was given with.
        target_flag: &'static str,
        /// As it was given.
        target: String,
        /// The scheme that does not contradict.
        encrypted: &'static str,
        /// The flag that does.
        tls_flag: &'static str,
    },
    /// TLS towards the embedded backend, which has none.
    #[error(
        "scenario `{scenario}` asks for TLS and names no target; the embedded backend speaks \
         plain text. Name one with `{flag}`"
    )]
    TlsWithoutTarget {
        /// Which scenario.
        scenario: String,
        /// The flag for its protocol's targets.
        flag: &'static str,
    },
}

/// A run, settled.
#[derive(Debug)]
pub(crate) struct RunSettings {
    /// What is run, overrides applied. Scenarios that the embedded backend is to answer have no
    /// targets yet.
    pub(crate) plan: Plan,
    /// The protocols that scenarios need the embedded backend for, each once and in order.
    pub(crate) embedded: Vec<Protocol>,
    /// How it is carried out.
    pub(crate) options: Options,
    /// What was changed against the scenario, for a person to read.
    pub(crate) notices: Vec<String>,
    /// What is said also to who asked for quiet.
    pub(crate) warnings: Vec<String>,
    /// Files to write.
    pub(crate) outputs: Vec<Spec>,
    /// Where metrics go while the run is under way.
    pub(crate) statsd: Option<Target>,
    /// What their names begin with.
    pub(crate) statsd_prefix: Prefix,
    /// Tags for all of them, where tags are sent.
    pub(crate) statsd_tags: Option<Vec<(String, String)>>,
    /// Where Prometheus scrapes.
    pub(crate) prometheus: Option<PrometheusSettings>,
    /// Where OTLP is posted.
    pub(crate) otlp: Option<OtlpSettings>,
    /// Where the run is marked.
    pub(crate) graphite: Option<Url>,
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
        let protocol = protocol(args.chosen_protocol().unwrap_or_default());
        let mut plan = suite.select(&args.scenarios, protocol)?;
        let run = plan.scenarios.iter().map(|it| it.protocol).collect();
        let args = &*targets::settle(args, &run)?;
        refuse_contradicting_tls(args)?;
        let mut notices = override_all(&mut plan, args)?;
        let warnings = apply_tls(&mut plan, args);
        let statsd = statsd(args.statsd.as_ref(), &variable)?;
        let graphite = match &args.graphite {
            Some(given) => Some(given.clone()),
            None => env::graphite(&variable)?,
        };
        let otlp = otlp(args, &variable, &mut notices)?;
        // The marks carry the prefix, too.
        if statsd.is_none() && graphite.is_none() && args.statsd_prefix.is_some() {
            notices.push(IDLE_PREFIX.to_owned());
        }
        if statsd.is_none() && args.statsd_tags.is_some() {
            notices.push(
                "--statsd-tags changes nothing: no metrics are sent to StatsD without --statsd, STATSD_HOST or STATSD_PORT"
                    .to_owned(),
            );
        }
        let is_open = |plan: &ScenarioPlan| matches!(plan.load, Load::Open(_));
        if args.pacing.is_busy() && !plan.scenarios.iter().any(is_open) {
            notices.push(format!(
                "--pacing {} changes nothing: the iterations of a closed model are due when they start; a rate (`--rate`) makes it open",
                args.pacing
            ));
        }
        let embedded = aim(&mut plan, variable)?;
        let users = plan
            .scenarios
            .iter()
            .map(|it| it.load.max_users() as usize)
            .fold(0, usize::saturating_add);
        let workers = match args.workers {
            Some(workers) => usize::try_from(workers).ok(),
            None => default_workers(!embedded.is_empty(), cores, users),
        };
        Ok(Self {
            plan,
            embedded,
            options: Options {
                workers,
                seed: args.seed,
                pacing: args.pacing,
                ..Options::default()
            },
            notices,
            warnings,
            outputs: args.outputs.clone(),
            statsd,
            statsd_prefix: args.statsd_prefix.clone().unwrap_or_default(),
            statsd_tags: args.statsd_tags.clone().map(|TagList(tags)| tags),
            prometheus: args.prometheus.clone().map(|address| PrometheusSettings {
                address,
                wait: args.prometheus_wait,
            }),
            otlp,
            graphite,
        })
    }

    /// Fills in the embedded backend's address for a protocol where no target is set.
    pub(crate) fn aim_at_embedded(&mut self, protocol: Protocol, target: &Target) {
        for scenario in &mut self.plan.scenarios {
            if scenario.protocol == protocol && scenario.targets.is_empty() {
                scenario.targets.push(target.clone());
            }
        }
    }
}

/// What is said of a prefix without metrics that could have it.
pub(crate) const IDLE_PREFIX: &str = "--statsd-prefix changes nothing: no metrics are sent without --statsd, STATSD_HOST or STATSD_PORT";

/// Where metrics go: what the flag says, else the environment.
///
/// # Errors
/// For a variable that holds nonsense.
pub(crate) fn statsd(
    given: Option<&Target>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, env::EnvError> {
    match given {
        Some(given) => Ok(Some(given.clone())),
        None => env::statsd(variable),
    }
}

/// Where OTLP is posted: what the flag says, else the environment; the header fields are always the
/// environment's.
fn otlp(
    args: &RunArgs,
    variable: impl Fn(&str) -> Option<OsString>,
    notices: &mut Vec<String>,
) -> Result<Option<OtlpSettings>, env::EnvError> {
    let url = match &args.otlp {
        Some(given) if given.has_path() => Some(given.clone()),
        Some(given) => Some(given.below(otlp::PATH)),
        None => {
            let url = env::otlp(&variable)?;
            if url.is_some()
                && let Some((name, value)) = env::other_otlp_protocol(&variable)?
            {
                notices.push(format!(
                    "{name} is `{value}`; metrics are sent as http/protobuf all the same"
                ));
            }
            url
        }
    };
    let Some(url) = url else {
        return Ok(None);
    };
    let headers = env::otlp_headers(&variable)?;
    Ok(Some(OtlpSettings { url, headers }))
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

fn override_all(plan: &mut Plan, args: &RunArgs) -> Result<Vec<String>, Error> {
    // Whether or not a scenario needs it: what is no target is a mistake.
    let per_protocol = targets::FLAGS
        .into_iter()
        .map(|(protocol, _)| Ok((protocol, overrides(args, protocol)?)))
        .collect::<Result<Vec<(Protocol, Overrides)>, Error>>()?;
    let mut notices = Vec::new();
    for scenario in &mut plan.scenarios {
        let mut its_own = per_protocol.iter();
        let Some((_, overrides)) = its_own.find(|(it, _)| *it == scenario.protocol) else {
            continue;
        };
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

/// The overrides for scenarios of a protocol, which differ in the targets.
fn overrides(args: &RunArgs, protocol: Protocol) -> Result<Overrides, Error> {
    // The parser of the flags has made sure that the counts fit.
    let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Overrides {
        requests: args.requests,
        concurrency: args.concurrency.map(narrow),
        duration: args.duration,
        rate: args.rate,
        connections: args.connections.map(narrow),
        timeout: args.timeout,
        targets: targets::parse_all(targets::given(args, protocol))?,
    })
}

/// Sets what the flags say. Returns warnings.
fn apply_tls(plan: &mut Plan, args: &RunArgs) -> Vec<String> {
    let mut warnings = Vec::new();
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
            warnings.push(format!(
                "WARNING: `{}` accepts any certificate; whoever answers is not verified",
                scenario.name
            ));
        }
    }
    warnings
}

/// Sets the environment's targets where neither flag nor scenario names one. Says which protocols
/// are left with scenarios without, for the embedded backend.
fn aim(
    plan: &mut Plan,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Protocol>, Error> {
    let mut without = BTreeSet::new();
    for scenario in &mut plan.scenarios {
        let protocol = scenario.protocol;
        if !scenario.targets.is_empty() {
            continue;
        }
        if let Some(target) = env::target(protocol, &variable)? {
            scenario.targets.push(target);
            continue;
        }
        if scenario.tls.is_some() {
            return Err(SettingsError::TlsWithoutTarget {
                scenario: scenario.name.clone(),
                flag: targets::flag(protocol).unwrap_or("targets"),
            }
            .into());
        }
        without.insert(protocol);
    }
    Ok(without.into_iter().collect())
}

/// What is wrong with the TLS flags themselves is the command line's fault, not a scenario's.
fn refuse_contradicting_tls(args: &RunArgs) -> Result<(), SettingsError> {
    if let Some(path) = &args.tls_ca
        && let Err(source) = input::read(path)
    {
        let path = path.clone();
        return Err(SettingsError::Authorities { path, source });
    }
    let flags = [
        ("--tls-ca", args.tls_ca.is_some()),
        ("--tls-server-name", args.tls_server_name.is_some()),
        ("--insecure-skip-verify", args.insecure_skip_verify),
    ];
    let Some((tls_flag, _)) = flags.into_iter().find(|(_, given)| *given) else {
        return Ok(());
    };
    for (protocol, target_flag) in targets::FLAGS {
        for target in targets::parts(targets::given(args, protocol)) {
            let scheme = target.split_once("://").map_or("", |(scheme, _)| scheme);
            let encrypted = match scheme.to_ascii_lowercase().as_str() {
                "http" => "https://",
                "ws" => "wss://",
                _ => continue,
            };
            return Err(SettingsError::PlainTarget {
                target_flag,
                target: target.to_owned(),
                encrypted,
                tls_flag,
            });
        }
    }
    Ok(())
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
    use std::time::Duration;

    use loadgen_core::pacer::Pacing;
    use loadgen_core::scenario::{Payload, StepPlan, WebsocketExchange};
    use loadgen_core::schedule::{ClosedModel, Limit};
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

    fn target(host: &str, port: u16) -> Target {
        Target {
            host: host.to_owned(),
            port,
            tls: false,
        }
    }

    /// A gRPC and a WebSocket scenario, the latter of steps on these paths.
    fn mixed(paths: &[&str]) -> Plan {
        let mut plan = scenario::shipped().select(&args().scenarios, None).unwrap();
        let exchange = |path: &&str| WebsocketExchange::send(*path, Payload::Text("x".to_owned()));
        let exchanges: Vec<_> = paths.iter().map(exchange).collect();
        let load = Load::Closed(ClosedModel {
            users: 500,
            limit: Limit::IterationsPerUser(50),
            max_duration: None,
            think_time: None,
            rate_limit: None,
        });
        let mut websocket = ScenarioPlan::websocket("talk", exchanges[0].clone(), load);
        websocket.steps = exchanges
            .into_iter()
            .map(|it| StepPlan::websocket("talk", it))
            .chain([StepPlan::pause(Duration::from_millis(1))])
            .collect();
        plan.scenarios.push(websocket);
        plan
    }

    fn hosts(plan: &Plan) -> Vec<Vec<&str>> {
        let scenarios = plan.scenarios.iter();
        scenarios
            .map(|it| it.targets.iter().map(|it| it.host.as_str()).collect())
            .collect()
    }

    #[test]
    fn each_protocol_gets_its_own_targets() {
        let mut args = args();
        args.grpc_targets = vec!["a:1,b:2".to_owned()];
        args.websocket_targets = vec!["c:3".to_owned(), "d:4".to_owned()];
        let hosts = |protocol| -> Vec<String> {
            let targets = overrides(&args, protocol).unwrap().targets;
            targets.into_iter().map(|it| it.host).collect()
        };
        assert_eq!(hosts(Protocol::Grpc), ["a", "b"]);
        assert_eq!(hosts(Protocol::Websocket), ["c", "d"]);
    }

    #[test]
    fn a_bad_target_is_refused_whether_or_not_it_is_needed() {
        let mut args = args();
        args.websocket_targets = vec!["nowhere".to_owned()];
        assert_eq!(resolve(&args, &[]).unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn each_protocol_has_its_own_environment() {
        let mut plan = mixed(&["/echo"]);
        let environment =
            |name: &str| (name == "WEBSOCKET_HOST").then(|| OsString::from("ws.local"));
        assert_eq!(aim(&mut plan, environment).unwrap(), [Protocol::Grpc]);
        assert_eq!(hosts(&plan), [&[][..], &["ws.local"]]);
        assert_eq!(plan.scenarios[1].targets[0].port, 8080);
    }

    #[test]
    fn the_embedded_backend_speaks_what_is_needed() {
        let mut plan = mixed(&["/echo"]);
        plan.scenarios.push(plan.scenarios[1].clone());
        let both = [Protocol::Grpc, Protocol::Websocket];
        assert_eq!(aim(&mut plan, |_| None).unwrap(), both);
        plan.scenarios[0].targets = vec![target("own", 1)];
        assert_eq!(aim(&mut plan, |_| None).unwrap(), [Protocol::Websocket]);
    }

    #[test]
    fn tls_without_a_target_names_the_protocols_flag() {
        let mut plan = mixed(&["/echo"]);
        plan.scenarios[1].tls = Some(scenario::Tls::default());
        let error = aim(&mut plan, |_| None).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"scenario `talk` asks for TLS and names no target; the embedded backend speaks plain text. Name one with `--websocket-target`");
    }

    #[test]
    fn flags_go_before_the_environment() {
        let mut args = args();
        args.grpc_targets = vec!["a:1,b:2".to_owned()];
        let settings = resolve(&args, &[("GRPC_HOST", "c"), ("GRPC_PORT", "3")]).unwrap();
        assert_eq!(addresses(&settings), ["a:1", "b:2"]);
        assert!(settings.embedded.is_empty());
    }

    #[test]
    fn the_environment_goes_before_the_embedded_backend() {
        let settings = resolve(&args(), &[("GRPC_HOST", "c"), ("GRPC_PORT", "3")]).unwrap();
        assert_eq!(addresses(&settings), ["c:3"]);
        assert!(settings.embedded.is_empty());
    }

    #[test]
    fn a_scenarios_own_targets_go_before_the_environment() {
        let mut plan = scenario::shipped().select(&args().scenarios, None).unwrap();
        plan.scenarios[0].targets = targets::parse_all(&["own:1".to_owned()]).unwrap();
        let embedded = aim(&mut plan, |_| panic!("not asked")).unwrap();
        assert!(embedded.is_empty());
        assert_eq!(plan.scenarios[0].targets[0].host, "own");
    }

    #[test_case(None, &[] => None; "off unless told")]
    #[test_case(None, &[("STATSD_PORT", "9125")] => Some("127.0.0.1:9125".to_owned()); "environment")]
    #[test_case(Some("a:1"), &[("STATSD_HOST", "b c")] => Some("a:1".to_owned()); "the flag goes before nonsense")]
    fn where_metrics_go(flag: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
        let mut args = args();
        args.statsd = flag.map(|it| it.parse().unwrap());
        let settings = resolve(&args, environment).unwrap();
        settings.statsd.map(|it| format!("{}:{}", it.host, it.port))
    }

    #[test_case(&[] => vec!["--statsd-prefix changes nothing: no metrics are sent without --statsd, STATSD_HOST or STATSD_PORT".to_owned()]; "nowhere to send")]
    #[test_case(&[("STATSD_PORT", "9125")] => Vec::<String>::new(); "somewhere")]
    fn a_prefix_alone_sends_nothing(environment: &[(&str, &str)]) -> Vec<String> {
        let mut args = args();
        args.statsd_prefix = Some("a.b".parse().unwrap());
        resolve(&args, environment).unwrap().notices
    }

    #[test_case(Pacing::BUSY, None => vec!["--pacing busy=50us changes nothing: the iterations of a closed model are due when they start; a rate (`--rate`) makes it open".to_owned()]; "a closed model")]
    #[test_case(Pacing::EXACT, None => Vec::<String>::new(); "as it is")]
    #[test_case(Pacing::BUSY, Some("500/s") => Vec::<String>::new(); "an open one")]
    fn pacing_is_for_what_is_due(pacing: Pacing, rate: Option<&str>) -> Vec<String> {
        let mut args = args();
        args.pacing = pacing;
        args.rate = rate.map(|it| it.parse().unwrap());
        let settings = resolve(&args, &[]).unwrap();
        assert_eq!(settings.options.pacing, pacing);
        let mut notices = settings.notices;
        notices.retain(|it| it.contains("pacing"));
        notices
    }

    #[test]
    fn tags_alone_send_nothing() {
        let mut args = args();
        args.statsd_tags = Some(TagList(Vec::new()));
        let notices = resolve(&args, &[]).unwrap().notices;
        assert_eq!(
            notices,
            [
                "--statsd-tags changes nothing: no metrics are sent to StatsD without --statsd, STATSD_HOST or STATSD_PORT"
            ]
        );
    }

    #[test]
    fn a_prefix_is_in_the_marks_too() {
        let mut args = args();
        args.statsd_prefix = Some("a.b".parse().unwrap());
        let settings = resolve(&args, &[("GRAPHITE_URL", "http://g")]).unwrap();
        assert_eq!(settings.notices, Vec::<String>::new());
        args.graphite = Some("http://flag".parse().unwrap());
        let settings = resolve(&args, &[("GRAPHITE_URL", "nonsense")]).unwrap();
        assert_eq!(settings.graphite.unwrap().to_string(), "http://flag");
    }

    #[test_case(None, &[] => None; "off unless told")]
    #[test_case(Some("http://a:1"), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")] => Some("http://a:1/v1/metrics".to_owned()); "the flag goes before nonsense")]
    #[test_case(Some("http://a:1/own"), &[] => Some("http://a:1/own".to_owned()); "a path of its own")]
    #[test_case(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b")] => Some("http://b/v1/metrics".to_owned()); "environment")]
    fn otlp_goes_to(flag: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
        let mut args = args();
        args.otlp = flag.map(|it| it.parse().unwrap());
        let settings = resolve(&args, environment).unwrap();
        settings.otlp.map(|it| it.url.to_string())
    }

    #[test]
    fn another_protocol_is_told_where_the_environment_asks_for_otlp() {
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ];
        let settings = resolve(&args(), &environment).unwrap();
        let notice =
            "OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`; metrics are sent as http/protobuf all the same";
        assert_eq!(settings.notices, [notice]);
        let settings = resolve(&args(), &environment[1..]).unwrap();
        assert_eq!(settings.notices, Vec::<String>::new());
    }

    #[test]
    fn nothing_set_means_the_embedded_backend() {
        let mut settings = resolve(&args(), &[]).unwrap();
        assert_eq!(settings.embedded, [Protocol::Grpc]);
        assert_eq!(settings.options.workers, Some(4), "half the cores");
        settings.aim_at_embedded(Protocol::Websocket, &target("other", 1));
        assert_eq!(addresses(&settings), Vec::<String>::new());
        settings.aim_at_embedded(Protocol::Grpc, &target("127.0.0.1", 9));
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
            settings.warnings[0].starts_with("WARNING"),
            "{:?}",
            settings.warnings
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
        args.grpc_targets.clear();
        args.websocket_targets = vec!["ws://c:3".to_owned()];
        let error = resolve(&args, &[]).unwrap_err();
        insta::assert_snapshot!(error, @"`--websocket-target ws://c:3` is plain text and `--tls-server-name` turns TLS on; write wss:// or leave the flag out");
        args.tls_ca = Some(PathBuf::from("/no/such.pem"));
        let error = resolve(&args, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        insta::assert_snapshot!(error, @"`--tls-ca`: failed to read /no/such.pem: No such file or directory (os error 2)");
    }

    #[test]
    fn a_name_is_looked_for_within_the_protocol() {
        let mut args = args();
        args.protocol = Some(ProtocolChoice::Websocket);
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
    fn unknown_scenarios_are_the_scenarios_fault() {
        let mut args = args();
        args.scenarios = vec!["hello_hihg".to_owned()];
        assert_eq!(resolve(&args, &[]).unwrap_err().exit(), Exit::Scenario);
    }
}
