//! Runs and receivers for the tests of sinks.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::RunInfo;
use crate::engine::{
    Event, GeneratorSnapshot, Options, Phase, Run, ScenarioSnapshot, ScenarioSpec, Snapshot,
    StepSpec,
};
use crate::outcome::{Failure, Outcome};
use crate::record::{GeneratorRecord, Interval, Ledger, Merger, Names, RunRecord, ScenarioRecord};
use crate::schedule::Load;
use crate::units::Rate;
use crate::workload::{
    ConnectionEvent, Counter, Gauge, Iteration, Levels, MessageFault, Observer, SampleKind, Timing,
    UserId, Workload,
};

/// A name with everything in it that a format may stumble over.
pub(super) const AWKWARD: &str = "a \"b\" \\ c\nd größe";

pub(super) fn info() -> RunInfo {
    RunInfo::new("20261103T141502Z-7f3a9c", "1.2.3")
}

/// Has something to tell for every metric there is, and fails every fifth time.
struct Everything {
    things: Counter,
    depth: Gauge,
    wait: Timing,
    connected: Cell<bool>,
    observer: Rc<dyn Observer>,
}

impl Workload for Everything {
    type Session = u64;

    async fn open(&self, _: UserId) -> Result<u64, Failure> {
        if !self.connected.replace(true) {
            self.observer.connection(
                0,
                ConnectionEvent::Opened {
                    connect_time: 1_000_000,
                    tls_time: Some(400_000),
                    reconnected: false,
                },
            );
        }
        Ok(0)
    }

    async fn iterate(&self, session: &mut u64, iteration: &Iteration<'_>) -> Outcome {
        *session += 1;
        self.observer.bytes(100, 200);
        self.observer.connection(
            0,
            ConnectionEvent::Opened {
                connect_time: 1_000_000,
                tls_time: Some(400_000),
                reconnected: true,
            },
        );
        for kind in [
            SampleKind::FirstByte,
            SampleKind::FirstMessage,
            SampleKind::MessageGap,
            SampleKind::RoundTrip,
            SampleKind::StreamWait,
            SampleKind::MessageLag,
        ] {
            iteration.sample(0, kind, Duration::from_millis(2));
        }
        iteration.messages(0, 1, 2);
        iteration.message_fault(0, MessageFault::Missing, 1);
        iteration.check(0, 0, true, String::new);
        iteration.check(0, 0, false, || AWKWARD.to_owned());
        iteration.count(self.things, 3);
        iteration.gauge(self.depth, 2.5);
        iteration.timing(self.wait, Duration::from_millis(3));
        let first = iteration.step(0, async {
            iteration.answered_by(b"backend-1");
            iteration.sent(iteration.now());
            iteration.received(iteration.now());
            Outcome::Ok
        });
        first.await;
        iteration
            .step(1, async {
                iteration.sent(iteration.now());
                iteration.received(iteration.now());
                if session.is_multiple_of(5) {
                    Failure::Custom("no luck").into()
                } else {
                    Outcome::Ok
                }
            })
            .await
    }

    fn levels(&self) -> Levels {
        Levels {
            connections: Some(1),
            in_flight: Some(2),
            replies_owed: Some(3),
            streams_in_use: Some(4),
            streams_allowed: Some(5),
        }
    }
}

/// A run of little more than a second with a value for every metric.
pub(super) fn everything() -> Run {
    let load = Load::open(Rate::new(200.0).expect("a rate"))
        .for_(Duration::from_millis(1_200))
        .max_users(4);
    let mut spec = ScenarioSpec {
        steps: vec![StepSpec::from("first").checks(["one"]), AWKWARD.into()],
        tags: vec![
            ("team.name".to_owned(), AWKWARD.to_owned()),
            ("step".to_owned(), "taken".to_owned()),
        ],
        retries: true,
        ..ScenarioSpec::new(AWKWARD, load)
    };
    let things = spec.counter("things");
    let depth = spec.gauge("depth");
    let wait = spec.timing("wait");
    Run::new(Options::default()).scenario(spec, move |context| Everything {
        things,
        depth,
        wait,
        connected: Cell::new(false),
        observer: Rc::clone(&context.observer),
    })
}

pub(super) fn names() -> Names {
    Names {
        scenario: "s".to_owned(),
        protocol: "custom".to_owned(),
        ..Names::default()
    }
}

pub(super) fn record(completed: u64) -> ScenarioRecord {
    let mut record = ScenarioRecord::empty("s", "custom", false, &[]);
    record.ledger = Ledger {
        planned: completed,
        started: completed,
        completed,
        ..Ledger::default()
    };
    record
}

/// Tells of a second after which so many are completed.
pub(super) fn second(hear: &mut dyn FnMut(&Event<'_>), completed: u64) {
    second_of(hear, completed, &[Phase::Measure]);
}

/// The same of scenarios in these phases.
pub(super) fn second_of(hear: &mut dyn FnMut(&Event<'_>), completed: u64, phases: &[Phase]) {
    let interval: Interval = Merger::new(&names(), 1).interval().clone();
    let total = record(completed);
    let scenarios = phases.iter().map(|phase| ScenarioSnapshot {
        phase: *phase,
        users: 3,
        levels: Levels::default(),
        interval: &interval,
        total: &total,
    });
    hear(&Event::Snapshot(&Snapshot {
        elapsed: Duration::from_secs(1),
        scenarios: scenarios.collect(),
        generator: GeneratorSnapshot::default(),
    }));
}

pub(super) fn run_record(completed: u64) -> RunRecord {
    let scenarios = vec![record(completed)];
    let generator = GeneratorRecord::default();
    RunRecord::new(
        SystemTime::UNIX_EPOCH,
        Duration::from_secs(1),
        scenarios,
        generator,
    )
}

pub(super) fn end(hear: &mut dyn FnMut(&Event<'_>), completed: u64) {
    hear(&Event::Finished(&run_record(completed)));
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// Stands for whoever takes posts: one request after the other, each on its own connection.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    requests: mpsc::Receiver<Request>,
}

impl Receiver {
    /// Answers each request with the status and body that `answer` makes; it may wait.
    pub(super) fn start(mut answer: impl FnMut() -> (u16, Vec<u8>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut BufReader::new(&stream));
                if told.send(request).is_err() {
                    return;
                }
                let (status, body) = answer();
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                // The other side may have gone.
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&body);
            }
        });
        Self { address, requests }
    }

    /// The next request.
    pub(super) fn next(&self) -> Request {
        let patience = Duration::from_secs(30);
        self.requests.recv_timeout(patience).expect("a request")
    }

    /// Those that have come.
    pub(super) fn so_far(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn read(stream: &mut impl BufRead) -> Request {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let target = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Request {
        target,
        headers,
        body,
    }
}

/// An address where nobody listens.
pub(super) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
