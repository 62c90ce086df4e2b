//! What WebSocket scenarios mean, and what invalid ones are told.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::schedule::Load;

/// Fields of a scenario with this one exchange.
fn one_step(exchange: &Value) -> Value {
    json!({ "steps": [{ "websocket": exchange }] })
}

/// Fields of a WebSocket scenario beside its step.
fn with(fields: &Value) -> Value {
    let mut all = one_step(&json!({ "ping": true }));
    for (key, value) in fields.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

fn text() -> Payload {
    Payload::Text("hi".to_owned())
}

fn sized(bytes: u32, text: bool) -> WebsocketExchange {
    WebsocketExchange::send("/", Payload::Sized { bytes, text })
}

fn answered(payload: Payload, answer: Answer) -> WebsocketExchange {
    WebsocketExchange::new("/", WebsocketMessages::Send { payload, answer })
}

fn marked(field: &str, equals: Value, match_id: Option<&str>) -> Answer {
    Answer::Marked {
        mark: ReplyMark::Field {
            field: field.to_owned(),
            equals,
        },
        match_id: match_id.map(str::to_owned),
    }
}

fn until(until: StreamEnd, sequence: Option<&str>) -> MessageStream {
    MessageStream {
        mark: None,
        until,
        sequence: sequence.map(str::to_owned),
    }
}

#[test_case(&json!({ "send": { "text": "hi" } }), &WebsocketExchange::send("/", text()); "a text")]
#[test_case(&json!({ "path": "/a/b?c=d%20e", "send": { "text": "" } }), &WebsocketExchange::send("/a/b?c=d%20e", Payload::Text(String::new())); "a path with a query, and nothing in the message")]
#[test_case(&json!({ "send": { "json": null } }), &WebsocketExchange::send("/", Payload::Json(Value::Null)); "null is a JSON value too")]
#[test_case(&json!({ "send": { "json": [1.5, { "a": "ü" }] } }), &WebsocketExchange::send("/", Payload::Json(json!([1.5, { "a": "ü" }]))); "a JSON value")]
#[test_case(&json!({ "send": { "binary": "AAEC/w" } }), &WebsocketExchange::send("/", Payload::Binary(vec![0, 1, 2, 255])); "bytes")]
#[test_case(&json!({ "send": { "size": "1KiB" } }), &sized(1024, false); "a size is binary")]
#[test_case(&json!({ "send": { "size": "64MiB", "as": "text" } }), &sized(64 << 20, true); "the largest size")]
#[test_case(&json!({ "send": { "size": "1B", "as": "binary" }, "reply": "one" }), &sized(1, false); "the defaults in so many words")]
#[test_case(&json!({ "send": { "text": "hi" }, "reply": "none" }), &answered(text(), Answer::None); "no reply")]
#[test_case(&json!({ "send": { "json": { "a": 1 } }, "match_id": "id" }), &answered(Payload::Json(json!({ "a": 1 })), Answer::ById("id".to_owned())); "replies by their number")]
#[test_case(&json!({ "send": { "json": { "meta": { "a": 1 } } }, "match_id": "meta.id" }), &answered(Payload::Json(json!({ "meta": { "a": 1 } })), Answer::ById("meta.id".to_owned())); "a number further down")]
#[test_case(&json!({ "send": { "text": "hi" }, "reply": { "field": "type", "equals": "echo" } }), &answered(text(), marked("type", json!("echo"), None)); "a marked reply")]
#[test_case(&json!({ "send": { "text": "hi" }, "reply": { "field": "meta.error", "equals": null } }), &answered(text(), marked("meta.error", Value::Null, None)); "a reply marked by null")]
#[test_case(&json!({ "send": { "json": {} }, "reply": { "field": "last", "equals": true }, "match_id": "id" }), &answered(Payload::Json(json!({})), marked("last", json!(true), Some("id"))); "a marked reply with a number")]
#[test_case(&json!({ "send": { "text": "hi" }, "greeting": 2 }), &WebsocketExchange { greeting: 2, ..WebsocketExchange::send("/", text()) }; "a greeting")]
#[test_case(&json!({ "ping": true, "pushes": true }), &WebsocketExchange { pushes: true, ..WebsocketExchange::ping("/") }; "pushes beside pings")]
#[test_case(&json!({ "send": { "text": "hi" }, "reply": "none", "pushes": true }), &WebsocketExchange { pushes: true, ..answered(text(), Answer::None) }; "pushes where no reply is waited for")]
#[test_case(&json!({ "send": { "text": "hi" }, "pushes": false }), &WebsocketExchange::send("/", text()); "no pushes in so many words")]
#[test_case(&json!({ "send": { "text": "hi" }, "stream": { "messages": 10, "sequence": "n" }, "in_flight": 1 }),
    &answered(text(), Answer::Stream(until(StreamEnd::Messages(10), Some("n")))); "a stream answers")]
#[test_case(&json!({ "stream": { "for": "5s" } }),
    &WebsocketExchange::new("/", WebsocketMessages::Listen(until(StreamEnd::After(Duration::from_secs(5)), None))); "listening")]
#[test_case(&json!({ "path": "/ping", "ping": true }), &WebsocketExchange::ping("/ping"); "a ping")]
#[test_case(&json!({ "ping": true, "repeat": 20, "every": "10ms", "in_flight": 4 }),
    &WebsocketExchange { repeat: 20, every: Some(Duration::from_millis(10)), in_flight: 4, ..WebsocketExchange::ping("/") }; "many pings")]
fn exchanges(written: &Value, expected: &WebsocketExchange) {
    let plan = plan_of(&one_step(written));
    assert_eq!(plan.protocol(), Protocol::Websocket);
    assert_eq!(websocket(&plan).steps, [Step::from(expected.clone())]);
    let again = Suite::parse(
        "x",
        &to_json(std::slice::from_ref(&plan)).to_string(),
        None,
        None,
    )
    .unwrap();
    assert_eq!(again.scenarios(), [plan]);
}

#[test]
fn what_one_step_says_of_a_connection_holds_for_all_that_use_it() {
    let step = |name: &str, path: &str, more: &Value| {
        let mut exchange = json!({ "path": path, "ping": true });
        for (key, value) in more.as_object().unwrap() {
            exchange[key] = value.clone();
        }
        json!({ "name": name, "websocket": exchange })
    };
    let plan = plan_of(&json!({ "steps": [
        step("a", "/a", &json!({})),
        step("b", "/b", &json!({ "greeting": 7 })),
        step("c", "/a", &json!({ "greeting": 2, "pushes": true })),
        step("d", "/a", &json!({ "greeting": 2 })),
        step("e", "/e", &json!({ "pushes": false })),
    ] }));
    let exchanges = websocket(&plan).steps.iter().filter_map(Step::spoken);
    let said: Vec<_> = exchanges.map(|it| (it.greeting, it.pushes)).collect();
    assert_eq!(
        said,
        [(2, true), (7, false), (2, true), (2, true), (0, false)]
    );
    let printed = to_json(std::slice::from_ref(&plan)).to_string();
    let again = Suite::parse("printed", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), [plan]);
}

#[test]
fn what_is_wrong_with_several_steps_is_told_of_all() {
    let told = problems_of(&json!({ "steps": [
        { "name": "a", "websocket": { "send": { "text": "a" }, "greeting": 1 } },
        { "name": "b", "websocket": { "send": { "text": "a" }, "greeting": 2, "pushes": true } },
        { "name": "c", "websocket": { "send": {}, "greeting": 3 } },
    ] }));
    let places: Vec<_> = told
        .iter()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "scenarios[0].steps[2].websocket.send",
            "scenarios[0].steps[1].websocket.greeting",
            "scenarios[0].steps[2].websocket.greeting",
            "scenarios[0].steps[0].websocket",
            "scenarios[0].steps[1].websocket",
            "scenarios[0].steps[2].websocket",
        ]
    );
}

#[test_case("/echo" => "echo")]
#[test_case("/v1/feed?channel=1" => "feed")]
#[test_case("/" => "websocket")]
#[test_case("/a.b" => "websocket"; "a point is not for step names")]
fn a_step_is_called_after_its_path(path: &str) -> String {
    let plan = plan_of(&one_step(&json!({ "path": path, "ping": true })));
    websocket(&plan).steps[0].name.clone()
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let load = Load::closed(10).iterations(1000);
    let exchange = WebsocketExchange::send("/echo", text());
    let plan = ScenarioPlan::websocket("s", exchange, load);
    let written = json!({ "path": "/echo", "send": { "text": "hi" } });
    assert_eq!(plan_of(&one_step(&written)), plan);
    assert_eq!(websocket(&plan).connection_per, ConnectionPer::User);
    assert_eq!(websocket(&plan.checked().unwrap()).connect_rate, None);
}

#[test]
fn a_scenario_with_everything() {
    let plan = plan_of(&with(&json!({
        "targets": ["wss://a.example", "b:1"],
        "connection_per": "iteration",
        "connect_rate": "100/s",
        "headers": { "Authorization": "Bearer x", "x-team": "blue" },
        "subprotocols": ["chat.v2", "chat.v1"],
        "tls": {},
        "thresholds": ["steps.websocket.messages_missing == 0", "outcomes.close.1011 == 0"],
    })));
    assert!(plan.targets[0].tls);
    assert_eq!((plan.targets[0].port, plan.targets[1].port), (443, 1));
    let websocket = websocket(&plan);
    assert_eq!(websocket.connection_per, ConnectionPer::Iteration);
    assert_eq!(
        websocket.connect_rate.map(|rate| rate.per_second()),
        Some(100.0)
    );
    assert_eq!(websocket.headers[0].0, "Authorization", "as it is written");
    assert_eq!(websocket.headers.len(), 2);
    assert_eq!(websocket.subprotocols, ["chat.v2", "chat.v1"]);
}

#[test]
fn shared_fields_are_for_the_scenarios_they_fit() {
    let scenario = |name: &str, step: Value| json!({ "name": name, "steps": [step] });
    let text = json!({
        "defaults": {
            "load": { "closed": { "users": 1, "iterations": 1 } },
            "connections": 4,
            "streams_per_connection": 2,
            "metadata": { "x-a": "b" },
            "protos": ["a.proto"],
            "headers": { "x-b": "c" },
            "connect_rate": "5/s",
        },
        "profiles": { "staging": { "connections": 8, "subprotocols": ["p"], "connection_per": "iteration" } },
        "scenarios": [
            scenario("s", json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } })),
            scenario("s", json!({ "websocket": { "ping": true } })),
        ],
    })
    .to_string();
    for profile in [None, Some("staging")] {
        let suite = Suite::parse("x", &text, None, profile).unwrap();
        let [first, second] = suite.scenarios() else {
            panic!("two scenarios were given");
        };
        let (grpc, websocket) = (grpc(first), websocket(second));
        let staging = profile.is_some();
        assert_eq!(grpc.connections, Some(if staging { 8 } else { 4 }));
        assert_eq!((grpc.metadata.len(), grpc.protos.len()), (1, 1));
        assert_eq!(websocket.headers.len(), 1);
        assert!(websocket.connect_rate.is_some());
        assert_eq!(websocket.subprotocols.len(), usize::from(staging));
        let printed = to_json(suite.scenarios()).to_string();
        let again = Suite::parse("printed", &printed, None, None).unwrap();
        assert_eq!(again.scenarios(), suite.scenarios());
    }
}

const STEP: &str = "scenarios[0].steps[0].websocket";

#[test_case(&json!({}), ": found none of `send`, `ping` and `stream`, expected `send` or `ping`, or a `stream` to listen to"; "nothing")]
#[test_case(&json!({ "sned": {} }), ".sned: found an unknown field, expected a field of a WebSocket exchange; did you mean `send`?"; "a slip is told alone")]
#[test_case(&json!({ "send": { "text": "a" }, "ping": true }), ": found both `send` and `ping`, expected one of them"; "both")]
#[test_case(&json!({ "ping": false }), ".ping: found false, expected true"; "a ping that is none")]
#[test_case(&json!({ "ping": true, "stream": { "messages": 1 } }), ".stream: found a stream beside `ping`, expected a stream beside `send`, or alone; a pong answers each ping"; "a stream beside a ping")]
#[test_case(&json!({ "ping": true, "reply": "one" }), ".reply: found `reply` beside `ping`, expected it beside `send` without `stream`; a pong answers each ping"; "a reply beside a ping")]
#[test_case(&json!({ "ping": true, "match_id": "id" }), ".match_id: found `match_id` beside `ping`, expected it beside `send` without `stream`; a pong answers each ping"; "an id beside a ping")]
#[test_case(&json!({ "send": { "text": "a" }, "stream": { "messages": 2 }, "reply": "one" }), ".reply: found `reply` beside `stream`, expected it beside `send` without `stream`; the stream is what answers each message"; "a reply beside a stream")]
#[test_case(&json!({ "send": { "json": {} }, "stream": { "messages": 2 }, "match_id": "id" }), ".match_id: found `match_id` beside `stream`, expected it beside `send` without `stream`; the stream is what answers each message"; "an id beside a stream")]
#[test_case(&json!({ "send": { "text": "a" }, "stream": { "messages": 2 }, "in_flight": 2 }), ".in_flight: found 2 beside `stream`, expected 1; each stream is over before the next message is sent"; "streams at the same time")]
#[test_case(&json!({ "stream": { "messages": 2 }, "repeat": 2 }), ".repeat: found `repeat` where nothing is sent, expected it beside `send` or `ping`"; "repeat nothing")]
#[test_case(&json!({ "stream": { "messages": 2 }, "every": "1s" }), ".every: found `every` where nothing is sent, expected it beside `send` or `ping`"; "nothing every second")]
#[test_case(&json!({ "stream": { "messages": 2 }, "in_flight": 1 }), ".in_flight: found `in_flight` where nothing is sent, expected it beside `send` or `ping`"; "nothing in flight")]
#[test_case(&json!({ "stream": { "messages": 2 }, "reply": "none" }), ".reply: found `reply` that marks nothing, beside `stream`, expected it beside `send` without `stream`; what marks the stream's messages is a field and its value"; "a reply to nothing")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": "none", "in_flight": 4 }), ".in_flight: found `in_flight` with \"reply\": \"none\", expected it where replies come"; "in flight without replies")]
#[test_case(&json!({ "send": { "json": {} }, "reply": "none", "match_id": "id" }), ".match_id: found `match_id` with \"reply\": \"none\", expected it where replies come"; "an id without replies")]
#[test_case(&json!({ "send": { "text": "a" }, "match_id": "id" }), ".match_id: found `match_id` without `send.json`, expected an object in `send.json`"; "an id in a text")]
#[test_case(&json!({ "send": { "json": [] }, "match_id": "id" }), ".match_id: found `match_id` with a message that is no object, expected an object in `send.json`"; "an id in an array")]
#[test_case(&json!({ "send": { "json": { "id": 1 } }, "match_id": "id" }), ".send.json: found `id`, the field that `match_id` names, expected it to be left out; it is filled in with a number for each message"; "an id that is there")]
#[test_case(&json!({ "send": { "json": { "meta": { "id": null } } }, "match_id": "meta.id" }), ".send.json: found `meta.id`, the field that `match_id` names, expected it to be left out; it is filled in with a number for each message"; "an id that is there further down")]
#[test_case(&json!({ "send": { "json": { "a": { "b": [] } } }, "match_id": "a.b.c" }), ".send.json: found something other than an object in `b`, expected an object, or nothing: `match_id` is `a.b.c`"; "an array where an id would be")]
#[test_case(&json!({ "send": { "json": {} }, "match_id": "a..b" }), ".match_id: found \"a..b\", expected the name of a field, or the way to one in nested objects, such as \"meta.id\": 1 to 100 characters, a name on either side of each `.`, and no control character"; "a path with an empty name")]
#[test_case(&json!({ "stream": { "messages": 1, "sequence": ".n" } }), ".stream.sequence: found \".n\", expected the name of a field, or the way to one in nested objects, such as \"meta.id\": 1 to 100 characters, a name on either side of each `.`, and no control character"; "a path that begins with a point")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": "two" }), ".reply: found \"two\", expected \"one\", \"none\", or what marks a reply, such as {\"field\": \"type\", \"equals\": \"echo\"}"; "another reply")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": "nome" }), ".reply: found \"nome\", expected \"one\", \"none\", or what marks a reply, such as {\"field\": \"type\", \"equals\": \"echo\"}; did you mean `none`?"; "a slip in a reply")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": true }), ".reply: found true, expected \"one\", \"none\", or what marks a reply, such as {\"field\": \"type\", \"equals\": \"echo\"}"; "a reply that is no word")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": { "field": "type" } }), ".reply.equals: found nothing, expected the mark of a reply to have this field"; "a mark without a value")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": { "equals": 1 } }), ".reply.field: found nothing, expected the mark of a reply to have this field"; "a mark without a field")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": { "field": "type", "equals": "a", "value": "a" } }), ".reply.value: found an unknown field, expected a field of the mark of a reply; the value is `equals`"; "a value beside the value")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": { "field": "type", "equals": ["a"] } }), ".reply.equals: found an array, expected a text, a number, true, false or null"; "a value with parts")]
#[test_case(&json!({ "send": { "text": "a" }, "reply": { "field": "type", "equals": "{{ a }}" } }), ".reply.equals: found \"{{ a }}\", expected a text, a number, true, false or null; it is no template: it holds of all replies"; "a template for a value")]
#[test_case(&json!({ "ping": true, "reply": { "field": "type", "equals": 1 } }), ".reply: found `reply` beside `ping`, expected it beside `send` without `stream`; a pong answers each ping"; "a mark beside a ping")]
#[test_case(&json!({ "send": { "text": "a" }, "match": "x ==" }), ".match: found \"x ==\", expected an expression such as \"reply.total == 3\"; unexpected end of input, expected expression"; "no expression")]
#[test_case(&json!({ "send": { "text": "a" }, "match": "reply.a", "reply": "none" }), ".match: found `match` with \"reply\": \"none\", expected it where replies come"; "a match without replies")]
#[test_case(&json!({ "send": { "text": "a" }, "match": "reply.a", "reply": { "field": "b", "equals": 1 } }), ".match: found `match` beside the mark in `reply`, expected one of them; both say which messages are replies"; "a match beside a mark")]
#[test_case(&json!({ "ping": true, "match": "reply.a" }), ".match: found `match` beside `ping`, expected it beside `send` or `stream`; a pong answers each ping"; "a match beside a ping")]
#[test_case(&json!({ "send": { "text": "a" }, "greeting": 0 }), ".greeting: found 0, expected a whole number from 1 to 1000000000"; "a greeting of none")]
#[test_case(&json!({ "send": { "text": "a" }, "greeting": true }), ".greeting: found true, expected a whole number from 1 to 1000000000"; "a greeting that is no number")]
#[test_case(&json!({ "ping": true, "pushes": 1 }), ".pushes: found 1, expected true or false"; "a number of pushes")]
#[test_case(&json!({ "send": { "text": "a" }, "pushes": true }), ": found replies in the order of the messages on a connection with `pushes`, expected replies that can be told from pushes; say which field has a number that the reply repeats (`match_id`), or which value marks a reply (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)"; "pushes beside replies in order")]
#[test_case(&json!({ "send": { "text": "a" }, "stream": { "messages": 2 }, "pushes": true }), ".stream: found a stream on a connection with `pushes`, expected messages that can be told from pushes, or it on another path; all that comes while a stream is under way is taken for a part of it; say which value marks its messages (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)"; "pushes beside a stream")]
#[test_case(&json!({ "stream": { "messages": 2 }, "pushes": true }), ".stream: found a stream that comes by itself on a connection with `pushes`, expected one of them, or messages that can be told from pushes; what comes by itself is what the step listens to; say which value marks its messages (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)"; "pushes beside a feed")]
#[test_case(&json!({ "send": {} }), ".send: found none of them, expected one of `text`, `json`, `binary` and `size`"; "nothing to send")]
#[test_case(&json!({ "send": { "txt": "a" } }), ".send.txt: found an unknown field, expected a field of something to send, such as {\"text\": \"hello\"}; did you mean `text`?"; "a slip in what is sent")]
#[test_case(&json!({ "send": "hello" }), ".send: found \"hello\", expected something to send, such as {\"text\": \"hello\"}"; "a bare text to send")]
#[test_case(&json!({ "send": { "text": "a", "size": "1B" } }), ".send: found `text`, `size` together, expected one of `text`, `json`, `binary` and `size`"; "two things to send")]
#[test_case(&json!({ "send": { "text": "a", "as": "text" } }), ".send.as: found `as` beside `text`, expected it beside `size` only"; "a text as a text")]
#[test_case(&json!({ "send": { "text": 5 } }), ".send.text: found 5, expected a text"; "a number for a text")]
#[test_case(&json!({ "send": { "text": "{{ uuid" } }), ".send.text: found \"{{ uuid\", expected a template; unexpected end of input, expected end of variable block"; "a template")]
#[test_case(&json!({ "send": { "json": { "a": ["{% if %}"] } } }), ".send.json.a[0]: found \"{% if %}\", expected a template; unexpected end of block"; "a template in JSON")]
#[test_case(&json!({ "send": { "binary": "AA-_" } }), ".send.binary: found \"AA-_\", expected base64, such as \"AAEC\""; "no base64")]
#[test_case(&json!({ "send": { "size": 64 } }), ".send.size: found 64, expected a size as a text, such as \"1KiB\""; "a size as a number")]
#[test_case(&json!({ "send": { "size": "0B" } }), ".send.size: found \"0B\", expected a size from 1B to 64MiB"; "no size")]
#[test_case(&json!({ "send": { "size": "65MiB" } }), ".send.size: found \"65MiB\", expected a size from 1B to 64MiB"; "a huge size")]
#[test_case(&json!({ "send": { "size": "8GiB" } }), ".send.size: found \"8GiB\", expected a size from 1B to 64MiB"; "more than 32 bits hold")]
#[test_case(&json!({ "send": { "size": "5" } }), ".send.size: found \"5\", expected a number with a unit (B, KB, MB, GB of a thousand, KiB, MiB, GiB of 1024), such as \"64B\" or \"4KiB\"; the unit is missing"; "a size without a unit")]
#[test_case(&json!({ "stream": {} }), ".stream: found neither, expected when the stream is over: `messages` or `for`"; "a stream without end")]
#[test_case(&json!({ "stream": { "messages": 1, "for": "1s" } }), ".stream: found both `messages` and `for`, expected one of them"; "a stream with two ends")]
#[test_case(&json!({ "stream": { "count": 1 } }), ".stream.count: found an unknown field, expected a field of a stream of messages; it is over after so many `messages`"; "a count of a stream")]
#[test_case(&json!({ "stream": { "messages": 0 } }), ".stream.messages: found 0, expected a whole number from 1 to 1000000000"; "a stream of none")]
#[test_case(&json!({ "stream": { "for": "0s" } }), ".stream.for: found \"0s\", expected a duration above zero"; "a stream of no time")]
#[test_case(&json!({ "ping": true, "repeat": 0 }), ".repeat: found 0, expected a whole number from 1 to 1000000000"; "not once")]
#[test_case(&json!({ "text": "a" }), ".text: found an unknown field, expected a field of a WebSocket exchange; what is sent is `send.text`"; "a text in the wrong place")]
#[test_case(&json!({ "url": "ws://a/b", "ping": true }), ".url: found an unknown field, expected a field of a WebSocket exchange; where to send are the scenario's `targets`; a step has only the `path`"; "an address")]
#[test_case(&json!({ "headers": {}, "ping": true }), ".headers: found an unknown field, expected a field of a WebSocket exchange; header fields belong to the scenario: `headers`"; "header fields of a step")]
#[test_case(&json!({ "stream": { "for": "30s" } }), ".stream.for: found 30s, expected less than the `timeout` of 30s; an iteration that takes longer is cut off, pauses left out"; "listening until the timeout")]
#[test_case(&json!({ "send": { "text": "a" }, "stream": { "for": "4s" }, "repeat": 8 }), ".stream.for: found 4s, 8 times, expected less than the `timeout` of 30s; an iteration that takes longer is cut off, pauses left out"; "streams until the timeout")]
fn says_of_an_exchange(exchange: &Value, message: &str) {
    let told = problems_of(&one_step(exchange)).join("\n");
    assert_eq!(told, format!("{STEP}{message}"));
}

#[test_case("echo"; "no slash in front")]
#[test_case(""; "nothing")]
#[test_case("/a b"; "blank")]
#[test_case("/a#b"; "fragment")]
#[test_case("/ü"; "not ASCII")]
#[test_case("ws://host/echo"; "an address")]
fn paths_that_are_none(path: &str) {
    let told = problems_of(&one_step(&json!({ "path": path, "ping": true })));
    let [told] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        *told,
        format!(
            "{STEP}.path: found {path:?}, expected a path such as \"/echo\": it begins with `/`, has \
             at most 2000 characters of printable ASCII, and no blank, `#`, `\"`, `<`, `>` or `` ` `` \
             but in templates"
        )
    );
}

#[test]
fn a_path_has_2000_characters_at_most() {
    let path =
        |length: usize| json!({ "path": format!("/{}", "a".repeat(length - 1)), "ping": true });
    assert_eq!(problems_of(&one_step(&path(2000))), [""; 0]);
    assert_eq!(problems_of(&one_step(&path(2001))).len(), 1);
}

#[test_case(&json!({ "connections": 5 }), "connections: found a field of gRPC and HTTP in a WebSocket scenario, expected fields of WebSocket only; each user has a connection of its own: `load.closed.users`, `load.open.users.max`"; "connections")]
#[test_case(&json!({ "streams_per_connection": 5 }), "streams_per_connection: found a field of gRPC and HTTP in a WebSocket scenario, expected fields of WebSocket only; a WebSocket connection is one stream, and each user has its own"; "streams")]
#[test_case(&json!({ "metadata": {} }), "metadata: found a field of gRPC in a WebSocket scenario, expected fields of WebSocket only; what WebSocket sends beside messages is `headers`"; "metadata")]
#[test_case(&json!({ "protos": [] }), "protos: found a field of gRPC in a WebSocket scenario, expected fields of WebSocket only; WebSocket messages need no description"; "protos")]
#[test_case(&json!({ "connection_per": "step" }), "connection_per: found \"step\", expected one of \"user\", \"iteration\""; "another life of a connection")]
#[test_case(&json!({ "connect_rate": "5" }), "connect_rate: found \"5\", expected a number per second, minute or hour, such as \"500/s\", \"0.5/s\" or \"30/m\"; the unit is missing"; "a rate without a unit")]
#[test_case(&json!({ "headers": { "Host": "x" } }), "headers: found the name \"Host\", expected the name of a header field; it is set by the scenario's `authority`"; "host")]
#[test_case(&json!({ "headers": { "sec-WebSocket-Key": "x" } }), "headers: found the name \"sec-WebSocket-Key\", expected the name of a header field; it belongs to the protocol, which sets it itself"; "key")]
#[test_case(&json!({ "headers": { "Sec-WebSocket-Protocol": "x" } }), "headers: found the name \"Sec-WebSocket-Protocol\", expected the name of a header field; use `subprotocols`"; "subprotocols among the header fields")]
#[test_case(&json!({ "headers": { "a b": "x" } }), "headers: found the name \"a b\", expected the name of a header field; 1 to 100 letters, digits and any of !#$%&'*+-.^_`|~ make a name"; "no token")]
#[test_case(&json!({ "headers": { "x-a": "1", "X-A": "2" } }), "headers: found the name \"X-A\", expected the name of a header field; `x-a` is the same name: case does not count"; "the same name twice")]
#[test_case(&json!({ "headers": { "x-a": "ü" } }), "headers.x-a: found \"ü\", expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\""; "a value that is not ASCII")]
#[test_case(&json!({ "headers": { "x-a": "{{ token" } }), "headers.x-a: found \"{{ token\", expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\"; unexpected end of input, expected end of variable block"; "a template for a value")]
#[test_case(&json!({ "subprotocols": [] }), "subprotocols: found an empty array, expected at least one name; leave `subprotocols` out to offer none"; "no subprotocol")]
#[test_case(&json!({ "subprotocols": ["a", "b", "a"] }), "subprotocols[2]: found `a`, which stands at 0 too, expected each subprotocol once"; "a subprotocol twice")]
#[test_case(&json!({ "subprotocols": ["a b"] }), "subprotocols[0]: found \"a b\", expected the name of a subprotocol: 1 to 100 letters, digits and any of !#$%&'*+-.^_`|~"; "a subprotocol that is no token")]
#[test_case(&json!({ "targets": ["ws://a:1"], "tls": {} }), "targets[0]: found a ws:// target beside a `tls` block, expected wss://, or no scheme"; "plain beside tls")]
#[test_case(&json!({ "targets": ["http://a:1"], "tls": {} }), "targets[0]: found an http:// target beside a `tls` block, expected https://, or no scheme"; "plain HTTP beside tls")]
#[test_case(&json!({ "targets": ["ws://a:1/echo"] }), "targets[0]: found \"ws://a:1/echo\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; a target has no path"; "a target with a path")]
#[test_case(&json!({ "thresholds": ["steps.websocket.messages_mising == 0"] }), "thresholds[0]: found \"steps.websocket.messages_mising == 0\", expected one of error_rate, outcomes, messages_sent, messages_received, messages_missing, messages_out_of_order, messages_unexpected, messages_too_late, response_time, service_time, start_lag, queue_wait, send_lag, read_lag, generator, first_byte, first_message, message_gap, round_trip, message_lag, stream_wait at column 17; unknown metric of a step `messages_mising`; did you mean `messages_missing`?"; "a slip in a threshold")]
fn says_of_a_scenario(fields: &Value, message: &str) {
    let told = problems_of(&with(fields)).join("\n");
    assert_eq!(told, format!("scenarios[0].{message}"));
}

#[test_case(&json!({ "headers": {} }), "headers: found a field of WebSocket and HTTP in a gRPC scenario, expected fields of gRPC only; what gRPC sends beside messages is `metadata`"; "headers")]
#[test_case(&json!({ "subprotocols": ["a"] }), "subprotocols: found a field of WebSocket in a gRPC scenario, expected fields of gRPC only; gRPC has no subprotocols"; "subprotocols")]
#[test_case(&json!({ "connection_per": "user", "connections": 4 }), "connections: found `connections` beside `connection_per`, expected one or the other; users share `connections`; with `connection_per` each has one of its own"; "connections of two kinds")]
#[test_case(&json!({ "connect_rate": "1/s" }), "connect_rate: found `connect_rate` where users share connections, expected `\"connection_per\": \"user\"` beside it, or not this field; connections that gRPC users share are opened before the load begins"; "rate of connecting")]
#[test_case(&json!({ "targets": ["ws://a:1"] }), "targets[0]: found a ws:// target in a gRPC scenario, expected http://, https://, or no scheme; ws:// and wss:// are for `websocket` steps"; "a WebSocket target")]
#[test_case(&json!({ "targets": ["a:1", "wss://a"] }), "targets[1]: found a wss:// target in a gRPC scenario, expected http://, https://, or no scheme; ws:// and wss:// are for `websocket` steps"; "a WebSocket target with TLS")]
fn says_of_a_grpc_scenario(fields: &Value, message: &str) {
    let told = problems_of(fields).join("\n");
    assert_eq!(told, format!("scenarios[0].{message}"));
}

#[test_case(&json!([{ "websocket": { "ping": true } }, { "grpc": { "method": "loadgen.v1.Greeter/Hello" } }]),
    "steps: found `grpc` in `steps[1]` and `websocket` in `steps[0]`, expected one protocol in a scenario; scenarios of one file can run together, and steps of `setup`, `begin` and `end` may speak any"; "two protocols")]
#[test_case(&json!([{ "websocket": { "ping": true }, "grpc": { "method": "loadgen.v1.Greeter/Hello" }, "pause": "1s" }]),
    "steps[0]: found `grpc`, `websocket`, `pause` together, expected one action"; "three actions")]
#[test_case(&json!([{ "websocket": { "path": "/echo", "ping": true } }, { "websocket": { "path": "/echo", "ping": true } }]),
    "steps[1].name: found the name `echo`, which `scenarios[0].steps[0]` has too, expected a name of its own for each step; without a `name` a step is called after the last part of its path"; "one name twice")]
#[test_case(&json!([{ "websocket": { "path": "/a", "ping": true, "greeting": 1 } }, { "pause": "1s" }, { "name": "b", "websocket": { "path": "/a", "ping": true, "greeting": 2 } }]),
    "steps[2].websocket.greeting: found 2, and 1 at `scenarios[0].steps[0]`, expected what the other steps of its path say, or nothing; steps of one path share a connection"; "two greetings of one connection")]
#[test_case(&json!([{ "websocket": { "ping": true, "pushes": true } }, { "name": "b", "websocket": { "path": "/", "ping": true, "pushes": false } }]),
    "steps[1].websocket.pushes: found false, and true at `scenarios[0].steps[0]`, expected what the other steps of its path say, or nothing; steps of one path share a connection"; "pushes and none on one connection")]
#[test_case(&json!([{ "websocket": { "path": "/a", "send": { "text": "a" } } }, { "name": "b", "websocket": { "path": "/a", "ping": true, "pushes": true } }]),
    "steps[0].websocket: found replies in the order of the messages on a connection with `pushes`, expected replies that can be told from pushes; say which field has a number that the reply repeats (`match_id`), or which value marks a reply (`\"reply\": {\"field\": …, \"equals\": …}`, or `match`)"; "pushes that another step expects")]
#[test_case(&json!([{ "ws": {} }]), "steps[0].ws: found an unknown field, expected a field of a step; the action is called `websocket`"; "another word for it")]
#[test_case(&json!([{ "path": "/", "websocket": { "ping": true } }]), "steps[0].path: found an unknown field, expected a field of a step; the path belongs to the exchange: `websocket.path`"; "a path beside it")]
#[test_case(&json!([{ "tcp": {} }]), "steps[0].tcp: found neither `send` nor `receive`, expected `send`, `receive`, or both"; "tcp")]
fn says_of_steps(steps: &Value, message: &str) {
    let told = problems_of(&json!({ "steps": steps })).join("\n");
    assert_eq!(told, format!("scenarios[0].{message}"));
}

#[test]
fn a_name_is_unique_among_the_scenarios_of_its_protocol() {
    let scenario = |name: &str, step: Value| json!({ "name": name, "load": { "closed": { "users": 1, "iterations": 1 } }, "steps": [step] });
    let websocket = || json!({ "websocket": { "ping": true } });
    let grpc = json!({ "grpc": { "method": "loadgen.v1.Greeter/Hello" } });
    let mut suite = json!({ "scenarios": [scenario("a", grpc), scenario("a", websocket())] });
    assert_eq!(parse(&suite).unwrap().scenarios().len(), 2);
    let list = suite["scenarios"].as_array_mut().unwrap();
    list.push(scenario("a", websocket()));
    let error = parse(&suite).unwrap_err();
    assert_eq!(
        error.problems()[0].to_string(),
        "scenarios[2].name: found the name `a`, which scenarios[1] has too, expected a name of its own for each scenario of a protocol"
    );
    assert_eq!(error.problems().len(), 1);
}

/// What a plan made in code can hold and a file cannot.
#[test_case(vec![], ": found an empty array"; "no steps")]
#[test_case(vec![Step::pause(Duration::from_secs(1))], ": found no action but pauses"; "only a pause")]
#[test_case(vec![Step::new("a", WebsocketExchange {
    in_flight: 2,
    ..answered(text(), Answer::None)
})], "[0].websocket.in_flight: found `in_flight` with"; "in flight without replies")]
#[test_case(vec![Step::new("a", WebsocketExchange {
    repeat: 2,
    ..WebsocketExchange::new("/", WebsocketMessages::Listen(until(StreamEnd::Messages(1), None)))
})], "[0].websocket.repeat: found `repeat` where nothing is sent"; "repeat nothing")]
#[test_case(vec![Step::new("a", answered(text(), marked("type", json!([1]), None)))], "[0].websocket.reply.equals: found an array"; "a mark with parts")]
#[test_case(vec![
    Step::new("a", WebsocketExchange { greeting: 1, ..WebsocketExchange::ping("/") }),
    Step::new("b", WebsocketExchange { greeting: 2, ..WebsocketExchange::ping("/") }),
], "[1].websocket.greeting: found 2, and 1 at `scenarios[0].steps[0]`"; "two greetings")]
#[test_case(vec![Step::new("a", sized(0, false))], "[0].websocket.send.size: found \"0B\""; "no size")]
#[test_case(vec![Step::new("a", WebsocketExchange::ping("echo"))], "[0].websocket.path: found \"echo\""; "no path")]
fn plans_made_in_code_are_checked(steps: Vec<Step<WebsocketExchange>>, message: &str) {
    let mut plan = plan_of(&with(&json!({})));
    plan.protocol = WebsocketPlan::new(steps).into();
    let error = plan.checked().unwrap_err();
    let told = error.problems()[0].to_string();
    assert!(
        told.starts_with(&format!("scenarios[0].steps{message}")),
        "{told}"
    );
}
