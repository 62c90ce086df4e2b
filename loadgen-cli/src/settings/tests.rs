//! What a run is to be, case by case.

use std::path::PathBuf;
use std::time::Duration;

use loadgen_core::scenario::{self, Payload, Step, WebsocketExchange, WebsocketPlan};
use test_case::test_case;

use super::overrides::{aim, overrides};
use super::*;
use crate::args::{ProtocolChoice, RunCommand, TagList};
use crate::output::Kind;

fn args() -> RunCommand {
    let mut command = RunCommand::default();
    command.what.scenarios = vec!["hello_light".to_owned()];
    command
}

fn resolve(args: &RunCommand, environment: &[(&str, &str)]) -> Result<RunSettings, SettingsError> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| OsString::from(value))
    };
    RunSettings::resolve(&args.what, &args.run, &scenario::shipped(), variable, 8)
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
    let mut plan = scenario::shipped()
        .select(&args().what.scenarios, None)
        .unwrap();
    let exchange = |path: &&str| WebsocketExchange::send(*path, Payload::Text("x".to_owned()));
    let exchanges: Vec<_> = paths.iter().map(exchange).collect();
    let load = Load::closed(500).iterations_per_user(50);
    let steps = exchanges
        .into_iter()
        .map(|it| Step::new("talk", it))
        .chain([Step::pause(Duration::from_millis(1))]);
    let websocket = WebsocketPlan::new(steps);
    plan.scenarios
        .push(ScenarioPlan::new("talk", websocket, load));
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
    args.what.each_target.push(Protocol::Grpc, "a:1,b:2");
    args.what.each_target.push(Protocol::Websocket, "c:3");
    args.what.each_target.push(Protocol::Websocket, "d:4");
    let hosts = |protocol| -> Vec<String> {
        let targets = overrides(&args.run, &args.what.each_target, protocol)
            .unwrap()
            .targets;
        targets.into_iter().map(|it| it.host).collect()
    };
    assert_eq!(hosts(Protocol::Grpc), ["a", "b"]);
    assert_eq!(hosts(Protocol::Websocket), ["c", "d"]);
}

#[test]
fn a_bad_target_is_refused_whether_or_not_it_is_needed() {
    let mut args = args();
    args.what.each_target.push(Protocol::Websocket, "nowhere");
    let error = resolve(&args, &[]).unwrap_err();
    assert!(matches!(error, SettingsError::Target(_)), "{error}");
}

#[test]
fn each_protocol_has_its_own_environment() {
    let mut plan = mixed(&["/echo"]);
    let environment = |name: &str| (name == "WEBSOCKET_HOST").then(|| OsString::from("ws.local"));
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
    args.what.each_target.push(Protocol::Grpc, "a:1,b:2");
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

/// Who has a proxy and servers wants none of ours; those that somebody else may know of are started all the same.
#[test]
fn servers_that_nobody_reaches_are_not_started() {
    let mut args = args();
    args.what.scenarios = vec!["version_routing".to_owned()];
    let own = resolve(&args, &[("GRPC_HOST", "c")]).unwrap();
    assert_eq!(own.plan.backends.len(), 5);
    assert!(own.embedded.is_empty() && addresses(&own).is_empty());
    args.what.each_target.push(Protocol::Grpc, "proxy:8443");
    let elsewhere = resolve(&args, &[]).unwrap();
    assert_eq!(addresses(&elsewhere), ["proxy:8443"; 4]);
    assert!(elsewhere.plan.backends.is_empty());
    assert!(
        elsewhere
            .plan
            .scenarios
            .iter()
            .all(|it| it.backends.is_empty())
    );
    let said = "not started, for nothing of this run reaches them: v1a, v1b, v2a, v2b, by-version";
    assert_eq!(elsewhere.notices, [said]);
    args.what.scenarios = vec!["balance_demo".to_owned()];
    args.what.each_target = TargetFlags::default();
    args.what.each_target.push(Protocol::Http, "proxy:8443");
    let half = resolve(&args, &[]).unwrap();
    let left: Vec<&str> = half
        .plan
        .backends
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    // What is done to one is done, and the other scenario has its balancer.
    assert_eq!(left, ["demo1", "demo2", "demo3", "demo-tcp"]);
}

#[test]
fn a_scenarios_own_targets_go_before_the_environment() {
    let mut plan = scenario::shipped()
        .select(&args().what.scenarios, None)
        .unwrap();
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
    args.run.statsd = flag.map(|it| it.parse().unwrap());
    let settings = resolve(&args, environment).unwrap();
    let to = settings.sinks.statsd.map(|it| it.target);
    to.map(|it| format!("{}:{}", it.host, it.port))
}

#[test_case(&[] => vec!["--statsd-prefix changes nothing: no metrics are sent without --statsd, STATSD_HOST or STATSD_PORT".to_owned()]; "nowhere to send")]
#[test_case(&[("STATSD_PORT", "9125")] => Vec::<String>::new(); "somewhere")]
fn a_prefix_alone_sends_nothing(environment: &[(&str, &str)]) -> Vec<String> {
    let mut args = args();
    args.run.statsd_prefix = Some("a.b".parse().unwrap());
    resolve(&args, environment).unwrap().notices
}

#[test_case(Pacing::BUSY, None => vec!["--pacing busy=50us changes nothing: the iterations of a closed model are due when they start; a rate (`--rate`) makes it open".to_owned()]; "a closed model")]
#[test_case(Pacing::GRID, None => vec!["--pacing grid=100us changes nothing: the iterations of a closed model are due when they start; a rate (`--rate`) makes it open".to_owned()]; "a grid for a closed model")]
#[test_case(Pacing::EXACT, None => Vec::<String>::new(); "asleep until then")]
#[test_case(Pacing::AUTO, None => Vec::<String>::new(); "whichever is better")]
#[test_case(Pacing::GRID, Some("500/s") => Vec::<String>::new(); "a grid for an open one")]
#[test_case(Pacing::BUSY, Some("500/s") => Vec::<String>::new(); "an open one")]
fn pacing_is_for_what_is_due(pacing: Pacing, rate: Option<&str>) -> Vec<String> {
    let mut args = args();
    args.run.pacing = pacing;
    args.run.rate = rate.map(|it| it.parse().unwrap());
    let settings = resolve(&args, &[]).unwrap();
    assert_eq!(settings.options.pacing, pacing);
    let mut notices = settings.notices;
    notices.retain(|it| it.contains("pacing"));
    notices
}

#[test]
fn a_grid_is_not_for_those_beside_a_closed_model() {
    let of = |name: &str, load: Load| {
        ScenarioPlan::grpc(
            name,
            "loadgen.v1.Greeter/Hello",
            serde_json::json!({}),
            load,
        )
    };
    let open = Load::from(Load::open("500/s".parse().unwrap()));
    let plan = Plan::new(vec![of("a", open), of("b", Load::from(Load::closed(1)))]);
    assert_eq!(
        useless_pacing(&plan, Pacing::GRID).unwrap(),
        "--pacing grid=100us changes nothing on workers that run `b`, too: with each answer the users of a closed model would wait for the grid"
    );
    assert_eq!(useless_pacing(&plan, Pacing::BUSY), None);
    assert_eq!(useless_pacing(&plan, Pacing::AUTO), None);
}

#[test]
fn tags_alone_send_nothing() {
    let mut args = args();
    args.run.statsd_tags = Some(TagList(Vec::new()));
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
    args.run.statsd_prefix = Some("a.b".parse().unwrap());
    let settings = resolve(&args, &[("GRAPHITE_URL", "http://g")]).unwrap();
    assert_eq!(settings.notices, Vec::<String>::new());
    args.run.graphite = Some("http://flag".parse().unwrap());
    let settings = resolve(&args, &[("GRAPHITE_URL", "nonsense")]).unwrap();
    assert_eq!(
        settings.sinks.graphite.unwrap().url.to_string(),
        "http://flag"
    );
}

#[test_case(None, &[] => None; "off unless told")]
#[test_case(Some("http://a:1"), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")] => Some("http://a:1/v1/metrics".to_owned()); "the flag goes before nonsense")]
#[test_case(Some("http://a:1/own"), &[] => Some("http://a:1/own".to_owned()); "a path of its own")]
#[test_case(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b")] => Some("http://b/v1/metrics".to_owned()); "environment")]
fn otlp_goes_to(flag: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
    let mut args = args();
    args.run.otlp = flag.map(|it| it.parse().unwrap());
    let settings = resolve(&args, environment).unwrap();
    settings.sinks.otlp.map(|it| it.url.to_string())
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
    assert!(matches!(error, SettingsError::Environment(_)), "{error}");
    let mut args = args();
    args.what.each_target.push(Protocol::Grpc, "a:1");
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
    args.run.insecure_skip_verify = true;
    let error = resolve(&args, &[]).unwrap_err();
    assert!(
        matches!(error, SettingsError::TlsWithoutTarget { .. }),
        "{error}"
    );
    args.what.each_target.push(Protocol::Grpc, "a:1");
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
    args.what.each_target.push(Protocol::Grpc, "a:1,http://b:2");
    args.run.tls_server_name = Some("x".to_owned());
    let error = resolve(&args, &[]).unwrap_err();
    insta::assert_snapshot!(error, @"`--grpc-target http://b:2` is plain text and `--tls-server-name` turns TLS on; write https:// or leave the flag out");
    args.what.each_target = TargetFlags::default();
    args.what.each_target.push(Protocol::Websocket, "ws://c:3");
    let error = resolve(&args, &[]).unwrap_err();
    insta::assert_snapshot!(error, @"`--websocket-target ws://c:3` is plain text and `--tls-server-name` turns TLS on; write wss:// or leave the flag out");
    args.run.tls_ca = Some(PathBuf::from("/no/such.pem"));
    let error = resolve(&args, &[]).unwrap_err();
    insta::assert_snapshot!(error, @"`--tls-ca`: failed to read /no/such.pem: No such file or directory (os error 2)");
}

#[test]
fn a_name_is_looked_for_within_the_protocol() {
    let mut args = args();
    args.what.protocol = Some(ProtocolChoice::Only(Protocol::Websocket));
    let error = resolve(&args, &[]).unwrap_err();
    assert!(matches!(error, SettingsError::Select(_)));
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
    args.run.outputs = vec![spec.clone(), spec];
    let error = resolve(&args, &[]).unwrap_err();
    assert_eq!(error.to_string(), "`--out` names x twice");
}

#[test]
fn unknown_scenarios_are_the_scenarios_fault() {
    let mut args = args();
    args.what.scenarios = vec!["hello_hihg".to_owned()];
    let error = resolve(&args, &[]).unwrap_err();
    assert!(matches!(error, SettingsError::Select(_)), "{error}");
}
