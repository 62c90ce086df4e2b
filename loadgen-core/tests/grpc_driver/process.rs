//! The engine and the driver together, against a server process that is killed or stands still.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use loadgen_backends::{ServerConfig, start_grpc};
use loadgen_core::engine::Event;
use loadgen_core::outcome::Failure;
use loadgen_core::record::{BackendRecord, ScenarioRecord};
use loadgen_core::scenario::ScenarioPlan;
use loadgen_core::schedule::{Limit, Load};
use rustix::process::{Pid, Signal, kill_process};
use test_case::test_case;

use crate::support::plan;
use crate::support::whole::{assembled, closed, failures, finish, open};

const ROLE: &str = "LOADGEN_TEST_BACKEND";
const LISTENS: &str = "listens on ";

/// Not a test but the server process of those below: this program starts itself with `ROLE` set.
#[test]
fn backend() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (id, address) = role.split_once('@').expect("an id and an address");
    let mut config = ServerConfig::new(address.parse().expect("an address"));
    config.id = Some(id.to_owned());
    config.threads = Some(1);
    let server = start_grpc(config).expect("a server");
    writeln!(std::io::stdout(), "{LISTENS}{}", server.local_addr()).expect("a parent");
    // Ends with its parent at the latest.
    let _ = std::io::stdin().read(&mut [0]);
}

/// A server process. Dropping it kills it, even where it stands still.
struct Backend {
    child: Child,
    address: SocketAddr,
}

impl Backend {
    fn start(id: &str, address: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "process::backend", "--nocapture"])
            .env(ROLE, format!("{id}@{address}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let address = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, address) = line.split_once(LISTENS)?;
                address.parse().ok()
            })
            .expect("the server listens");
        Self { child, address }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child");
    }

    /// No good-bye: the system cuts its connections.
    fn kill(mut self) -> SocketAddr {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it was killed");
        self.address
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(ms: u64) {
    std::thread::park_timeout(Duration::from_millis(ms));
}

/// Carries out a run; `meanwhile` begins when it has connected.
fn during<T>(plan: ScenarioPlan, meanwhile: impl FnOnce() -> T) -> (ScenarioRecord, T) {
    let (tell, connected) = mpsc::channel();
    let run = assembled(plan).listen(move |event| {
        if let Event::Connected = event {
            let _ = tell.send(());
        }
    });
    std::thread::scope(|scope| {
        let run = scope.spawn(|| finish(run));
        connected.recv().expect("the run connects");
        let result = meanwhile();
        (run.join().expect("the run's own checks hold"), result)
    })
}

const LENGTH: Duration = Duration::from_millis(2400);

#[test_case(closed(8, Limit::Duration(LENGTH)); "closed")]
#[test_case(open(200.0, LENGTH, 300); "open")]
fn killed_and_started_again(load: Load) {
    let first = Backend::start("first", "127.0.0.1:0");
    let mut plan = plan(&[first.address], "Hello");
    let is_open = matches!(load, Load::Open(_));
    plan.load = load;
    let (record, second) = during(plan, || {
        wait(300);
        let address = first.kill();
        wait(200);
        Backend::start("second", &address.to_string())
    });
    drop(second);
    let ledger = record.ledger;
    assert!(ledger.failed > 0, "{ledger:?}");
    if is_open {
        assert_eq!((ledger.planned, ledger.dropped), (480, 0), "{ledger:?}");
    }
    for (kind, _) in failures(&record) {
        let kinds = [Failure::Connection, Failure::Connect].map(Into::into);
        assert!(kinds.contains(&kind), "{:?}", record.outcomes);
    }
    let mut answered: Vec<_> = record
        .backends
        .iter()
        .map(|backend| (backend.id.as_str(), backend.requests > 0))
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, [("first", true), ("second", true)]);
    let sum = |of: fn(&BackendRecord) -> u64| record.all_backends().map(of).sum::<u64>();
    assert_eq!(sum(BackendRecord::completed), ledger.completed);
    assert_eq!(sum(|it| it.failed), ledger.failed);
    assert_eq!(record.unknown.completed(), 0);
    // What was under way on its connections died with it; of an open model there may have been nothing. Who
    // could not connect is nobody's.
    let failed = |id: &str| {
        let mut rows = record.all_backends();
        rows.find(|it| it.id == id).map_or(0, |it| it.failed)
    };
    assert!(failed("first") > 0 || is_open, "{:?}", record.backends);
    assert_eq!(failed("second"), 0);
    assert!(failed("(unknown)") > 0, "{:?}", record.unknown);
    let connections = record.connections;
    assert_eq!(connections.counts.dropped, 2);
    assert_eq!(
        connections.counts.reconnected,
        connections.counts.opened - 2
    );
    assert!(connections.counts.failed > 0);
    assert!(
        (3..=4).contains(&connections.counts.opened),
        "{}",
        connections.counts.opened
    );
}

#[test_case(closed(8, Limit::Duration(Duration::from_millis(1500))); "closed")]
#[test_case(open(200.0, Duration::from_millis(1500), 300); "open")]
fn frozen_and_thawed(load: Load) {
    let backend = Backend::start("cold", "127.0.0.1:0");
    let mut plan = plan(&[backend.address], "Hello");
    let is_open = matches!(load, Load::Open(_));
    plan.load = load;
    let (record, frozen) = during(plan, || {
        wait(300);
        let from = tokio::time::Instant::now();
        backend.signal(Signal::STOP);
        wait(600);
        let frozen = from.elapsed();
        backend.signal(Signal::CONT);
        frozen
    });
    let ledger = record.ledger;
    assert_eq!((ledger.failed, ledger.dropped), (0, 0), "{ledger:?}");
    let frozen = u64::try_from(frozen.as_nanos()).expect("short");
    let longest = record.response_time.max();
    assert!(longest >= frozen * 9 / 10, "{longest} of {frozen} ns");
    assert!(
        longest <= frozen + 1_000_000_000,
        "{longest} of {frozen} ns"
    );
    let connections = record.connections;
    assert_eq!(
        (connections.counts.opened, connections.counts.dropped),
        (2, 0)
    );
    if is_open {
        assert_eq!(ledger.planned, 300);
        // Whoever was due in the first half of the freeze waited for half of it at the least:
        // 60 of 300.
        let waited = record.response_time.value_at_quantile(0.85);
        assert!(waited >= frozen / 2, "{waited} of {frozen} ns");
    } else {
        // Each user waited once.
        let quick = record.response_time.value_at_quantile(0.5);
        assert!(quick < frozen / 2, "{quick} of {frozen} ns");
    }
}
