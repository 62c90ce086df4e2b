//! Messages and connections: the founding figures of WebSocket.

use std::time::Duration;

use loadgen_benches::{Server, ServerProcess, median, open};
use loadgen_core::record::{Histogram, ScenarioRecord};
use loadgen_core::scenario::{Payload, ScenarioPlan, Step, WebsocketExchange, WebsocketPlan};
use loadgen_core::schedule::{Load, ThinkTime};
use loadgen_core::units::Rate;
use loadgen_core::workload::SampleKind;

use super::{ROUNDS, closed, ms, one};

/// Echoes of 64 bytes, so many in an iteration and so many unanswered at a time.
pub(crate) fn echo(
    target: &str,
    load: impl Into<Load>,
    repeat: u32,
    in_flight: u32,
) -> ScenarioPlan {
    to(
        target,
        load,
        WebsocketPlan::new([echo_step(repeat, in_flight)]),
    )
}

fn to(target: &str, load: impl Into<Load>, websocket: WebsocketPlan) -> ScenarioPlan {
    let mut scenario = ScenarioPlan::new("echo", websocket, load);
    scenario.targets = vec![target.parse().expect("an address of our own")];
    scenario
}

fn echo_step(repeat: u32, in_flight: u32) -> Step<WebsocketExchange> {
    let payload = Payload::Sized {
        bytes: 64,
        text: true,
    };
    let mut exchange = WebsocketExchange::send("/echo", payload);
    exchange.repeat = repeat;
    exchange.in_flight = in_flight;
    exchange.into()
}

fn round_trips(record: &ScenarioRecord) -> &Histogram {
    let mut samples = record.steps[0].samples.iter();
    let found = samples.find(|(kind, _)| *kind == SampleKind::RoundTrip);
    &found.expect("every echo has one").1
}

/// Median and p99 of the round trips, and echoes a second.
fn echoes(name: &str, figure: &str, scenario: impl Fn() -> ScenarioPlan) {
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let mut scenario = scenario();
            // Opening thousands of connections takes longer than a second, and is not what is asked.
            scenario.warm_up = Duration::from_secs(2);
            one(scenario).0
        })
        .collect();
    let of = |figure: &dyn Fn(&ScenarioRecord) -> f64| {
        median(&rounds.iter().map(figure).collect::<Vec<_>>())
    };
    println!(
        "  {name:<32} {:>9.0}/s, round trip p50 {:>6.2} ms, p99 {:>6.2} ms   (figure: {figure})",
        of(&|record| record.steps[0].messages_received as f64 / record.elapsed.as_secs_f64()),
        of(&|record| ms(round_trips(record), 0.5)),
        of(&|record| ms(round_trips(record), 0.99)),
    );
}

/// Opens so many connections, at a rate or all at once, with one echo on each.
fn connect(target: &str, name: &str, connections: u32, rate: Option<f64>) {
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let load = Load::closed(connections).iterations_per_user(1);
            let mut websocket = WebsocketPlan::new([echo_step(1, 1)]);
            websocket.connect_rate = rate.map(|rate| Rate::new(rate).expect("above zero"));
            let record = one(to(target, load, websocket)).0;
            assert_eq!(record.connections.counts.opened, u64::from(connections));
            let times = &record.connections.connect_time;
            (ms(times, 0.5), ms(times, 0.99), ms(times, 1.0))
        })
        .collect();
    let of = |figure: fn(&(f64, f64, f64)) -> f64| {
        median(&rounds.iter().map(figure).collect::<Vec<_>>())
    };
    println!(
        "  {name:<32} p50 {:>6.2} ms, p99 {:>6.2} ms, longest {:>6.2} ms   (figure: < 10 ms)",
        of(|times| times.0),
        of(|times| times.1),
        of(|times| times.2),
    );
}

/// Connections that are used now and then, for as long as a run of some seconds lasts.
fn stable(target: &str, connections: u32) {
    let load = Load::closed(connections)
        .for_(Duration::from_secs(10))
        .think_time(ThinkTime::Fixed(Duration::from_secs(1)));
    let record = one(echo(target, load, 1, 1)).0;
    let counts = record.connections.counts;
    println!(
        "  {:<32} {} opened, {} failed, {} dropped, {} echoes in {:.0} s   (figure: 5,000 stable)",
        format!("{connections} connections in use"),
        counts.opened,
        counts.failed,
        counts.dropped,
        record.ledger.completed,
        record.elapsed.as_secs_f64(),
    );
}

pub(crate) fn figures() {
    let server = ServerProcess::spawn(Server::Websocket.role(), None);
    let target = server.address.as_str();
    println!("WebSocket; one generator thread, one server thread, median of {ROUNDS}, 64 B texts");
    stable(target, 5000);
    let most = ">= 50,000/s";
    echoes("echo, 50 users", most, || {
        echo(target, closed(50, 3, None), 1, 1)
    });
    echoes("echo, 5,000 users", most, || {
        echo(target, closed(5000, 3, None), 1, 1)
    });
    echoes("echo, 50 users, 16 in flight", most, || {
        echo(target, closed(50, 3, None), 160, 16)
    });
    echoes("echo at 5,000/s, 100 users", "p99 < 2 ms", || {
        echo(target, open(5000.0, 5, 100), 1, 1)
    });
    connect(target, "connecting, 500 a second", 1500, Some(500.0));
    connect(target, "connecting, 1,000 at once", 1000, None);
}
