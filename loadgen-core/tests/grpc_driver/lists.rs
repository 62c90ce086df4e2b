//! Targets that are lists of addresses: who comes and goes while a run is under way.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::Outcome;
use loadgen_core::record::{AddressRecord, ScenarioRecord};
use loadgen_core::scenario::{ConnectionPer, HealthCheck, Pick, ScenarioPlan};
use loadgen_core::workload::{Standing, UserId, Workload};
use tempfile::TempDir;
use test_case::test_case;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::common::whole::{open, refused, whole};
use crate::support::server::{Exchange, Server, Settings};
use crate::support::{Driver, call, grpc, plan, run, step, until};

async fn serve(it: Exchange) {
    it.ok(&[b""]).await;
}

async fn three() -> [Server; 3] {
    [
        Server::start(serve).await,
        Server::start(serve).await,
        Server::start(serve).await,
    ]
}

fn requests(server: &Server) -> usize {
    server.control.requests.get()
}

/// A list in a file, and a scenario that goes to whoever is on it.
struct List {
    _folder: TempDir,
    path: PathBuf,
}

impl List {
    fn of(servers: &[&Server]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let list = Self {
            path: folder.path().join("list"),
            _folder: folder,
        };
        list.becomes(servers);
        list
    }

    fn becomes(&self, servers: &[&Server]) {
        let addresses: Vec<_> = servers.iter().map(|it| it.address).collect();
        self.has(&addresses);
    }

    fn has(&self, addresses: &[SocketAddr]) {
        let lines: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        // Whoever reads it sees one list or the other.
        let beside = self.path.with_extension("new");
        fs::write(&beside, lines.join("\n")).expect("written");
        fs::rename(beside, &self.path).expect("renamed");
    }

    fn plan(&self) -> ScenarioPlan {
        let mut plan = plan(&[], "Hello");
        let target = format!("file:{}", self.path.display());
        plan.targets = vec![target.parse().expect("a list")];
        plan.resolve_every = Duration::from_millis(100);
        plan
    }
}

fn of(record: &ScenarioRecord, address: SocketAddr) -> &AddressRecord {
    let address = address.to_string();
    let mut addresses = record.addresses.iter();
    addresses.find(|it| it.address == address).expect("a row")
}

/// Connections of each to each address, or so many of a worker's.
#[test_case(None; "one to each")]
#[test_case(Some(4); "four in all")]
fn who_comes_and_goes_during_a_run_is_met(connections: Option<u32>) {
    run(async {
        let [goes, stays, comes] = three().await;
        let list = List::of(&[&goes, &stays]);
        let mut plan = list.plan();
        grpc(&mut plan).connections = connections;
        plan.load = open(300.0, Duration::from_secs(3), 50);
        let at_its_end = Rc::new(RefCell::new(None));
        let changing = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            list.becomes(&[&stays, &comes]);
            until(|| requests(&comes) > 0).await;
            // What was sent before the list was known to all workers has been answered by now.
            tokio::time::sleep(Duration::from_millis(200)).await;
            at_its_end.replace(Some(requests(&goes)));
        };
        let (record, ()) = futures::join!(whole(plan), changing);
        assert_eq!(record.ledger.completed, 900, "{:?}", record.examples);
        assert_eq!(record.connections.counts.dropped, 0);
        assert_eq!(Some(requests(&goes)), *at_its_end.borrow());
        for server in [&goes, &stays, &comes] {
            let row = of(&record, server.address);
            assert_eq!(row.completed, requests(server) as u64);
            let connections = server.control.connections.get();
            assert_eq!(row.connections, connections as u64);
            assert!(row.completed > 100, "{row:?}");
        }
        let secs = |it: Option<Duration>| it.map_or(-1.0, |it| it.as_secs_f64());
        let [goes, stays, comes] = [&goes, &stays, &comes].map(|it| of(&record, it.address));
        assert_eq!(
            (goes.since, stays.since),
            (Some(Duration::ZERO), Some(Duration::ZERO))
        );
        assert_eq!((stays.gone_at(), comes.gone_at()), (None, None));
        for at in [secs(goes.gone_at()), secs(comes.since)] {
            assert!((0.9..2.0).contains(&at), "{at}");
        }
        assert_eq!(record.changes.len(), 1, "{:?}", record.changes);
    });
}

#[test]
fn users_with_connections_of_their_own_meet_who_is_on_the_list_then() {
    run(async {
        let [goes, stays, comes] = three().await;
        let list = List::of(&[&goes, &stays]);
        let mut plan = list.plan();
        grpc(&mut plan).connection_per = Some(ConnectionPer::User);
        let driver = Driver::open(&plan).await;
        let mut users = Vec::new();
        for user in 0..2 {
            let session = driver.workload.open(UserId(user)).await;
            users.push(session.expect("a session"));
        }
        for user in &mut users {
            for _ in 0..5 {
                assert_eq!(driver.iterate(user).await, Outcome::Ok);
            }
        }
        assert_eq!((requests(&goes), requests(&stays)), (5, 5));
        list.becomes(&[&stays, &comes]);
        until(|| goes.control.open.get() == 0).await;
        for user in &mut users {
            for _ in 0..5 {
                assert_eq!(driver.iterate(user).await, Outcome::Ok);
            }
        }
        assert_eq!(requests(&goes), 5);
        assert_eq!(requests(&stays) + requests(&comes), 15);
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

/// A stream that is under way at an address that goes away is answered there; what comes then goes elsewhere.
#[test]
fn what_is_under_way_finishes_where_it_is() {
    run(async {
        let release = Rc::new(Semaphore::new(0));
        let held = Rc::clone(&release);
        let any = ([127, 0, 0, 1], 0).into();
        let goes = Server::start_with(any, Settings::default(), move |exchange: Exchange| {
            let held = Rc::clone(&held);
            async move {
                let _released = held.acquire().await;
                exchange.ok(&[b""]).await;
            }
        });
        let (goes, comes) = (goes.await, Server::start(serve).await);
        let list = List::of(&[&goes]);
        let driver = Driver::open(&list.plan()).await;
        let finishing = driver.once();
        let changing = async {
            until(|| requests(&goes) == 1).await;
            list.becomes(&[&comes]);
            until(|| comes.control.open.get() == 1).await;
            assert_eq!(driver.once().await, Outcome::Ok);
            assert_eq!((requests(&goes), requests(&comes)), (1, 1));
            assert_eq!(goes.control.open.get(), 1);
            release.add_permits(1);
        };
        let (outcome, ()) = futures::join!(finishing, changing);
        assert_eq!(outcome, Outcome::Ok);
        until(|| goes.control.open.get() == 0).await;
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

/// A way to a server on which nothing comes through until it is let.
async fn held_up(to: SocketAddr) -> (SocketAddr, Rc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let let_through = Rc::new(Semaphore::new(0));
    let held = Rc::clone(&let_through);
    tokio::task::spawn_local(async move {
        loop {
            let (mut near, _) = listener.accept().await.expect("accepts");
            let held = Rc::clone(&held);
            tokio::task::spawn_local(async move {
                let _let = held.acquire().await;
                let mut far = TcpStream::connect(to).await.expect("listens");
                let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, let_through)
}

/// Once what had been opened to the address before was taken for a connection to its successor.
#[test]
fn who_goes_while_a_user_connects_gets_nothing() {
    run(async {
        let [goes, comes] = [Server::start(serve).await, Server::start(serve).await];
        let (way, let_through) = held_up(goes.address).await;
        let list = List::of(&[]);
        list.has(&[way]);
        let mut plan = list.plan();
        grpc(&mut plan).connection_per = Some(ConnectionPer::User);
        let driver = Driver::new(&plan);
        let changing = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            list.becomes(&[&comes]);
            // By then it is known.
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(goes.control.connections.get(), 0);
            let_through.add_permits(1);
        };
        let (prepared, ()) = futures::join!(driver.workload.prepare(), changing);
        prepared.expect("a server");
        let mut session = driver.user().await;
        assert_eq!(goes.control.connections.get(), 1);
        for _ in 0..5 {
            assert_eq!(driver.iterate(&mut session).await, Outcome::Ok);
        }
        assert_eq!((requests(&goes), requests(&comes)), (0, 5));
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

/// Once a connection that was one too many stayed with an address that had gone since.
#[test]
fn who_is_left_over_goes_to_who_is_on_the_list_then() {
    run(async {
        let release = Rc::new(Semaphore::new(0));
        let holding = || {
            let held = Rc::clone(&release);
            let any = ([127, 0, 0, 1], 0).into();
            Server::start_with(any, Settings::default(), move |exchange: Exchange| {
                let held = Rc::clone(&held);
                async move {
                    let _released = held.acquire().await;
                    exchange.ok(&[b""]).await;
                }
            })
        };
        let [first, second] = [holding().await, holding().await];
        let last = Server::start(serve).await;
        let list = List::of(&[&first, &second]);
        let mut plan = list.plan();
        grpc(&mut plan).steps.push(step("again", call("Hello")));
        let driver = Driver::open(&plan).await;
        let both = async { futures::join!(driver.once(), driver.once()) };
        let changing = async {
            until(|| requests(&first) == 1 && requests(&second) == 1).await;
            list.becomes(&[&first]);
            // By then it is known.
            tokio::time::sleep(Duration::from_millis(500)).await;
            list.becomes(&[&last]);
            until(|| last.control.open.get() == 1).await;
            release.add_permits(2);
        };
        let (outcomes, ()) = futures::join!(both, changing);
        assert_eq!(outcomes, (Outcome::Ok, Outcome::Ok));
        let seen = [&first, &second, &last].map(requests);
        assert_eq!(seen, [1, 1, 2]);
    });
}

/// Its next look would be an hour away.
#[test]
fn a_list_is_looked_at_when_a_connection_ends() {
    run(async {
        let [goes, stays, comes] = three().await;
        let list = List::of(&[&goes, &stays]);
        let mut plan = list.plan();
        plan.resolve_every = Duration::from_secs(3_600);
        let driver = Driver::open(&plan).await;
        list.becomes(&[&stays, &comes]);
        goes.kill().await;
        until(|| comes.control.open.get() == 1).await;
        for _ in 0..10 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert_eq!((requests(&stays), requests(&comes)), (5, 5));
    });
}

/// The same for all of a name's addresses and of what a scenario says, else each its own.
#[test_case("file", None => "the address"; "a list")]
#[test_case("file", Some("shop.example") => "shop.example"; "a list with an authority")]
#[test_case("dns", None => "localhost"; "a name")]
fn whom_requests_are_for(kind: &str, authority: Option<&str>) -> String {
    run(async {
        let told = Rc::new(RefCell::new(String::new()));
        let seen = Rc::clone(&told);
        let server = Server::start(move |it: Exchange| {
            let uri = it.request.uri();
            seen.replace(
                uri.authority()
                    .map_or_else(String::new, ToString::to_string),
            );
            serve(it)
        });
        let server = server.await;
        let list = List::of(&[&server]);
        let mut plan = list.plan();
        if kind == "dns" {
            let target = format!("dns:///localhost:{}", server.address.port());
            plan.targets = vec![target.parse().expect("a list")];
            // Where the name has another address of the other family, nobody listens there.
            plan.bind = vec![([127, 0, 0, 1]).into()];
        }
        plan.authority = authority.map(str::to_owned);
        let driver = Driver::new(&plan);
        driver.workload.prepare().await.expect("a server");
        assert_eq!(driver.once().await, Outcome::Ok);
        let told = told.borrow();
        match *told == server.address.to_string() {
            true => "the address".to_owned(),
            false => told.replace(&format!(":{}", server.address.port()), ""),
        }
    })
}

#[test]
fn without_an_address_no_run_begins() {
    run(async {
        let list = List::of(&[]);
        let told = refused(list.plan()).await;
        let expected = format!(
            "could not connect to file:{}: its addresses are not known (there is no address in it)",
            list.path.display()
        );
        assert!(told.contains(&expected), "{told}");
    });
}

/// The weight is the target's, however many addresses it has.
#[test]
fn the_addresses_of_a_target_share_its_weight() {
    run(async {
        let [a, b, alone] = three().await;
        let list = List::of(&[&a, &b]);
        let mut plan = list.plan();
        let other = alone.address.to_string();
        plan.targets.push(other.parse().expect("a target"));
        let weights = [(plan.targets[0].to_string(), 1), (other, 2)];
        grpc(&mut plan).pick = Some(Pick::Weights(weights.into()));
        let driver = Driver::open(&plan).await;
        for stretch in 1..=4 {
            for _ in 0..6 {
                assert_eq!(driver.once().await, Outcome::Ok);
            }
            let each = [&a, &b, &alone].map(requests);
            assert_eq!(each, [stretch, stretch, 4 * stretch]);
        }
    });
}

/// Of one that is not on the list any more it is not said how it stands.
#[test]
fn one_that_leaves_its_list_and_comes_back_is_met_anew() {
    run(async {
        let health = Rc::new(Cell::new(2));
        let calls = Rc::new(Cell::new(0));
        let of_server = (Rc::clone(&health), Rc::clone(&calls));
        let goes = Server::start(move |exchange: Exchange| {
            let (health, calls) = of_server.clone();
            async move {
                if exchange.request.uri().path() == "/grpc.health.v1.Health/Check" {
                    return exchange.ok(&[&[8, health.get()]]).await;
                }
                calls.set(calls.get() + 1);
                exchange.ok(&[b""]).await;
            }
        })
        .await;
        let stays = Server::start(async |exchange: Exchange| {
            let is_check = exchange.request.uri().path() == "/grpc.health.v1.Health/Check";
            let answer: &[u8] = if is_check { &[8, 1] } else { b"" };
            exchange.ok(&[answer]).await;
        })
        .await;
        let list = List::of(&[&goes, &stays]);
        let mut plan = list.plan();
        let mut check = HealthCheck::default();
        check.every = Duration::from_millis(10);
        grpc(&mut plan).health_check = Some(check.into());
        let driver = Driver::open(&plan).await;
        let told = || {
            let seen = driver.recorder.0.borrow();
            let told: Vec<_> = seen.standings.iter().map(|(_, it)| *it).collect();
            told
        };
        let is_sick = (Standing::Unknown, Standing::NotServing);
        assert_eq!(told(), [is_sick]);
        list.becomes(&[&stays]);
        while told().len() == 1 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        let is_gone = (Standing::NotServing, Standing::Unknown);
        assert_eq!(told(), [is_sick, is_gone]);
        assert_eq!(calls.get(), 0);
        health.set(1);
        list.becomes(&[&goes, &stays]);
        while calls.get() < 3 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert_eq!(
            told(),
            [is_sick, is_gone],
            "it is as everybody takes it to be"
        );
    });
}
