//! Replies and what is none: ids, marks, greetings, pushes, and what is said where nothing tells
//! them apart.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures::SinkExt;
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::record::ScenarioRecord;
use loadgen_core::scenario::{
    Answer, ConnectionPer, Payload, ReplyMark, Step, WebsocketExchange, WebsocketMessages,
};
use loadgen_core::schedule::Limit;
use loadgen_core::workload::{MessageFault, SampleKind, Workload};
use serde_json::{Value, json};
use test_case::test_case;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::common::whole::{closed, failures, whole};
use crate::common::{run, until};
use crate::server::{Server, echo, next, say, serve};
use crate::support::{Driver, hello, plan, websocket};

/// What a slow reply takes, and what a round trip takes at least that ends with one.
const SLOW: Duration = Duration::from_millis(20);
const SLOW_NS: u64 = 20_000_000;

/// A server that sends each message back after [`SLOW`], unless the client leaves before, and says
/// something unasked: `welcome` when a connection is open, `seen` at once before each reply. Counts
/// what it sends.
async fn chatty(welcome: &'static str, seen: &'static str) -> (Server, Rc<Cell<u64>>) {
    let sent = Rc::new(Cell::new(0));
    let count = Rc::clone(&sent);
    let server = serve(move |peer| {
        let sent = Rc::clone(&count);
        async move {
            let mut socket = peer.accept().await;
            if !welcome.is_empty() {
                sleep(SLOW / 4).await;
                say(&mut socket, welcome).await;
                sent.set(sent.get() + 1);
            }
            while let Some(message) = next(&mut socket).await {
                if !seen.is_empty() {
                    say(&mut socket, seen).await;
                    sent.set(sent.get() + 1);
                }
                tokio::select! {
                    () = sleep(SLOW) => {}
                    _ = next(&mut socket) => return,
                }
                let _ = socket.send(message).await;
                sent.set(sent.get() + 1);
            }
        }
    })
    .await;
    (server, sent)
}

fn exchange(message: Value, answer: Answer) -> WebsocketExchange {
    let payload = Payload::Json(message);
    WebsocketExchange::new("/", WebsocketMessages::Send { payload, answer })
}

fn marked(equals: &str, match_id: Option<&str>) -> Answer {
    Answer::Marked {
        mark: ReplyMark::new("type", equals.into()),
        match_id: match_id.map(str::to_owned),
    }
}

/// So many iterations of one user, each with a connection of its own.
async fn visits(server: &Server, exchange: WebsocketExchange, iterations: u64) -> ScenarioRecord {
    let mut plan = plan(&[server.address], exchange);
    websocket(&mut plan).connection_per = ConnectionPer::Iteration;
    plan.load = closed(1, Limit::Iterations(iterations));
    whole(plan).await
}

fn unexpected(record: &ScenarioRecord) -> u64 {
    record.steps[0].message_faults[MessageFault::Unexpected as usize]
}

/// How many round trips there are, and the shortest.
fn round_trips(record: &ScenarioRecord) -> (u64, u64) {
    let samples = &record.steps[0].samples;
    let round_trips = samples
        .iter()
        .find(|(kind, _)| *kind == SampleKind::RoundTrip);
    round_trips.map_or((0, 0), |(_, it)| (it.len(), it.min()))
}

/// Each connection ends while the true reply is on its way. Some are listened to for longer.
#[test]
fn an_event_that_was_taken_for_the_reply_does_not_go_without_a_word() {
    run(async {
        let (server, sent) = chatty("", r#"{"type":"seen"}"#).await;
        let record = visits(&server, hello(), 20).await;
        assert_eq!(record.ledger.completed, 20);
        assert_eq!(round_trips(&record).0, 20);
        let unexpected = unexpected(&record);
        assert!((1..=20).contains(&unexpected), "{unexpected}");
        assert_eq!(record.steps[0].messages_received, 20 + unexpected);
        assert_eq!(sent.get(), 20 + unexpected, "all that came is counted");
        assert_eq!(record.connections.counts.opened, 20);
        assert_eq!(record.connections.counts.dropped, 0);
    });
}

/// Every reply is that to the message before, and only the last one shows it.
#[test]
fn a_shift_by_one_shows_when_the_user_is_done() {
    run(async {
        let (server, sent) = chatty("", "").await;
        let first = Rc::new(Cell::new(true));
        let (address, told) = (server.address, Rc::clone(&sent));
        let shifted = serve(move |peer| {
            let first = Rc::clone(&first);
            async move {
                let mut socket = peer.accept().await;
                while let Some(message) = next(&mut socket).await {
                    if first.replace(false) {
                        say(&mut socket, "welcome").await;
                    }
                    sleep(SLOW).await;
                    let _ = socket.send(message).await;
                }
            }
        })
        .await;
        for (address, expected) in [(address, 0), (shifted.address, 1)] {
            let mut plan = plan(&[address], hello());
            plan.load = closed(1, Limit::Iterations(5));
            let record = whole(plan).await;
            assert_eq!(record.ledger.completed, 5);
            assert_eq!(unexpected(&record), expected);
        }
        assert_eq!(told.get(), 5);
    });
}

#[test_case(false, 10; "pushes that nobody asked for")]
#[test_case(true, 0; "pushes that are normal")]
fn a_mark_tells_the_reply_from_an_event(pushes: bool, faults: u64) {
    run(async move {
        let (server, sent) = chatty("", r#"{"type":"seen"}"#).await;
        let mut exchange = exchange(json!({ "type": "echo" }), marked("echo", None));
        exchange.pushes = pushes;
        let record = visits(&server, exchange, 10).await;
        let (count, shortest) = round_trips(&record);
        assert_eq!((count, unexpected(&record)), (10, faults));
        assert!(shortest >= SLOW_NS, "{shortest}");
        assert_eq!(record.steps[0].messages_received, sent.get());
        assert_eq!(sent.get(), 20);
    });
}

#[test_case(0; "not said")]
#[test_case(1; "said")]
fn a_greeting_belongs_to_the_opening(greeting: u32) {
    run(async move {
        let (server, sent) = chatty("welcome", "").await;
        let mut exchange = hello();
        exchange.greeting = greeting;
        let record = visits(&server, exchange, 10).await;
        let (count, shortest) = round_trips(&record);
        assert_eq!(count, 10);
        let received = record.steps[0].messages_received;
        if greeting == 0 {
            let unexpected = unexpected(&record);
            assert!((1..=10).contains(&unexpected), "{unexpected}");
            assert_eq!(received, 10 + unexpected);
        } else {
            assert_eq!((unexpected(&record), received, sent.get()), (0, 10, 20));
            assert!(shortest >= SLOW_NS, "{shortest}");
            let connect = record.connections.connect_time.min();
            assert!(connect >= SLOW_NS / 4, "{connect}");
        }
    });
}

/// Once for each connection, whichever of its steps says so.
#[test]
fn a_greeting_comes_once_for_each_connection() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            for part in ["welcome", r#"{"type":"echo","id":0}"#] {
                say(&mut socket, part).await;
            }
            echo(socket).await;
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        let mut second = hello();
        second.greeting = 2;
        websocket(&mut plan).steps.push(Step::new("second", second));
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        driver.workload.close(user).await;
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.messages, seen.opened), ((6, 6), 1));
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    });
}

#[test]
fn a_greeting_that_does_not_come_stops_the_run_before_it_begins() {
    run(async {
        let server = serve(|peer| async { echo(peer.accept().await).await }).await;
        let mut exchange = hello();
        exchange.greeting = 1;
        let mut plan = plan(&[server.address], exchange);
        plan.connect_timeout = Duration::from_millis(50);
        let told = Driver::prepare_error(&plan).await;
        assert_eq!(
            told,
            format!(
                "could not connect to {}: no answer within 50ms while waiting for the greeting, 0 \
                 of 1 message so far; does the server greet on this path (`greeting`)?",
                server.address
            )
        );
    });
}

/// What becomes of the second connection, which is not greeted as the first one was.
#[test_case(None, Failure::Connect
    => "no answer within 50ms while waiting for the greeting, 1 of 2 messages so far; does the server greet on this path (`greeting`)?"; "silence")]
#[test_case(Some(1008), Failure::Close(1008)
    => "the server closed the connection with code 1008: \"who are you\", while waiting for the greeting, 1 of 2 messages so far; does the server greet on this path (`greeting`)?"; "a close")]
fn a_greeting_that_does_not_come_fails_the_iteration(
    code: Option<u16>,
    failure: Failure,
) -> String {
    run(async move {
        let server = serve(move |peer| async move {
            let nth = peer.nth;
            let mut socket = peer.accept().await;
            say(&mut socket, "welcome").await;
            match code {
                _ if nth == 0 => say(&mut socket, "to us").await,
                Some(code) => {
                    let reason = "who are you".into();
                    let code = code.into();
                    let _ = socket.close(Some(CloseFrame { code, reason })).await;
                }
                None => {}
            }
            echo(socket).await;
        })
        .await;
        let mut exchange = hello();
        exchange.greeting = 2;
        let mut plan = plan(&[server.address], exchange);
        plan.connect_timeout = Duration::from_millis(50);
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.iterate(&mut user).await, failure.into());
        let told = driver.recorder.explanation();
        let (target, why) = told.split_once(": ").expect("a target");
        assert_eq!(target, format!("could not connect to {}", server.address));
        why.to_owned()
    })
}

#[test]
fn the_iteration_s_timeout_ends_the_wait_for_a_greeting() {
    run(async {
        let server = serve(|peer| async {
            let nth = peer.nth;
            let mut socket = peer.accept().await;
            if nth == 0 {
                say(&mut socket, "welcome").await;
            }
            echo(socket).await;
        })
        .await;
        let mut exchange = hello();
        exchange.greeting = 1;
        let mut plan = plan(&[server.address], exchange);
        websocket(&mut plan).connection_per = ConnectionPer::Iteration;
        plan.timeout = Duration::from_millis(100);
        plan.load = closed(1, Limit::Iterations(2));
        let record = whole(plan).await;
        let failed: Vec<_> = failures(&record).collect();
        assert_eq!(failed, [(Failure::Timeout.into(), 1)]);
        let example = &record.examples[0].1;
        assert!(
            example.contains("waiting for the greeting, 0 of 1 message so far"),
            "{example}"
        );
    });
}

/// The id stands further down, and comes back as a number or as a text, the last one first.
#[test_case(false; "as a number")]
#[test_case(true; "as a text")]
fn an_id_may_stand_further_down(as_text: bool) {
    run(async move {
        let got = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&got);
        let server = serve(move |peer| {
            let got = Rc::clone(&seen);
            async move {
                let mut socket = peer.accept().await;
                let mut waiting = Vec::new();
                while let Some(message) = next(&mut socket).await {
                    let asked: Value =
                        serde_json::from_str(message.to_text().expect("text")).expect("JSON");
                    got.borrow_mut().push(asked.clone());
                    waiting.push(asked["meta"]["id"].clone());
                    while waiting.len() == 4
                        && let Some(id) = waiting.pop()
                    {
                        let id = if as_text { json!(id.to_string()) } else { id };
                        let reply = json!({ "id": 0, "meta": { "at": 1, "id": id } });
                        say(&mut socket, reply.to_string()).await;
                        while waiting.len() < 4
                            && let Some(id) = waiting.pop()
                        {
                            let id = if as_text { json!(id.to_string()) } else { id };
                            let reply = json!({ "meta": { "id": id } });
                            say(&mut socket, reply.to_string()).await;
                        }
                    }
                }
            }
        })
        .await;
        let message = json!({ "op": "add", "meta": { "user": 1 } });
        let mut exchange = exchange(message, Answer::ById("meta.id".to_owned()));
        exchange.repeat = 8;
        exchange.in_flight = 4;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.messages, (8, 8));
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        let got = got.borrow();
        assert_eq!(got.len(), 8);
        for (number, message) in got.iter().enumerate() {
            let expected = json!({ "op": "add", "meta": { "user": 1, "id": number } });
            assert_eq!(*message, expected);
        }
    });
}

/// Progress and result have the same id; only the result is the reply.
#[test]
fn a_mark_beside_an_id() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while let Some(message) = next(&mut socket).await {
                let asked: Value =
                    serde_json::from_str(message.to_text().expect("text")).expect("JSON");
                for kind in ["progress", "progress", "result", "result"] {
                    let told = json!({ "id": asked["id"], "type": kind });
                    say(&mut socket, told.to_string()).await;
                }
            }
        })
        .await;
        let mut exchange = exchange(json!({}), marked("result", Some("id")));
        exchange.repeat = 3;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let user = {
            let mut user = driver.user().await;
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            user
        };
        driver.workload.close(user).await;
        // Two of progress and the second result of each.
        until(|| driver.recorder.faults(MessageFault::Unexpected) == 9).await;
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.samples[&SampleKind::RoundTrip].len(), 3);
        assert_eq!(seen.messages, (3, 12));
        assert_eq!(seen.faults.len(), 1, "{:?}", seen.faults);
    });
}

/// A push is no late reply, neither to a marked message nor to a numbered one.
#[test_case(marked("echo", None); "in order")]
#[test_case(marked("echo", Some("id")); "by id")]
fn a_push_is_not_the_reply_to_what_was_given_up(answer: Answer) {
    run(async move {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            let late = next(&mut socket).await.expect("a message");
            say(&mut socket, r#"{"type":"push","id":0}"#).await;
            sleep(Duration::from_millis(60)).await;
            say(&mut socket, r#"{"type":"push","id":0}"#).await;
            let _ = socket.send(late).await;
            echo(socket).await;
        })
        .await;
        let mut exchange = exchange(json!({ "type": "echo" }), answer.clone());
        exchange.pushes = true;
        let driver = Driver::open(&plan(&[server.address], exchange)).await;
        let mut user = driver.user().await;
        let cut = timeout(Duration::from_millis(30), driver.iterate(&mut user)).await;
        assert!(cut.is_err(), "{cut:?}");
        until(|| driver.recorder.0.borrow().messages.1 == 3).await;
        assert_eq!(driver.recorder.faults(MessageFault::TooLate), 1);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 0);
    });
}

/// What comes after a step's replies goes on its account, not on that of the one after it.
#[test]
fn what_comes_after_a_step_is_its_own() {
    run(async {
        let server = serve(|peer| async {
            let mut socket = peer.accept().await;
            while let Some(message) = next(&mut socket).await {
                let is_second = message == Message::text("second");
                let _ = socket.send(message).await;
                if is_second {
                    say(&mut socket, "and another thing").await;
                }
            }
        })
        .await;
        let mut plan = plan(&[server.address], hello());
        let second = WebsocketExchange::send("/echo", Payload::Text("second".to_owned()));
        websocket(&mut plan).steps.push(Step::new("second", second));
        websocket(&mut plan)
            .steps
            .push(Step::pause(Duration::from_millis(10)));
        plan.load = closed(1, Limit::Iterations(5));
        let record = whole(plan).await;
        let unexpected = record
            .steps
            .iter()
            .map(|step| step.message_faults[MessageFault::Unexpected as usize]);
        assert_eq!(unexpected.collect::<Vec<_>>(), [0, 5]);
    });
}
