//! What is sent is filled in, replies are looked at, and connections are opened with what a user has.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{
    Answer, DataSource, MessageStream, Payload, ReplyMark, Step, StreamEnd, WebsocketExchange,
    WebsocketMessages,
};
use loadgen_core::schedule::Limit;
use serde_json::json;

use crate::common::run;
use crate::common::whole::{closed, whole};
use crate::server::{Server, echo, serve};
use crate::support::{hello, plan, websocket};

/// Sends back what it gets, and keeps it, after the path that the connection was asked for with.
async fn keeping(said: &Rc<RefCell<Vec<String>>>) -> Server {
    let said = Rc::clone(said);
    serve(move |peer| {
        let said = Rc::clone(&said);
        async move {
            let path = peer.head.split(' ').nth(1).expect("a path").to_owned();
            let token = peer.header("x-token").unwrap_or("-").to_owned();
            said.borrow_mut().push(format!("{path} {token}"));
            let mut socket = peer.accept().await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    said.borrow_mut().push(match message.to_text() {
                        Ok(text) => text.to_owned(),
                        Err(_) => format!("{:?}", message.clone().into_data()),
                    });
                    let _ = socket.send(message).await;
                }
            }
        }
    })
    .await
}

fn people() -> (tempfile::NamedTempFile, DataSource) {
    let mut file = tempfile::Builder::new()
        .suffix(".jsonl")
        .tempfile()
        .expect("a file");
    file.write_all(b"{\"name\": \"ann\", \"age\": 30}\n{\"name\": \"b\\\"ob\", \"age\": 4}\n")
        .expect("a file");
    let source = DataSource::new("people", file.path());
    (file, source)
}

#[test]
fn what_is_sent_is_filled_in() {
    run(async {
        let said = Rc::default();
        let server = keeping(&said).await;
        let mut plan = plan(&[server.address], hello());
        let (_file, source) = people();
        plan.data = vec![source];
        let send = |payload| WebsocketExchange::send("/room/{{ user }}?x=1", payload);
        let greeting = json!({ "who": "{{ row.name }}", "age": "{{ row.age }}", "n": 1 });
        websocket(&mut plan).headers = vec![("x-token".into(), "t-{{ scenario }}".into())];
        websocket(&mut plan).steps = vec![
            Step::new("greet", send(Payload::Json(greeting)))
                .save("age", "reply.age + 1")
                .check("reply.who == row.name"),
            Step::new(
                "text",
                send(Payload::Text("{{ saved.age }} {{ iteration }}".into())),
            )
            .check("reply.text == saved.age ~ ' ' ~ iteration"),
            Step::new(
                "bytes",
                send(Payload::BinaryTemplate("{{ base64('\u{1}ab') }}".into())),
            ),
        ];
        plan.load = closed(1, Limit::Iterations(2));
        let record = whole(plan).await;
        assert_eq!(record.outcomes, [(Outcome::Ok, 2)], "{:?}", record.examples);
        assert_eq!(
            *said.borrow(),
            [
                "/room/0?x=1 t-test",
                r#"{"who":"ann","age":30,"n":1}"#,
                "31 0",
                "\u{1}ab",
                r#"{"who":"b\"ob","age":4,"n":1}"#,
                "5 1",
                "\u{1}ab",
            ]
        );
    });
}

#[test]
fn numbers_are_put_beside_what_is_filled_in() {
    run(async {
        let said = Rc::default();
        let server = keeping(&said).await;
        let messages = WebsocketMessages::Send {
            payload: Payload::Json(json!({ "meta": { "op": "{{ random(5, 5) }}" } })),
            answer: Answer::ById("meta.id".to_owned()),
        };
        let mut exchange = WebsocketExchange::new("/", messages);
        (exchange.repeat, exchange.in_flight) = (3, 2);
        let record = whole(plan(&[server.address], exchange)).await;
        assert_eq!(record.outcomes, [(Outcome::Ok, 1)]);
        let texts: Vec<_> = said.borrow()[1..].to_vec();
        assert_eq!(texts.len(), 3);
        assert!(
            texts[0].starts_with(r#"{"meta":{"op":5,"id":"#),
            "{texts:?}"
        );
    });
}

/// What does not match is left for the step that it matches in.
#[test]
fn what_matches_is_taken_and_the_rest_is_left() {
    run(async {
        let server = serve(async |peer| {
            let mut socket = peer.accept().await;
            while let Some(Ok(message)) = socket.next().await {
                if !message.is_text() {
                    continue;
                }
                for text in [
                    r#"{"type": "push", "n": 1}"#,
                    r#"{"type": "echo", "n": 2}"#,
                    r#"{"type": "echo", "n": 7}"#,
                    r#"{"type": "push", "n": 9}"#,
                ] {
                    let _ = socket.send(text.into()).await;
                }
            }
        })
        .await;
        let ask = WebsocketMessages::Send {
            payload: Payload::Text("?".to_owned()),
            answer: Answer::Marked {
                mark: ReplyMark::matching("reply.type == 'echo' and reply.n > 3"),
                match_id: None,
            },
        };
        let mut pushes = MessageStream::until(StreamEnd::Messages(2));
        pushes.mark = Some(ReplyMark::matching("reply.type == 'push'"));
        let pushes = WebsocketMessages::Listen(pushes);
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).steps = vec![
            Step::new("ask", WebsocketExchange::new("/", ask)).check("reply.n == 7"),
            Step::new("hear", WebsocketExchange::new("/", pushes)).check("reply.n == 9"),
        ];
        let record = whole(plan).await;
        assert_eq!(record.outcomes, [(Outcome::Ok, 1)], "{:?}", record.examples);
        assert_eq!(record.steps[1].messages_received, 2);
    });
}

/// The connection is none the worse for it.
#[test]
fn what_comes_to_nothing_is_not_sent() {
    run(async {
        let server = serve(async |peer| echo(peer.accept().await).await).await;
        let text = "{{ [1, 2, 3][iteration] }}".to_owned();
        let exchange = WebsocketExchange::send("/", Payload::Text(text));
        let mut plan = plan(&[server.address], exchange);
        plan.load = closed(1, Limit::Iterations(5));
        let record = whole(plan).await;
        let failed = Outcome::from(Failure::Expression);
        assert_eq!(record.outcomes, [(Outcome::Ok, 3), (failed, 2)]);
        assert_eq!(record.connections.counts.opened, 1);
        let (_, example) = &record.examples[0];
        assert!(
            example.starts_with("steps[0].websocket.send: "),
            "{example}"
        );
    });
}

#[test]
fn a_check_that_fails_says_what_came() {
    run(async {
        let server = serve(async |peer| echo(peer.accept().await).await).await;
        let mut plan = plan(&[server.address], hello());
        websocket(&mut plan).steps[0].check = vec!["reply.text == 'hullo'".to_owned()];
        plan.timeout = Duration::from_secs(2);
        let record = whole(plan).await;
        assert_eq!(record.outcomes, [(Failure::Check.into(), 1)]);
        let check = &record.steps[0].checks[0];
        assert_eq!((check.passed, check.failed), (0, 1));
        assert_eq!(check.example.as_deref(), Some("reply.text is \"hello\""));
    });
}
