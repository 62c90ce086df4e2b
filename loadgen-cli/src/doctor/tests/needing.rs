use loadgen_core::scenario::{
    ConnectionPer, GrpcCall, GrpcPlan, Payload, ProtocolPlan, ScenarioPlan, Step,
    WebsocketExchange, WebsocketPlan,
};
use loadgen_core::schedule::{Load, WhenBusy};
use loadgen_core::units::Rate;
use serde_json::json;
use test_case::test_case;

use super::super::needs::{Needs, warnings};
use super::*;

fn closed(users: u32) -> Load {
    Load::closed(users).iterations(1).into()
}

fn grpc(connections: Option<u32>, targets: &[&str]) -> ScenarioPlan {
    let mut grpc = GrpcPlan::new([GrpcCall::new("a.A/B", json!({})).into()]);
    grpc.connections = connections;
    let mut plan = ScenarioPlan::new("a", grpc, closed(10));
    plan.targets = targets.iter().map(|it| it.parse().unwrap()).collect();
    plan
}

/// Ten users with a gRPC connection each, which come from these addresses.
fn each_its_own(targets: &[&str], bind: &[&str]) -> ScenarioPlan {
    let mut plan = grpc(None, targets);
    plan.bind = bind.iter().map(|it| it.parse().unwrap()).collect();
    if let ProtocolPlan::Grpc(grpc) = &mut plan.protocol {
        grpc.connection_per = Some(ConnectionPer::User);
    }
    plan
}

fn websocket(load: Load, target: &str) -> ScenarioPlan {
    let exchange = WebsocketExchange::send("/echo", Payload::Text("x".to_owned()));
    let mut plan = ScenarioPlan::websocket("b", exchange, load);
    plan.targets = vec![target.parse().unwrap()];
    plan
}

fn its_websocket(plan: &mut ScenarioPlan) -> &mut WebsocketPlan {
    match &mut plan.protocol {
        ProtocolPlan::Websocket(websocket) => websocket,
        other => panic!("not WebSocket: {other:?}"),
    }
}

/// Three steps on two paths.
fn two_paths() -> ScenarioPlan {
    let mut plan = websocket(closed(10), "h:1");
    for path in ["/stream", "/echo"] {
        let exchange = WebsocketExchange::ping(path);
        its_websocket(&mut plan)
            .steps
            .push(Step::new(path, exchange));
    }
    plan
}

fn needs(scenarios: &[ScenarioPlan]) -> Needs {
    Needs::of(scenarios, 4, |_| 1)
}

#[test_case(&[grpc(None, &[])] => (4, 4, "the embedded backend".to_owned()); "one a worker")]
#[test_case(&[grpc(None, &["a:1", "b:1"])] => (8, 4, "a:1".to_owned()); "to each target")]
#[test_case(&[grpc(Some(10), &["a:1", "b:1", "c:1"])] => (10, 4, "a:1".to_owned()); "spread evenly, rounded up")]
#[test_case(&[grpc(Some(1), &["a:1"])] => (4, 4, "a:1".to_owned()); "never fewer than workers")]
#[test_case(&[each_its_own(&["a:1", "b:1"], &[])] => (10, 5, "a:1".to_owned()); "each user its own")]
#[test_case(&[each_its_own(&["a:1", "b:1"], &["127.0.0.1", "127.0.0.2"])] => (10, 3, "a:1".to_owned()); "from two addresses, each with all ports")]
#[test_case(&[grpc(Some(10), &["a:1"]), grpc(Some(20), &["a:1", "b:1"])] => (30, 20, "a:1".to_owned()); "scenarios share a target")]
#[test_case(&[grpc(Some(10), &["a:1", "a:1"])] => (10, 10, "a:1".to_owned()); "a target named twice")]
#[test_case(&[grpc(Some(10), &["a:1", "a:2"])] => (10, 5, "a:1".to_owned()); "another port is another target")]
#[test_case(&[two_paths()] => (20, 20, "h:1".to_owned()); "one for each path")]
#[test_case(&[websocket(closed(700), "[::1]:8")] => (700, 700, "[::1]:8".to_owned()); "each WebSocket user has its own")]
fn connections(scenarios: &[ScenarioPlan]) -> (u64, u64, String) {
    let needs = needs(scenarios);
    (
        needs.connections,
        needs.connections_per_target,
        needs.busiest,
    )
}

#[test]
fn the_addresses_of_a_name_take_turns() {
    let scenarios = [grpc(Some(60_000), &["greeter.example:443"])];
    let needs = Needs::of(&scenarios, 4, |_| 3);
    assert_eq!(needs.connections_per_target, 20_000);
}

#[test_case(30_000, 28_232 => Some("30,000 connections to 10.0.0.7:50051 need a local port each, and there are 28,232 for one target (32768 to 60999); widen the range with `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"` (as root), spread them over more targets (each address and port takes as many), or ask for fewer".to_owned()); "too many")]
#[test_case(65_000, 28_232 => Some("65,000 connections to 10.0.0.7:50051 need a local port each, and there are 28,232 for one target (32768 to 60999); spread them over more targets (each address and port takes as many), or ask for fewer".to_owned()); "too many whatever the range")]
#[test_case(28_232, 28_232 => None; "just enough")]
fn too_few_ports(connections: u32, usable: u64) -> Option<String> {
    let range = ports(32_768, 60_999, 0);
    assert_eq!(range.usable(), usable);
    let needs = needs(&[grpc(Some(connections), &["10.0.0.7:50051"])]);
    let refused = needs.check_ports(Some(&range));
    refused.err().map(|error| error.to_string())
}

#[test]
fn where_the_system_does_not_tell_there_are_enough() {
    let needs = needs(&[grpc(Some(65_535), &["a:1"])]);
    assert_eq!(needs.check_ports(None), Ok(()));
    assert_eq!(warnings(&Facts::default(), &needs), Vec::<String>::new());
}

/// The warnings of this run on a good machine that was changed like this.
fn warned(scenario: &ScenarioPlan, change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = good();
    change(&mut facts);
    warnings(&facts, &needs(std::slice::from_ref(scenario)))
}

#[test]
fn a_good_machine_is_silent() {
    let scenario = grpc(Some(50_000), &["10.0.0.7:1"]);
    assert_eq!(warned(&scenario, |_| {}), Vec::<String>::new());
}

#[test]
fn few_ports_left() {
    let scenario = grpc(Some(27_000), &["10.0.0.7:1"]);
    let lines = warned(&scenario, |facts| {
        facts.ports = Some(ports(32_768, 60_999, 0));
    });
    insta::assert_snapshot!(lines.join("\n"), @r#"27,000 connections to 10.0.0.7:1 leave few of the 28,232 local ports for one target: connecting gets slow, and fails where others hold some; `sysctl -w net.ipv4.ip_local_port_range="1024 65535"` widens the range"#);
}

#[test]
fn a_burst_above_the_backlog() {
    let users = closed(5_000);
    let ahead = websocket(users.clone(), "127.0.0.1:8");
    assert_eq!(warned(&ahead, |_| {}), Vec::<String>::new());
    let mut here = ahead;
    its_websocket(&mut here).connection_per = ConnectionPer::Iteration;
    insta::assert_snapshot!(warned(&here, |_| {}).join("\n"), @"up to 5,000 connections at once to a server on this machine, which can keep 4,096 waiting: the rest may take 1 s or more to connect; `sysctl -w net.core.somaxconn=5000` before the server starts, or a rate of connecting, helps");
    let elsewhere = websocket(users, "10.0.0.7:8");
    assert_eq!(warned(&elsewhere, |_| {}), Vec::<String>::new());
    let mut slowly = here;
    its_websocket(&mut slowly).connect_rate = Some("500/s".parse().unwrap());
    assert_eq!(warned(&slowly, |_| {}), Vec::<String>::new());
    let few_at_once = grpc(Some(5_000), &["127.0.0.1:8"]);
    assert_eq!(warned(&few_at_once, |_| {}), Vec::<String>::new());
}

#[test]
fn a_quota_below_the_workers() {
    let lines = warned(&grpc(None, &[]), |facts| facts.quota = quota(2.5));
    insta::assert_snapshot!(lines.join("\n"), @"4 workers share a quota of 2.5 CPUs: the kernel stops them all when it is used up, which shows as lateness; `--workers 2`, or `echo max > /sys/fs/cgroup/box/cpu.max`, helps");
    let lines = warned(&grpc(None, &[]), |facts| facts.quota = quota(4.0));
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_table_that_would_overflow() {
    let scenario = grpc(Some(2_000), &["10.0.0.7:1"]);
    let lines = warned(&scenario, |facts| facts.conntrack = table(10_000, 9_000));
    insta::assert_snapshot!(lines.join("\n"), @"2,000 connections and room for 1,000 in the connection tracking table: a full one drops packets; `sysctl -w net.netfilter.nf_conntrack_max=13000` makes room");
    let unused = warned(&scenario, |facts| facts.conntrack = table(1_000, 0));
    assert_eq!(unused, Vec::<String>::new());
}

fn open(rate: f64, when_busy: WhenBusy) -> Load {
    Load::open(Rate::new(rate).expect("a rate"))
        .for_(std::time::Duration::from_secs(60))
        .max_users(100)
        .when_busy(when_busy)
        .into()
}

fn loaded(load: Load) -> ScenarioPlan {
    let mut plan = grpc(None, &["h:1"]);
    plan.load = load;
    plan
}

fn steps(number: usize) -> ScenarioPlan {
    let step = Step::from(GrpcCall::new("a.A/B", json!({})));
    let mut plan = grpc(None, &["h:1"]);
    plan.protocol = GrpcPlan::new(vec![step; number]).into();
    plan
}

/// Each of these was ended by the kernel, without a word.
#[test_case(&[loaded(closed(1_000_000))], 2 << 30 => "the run would take at least 5.73 GiB of memory (1,000,000 users 5.72 GiB, 4 connections 64 KiB, 112 histograms 9.62 MiB), and 2 GiB can be had; ask for fewer users (`--concurrency`), free some memory, or raise its limit".to_owned(); "users")]
#[test_case(&[loaded(open(100e6, WhenBusy::Queue))], 100 << 20 => "the run would take at least 141 MiB of memory (100 users 600 KiB, 4 connections 64 KiB, 140 histograms 12 MiB, 8,388,608 arrivals in line 128 MiB), and 100 MiB can be had; ask for a lower rate, or `\"when_busy\": \"drop\"`, with which none stand in line, free some memory, or raise its limit".to_owned(); "arrivals in line")]
#[test_case(&[loaded(open(100e6, WhenBusy::Drop))], 100 << 20 => ""; "no line")]
#[test_case(&vec![grpc(None, &["h:1"]); 1_000], 2 << 30 => "the run would take at least 9.52 GiB of memory (10,000 users 58.6 MiB, 4,000 connections 62.5 MiB, 112,000 histograms 9.4 GiB), and 2 GiB can be had; ask for fewer scenarios or steps at a time, or fewer `--workers`, free some memory, or raise its limit".to_owned(); "scenarios")]
#[test_case(&[steps(10_000)], 2 << 30 => "the run would take at least 21.1 GiB of memory (10 users 60 KiB, 4 connections 64 KiB, 740,112 histograms 21.1 GiB), and 2 GiB can be had; ask for fewer scenarios or steps at a time, or fewer `--workers`, free some memory, or raise its limit".to_owned(); "steps")]
#[test_case(&[websocket(closed(4_000), "10.0.0.7:8")], 32 << 20 => "the run would take at least 72.1 MiB of memory (4,000 connections 62.5 MiB, 112 histograms 9.62 MiB), and 32 MiB can be had; ask for fewer connections (`--connections`; of WebSocket, `--concurrency`), free some memory, or raise its limit".to_owned(); "connections")]
#[test_case(&[steps(20), loaded(closed(1_000))], 100 << 20 => ""; "what fits")]
fn memory(scenarios: &[ScenarioPlan], room: u64) -> String {
    let error = needs(scenarios).memory.fits(Some(room)).err();
    error.map(|it| it.to_string()).unwrap_or_default()
}

#[test]
fn a_connection_for_each_iteration() {
    let open = |rate: f64| {
        Load::open(Rate::new(rate).expect("a rate"))
            .for_(std::time::Duration::from_secs(60))
            .max_users(100)
            .into()
    };
    let scenario = |rate, target| {
        let mut plan = websocket(open(rate), target);
        its_websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        plan
    };
    let never = |facts: &mut Facts| facts.time_wait.as_mut().unwrap().reuse = 2;
    let lines = warned(&scenario(2_000.0, "10.0.0.7:8"), never);
    insta::assert_snapshot!(lines.join("\n"), @"new connections to one target at 2,000/s, where 1,075/s go on for long, as one that the server does not close first holds its port for 60 s; `sysctl -w net.ipv4.tcp_tw_reuse=1` lets ports be used again");
    assert!(warned(&scenario(1_000.0, "10.0.0.7:8"), never).is_empty());
    assert!(warned(&scenario(2_000.0, "127.0.0.1:8"), never).is_empty());
    assert!(warned(&scenario(2_000.0, "10.0.0.7:8"), |_| {}).is_empty());
}
