//! What HTTP scenarios mean, and what invalid ones are told.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;

/// Fields of a scenario with this one request.
fn one_step(request: &Value) -> Value {
    json!({ "steps": [{ "http": request }] })
}

fn http(plan: &ScenarioPlan) -> &HttpPlan {
    match &plan.protocol {
        ProtocolPlan::Http(http) => http,
        other => panic!("not HTTP: {other:?}"),
    }
}

fn post(body: HttpBody) -> HttpRequest {
    HttpRequest {
        body: Some(body),
        ..HttpRequest::new("POST", "/orders")
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test_case(&json!({}), &HttpRequest::get("/"); "the defaults")]
#[test_case(&json!({ "path": "/hello?name=you" }), &HttpRequest::get("/hello?name=you"); "a path")]
#[test_case(&json!({ "method": "HEAD", "path": "/{{ user }}" }), &HttpRequest::new("HEAD", "/{{ user }}"); "a template")]
#[test_case(&json!({ "method": "POST", "path": "/orders", "body": { "json": [1, null] } }), &post(HttpBody::Json(json!([1, null]))); "json")]
#[test_case(&json!({ "method": "POST", "path": "/orders", "body": { "form": { "b": "1", "a": "{{ user }}" } } }), &post(HttpBody::Form(pairs(&[("b", "1"), ("a", "{{ user }}")]))); "a form in its order")]
#[test_case(&json!({ "method": "POST", "path": "/orders", "body": { "text": "hi" } }), &post(HttpBody::Text("hi".to_owned())); "a text")]
#[test_case(&json!({ "method": "POST", "path": "/orders", "body": { "size": "64MiB" } }), &post(HttpBody::Sized(64 << 20)); "a size")]
#[test_case(&json!({ "body": { "text": "hi" } }), &HttpRequest { body: Some(HttpBody::Text("hi".to_owned())), ..HttpRequest::get("/") }; "a body with GET")]
#[test_case(&json!({ "query": { "q": "a b" }, "headers": { "X-Team": "7" } }), &HttpRequest { query: pairs(&[("q", "a b")]), headers: vec![("X-Team".to_owned(), "7".into())], ..HttpRequest::get("/") }; "query and header fields")]
#[test_case(&json!({ "timeout": "2s", "stream": { "messages": 3 } }), &HttpRequest { timeout: Some(Duration::from_secs(2)), stream: Some(StreamEnd::Messages(3)), ..HttpRequest::get("/") }; "so many events")]
#[test_case(&json!({ "stream": { "for": "1s" } }), &HttpRequest { stream: Some(StreamEnd::After(Duration::from_secs(1))), ..HttpRequest::get("/") }; "events for a time")]
fn requests(written: &Value, expected: &HttpRequest) {
    let plan = plan_of(&one_step(written));
    assert_eq!(plan.protocol(), Protocol::Http);
    assert_eq!(http(&plan).steps, [Step::from(expected.clone())]);
    let printed = to_json(std::slice::from_ref(&plan)).to_string();
    let again = Suite::parse("x", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), [plan]);
}

#[test]
fn a_scenario_says_how_its_users_connect() {
    let mut fields = one_step(&json!({ "path": "/hello" }));
    for (name, value) in [
        ("connection_per", json!("iteration")),
        ("connect_rate", json!("10/s")),
        ("headers", json!({ "accept": "text/plain" })),
        ("cookies", json!(true)),
        ("redirects", json!(5)),
    ] {
        fields[name] = value;
    }
    let plan = plan_of(&fields);
    let said = http(&plan);
    assert_eq!(said.connection_per, ConnectionPer::Iteration);
    assert!(said.cookies && said.connect_rate.is_some());
    assert_eq!((said.redirects, said.headers.len()), (5, 1));
    assert!(plan.step_names().eq(["hello"]));
    let printed = to_json(std::slice::from_ref(&plan)).to_string();
    let again = Suite::parse("x", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), [plan]);
}

#[test_case(&json!({ "method": "get" }), "method: found \"get\", expected a method in capitals: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or TRACE"; "small letters")]
#[test_case(&json!({ "method": "CONNECT" }), "method: found \"CONNECT\", expected a method in capitals: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or TRACE"; "no such method")]
#[test_case(&json!({ "headers": { "a b": "x" } }), "headers: found the name \"a b\", expected the name of a header field; 1 to 100 letters, digits and any of !#$%&'*+-.^_`|~ make a name"; "no name")]
#[test_case(&json!({ "headers": { "Content-Length": "3" } }), "headers: found the name \"Content-Length\", expected the name of a header field; it belongs to the protocol, which sets it itself"; "a length")]
#[test_case(&json!({ "headers": { "host": "a" } }), "headers: found the name \"host\", expected the name of a header field; it is set by the scenario's `authority`"; "a host")]
#[test_case(&json!({ "headers": { "connection": "close" } }), "headers: found the name \"connection\", expected the name of a header field; how long a connection is kept is for the scenario to say: `connection_per`"; "a connection's end")]
#[test_case(&json!({ "body": {} }), "body: found none of them, expected one of `json`, `form`, `text` and `size`"; "an empty body")]
#[test_case(&json!({ "body": { "text": "a", "json": 1 } }), "body: found `json`, `text` together, expected one of `json`, `form`, `text` and `size`"; "two bodies")]
#[test_case(&json!({ "stream": {} }), "stream: found neither, expected when we end the events: `messages` or `for`"; "no end")]
#[test_case(&json!({ "stream": { "for": "40s" } }), "stream.for: found 40s, expected less than the `timeout` of 30s; an iteration that takes longer is cut off, pauses left out"; "events for too long")]
#[test_case(&json!({ "timeout": "30s" }), "timeout: found 30s, expected less than the `timeout` of 30s; an iteration that takes longer is cut off, pauses left out"; "a step for too long")]
#[test_case(&json!({ "url": "http://a/" }), "url: found an unknown field, expected a field of an HTTP request; where to send are the scenario's `targets`; a step has only the `path`"; "an address")]
fn says_of_a_request(request: &Value, message: &str) {
    let told = problems_of(&one_step(request)).join("\n");
    assert_eq!(told, format!("scenarios[0].steps[0].http.{message}"));
}

#[test]
fn the_version_says_whose_connections_are() {
    let mut fields = one_step(&json!({}));
    fields["http_version"] = json!("2");
    fields["connections"] = json!(4);
    fields["streams_per_connection"] = json!(32);
    fields["keepalive"] = json!("10s");
    let plan = plan_of(&fields);
    let said = http(&plan);
    assert_eq!(said.version, HttpVersion::Http2);
    assert_eq!(
        (said.connections, said.streams_per_connection),
        (Some(4), Some(32))
    );
    assert_eq!(said.keepalive, Some(Duration::from_secs(10)));
    let printed = to_json(std::slice::from_ref(&plan)).to_string();
    let again = Suite::parse("x", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), std::slice::from_ref(&plan));
    assert_eq!(
        http(&plan_of(&one_step(&json!({})))).version,
        HttpVersion::Http1
    );
}

#[test_case("1.1", "connections", &json!(4) => "scenarios[0].connections: found a field of HTTP/2 in a scenario of HTTP/1.1, expected `\"http_version\": \"2\"` beside it, or not this field; over HTTP/1.1 each user has a connection of its own and one request on it at a time: `load.closed.users`, `load.open.users.max`")]
#[test_case("2", "connection_per", &json!("user") => "scenarios[0].connection_per: found a field of HTTP/1.1 in a scenario of HTTP/2, expected `\"http_version\": \"1.1\"`, or not this field; over HTTP/2 users share `connections`, which are opened before the load begins")]
#[test_case("3", "name", &json!("x") => "scenarios[0].http_version: found \"3\", expected one of \"1.1\", \"2\"; did you mean `2`?")]
fn fields_of_the_other_version(version: &str, field: &str, value: &Value) -> String {
    let mut fields = one_step(&json!({}));
    fields["http_version"] = json!(version);
    fields[field] = value.clone();
    problems_of(&fields).join("\n")
}

#[test]
fn a_path_begins_with_a_slash() {
    let told = problems_of(&one_step(&json!({ "path": "hello" }))).join("\n");
    assert!(
        told.starts_with(
            "scenarios[0].steps[0].http.path: found \"hello\", expected a path such as"
        ),
        "{told}"
    );
}

#[test]
fn fields_of_others_are_told_what_http_has_instead() {
    let mut fields = one_step(&json!({}));
    fields["compression"] = json!("deflate");
    let told = problems_of(&fields).join("\n");
    assert_eq!(
        told,
        "scenarios[0].compression: found a field of WebSocket in a HTTP scenario, expected fields of HTTP only; compressed answers are asked for by a header field, such as \"accept-encoding\": \"gzip\""
    );
}
