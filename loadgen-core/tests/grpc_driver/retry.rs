//! Calls that are made again because they failed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::clock::Clock;
use loadgen_core::outcome::{Failure, GrpcCode};
use loadgen_core::record::{Retries, ScenarioRecord};
use loadgen_core::scenario::{Retry, RetryThrottling, ScenarioPlan};
use loadgen_core::schedule::Load;
use test_case::test_case;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::whole::{failures, whole};
use crate::support::{grpc, plan, run, the_call};

const UNAVAILABLE: GrpcCode = GrpcCode::new(14);

/// A plan whose calls are made again after UNAVAILABLE, with short rests.
fn again(servers: &[&Server], method: &str) -> ScenarioPlan {
    let addresses: Vec<_> = servers.iter().map(|it| it.address).collect();
    let mut plan = plan(&addresses, method);
    let mut retry = Retry::new(3, [UNAVAILABLE]);
    retry.initial_backoff = Duration::from_millis(5);
    retry.max_backoff = Duration::from_millis(10);
    grpc(&mut plan).retry = Some(retry.into());
    plan
}

/// Answers UNAVAILABLE and nothing else.
async fn refuse(mut exchange: Exchange, more: &[(&'static str, &'static str)]) {
    exchange.read_all().await;
    let mut head = Exchange::head();
    head.headers_mut().extend(status("14"));
    for (name, value) in more {
        head.headers_mut()
            .append(*name, value.parse().expect("a value"));
    }
    exchange.respond.send_response(head, true).expect("open");
}

fn retries(record: &ScenarioRecord) -> &Retries {
    record.retries.as_ref().expect("calls are made again")
}

/// Attempts, calls that were ok after all, and that were not.
fn counts(record: &ScenarioRecord) -> (u64, u64, u64) {
    let Retries {
        attempts,
        ok,
        failed,
        ..
    } = *retries(record);
    (attempts, ok, failed)
}

#[test_case("Hello"; "unary")]
#[test_case("Stream"; "a stream of answers")]
#[test_case("Collect"; "a stream of messages")]
fn one_that_succeeds_at_the_third_attempt_is_ok(method: &'static str) {
    run(async {
        let seen: Rc<RefCell<Vec<[Option<String>; 2]>>> = Rc::default();
        let server = Server::start({
            let seen = Rc::clone(&seen);
            move |exchange: Exchange| {
                let headers = exchange.request.headers();
                let said = |name| Some(headers.get(name)?.to_str().expect("a text").to_owned());
                let said = ["grpc-previous-rpc-attempts", "grpc-timeout"].map(said);
                seen.borrow_mut().push(said);
                async move {
                    match exchange.nth {
                        0 | 1 => refuse(exchange, &[]).await,
                        _ => exchange.ok(&[b""]).await,
                    }
                }
            }
        })
        .await;
        let record = whole(again(&[&server], method)).await;
        assert_eq!((record.ledger.completed, record.ledger.failed), (1, 0));
        assert_eq!(counts(&record), (2, 1, 0));
        let outcome = Failure::Grpc(UNAVAILABLE).into();
        assert_eq!(retries(&record).outcomes, [(outcome, 2)]);
        assert_eq!(retries(&record).backends, [("test-1".to_owned(), 2)]);
        // Of all attempts: the two rests are in it.
        assert!(record.service_time.max() >= 8_000_000);
        let seen = seen.borrow();
        let previous: Vec<Option<&str>> = seen.iter().map(|it| it[0].as_deref()).collect();
        assert_eq!(previous, [None, Some("1"), Some("2")]);
        let left = seen.iter().map(|it| {
            let timeout = it[1].as_deref().expect("a deadline");
            let micros = timeout.strip_suffix('u').expect("of microseconds");
            micros.parse::<u64>().expect("a number")
        });
        let left: Vec<u64> = left.collect();
        // Each rest was four milliseconds at the least.
        for pair in left.windows(2) {
            assert!(pair[1] + 4_000 <= pair[0] + 1, "{left:?}");
        }
        // A request is one, however often it was made.
        assert_eq!(record.backends[0].requests, 1);
    });
}

#[test]
fn after_as_many_as_may_be_the_last_one_counts() {
    run(async {
        let server = Server::start(async |it: Exchange| refuse(it, &[]).await).await;
        let record = whole(again(&[&server], "Hello")).await;
        assert_eq!(server.control.requests.get(), 3);
        assert_eq!(record.ledger.failed, 1);
        assert_eq!(counts(&record), (2, 0, 1));
    });
}

/// What began to be answered may have been done.
#[test_case("Hello")]
#[test_case("Stream")]
fn nothing_is_made_again_once_the_head_of_an_answer_came(method: &'static str) {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.read_all().await;
            let mut stream = exchange.begin();
            stream.send_data(framed(b""), false).expect("open");
            stream.send_trailers(status("14")).expect("open");
        })
        .await;
        let record = whole(again(&[&server], method)).await;
        assert_eq!(server.control.requests.get(), 1);
        assert_eq!(counts(&record), (0, 0, 0));
        assert_eq!(record.ledger.failed, 1);
    });
}

#[test]
fn a_server_that_wants_no_other_attempt_gets_none() {
    run(async {
        let server = Server::start(async |it: Exchange| {
            refuse(it, &[("grpc-retry-pushback-ms", "-1")]).await;
        })
        .await;
        let record = whole(again(&[&server], "Hello")).await;
        assert_eq!(server.control.requests.get(), 1);
        assert_eq!(counts(&record), (0, 0, 0));
    });
}

#[test]
fn a_server_says_when_the_next_attempt_may_come() {
    run(async {
        let (clock, at): (_, Rc<RefCell<Vec<u64>>>) = (Clock::start(), Rc::default());
        let server = Server::start({
            let at = Rc::clone(&at);
            move |exchange: Exchange| {
                at.borrow_mut().push(clock.now());
                async move {
                    match exchange.nth {
                        0 => refuse(exchange, &[("grpc-retry-pushback-ms", "60")]).await,
                        _ => exchange.ok(&[b""]).await,
                    }
                }
            }
        })
        .await;
        let record = whole(again(&[&server], "Hello")).await;
        assert_eq!(counts(&record), (1, 1, 0));
        let apart = at.borrow()[1] - at.borrow()[0];
        assert!(apart >= 58_000_000, "{apart} ns");
    });
}

#[test]
fn the_next_attempt_goes_to_another_target() {
    run(async {
        let bad = Server::start(async |it: Exchange| refuse(it, &[]).await).await;
        let good = Server::start(async |it: Exchange| it.ok(&[b""]).await).await;
        let mut plan = again(&[&bad, &good], "Hello");
        plan.load = Load::closed(1).iterations(50).into();
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 50);
        let tried = bad.control.requests.get() as u64;
        assert_eq!(counts(&record), (tried, tried, 0));
        assert!(tried > 10, "{tried}");
        let [of_bad, of_good] = &*record.targets else {
            panic!("two targets");
        };
        assert_eq!(
            (of_bad.completed, of_good.completed),
            (0, 50),
            "the last attempt's"
        );
    });
}

#[test]
fn time_that_is_up_between_two_attempts() {
    run(async {
        let server = Server::start(async |it: Exchange| {
            refuse(it, &[("grpc-retry-pushback-ms", "60000")]).await;
        })
        .await;
        let mut plan = again(&[&server], "Hello");
        plan.timeout = Duration::from_millis(50);
        let record = whole(plan).await;
        assert!(failures(&record).eq([(Failure::Timeout.into(), 1)]));
        let example =
            "cut off while resting before attempt 2; the one before ended with grpc.UNAVAILABLE";
        let timeout = (Failure::Timeout, example.to_owned());
        assert!(record.examples.contains(&timeout), "{:?}", record.examples);
        assert_eq!(counts(&record), (0, 0, 0), "no other one began");
    });
}

#[test]
fn time_that_is_up_in_a_further_attempt() {
    run(async {
        let server = Server::start(async |exchange: Exchange| match exchange.nth {
            0 => refuse(exchange, &[]).await,
            _ => exchange.until_reset().await,
        })
        .await;
        let mut plan = again(&[&server], "Hello");
        plan.timeout = Duration::from_millis(100);
        let record = whole(plan).await;
        assert!(failures(&record).eq([(Failure::Timeout.into(), 1)]));
        assert_eq!(counts(&record), (1, 0, 1));
    });
}

/// Of 4 tokens 2 have to be left, and each attempt takes one.
#[test]
fn too_many_failures_stop_further_attempts() {
    run(async {
        let server = Server::start(async |it: Exchange| refuse(it, &[]).await).await;
        let mut plan = again(&[&server], "Hello");
        plan.load = Load::closed(1).iterations(10).into();
        let retry = grpc(&mut plan)
            .retry
            .as_mut()
            .expect("calls are made again");
        retry.throttling = Some(RetryThrottling::new(4, 0.1));
        let record = whole(plan).await;
        assert_eq!(record.ledger.failed, 10);
        assert_eq!(counts(&record), (1, 0, 1));
        assert_eq!(retries(&record).throttled, 10);
        assert_eq!(server.control.requests.get(), 11);
    });
}

#[test]
fn what_expressions_see_is_the_last_attempt() {
    run(async {
        let server = Server::start(async |exchange: Exchange| match exchange.nth {
            0 => refuse(exchange, &[]).await,
            _ => exchange.ok(&[b""]).await,
        })
        .await;
        let mut plan = again(&[&server], "Hello");
        the_call(&mut plan).message = serde_json::json!({ "name": "{{ iteration }}" });
        let step = &mut grpc(&mut plan).steps[0];
        step.check = vec!["status == 'OK'".to_owned()];
        let record = whole(plan).await;
        assert_eq!(record.ledger.completed, 1, "{:?}", record.examples);
        assert_eq!(counts(&record), (1, 1, 0));
    });
}

#[test]
fn a_scenario_that_says_nothing_of_it_makes_no_call_again() {
    run(async {
        let server = Server::start(async |it: Exchange| refuse(it, &[]).await).await;
        let record = whole(plan(&[server.address], "Hello")).await;
        assert_eq!(server.control.requests.get(), 1);
        assert_eq!(record.retries, None);
        assert!(
            !server
                .control
                .headers
                .borrow()
                .contains_key("grpc-previous-rpc-attempts")
        );
    });
}
