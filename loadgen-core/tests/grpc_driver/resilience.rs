//! Which target a call goes to: by a choice, by health, by circuit breakers.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::scenario::{
    CircuitBreaker, ConnectionPer, Deed, EventPlan, GrpcStreamEnd, HealthCheck, Pick, Retry,
    ScenarioPlan,
};
use loadgen_core::schedule::Load;
use loadgen_core::workload::{Standing, Workload};
use test_case::test_case;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::whole::{failures, whole};
use crate::support::{Driver, call, factory, grpc, plan, run, step, the_call, until};

const UNAVAILABLE: Failure = Failure::Grpc(GrpcCode::new(14));

/// What a server does, as a test changes it.
#[derive(Default)]
struct Script {
    /// Calls that it got, questions about its health not among them.
    calls: Cell<usize>,
    /// Whether it answers calls with UNAVAILABLE.
    fails: Cell<bool>,
    /// The status that it tells of its health; `None` has no health service.
    health: Cell<Option<u8>>,
}

async fn scripted() -> (Server, Rc<Script>) {
    let script = Rc::new(Script::default());
    script.health.set(Some(1));
    let of_server = Rc::clone(&script);
    let server = Server::start(move |exchange: Exchange| {
        let script = Rc::clone(&of_server);
        async move {
            if exchange.request.uri().path() == "/grpc.health.v1.Health/Check" {
                return match script.health.get() {
                    Some(status) => exchange.ok(&[&[8, status]]).await,
                    None => refuse(exchange, "12").await,
                };
            }
            script.calls.set(script.calls.get() + 1);
            match script.fails.get() {
                true => refuse(exchange, "14").await,
                false => exchange.ok(&[b""]).await,
            }
        }
    })
    .await;
    (server, script)
}

async fn refuse(mut exchange: Exchange, code: &'static str) {
    exchange.read_all().await;
    let mut head = Exchange::head();
    head.headers_mut().extend(status(code));
    exchange.respond.send_response(head, true).expect("open");
}

fn to(servers: &[&Server]) -> ScenarioPlan {
    let addresses: Vec<_> = servers.iter().map(|it| it.address).collect();
    plan(&addresses, "Hello")
}

fn calls(scripts: &[&Script]) -> Vec<usize> {
    scripts.iter().map(|it| it.calls.get()).collect()
}

fn standings(driver: &Driver) -> Vec<(Standing, Standing)> {
    let seen = driver.recorder.0.borrow();
    seen.standings.iter().map(|(_, change)| *change).collect()
}

#[test]
fn each_call_of_an_iteration_goes_to_the_next_target() {
    run(async {
        let (a, of_a) = scripted().await;
        let (b, of_b) = scripted().await;
        let (c, of_c) = scripted().await;
        let mut plan = to(&[&a, &b, &c]);
        grpc(&mut plan).steps.push(step("again", call("Hello")));
        grpc(&mut plan).pick = Some(Pick::RoundRobin);
        let driver = Driver::open(&plan).await;
        let mut session = driver.user().await;
        assert_eq!(driver.iterate(&mut session).await, Outcome::Ok);
        assert_eq!(calls(&[&of_a, &of_b, &of_c]), [1, 1, 0]);
        assert_eq!(driver.iterate(&mut session).await, Outcome::Ok);
        assert_eq!(calls(&[&of_a, &of_b, &of_c]), [2, 1, 1]);
        let targets: Vec<_> = driver
            .recorder
            .0
            .borrow()
            .steps
            .iter()
            .map(|it| it.target)
            .collect();
        let expected = [0, 1, 2, 0].map(Some);
        assert_eq!(targets, expected, "each step has its own");
    });
}

/// In code nothing keeps the two apart.
#[test]
fn calls_on_a_users_own_connection_go_where_that_goes() {
    run(async {
        let (server, script) = scripted().await;
        let mut plan = to(&[&server]);
        grpc(&mut plan).connection_per = Some(ConnectionPer::User);
        grpc(&mut plan).pick = Some(Pick::RoundRobin);
        grpc(&mut plan).circuit_breaker = Some(CircuitBreaker::new(1, Duration::from_secs(1)));
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(script.calls.get(), 1);
    });
}

#[test]
fn weights_are_kept_to_in_any_stretch() {
    run(async {
        let (a, of_a) = scripted().await;
        let (b, of_b) = scripted().await;
        let mut plan = to(&[&a, &b]);
        let weights = [(a.address.to_string(), 3), (b.address.to_string(), 1)];
        grpc(&mut plan).pick = Some(Pick::Weights(weights.into()));
        let driver = Driver::open(&plan).await;
        for stretch in 1..=10 {
            for _ in 0..4 {
                assert_eq!(driver.once().await, Outcome::Ok);
            }
            assert_eq!(calls(&[&of_a, &of_b]), [3 * stretch, stretch]);
        }
    });
}

#[test]
fn chance_gives_to_all_and_the_seed_decides() {
    run(async {
        let mut all = Vec::new();
        for _ in 0..2 {
            let (a, of_a) = scripted().await;
            let (b, of_b) = scripted().await;
            let mut plan = to(&[&a, &b]);
            grpc(&mut plan).pick = Some(Pick::Random);
            let driver = Driver::open(&plan).await;
            for _ in 0..100 {
                assert_eq!(driver.once().await, Outcome::Ok);
            }
            let counts = calls(&[&of_a, &of_b]);
            assert!(counts.iter().all(|it| (25..=75).contains(it)), "{counts:?}");
            all.push(counts);
        }
        assert_eq!(all[0], all[1]);
    });
}

#[test]
fn the_one_with_the_fewest_calls_under_way() {
    run(async {
        let slow = Server::start(async |exchange: Exchange| exchange.until_reset().await).await;
        let (fast, of_fast) = scripted().await;
        let mut plan = to(&[&slow, &fast]);
        grpc(&mut plan).pick = Some(Pick::LeastInFlight);
        let driver = Driver::open(&plan).await;
        let held = driver.once();
        let others = async {
            until(|| slow.control.requests.get() == 1).await;
            for _ in 0..20 {
                assert_eq!(driver.once().await, Outcome::Ok);
            }
        };
        tokio::select! {
            outcome = held => panic!("{outcome}"),
            () = others => {}
        }
        assert_eq!((slow.control.requests.get(), of_fast.calls.get()), (1, 20));
    });
}

#[test]
fn a_target_that_fails_call_after_call_is_left_alone_until_a_trial_is_ok() {
    // Long enough that a busy machine is through with thirty calls before.
    const OPEN_FOR: Duration = Duration::from_secs(1);
    run(async {
        let (bad, of_bad) = scripted().await;
        let (good, of_good) = scripted().await;
        of_bad.fails.set(true);
        let mut plan = to(&[&bad, &good]);
        let breaker = CircuitBreaker::new(3, OPEN_FOR);
        grpc(&mut plan).circuit_breaker = Some(breaker);
        let driver = Driver::open(&plan).await;
        let mut failed = 0;
        for _ in 0..30 {
            failed += usize::from(driver.once().await == UNAVAILABLE.into());
        }
        assert_eq!((failed, of_bad.calls.get()), (3, 3));
        assert_eq!(of_good.calls.get(), 27);
        assert_eq!(standings(&driver), [(Standing::Closed, Standing::Open)]);

        // The first trial fails, the second does not.
        tokio::time::sleep(OPEN_FOR).await;
        for _ in 0..10 {
            let _ = driver.once().await;
        }
        assert_eq!(of_bad.calls.get(), 4);
        of_bad.fails.set(false);
        tokio::time::sleep(OPEN_FOR).await;
        for _ in 0..10 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert!(of_bad.calls.get() >= 8, "{}", of_bad.calls.get());
        let expected = [
            (Standing::Closed, Standing::Open),
            (Standing::Open, Standing::HalfOpen),
            (Standing::HalfOpen, Standing::Open),
            (Standing::Open, Standing::HalfOpen),
            (Standing::HalfOpen, Standing::Closed),
        ];
        assert_eq!(standings(&driver), expected);
    });
}

/// The stream itself may last as long as the load.
#[test]
fn a_stream_that_is_a_trial_is_ok_once_it_begins_to_be_answered() {
    run(async {
        let fails = Rc::new(Cell::new(true));
        let of_server = Rc::clone(&fails);
        let server = Server::start(move |mut exchange: Exchange| {
            let fails = of_server.get();
            async move {
                if fails {
                    return refuse(exchange, "14").await;
                }
                exchange.read_all().await;
                let mut answer = exchange.begin();
                // It ends with the client's reset, or with the test.
                let _ = poll_fn(|cx| answer.poll_reset(cx)).await;
            }
        })
        .await;
        let mut plan = plan(&[server.address], "Stream");
        the_call(&mut plan).stream = Some(GrpcStreamEnd::After(Duration::from_secs(4)));
        let breaker = CircuitBreaker::new(1, Duration::from_millis(50));
        grpc(&mut plan).circuit_breaker = Some(breaker);
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, UNAVAILABLE.into());
        fails.set(false);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let others = async {
            until(|| standings(&driver).len() == 3).await;
            tokio::select! {
                outcome = driver.once() => panic!("{outcome}"),
                () = until(|| server.control.requests.get() == 3) => {}
            }
        };
        tokio::select! {
            outcome = driver.once() => panic!("the trial has ended: {outcome}"),
            () = others => {}
        }
        let closed = (Standing::HalfOpen, Standing::Closed);
        assert_eq!(standings(&driver)[2], closed);
    });
}

#[test]
fn where_no_target_takes_calls_they_are_rejected_and_nobody_spins() {
    run(async {
        let (only, script) = scripted().await;
        script.fails.set(true);
        let mut plan = to(&[&only]);
        let breaker = CircuitBreaker::new(2, Duration::from_secs(60));
        grpc(&mut plan).circuit_breaker = Some(breaker);
        let driver = Driver::open(&plan).await;
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            outcomes.push(driver.once().await);
        }
        let (failed, rejected) = (UNAVAILABLE.into(), Failure::Rejected.into());
        assert_eq!(outcomes, [failed, failed, rejected, rejected]);
        let why = driver.recorder.explanation();
        let expected = format!(
            "no target takes calls: {} has its circuit open",
            only.address
        );
        assert_eq!(why, expected);
        assert_eq!(driver.recorder.0.borrow().rests, [10_000_000; 2]);
    });
}

/// A call that is cut off has failed, too.
#[test]
fn a_target_that_does_not_answer_in_time_is_left_alone() {
    run(async {
        let server = Server::start(async |exchange: Exchange| exchange.until_reset().await).await;
        let mut plan = to(&[&server]);
        plan.timeout = Duration::from_millis(50);
        plan.load = Load::closed(1).iterations(5).into();
        let breaker = CircuitBreaker::new(2, Duration::from_secs(60));
        grpc(&mut plan).circuit_breaker = Some(breaker);
        let record = whole(plan).await;
        let mut failed: Vec<_> = failures(&record).collect();
        failed.sort_by_key(|(_, count)| *count);
        let expected = [(Failure::Timeout.into(), 2), (Failure::Rejected.into(), 3)];
        assert_eq!(failed, expected);
        // What is rejected goes nowhere.
        assert_eq!(record.targets[0].failed, 2);
        let [opened] = &*record.standings else {
            panic!("{:?}", record.standings);
        };
        assert_eq!((opened.from, opened.to), (Standing::Closed, Standing::Open));
        assert_eq!(opened.peer, server.address.to_string());
        assert_eq!(opened.why, "the last call ended with timeout");
        assert!(opened.at >= Duration::from_millis(95), "{opened:?}");
    });
}

/// What no target takes has gone nowhere, however long it waits for one; what was once with one has not, whatever
/// its last attempt came to.
#[test_case(true, None, Failure::Timeout, 1; "it waits for one")]
#[test_case(false, None, Failure::Rejected, 1; "it is rejected")]
#[test_case(false, Some(Retry::new(2, [GrpcCode::new(14)])), Failure::Rejected, 0; "it was with one before")]
fn what_no_target_was_ever_given_is_unsent(
    waits: bool,
    retry: Option<Retry>,
    last: Failure,
    unsent: u64,
) {
    run(async move {
        let (server, script) = scripted().await;
        script.fails.set(true);
        let mut plan = to(&[&server]);
        plan.timeout = Duration::from_secs(1);
        // The second is the first to find none, unless its own next attempt is.
        let iterations = 1 + u64::from(retry.is_none());
        plan.load = Load::closed(1).iterations(iterations).into();
        let look = Deed::Mark("look".to_owned());
        plan.events = vec![EventPlan::new(Duration::ZERO, look)];
        let breaker = CircuitBreaker::new(1, Duration::from_secs(60));
        grpc(&mut plan).circuit_breaker = Some(breaker);
        grpc(&mut plan).wait_for_ready = waits;
        grpc(&mut plan).retry = retry.map(Into::into);
        let record = whole(plan).await;
        assert!(failures(&record).any(|it| it == (last.into(), 1)));
        assert_eq!(script.calls.get(), 1);
        let cells = record.timeline.of(None).map(|(_, it)| it.due_unsent);
        assert_eq!(cells.sum::<u64>(), unsent);
    });
}

fn asked_often() -> HealthCheck {
    let mut check = HealthCheck::default();
    check.every = Duration::from_millis(10);
    check.unhealthy_after = 2;
    check
}

#[test_case(None; "the connections in turn")]
#[test_case(Some(Pick::RoundRobin); "round robin")]
fn a_target_that_is_not_in_health_gets_no_calls_until_it_is(pick: Option<Pick>) {
    run(async {
        let (sick, of_sick) = scripted().await;
        let (well, of_well) = scripted().await;
        of_sick.health.set(Some(2));
        let mut plan = to(&[&sick, &well]);
        grpc(&mut plan).health_check = Some(asked_often().into());
        grpc(&mut plan).pick = pick;
        let driver = Driver::open(&plan).await;
        // They were asked before.
        let expected = [(Standing::Unknown, Standing::NotServing)];
        assert_eq!(standings(&driver), expected);
        for _ in 0..20 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert_eq!(calls(&[&of_sick, &of_well]), [0, 20]);
        of_sick.health.set(Some(1));
        until(|| standings(&driver).len() == 2).await;
        for _ in 0..20 {
            assert_eq!(driver.once().await, Outcome::Ok);
        }
        assert_eq!(calls(&[&of_sick, &of_well]), [10, 30]);
        // What asking takes is nobody's load.
        assert_eq!(driver.recorder.0.borrow().opened, 2);
        // It goes away for good.
        let gone = sick.kill().await;
        until(|| standings(&driver).len() == 3).await;
        let seen = driver.recorder.0.borrow();
        let (peer, change) = &seen.standings[2];
        assert_eq!(*change, (Standing::Serving, Standing::NotServing));
        assert_eq!(*peer, gone.to_string());
    });
}

/// Users may leave a worker with nothing to do long before the others.
#[test]
fn another_worker_goes_on_asking_when_the_first_is_done() {
    run(async {
        let (server, script) = scripted().await;
        let mut plan = to(&[&server]);
        grpc(&mut plan).health_check = Some(asked_often().into());
        let factory = factory(&plan).expect("a valid plan");
        let worker = |nth| Driver::around(&plan, (nth, 2), |context| factory.workload(context));
        let (one, other) = (worker(0), worker(1));
        one.workload.prepare().await.expect("a server");
        other.workload.prepare().await.expect("a server");
        drop(one);
        script.health.set(Some(2));
        while standings(&other).is_empty() {
            // It meets the target with a call.
            let _ = other.once().await;
        }
        let expected = [(Standing::Serving, Standing::NotServing)];
        assert_eq!(
            standings(&other),
            expected,
            "after two bad answers in a row"
        );
    });
}

#[test]
fn one_without_a_health_service_gets_calls() {
    run(async {
        let (server, script) = scripted().await;
        script.health.set(None);
        let mut plan = to(&[&server]);
        grpc(&mut plan).health_check = Some(asked_often().into());
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let expected = [(Standing::Unknown, Standing::Serving)];
        assert_eq!(standings(&driver), expected);
    });
}

#[test_case(false; "not")]
#[test_case(true; "as long as it takes")]
fn a_call_that_no_target_takes_waits_where_calls_wait_for_ready(waits: bool) {
    run(async {
        let (server, script) = scripted().await;
        script.health.set(Some(2));
        let mut plan = to(&[&server]);
        grpc(&mut plan).health_check = Some(asked_often().into());
        grpc(&mut plan).wait_for_ready = waits;
        let driver = Driver::open(&plan).await;
        let later = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            script.health.set(Some(1));
        };
        let (outcome, ()) = tokio::join!(driver.once(), later);
        match waits {
            true => assert_eq!(outcome, Outcome::Ok),
            false => assert_eq!(outcome, Failure::Rejected.into()),
        }
        assert_eq!(script.calls.get(), usize::from(waits));
    });
}

/// The service is what is asked about.
#[test]
fn the_question_names_the_service() {
    run(async {
        let asked: Rc<Cell<usize>> = Rc::default();
        let seen = Rc::clone(&asked);
        let server = Server::start(move |mut exchange: Exchange| {
            let seen = Rc::clone(&seen);
            async move {
                let question = exchange.read_all().await;
                assert_eq!(question, framed(b"\x0a\x0bshop.v1.Buy"));
                seen.set(seen.get() + 1);
                let mut stream = exchange.begin();
                stream.send_data(framed(&[8, 1]), false).expect("open");
                stream.send_trailers(status("0")).expect("open");
            }
        })
        .await;
        let mut plan = to(&[&server]);
        let mut check = asked_often();
        check.service = "shop.v1.Buy".to_owned();
        grpc(&mut plan).health_check = Some(check.into());
        let _driver = Driver::open(&plan).await;
        until(|| asked.get() >= 3).await;
    });
}
