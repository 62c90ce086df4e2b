//! The sink, and the intervals it shows, pressed where they may give way.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::engine::{Event, Options, Run, ScenarioSpec};
use crate::outcome::{Failure, Outcome};
use crate::schedule::Load;
use crate::units::Rate;
use crate::workload::{Iteration, Levels, UserId, Workload};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy)]
struct Steps {
    takes: Duration,
    /// How many of two steps are reached.
    reached: usize,
    fails: bool,
}

impl Workload for Steps {
    type Session = ();

    async fn open(&self, _: UserId) -> Result<(), Failure> {
        Ok(())
    }

    async fn iterate(&self, (): &mut (), iteration: &Iteration<'_>) -> Outcome {
        let mut outcome = Outcome::Ok;
        for step in 0..self.reached {
            outcome = iteration
                .step(step, async {
                    tokio::time::sleep(self.takes).await;
                    if self.fails {
                        Failure::Timeout.into()
                    } else {
                        Outcome::Ok
                    }
                })
                .await;
        }
        outcome
    }

    fn levels(&self) -> Levels {
        Levels {
            connections: Some(7),
            in_flight: Some(7),
            ..Levels::default()
        }
    }
}

const ONE_STEP: Steps = Steps {
    takes: Duration::from_millis(1),
    reached: 1,
    fails: false,
};

fn closed(users: u32, millis: u64) -> Load {
    Load::closed(users)
        .for_(Duration::from_millis(millis))
        .into()
}

fn open(rate: f64, millis: u64) -> Load {
    Load::open(Rate::new(rate).expect("a rate"))
        .for_(Duration::from_millis(millis))
        .max_users(100)
        .into()
}

/// Every second's lines, as the server got them.
fn seconds(run: Run, take: impl Fn(usize) + Send + 'static) -> Vec<Vec<String>> {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    let mut sink = StatsdSink::new(address, &Prefix::default(), &run.names()).unwrap();
    let all = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&all);
    let mut nth = 0;
    let run = run.listen(move |event: &Event<'_>| {
        sink.hear(event);
        // It says nothing that is sent, and comes in the same second as a snapshot.
        if matches!(event, Event::SoFar(_)) {
            return;
        }
        let mut lines = Vec::new();
        let mut buffer = [0; 65_536];
        while let Ok(length) = server.recv(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
        seen.lock().unwrap().push(lines);
        take(nth);
        nth += 1;
    });
    run.execute().unwrap();
    std::mem::take(&mut *all.lock().unwrap())
}

fn gauge(lines: &[String], name: &str) -> Option<f64> {
    let prefix = format!("{name}:");
    let line = lines.iter().rev().find(|it| it.starts_with(&prefix))?;
    line[prefix.len()..].strip_suffix("|g")?.parse().ok()
}

/// What the gauge said, but for its end.
fn throughput(seconds: &[Vec<String>]) -> Vec<f64> {
    let shown = seconds
        .iter()
        .filter_map(|it| gauge(it, "loadgen.s.throughput_per_s"));
    shown.filter(|it| *it > 0.0).collect()
}

/// A step that is never reached has no response times.
#[test]
fn a_step_that_never_had_samples_shows_none() {
    let mut spec = ScenarioSpec::new("s", closed(4, 1_500));
    spec.steps = vec!["login".into(), "browse".into()];
    let run = Run::new(Options::default().workers(1).seed(1)).scenario(spec, |_| Steps {
        fails: true,
        ..ONE_STEP
    });
    let seconds = seconds(run, |_| {});
    let lies: Vec<_> = seconds
        .iter()
        .flatten()
        .filter(|it| it.contains("steps.browse.") && it.contains("time_us"))
        .collect();
    assert!(lies.is_empty(), "{lies:#?}");
}

/// What StatsD shows of a scenario that is over while another goes on.
#[test]
fn a_scenario_that_is_over_shows_nothing_any_more() {
    let run = Run::new(Options::default().workers(1).seed(1))
        .scenario(ScenarioSpec::new("brief", closed(4, 1_500)), |_| ONE_STEP)
        .scenario(ScenarioSpec::new("long", closed(4, 4_500)), |_| ONE_STEP);
    let seconds = seconds(run, |_| {});
    // What stands in StatsD three seconds after the brief one's end.
    let mut stands = BTreeMap::new();
    for lines in &seconds[..4] {
        for name in [
            "throughput_per_s",
            "users",
            "connections.open",
            "in_flight",
            "response_time_us.p50",
            "steps.brief.throughput_per_s",
        ] {
            let name = format!("loadgen.brief.{name}");
            if let Some(value) = gauge(lines, &name) {
                stands.insert(name, value);
            }
        }
    }
    assert!(stands.values().all(|it| *it == 0.0), "{stands:#?}");
}

/// The first second that is measured is not mixed with the warm-up before it.
#[test]
fn throughput_after_half_a_second_of_warm_up() {
    let mut spec = ScenarioSpec::new("s", open(1_000.0, 3_000));
    spec.warm_up = Duration::from_millis(500);
    let run = Run::new(Options::default().workers(1).seed(1)).scenario(spec, |_| ONE_STEP);
    let seconds = seconds(run, |_| {});
    let shown = throughput(&seconds);
    assert!(
        shown.iter().all(|it| (900.0..1_100.0).contains(it)),
        "{shown:?}"
    );
}

/// A listener that is slow once does not make the figures of others wrong.
#[test]
fn throughput_after_a_slow_listener() {
    let mut spec = ScenarioSpec::new("s", open(1_000.0, 5_000));
    spec.max_workers = Some(2);
    let run = Run::new(Options::default().workers(2).seed(1)).scenario(spec, |_| ONE_STEP);
    let seconds = seconds(run, |nth| {
        if nth == 1 {
            std::thread::park_timeout(Duration::from_millis(1_300));
        }
    });
    let shown = throughput(&seconds);
    assert!(
        shown.iter().all(|it| (850.0..1_150.0).contains(it)),
        "{shown:?}"
    );
    let told = seconds[2..6]
        .iter()
        .map(|it| gauge(it, "loadgen.s.throughput_per_s"))
        .collect::<Vec<_>>();
    assert!(told.iter().all(Option::is_some), "{told:?}");
}

/// A name has the address of IPv6 first, and StatsD listens on that of IPv4, as it does by default.
#[test]
fn the_second_address_of_a_name_is_tried() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let v4 = server.local_addr().unwrap();
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, v4.port()));
    let mut emitter = Emitter::connect(&[v6, v4][..]).unwrap();
    for total in [3, 5, 8] {
        emitter.count("a", &Tags::default(), total);
        emitter.flush();
    }
    let mut buffer = [0; 1_500];
    let mut sum = 0;
    while let Ok(length) = server.recv(&mut buffer) {
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        let count = text.strip_prefix("a:").and_then(|it| it.strip_suffix("|c"));
        sum += count.unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(sum, 8, "{:?}", emitter.unsent());
}

#[test]
fn a_line_is_never_longer_than_a_datagram_may_be() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let mut emitter = Emitter::connect(server.local_addr().unwrap()).unwrap();
    let tags: Vec<_> = (0..10)
        .map(|it| (format!("tag{it}"), "x".repeat(200)))
        .collect();
    emitter.count("a", &Tags::new(&tags), 1);
    emitter.flush();
    let mut buffer = [0; 65_536];
    let length = server.recv(&mut buffer).unwrap();
    assert!(length <= 1_432, "{length} bytes");
}

/// One line that no datagram can hold does not keep back what comes after it.
#[test]
fn a_line_that_cannot_go_keeps_nothing_back() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let mut emitter = Emitter::connect(server.local_addr().unwrap()).unwrap();
    let name = "a".repeat(70_000);
    for total in 1..4 {
        emitter.count(&name, &Tags::default(), total);
        emitter.count("b", &Tags::default(), total);
        emitter.flush();
    }
    let mut buffer = [0; 65_536];
    let length = server.recv(&mut buffer).expect("b goes");
    assert!(buffer[..length].starts_with(b"b:"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// On the loopback: whatever comes and goes between flushes, what was heard in the end is the
    /// total, and never more on the way.
    #[test]
    fn counters_are_neither_lost_nor_doubled(
        flushes in prop::collection::vec((any::<bool>(), prop::collection::vec(0_u64..3, 1..120)), 1..12)
    ) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut server = Some(socket);
        let mut emitter = Emitter::connect(address).unwrap();
        let unsent = emitter.unsent();
        let mut totals = vec![0_u64; 120];
        let mut heard: BTreeMap<String, u64> = BTreeMap::new();
        let name = |nth: usize| format!("{}.{nth}", "n".repeat(150));
        let last = (true, vec![1; 120]);
        for (is_there, more) in flushes.into_iter().chain([last]) {
            match (is_there, &server) {
                (true, None) => server = Some(UdpSocket::bind(address).unwrap()),
                (false, Some(_)) => server = None,
                _ => {}
            }
            for (total, more) in totals.iter_mut().zip(&more) {
                *total += more;
            }
            for (nth, total) in totals.iter().enumerate() {
                emitter.count(&name(nth), &Tags::default(), *total);
            }
            emitter.flush();
            if let Some(server) = &server {
                server.set_nonblocking(true).unwrap();
                let mut buffer = [0; 2_048];
                while let Ok(length) = server.recv(&mut buffer) {
                    for line in std::str::from_utf8(&buffer[..length]).unwrap().lines() {
                        let (name, count) = line.strip_suffix("|c").unwrap().split_once(':').unwrap();
                        *heard.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
                    }
                }
            }
            for (nth, total) in totals.iter().enumerate() {
                let heard = heard.get(&name(nth)).copied().unwrap_or_default();
                prop_assert!(heard <= *total, "{heard} of {total}");
            }
        }
        // A restart between flushes costs the first flush after it at the most.
        for (nth, total) in totals.iter().enumerate() {
            emitter.count(&name(nth), &Tags::default(), *total);
        }
        emitter.flush();
        let server = server.unwrap();
        let mut buffer = [0; 2_048];
        while let Ok(length) = server.recv(&mut buffer) {
            for line in std::str::from_utf8(&buffer[..length]).unwrap().lines() {
                let (name, count) = line.strip_suffix("|c").unwrap().split_once(':').unwrap();
                *heard.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
            }
        }
        for (nth, total) in totals.iter().enumerate() {
            prop_assert_eq!(heard.get(&name(nth)).copied().unwrap_or_default(), *total);
        }
        prop_assert_eq!(unsent.counters(), 0);
    }
}
