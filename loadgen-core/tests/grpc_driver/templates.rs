//! What is sent depends on expressions, and what is answered is looked at by some.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::scenario::{Action, GrpcCall, GrpcStreamEnd, ScenarioPlan, Step};
use loadgen_core::schedule::Limit;
use serde_json::json;
use test_case::test_case;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::whole::{closed, whole};
use crate::support::{Driver, call, factory, grpc, plan, run, step, the_call};

/// What came, one body after the other.
type Bodies = Rc<RefCell<Vec<Vec<u8>>>>;

/// A server that answers each request with the same messages.
async fn answering(messages: &'static [&'static [u8]]) -> (Server, Bodies) {
    let bodies = Bodies::default();
    let seen = Rc::clone(&bodies);
    let server = Server::start(move |mut exchange: Exchange| {
        let seen = Rc::clone(&seen);
        async move {
            let body = exchange.read_all().await;
            seen.borrow_mut().push(body);
            exchange.ok(messages).await;
        }
    })
    .await;
    (server, bodies)
}

fn failed(failure: Failure) -> Outcome {
    Outcome::Failed(failure)
}

fn with_steps(server: &Server, steps: Vec<Step<GrpcCall>>) -> ScenarioPlan {
    let mut plan = plan(&[server.address], "Hello");
    grpc(&mut plan).steps = steps;
    plan
}

/// A scenario that was written for several knows which one it is.
#[test]
fn the_values_of_a_scenario_have_names() {
    run(async {
        let (server, bodies) = answering(&[b""]).await;
        let mut plan = plan(&[server.address], "Hello");
        plan.for_each = vec![("version".to_owned(), "v1.1".to_owned())];
        the_call(&mut plan).message = json!({ "name": "{{ version }}" });
        the_call(&mut plan).metadata = vec![(
            "agent-id".to_owned(),
            "agent-{{ version }}-{{ user }}".into(),
        )];
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(*bodies.borrow(), [framed(b"\x0a\x04v1.1").to_vec()]);
        assert_eq!(server.control.headers.borrow()["agent-id"], "agent-v1.1-0");
        // Of another scenario it is no name.
        plan.for_each = Vec::new();
        let told = factory(&plan).unwrap_err().to_string();
        assert!(told.contains("`version`"), "{told}");
    });
}

#[test]
fn a_message_and_metadata_are_made_for_each_call() {
    run(async {
        let (server, bodies) = answering(&[b""]).await;
        let mut plan = plan(&[server.address], "Hello");
        the_call(&mut plan).message = json!({ "name": "{{ scenario }}-{{ user + 1 }}" });
        the_call(&mut plan).metadata = vec![
            ("x-user".to_owned(), "{{ user }}".into()),
            ("x-bytes-bin".to_owned(), "{{ base64(scenario) }}".into()),
            ("x-same".to_owned(), "always".into()),
        ];
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(*bodies.borrow(), [framed(b"\x0a\x06test-1").to_vec()]);
        let headers = server.control.headers.borrow();
        for (name, value) in [
            ("x-user", "0"),
            ("x-bytes-bin", "dGVzdA=="),
            ("x-same", "always"),
        ] {
            assert_eq!(headers.get(name).expect(name), value);
        }
    });
}

#[test]
fn what_a_step_saves_the_next_one_sends() {
    run(async {
        let (server, bodies) = answering(&[b"\x0a\x05token"]).await;
        let mut login = step("login", call("Hello"));
        login.save = vec![("token".to_owned(), "reply.message".to_owned())];
        let mut work = step("work", call("Hello"));
        if let Action::Speak(call) = &mut work.action {
            call.message = json!({ "name": "{{ saved.token }}" });
            call.metadata = vec![(
                "authorization".to_owned(),
                "Bearer {{ saved.token }}".into(),
            )];
        }
        let driver = Driver::open(&with_steps(&server, vec![login, work])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(bodies.borrow()[1], framed(b"\x0a\x05token"));
        let headers = server.control.headers.borrow();
        assert_eq!(headers.get("authorization").expect("sent"), "Bearer token");
    });
}

#[test]
fn nothing_is_sent_where_an_expression_comes_to_nothing() {
    run(async {
        let (server, _) = answering(&[b""]).await;
        let mut early = step("early", call("Hello"));
        if let Action::Speak(call) = &mut early.action {
            call.message = json!({ "name": "{{ saved.token }}" });
        }
        let mut late = step("late", call("Hello"));
        late.save = vec![("token".to_owned(), "reply.message".to_owned())];
        let driver = Driver::open(&with_steps(&server, vec![early, late])).await;
        assert_eq!(driver.once().await, failed(Failure::Expression));
        assert_eq!(server.control.requests.get(), 0);
        let told = driver.recorder.explanation();
        assert!(told.starts_with("steps[0].grpc.message.name: "), "{told}");
    });
}

#[test]
fn a_value_that_no_header_can_carry_is_not_sent() {
    run(async {
        let (server, _) = answering(&[b"\x0a\x03a\nb"]).await;
        let mut first = step("first", call("Hello"));
        first.save = vec![("text".to_owned(), "reply.message".to_owned())];
        let mut second = step("second", call("Hello"));
        if let Action::Speak(call) = &mut second.action {
            call.metadata = vec![("x-text".to_owned(), "{{ saved.text }}".into())];
        }
        let driver = Driver::open(&with_steps(&server, vec![first, second])).await;
        assert_eq!(driver.once().await, failed(Failure::Expression));
        assert_eq!(server.control.requests.get(), 1);
        let told = driver.recorder.explanation();
        assert!(
            told.starts_with("steps[1].grpc.metadata.x-text: it came to `"),
            "{told}"
        );
        assert!(
            told.ends_with("expected one line of printable ASCII"),
            "{told}"
        );
    });
}

#[test_case("reply.message == 'hello'" => Outcome::Ok)]
#[test_case("reply.backend is none and reply.text == '{\"message\":\"hello\"}'" => Outcome::Ok)]
#[test_case("status == 'OK' and metadata['x-loadgen-backend'] == 'test-1'" => Outcome::Ok)]
#[test_case("headers.x_loadgen_backend == 'test-1'" => Outcome::Ok)]
#[test_case("trailers['grpc-status'] == '0'" => Outcome::Ok)]
#[test_case("reply.message == 'bye'" => failed(Failure::Check))]
#[test_case("reply.message + 1 == 2" => failed(Failure::Check); "an expression that fails")]
fn checks(check: &'static str) -> Outcome {
    run(async {
        let (server, _) = answering(&[b"\x0a\x05hello"]).await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).steps[0].check = vec![check.to_owned()];
        let driver = Driver::open(&plan).await;
        let outcome = driver.once().await;
        let seen = driver.recorder.0.borrow();
        let (step, number, example) = seen.checks.first().expect("it was counted");
        assert_eq!((*step, *number, example.is_none()), (0, 0, outcome.is_ok()));
        outcome
    })
}

#[test_case(&["status == 'NOT_FOUND'", "trailers['grpc-message'] == 'gone'"] => Outcome::Ok)]
#[test_case(&["status in ['OK', 'NOT_FOUND']"] => Outcome::Ok)]
#[test_case(&["status == 'OK'"] => failed(Failure::Check))]
#[test_case(&["reply.message == 'x'"] => failed(Failure::Grpc(GrpcCode::new(5))); "nothing judges the status")]
fn a_refusal_is_judged_by_a_check_of_the_status(checks: &'static [&'static str]) -> Outcome {
    run(async {
        let server = Server::start(async |mut exchange: Exchange| {
            exchange.read_all().await;
            let mut trailers = status("5");
            trailers.insert("grpc-message", "gone".parse().expect("a value"));
            exchange.begin().send_trailers(trailers).expect("open");
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        grpc(&mut plan).steps[0].check = checks.iter().map(|&it| it.to_owned()).collect();
        Driver::open(&plan).await.once().await
    })
}

#[test]
fn an_answer_that_cannot_be_read_is_told_of_where_it_is_looked_at() {
    run(async {
        let (server, _) = answering(&[b"\xff"]).await;
        let mut plan = plan(&[server.address], "Hello");
        assert_eq!(Driver::open(&plan).await.once().await, Outcome::Ok);
        grpc(&mut plan).steps[0].check = vec!["reply.message == 'x'".to_owned()];
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, failed(Failure::Protocol));
        let told = driver.recorder.explanation();
        assert!(
            told.starts_with("the answer is no `loadgen.v1.HelloReply`: "),
            "{told}"
        );
    });
}

#[test]
fn each_message_of_a_stream_is_made_when_it_is_sent() {
    run(async {
        let (server, bodies) = answering(&[b"\x08\x03"]).await;
        let mut plan = plan(&[server.address], "Collect");
        the_call(&mut plan).message = json!([{ "payload": "{{ base64(scenario) }}" }, { "payload": "{{ base64(random(5, 5)) }}" }]);
        the_call(&mut plan).repeat = 3;
        grpc(&mut plan).steps[0].check = vec!["reply.messages == 3".to_owned()];
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let sent: Bytes = [&b"\x0a\x04test"[..], b"\x0a\x015", b"\x0a\x015"]
            .map(framed)
            .concat()
            .into();
        assert_eq!(*bodies.borrow(), [sent.to_vec()]);
    });
}

#[test]
fn a_stream_ends_where_a_message_of_it_cannot_be_made() {
    run(async {
        let server = Server::start(async |exchange: Exchange| exchange.until_reset().await).await;
        let mut early = step("early", call("Collect"));
        if let Action::Speak(call) = &mut early.action {
            call.message = json!([{ "payload": "AQ==" }, { "payload": "{{ saved.data }}" }]);
        }
        let mut late = step("late", call("Hello"));
        late.save = vec![("data".to_owned(), "reply.message".to_owned())];
        let driver = Driver::open(&with_steps(&server, vec![early, late])).await;
        assert_eq!(driver.once().await, failed(Failure::Expression));
        let told = driver.recorder.explanation();
        assert!(
            told.starts_with("steps[0].grpc.message[1].payload: "),
            "{told}"
        );
        crate::support::until(|| server.control.resets.borrow().len() == 1).await;
    });
}

#[test]
fn the_last_message_of_a_stream_is_its_reply() {
    run(async {
        let (server, bodies) = answering(&[b"\x08\x01", b"\x08\x02", b"\x08\x07"]).await;
        let mut plan = plan(&[server.address], "Stream");
        the_call(&mut plan).message = json!({ "count": "{{ user + 3 }}" });
        grpc(&mut plan).steps[0].check = vec![
            "reply.sequence == 7".to_owned(),
            "status == 'OK' and metadata['x-loadgen-backend'] == 'test-1'".to_owned(),
            "trailers['grpc-status'] == '0'".to_owned(),
        ];
        assert_eq!(Driver::open(&plan).await.once().await, Outcome::Ok);
        assert_eq!(*bodies.borrow(), [framed(b"\x08\x03").to_vec()]);

        the_call(&mut plan).stream = Some(GrpcStreamEnd::Messages(2));
        grpc(&mut plan).steps[0].check = vec!["reply.sequence == 2".to_owned()];
        assert_eq!(Driver::open(&plan).await.once().await, Outcome::Ok);
    });
}

#[test]
fn replies_of_a_conversation_are_matched_where_messages_differ_in_length() {
    run(async {
        let (server, bodies) = answering(&[b"\x0a\x01a", b"\x0a\x01b"]).await;
        let mut plan = plan(&[server.address], "Chat");
        the_call(&mut plan).message = json!([{ "text": "{{ scenario }}" }, { "text": "{{ scenario * 1 if false else 'b' }}" }]);
        the_call(&mut plan).in_flight = 2;
        grpc(&mut plan).steps[0].check = vec!["reply.text == 'b'".to_owned()];
        let driver = Driver::open(&plan).await;
        assert_eq!(
            driver.once().await,
            Outcome::Ok,
            "{:?}",
            driver.recorder.0.borrow().explanations
        );
        assert_eq!(driver.recorder.0.borrow().messages, (2, 2));
        assert_eq!(bodies.borrow().len(), 1);
    });
}

fn refusal(method: &str, change: impl FnOnce(&mut Step<GrpcCall>)) -> String {
    let mut plan = plan(&[([127, 0, 0, 1], 1).into()], method);
    change(&mut grpc(&mut plan).steps[0]);
    factory(&plan).expect_err("wrong").to_string()
}

#[test_case("reply.mesage == 'x'" => "steps[0].check[0]: `reply.mesage` is unknown; did you mean `message`?")]
#[test_case("reply.backend.nmae == 'x'"
    => "steps[0].check[0]: `reply.backend.nmae` is unknown; known: `host`, `id`, `version`")]
#[test_case("satus == 'OK'" => "steps[0].check[0]: `satus` is unknown; did you mean `status`?")]
fn a_name_that_no_reply_has_is_told_before_the_run(check: &str) -> String {
    refusal("Hello", |step| step.check = vec![check.to_owned()])
}

#[test_case("Hello", "name", "{{ uesr }}"
    => "steps[0].grpc.message.name: `uesr` is unknown; did you mean `user`?")]
#[test_case("Compute", "rounds", "{{ scenario }}"
    => "steps[0].grpc.message.rounds: it came to `test`, which is not a number; expected uint32")]
#[test_case("Compute", "rounds", "{{ user - 1 }}"
    => "steps[0].grpc.message.rounds: it came to `-1`, which is out of range; expected uint32")]
#[test_case("Hello", "nmae", "{{ user }}"
    => "steps[0].grpc.message.nmae: `loadgen.v1.HelloRequest` has no field `nmae`; did you mean `name`?")]
fn what_cannot_be_sent_is_told_before_the_run(method: &str, field: &str, value: &str) -> String {
    refusal(method, |step| {
        if let Action::Speak(call) = &mut step.action {
            call.message = json!({ field: value });
        }
    })
}

#[test]
fn metadata_that_cannot_be_sent_is_told_before_the_run() {
    let told = refusal("Hello", |step| {
        if let Action::Speak(call) = &mut step.action {
            call.metadata = vec![("x-bin".to_owned(), "{{ '?' ~ user }}".into())];
        }
    });
    assert_eq!(
        told,
        "steps[0].grpc.metadata.x-bin: it came to `?0`; expected base64, as the name asks for that ends in `-bin`"
    );
}

/// A variable that cargo sets for tests: it is as good as a password.
const VARIABLE: &str = "CARGO_MANIFEST_DIR";

/// Sends the variable, and checks an answer that repeats it.
#[test]
fn what_is_of_the_environment_is_in_no_example() {
    run(async {
        let secret = std::env::var(VARIABLE).expect("cargo sets it");
        let server = Server::start(async |mut exchange: Exchange| {
            let said = exchange.read_all().await;
            exchange.ok(&[&said[5..]]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        the_call(&mut plan).message = json!({ "name": format!("I am {{{{ env.{VARIABLE} }}}}") });
        grpc(&mut plan).steps[0].check = vec!["reply.message == 'welcome'".to_owned()];
        plan.load = closed(1, Limit::Iterations(3));
        let record = whole(plan).await;
        let check = &record.steps[0].checks[0];
        let example = check.example.as_deref().expect("one of those that failed");
        assert!(example.contains("I am ***"), "{example}");
        for said in record
            .examples
            .iter()
            .map(|(_, said)| &**said)
            .chain([example])
        {
            assert!(!said.contains(&secret), "{said}");
        }
    });
}
