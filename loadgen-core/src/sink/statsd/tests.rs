//! What arrives at a socket of the tests' own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::wire::CAPACITY;
use super::*;
use crate::clock::Clock;
use crate::engine::{
    GeneratorSnapshot, Options, Phase, Run, ScenarioSnapshot, ScenarioSpec, Snapshot,
};
use crate::outcome::{Failure, Outcome};
use crate::record::{
    BackendRecord, GeneratorRecord, Interval, Ledger, Merger, RunRecord, ScenarioRecord, StepSpec,
    new_histogram,
};
use crate::schedule::Load;
use crate::sink::Served;
use crate::workload::{Counter, Gauge, Iteration, Levels, Timing, UserId, Workload};

/// Stands for StatsD.
struct Server(UdpSocket);

/// What StatsD would make of what it got.
#[derive(Debug, Default)]
struct Heard {
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    datagrams: usize,
}

impl Server {
    fn start() -> (Self, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (Self::with(socket), address)
    }

    fn with(socket: UdpSocket) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    /// On the loopback, what was sent is there.
    fn heard(&self) -> Heard {
        let mut heard = Heard::default();
        let mut buffer = [0; 65_536];
        while let Ok(length) = self.0.recv(&mut buffer) {
            heard.datagrams += 1;
            assert!(length <= CAPACITY, "a datagram of {length} bytes");
            for line in std::str::from_utf8(&buffer[..length]).unwrap().lines() {
                let (name, rest) = line.split_once(':').unwrap();
                match rest.split_once('|').unwrap() {
                    (value, "c") => {
                        let sum = heard.counters.entry(name.to_owned()).or_default();
                        *sum += value.parse::<u64>().unwrap();
                    }
                    (value, "g") => {
                        let change: f64 = value.parse().unwrap();
                        let gauge = heard.gauges.entry(name.to_owned()).or_default();
                        let before = if value.starts_with(['+', '-']) {
                            *gauge
                        } else {
                            0.0
                        };
                        *gauge = before + change;
                    }
                    other => panic!("{other:?} in {line}"),
                }
            }
        }
        heard
    }
}

fn names(steps: &[StepSpec]) -> Names {
    Names {
        scenario: "s".to_owned(),
        protocol: "custom".to_owned(),
        open: false,
        steps: steps.to_vec(),
        counters: Vec::new(),
        gauges: Vec::new(),
        timings: Vec::new(),
        ..Names::default()
    }
}

fn sink(address: SocketAddr) -> StatsdSink {
    StatsdSink::new(address, &Prefix::default(), &[names(&[])]).unwrap()
}

fn interval() -> Interval {
    Merger::new(&names(&[]), 1).interval().clone()
}

fn record(completed: u64) -> ScenarioRecord {
    let mut record = ScenarioRecord::empty("s", "custom", false, &[]);
    record.ledger = Ledger {
        planned: completed,
        started: completed,
        completed,
        ..Ledger::default()
    };
    record
}

fn snapshot(sink: &mut StatsdSink, total: &ScenarioRecord, interval: &Interval) {
    let scenario = ScenarioSnapshot {
        phase: Phase::Measure,
        users: 3,
        levels: Levels::default(),
        interval,
        total,
    };
    sink.hear(&Event::Snapshot(&Snapshot {
        elapsed: Duration::from_secs(1),
        scenarios: vec![scenario],
        generator: GeneratorSnapshot::default(),
    }));
}

fn finish(sink: &mut StatsdSink, total: ScenarioRecord) {
    let now = std::time::SystemTime::UNIX_EPOCH;
    let generator = GeneratorRecord::default();
    let record = RunRecord::new(now, Duration::from_secs(1), vec![total], generator);
    sink.hear(&Event::Finished(&record));
}

/// Fails every fifth time, and counts, shows and sends something of its own.
#[derive(Clone, Copy)]
struct Fifths {
    things: Counter,
    below: Gauge,
    depth: Gauge,
    wait: Timing,
}

impl Workload for Fifths {
    type Session = u64;

    async fn open(&self, _: UserId) -> Result<u64, Failure> {
        Ok(0)
    }

    async fn iterate(&self, session: &mut u64, iteration: &Iteration<'_>) -> Outcome {
        *session += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        iteration.count(self.things, 3);
        iteration.gauge(self.below, -1.0);
        iteration.gauge(self.depth, 2.5);
        iteration.timing(self.wait, Duration::from_millis(3));
        if session.is_multiple_of(5) {
            Failure::Custom("no luck").into()
        } else {
            Outcome::Ok
        }
    }
}

#[test]
fn counters_add_up_to_the_ledger_of_a_run() {
    let (server, address) = Server::start();
    let load = Load::closed(4).for_(Duration::from_millis(1_300));
    let mut spec = ScenarioSpec::new("five a.m.", load);
    let fifths = Fifths {
        things: spec.counter("things/seen"),
        below: spec.gauge("below"),
        depth: spec.gauge("depth"),
        wait: spec.timing("a wait"),
    };
    let run = Run::new(Options::default()).scenario(spec, move |_| fifths);
    let mut sink = StatsdSink::new(address, &Prefix::default(), &run.names()).unwrap();
    let unsent = sink.unsent();
    let run = run.listen(move |event| sink.hear(event));
    let record = run.execute().unwrap();
    let heard = server.heard();
    let ledger = record.scenarios[0].ledger;
    assert!(ledger.completed > 0 && ledger.failed > 0, "{ledger:?}");
    let counted = |name: &str| {
        let name = format!("loadgen.five_a_m_.{name}");
        heard.counters.get(&name).copied().unwrap_or_default()
    };
    assert_eq!(counted("planned"), ledger.planned);
    assert_eq!(counted("started"), ledger.started);
    assert_eq!(counted("completed"), ledger.completed);
    assert_eq!(counted("failed"), ledger.failed);
    assert_eq!(counted("interrupted"), ledger.interrupted);
    assert_eq!(counted("dropped"), 0);
    assert_eq!(counted("late"), ledger.late);
    let ended = ledger.completed + ledger.failed;
    assert_eq!(counted("outcomes.ok"), ledger.completed);
    assert_eq!(counted("outcomes.custom.no_luck"), ledger.failed);
    assert_eq!(counted("steps.five_a_m_.requests"), ended);
    assert_eq!(counted("steps.five_a_m_.failed"), ledger.failed);
    let (_, things) = &record.scenarios[0].custom.counters[0];
    assert_eq!(counted("custom.things_seen"), *things);
    assert!(heard.gauges.contains_key("loadgen.five_a_m_.custom.depth"));
    let (_, waits) = &record.scenarios[0].custom.timings[0];
    assert_eq!(counted("custom.a_wait_us.samples"), waits.len());
    let gauges = [
        "users",
        "throughput_per_s",
        "response_time_us.p50",
        "steps.five_a_m_.service_time_us.max",
        "custom.below",
        "custom.a_wait_us.p50",
        "generator",
    ];
    for name in gauges {
        let name = match name {
            "generator" => "loadgen.generator.cpu_busy".to_owned(),
            name => format!("loadgen.five_a_m_.{name}"),
        };
        assert!(heard.gauges.contains_key(&name), "{name} of {heard:?}");
    }
    assert!(
        heard.gauges.values().all(|value| *value == 0.0),
        "{heard:?}"
    );
    assert_eq!((unsent.datagrams(), unsent.counters()), (0, 0));
}

#[test]
fn only_what_is_new_is_sent() {
    let (server, address) = Server::start();
    let mut sink = sink(address);
    snapshot(&mut sink, &record(5), &interval());
    assert_eq!(server.heard().counters["loadgen.s.completed"], 5);
    snapshot(&mut sink, &record(5), &interval());
    assert!(server.heard().counters.is_empty());
    finish(&mut sink, record(7));
    assert_eq!(server.heard().counters["loadgen.s.completed"], 2);
}

#[test]
fn nothing_is_lost_when_the_server_comes_late() {
    let (server, address) = Server::start();
    drop(server);
    let mut sink = sink(address);
    let unsent = sink.unsent();
    snapshot(&mut sink, &record(5), &interval());
    snapshot(&mut sink, &record(11), &interval());
    assert!(unsent.datagrams() >= 2, "{unsent:?}");
    assert_eq!(unsent.counters(), 3, "planned, started, completed");
    let server = Server::with(UdpSocket::bind(address).unwrap());
    snapshot(&mut sink, &record(12), &interval());
    assert_eq!(unsent.counters(), 0);
    finish(&mut sink, record(12));
    assert_eq!(server.heard().counters["loadgen.s.completed"], 12);
}

#[test]
fn nothing_is_lost_when_the_server_goes_and_comes_back() {
    let (server, address) = Server::start();
    let mut sink = sink(address);
    snapshot(&mut sink, &record(5), &interval());
    let first = server.heard().counters["loadgen.s.completed"];
    drop(server);
    snapshot(&mut sink, &record(9), &interval());
    let server = Server::with(UdpSocket::bind(address).unwrap());
    finish(&mut sink, record(20));
    let second = server.heard().counters["loadgen.s.completed"];
    assert_eq!((first, second), (5, 15));
}

#[test]
fn many_names_fill_several_datagrams() {
    let (server, address) = Server::start();
    let steps: Vec<StepSpec> = (0..60)
        .map(|it| format!("step {it} {}", "x".repeat(300)).into())
        .collect();
    let prefix = "p".repeat(200).parse().unwrap();
    let mut sink = StatsdSink::new(address, &prefix, &[names(&steps)]).unwrap();
    let mut total = ScenarioRecord::empty("s", "custom", false, &steps);
    for step in &mut total.steps {
        step.outcomes.push((Outcome::Ok, 2));
    }
    snapshot(&mut sink, &total, &interval());
    let heard = server.heard();
    let requests = heard
        .counters
        .iter()
        .filter(|(name, _)| name.ends_with(".requests"));
    assert_eq!(requests.map(|(_, count)| count).sum::<u64>(), 120);
    assert!((40..80).contains(&heard.datagrams), "{}", heard.datagrams);
}

/// What the server gets, as text.
fn lines(server: &Server) -> Vec<String> {
    let mut buffer = [0; 65_536];
    let mut lines = Vec::new();
    while let Ok(length) = server.0.recv(&mut buffer) {
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[test]
fn a_gauge_below_zero_is_a_change_from_zero() {
    let (server, address) = Server::start();
    let mut emitter = Emitter::connect(address).unwrap();
    let none = Tags::default();
    for (name, value) in [("a", -2.5), ("b", -0.0), ("c", f64::NAN), ("d", 1.0)] {
        emitter.gauge(name, &none, value);
    }
    emitter.flush();
    assert_eq!(lines(&server), ["a:0|g", "a:-2.5|g", "b:0|g", "d:1|g"]);
    emitter.flush();
    assert!(lines(&server).is_empty(), "nothing was said since");
    emitter.zero_gauges("");
    emitter.flush();
    assert_eq!(lines(&server), ["a:0|g", "b:0|g", "d:0|g"]);
}

#[test]
fn tags_stand_behind_each_line() {
    let (server, address) = Server::start();
    let own = Names {
        tags: vec![("team".to_owned(), "search, \"new\"".to_owned())],
        ..names(&[])
    };
    let common = [("env".to_owned(), "ci".to_owned())];
    let scenarios = std::slice::from_ref(&own);
    let mut sink = StatsdSink::new(address, &Prefix::default(), scenarios)
        .unwrap()
        .tagged(scenarios, &common);
    snapshot(&mut sink, &record(5), &interval());
    let lines = lines(&server);
    let tagged = |line: &str| lines.iter().any(|it| it == line);
    assert!(
        tagged("loadgen.s.completed:5|c|#team:search___new_,env:ci"),
        "{lines:?}"
    );
    assert!(
        tagged("loadgen.s.users:3|g|#team:search___new_,env:ci"),
        "{lines:?}"
    );
    assert!(tagged("loadgen.generator.workers:0|g|#env:ci"), "{lines:?}");
}

#[test]
fn counters_that_are_one_after_cleaning_add_up() {
    let (server, address) = Server::start();
    let mut sink = sink(address);
    let mut total = record(0);
    for (id, requests) in [("a.1", 3), ("a 1", 4)] {
        let mut backend = BackendRecord::empty(id);
        backend.requests = requests;
        total.backends.push(backend);
    }
    snapshot(&mut sink, &total, &interval());
    total.backends[1].requests = 6;
    snapshot(&mut sink, &total, &interval());
    let counters = server.heard().counters;
    assert_eq!(counters["loadgen.s.backends.a_1.requests"], 9);
}

/// As in the result document: the rows of all servers come to what there was.
#[test]
fn what_no_server_put_its_name_to_is_told() {
    let (server, address) = Server::start();
    let mut sink = sink(address);
    let mut total = record(0);
    total.unknown.requests = 3;
    total.unknown.failed = 2;
    snapshot(&mut sink, &total, &interval());
    let mut backend = BackendRecord::empty("a");
    backend.requests = 6;
    total.backends.push(backend);
    snapshot(&mut sink, &total, &interval());
    let counters = server.heard().counters;
    assert_eq!(counters["loadgen.s.backends.a.requests"], 6);
    assert_eq!(counters["loadgen.s.backends._unknown_.requests"], 3);
    assert_eq!(counters["loadgen.s.backends._unknown_.failed"], 2);
}

#[test]
fn what_has_no_address_is_refused() {
    let error = StatsdSink::new("no.such.host.invalid:1", &Prefix::default(), &[]).unwrap_err();
    assert!(matches!(error, StatsdError::Socket(_)), "{error:?}");
}

fn served<'a>(id: &'a str, protocol: &'a str, requests: u64) -> Served<'a> {
    let mut handling_time = new_histogram();
    handling_time.saturating_record_n(2_000, 20);
    Served {
        id,
        protocol,
        requests,
        failed: 1,
        connections_opened: 3,
        connections_open: 2,
        handling_time,
    }
}

#[test]
fn backends_tell_of_themselves_and_of_their_process() {
    let (server, address) = Server::start();
    let mut sink = BackendSink::new(address, &Prefix::default(), Clock::start()).unwrap();
    sink.tell(&[served("a.b", "grpc", 5), served("a.b", "websocket", 7)]);
    sink.tell(&[served("a.b", "grpc", 6), served("a.b", "websocket", 7)]);
    let heard = server.heard();
    let counters = [
        ("loadgen.backend.a_b.grpc.connections.opened", 3),
        ("loadgen.backend.a_b.grpc.failed", 1),
        ("loadgen.backend.a_b.grpc.requests", 6),
        ("loadgen.backend.a_b.websocket.connections.opened", 3),
        ("loadgen.backend.a_b.websocket.failed", 1),
        ("loadgen.backend.a_b.websocket.requests", 7),
    ];
    assert_eq!(
        heard.counters,
        counters.map(|(name, it)| (name.to_owned(), it)).into()
    );
    assert_eq!(
        heard.gauges["loadgen.backend.a_b.grpc.connections.open"],
        2.0
    );
    assert_eq!(
        heard.gauges["loadgen.backend.a_b.grpc.handling_time_us.p50"],
        2.0
    );
    assert!(
        heard
            .gauges
            .contains_key("loadgen.backend.a_b.process.cpu_cores"),
        "{heard:?}"
    );
    // Twenty samples are too few for it.
    assert!(
        !heard
            .gauges
            .contains_key("loadgen.backend.a_b.grpc.handling_time_us.p99")
    );
    let shown: Vec<_> = heard.gauges.into_keys().collect();
    sink.finish(&[served("a.b", "grpc", 9), served("a.b", "websocket", 7)]);
    let heard = server.heard();
    assert_eq!(
        heard.counters,
        [("loadgen.backend.a_b.grpc.requests".to_owned(), 3)].into()
    );
    assert!(heard.gauges.keys().eq(&shown), "{heard:?}");
    assert!(heard.gauges.values().all(|it| *it == 0.0), "{heard:?}");
}
