//! What is sent.

use loadgen_core::outcome::Outcome;
use loadgen_core::scenario::{HttpBody, HttpRequest};
use serde_json::json;
use test_case::test_case;

use crate::common::run;
use crate::server::{Say, serve};
use crate::support::{Driver, http, plan};

#[test]
fn a_request_says_what_the_scenario_says() {
    run(async {
        let server = serve(|_, _, _| Say::ok("hi")).await;
        let mut request = HttpRequest::new("PUT", "/things/7?a=b");
        request.query = vec![("na me".to_owned(), "x&y=ü".to_owned())];
        request.headers = vec![("X-Team".to_owned(), "8".into())];
        request.body = Some(HttpBody::Json(json!({ "n": 1 })));
        let mut plan = plan(server.address, request);
        http(&mut plan).headers = vec![
            ("authorization".to_owned(), "Bearer x".into()),
            ("x-team".to_owned(), "7".into()),
        ];
        plan.authority = Some("api.internal".to_owned());
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let asked = server.last().to_lowercase();
        assert!(
            asked.starts_with("put /things/7?a=b&na%20me=x%26y%3d%c3%bc http/1.1\r\n"),
            "{asked}"
        );
        for line in [
            "host: api.internal",
            "authorization: bearer x",
            "x-team: 8",
            "content-type: application/json",
            "content-length: 7",
        ] {
            assert!(
                asked.contains(&format!("\r\n{line}\r\n")),
                "{line} in {asked}"
            );
        }
        assert!(!asked.contains("x-team: 7"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{\"n\":1}"), "{asked}");
    });
}

#[test_case(HttpBody::Text("hé".to_owned()) => "text/plain; charset=utf-8 hé")]
#[test_case(HttpBody::Form(vec![("a b".to_owned(), "1+1".to_owned()), ("c".to_owned(), String::new())]) => "application/x-www-form-urlencoded a%20b=1%2B1&c=")]
#[test_case(HttpBody::Json(json!([1, "x"])) => "application/json [1,\"x\"]")]
fn bodies(body: HttpBody) -> String {
    run(async {
        let server = serve(|_, _, _| Say::ok("")).await;
        let mut request = HttpRequest::new("POST", "/");
        request.body = Some(body);
        let driver = Driver::open(&plan(server.address, request)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let asked = server.last();
        let (head, body) = asked.split_once("\r\n\r\n").expect("a head");
        let kind = head
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "));
        format!("{} {body}", kind.expect("a type"))
    })
}

#[test]
fn templates_are_filled_in() {
    run(async {
        let server = serve(|_, _, _| Say::ok("")).await;
        let mut request = HttpRequest::new("POST", "/users/{{ user }}/{{ iteration + 1 }}");
        request.query = vec![("q".to_owned(), "{{ 'a b' }}".to_owned())];
        request.headers = vec![("x-who".to_owned(), "user {{ user }}".into())];
        request.body = Some(HttpBody::Json(
            json!({ "n": "{{ user + 5 }}", "t": "n={{ user }}" }),
        ));
        let driver = Driver::open(&plan(server.address, request)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let asked = server.last();
        assert!(
            asked.starts_with("POST /users/0/1?q=a%20b HTTP/1.1\r\n"),
            "{asked}"
        );
        assert!(asked.contains("\r\nx-who: user 0\r\n"), "{asked}");
        assert!(asked.ends_with("{\"n\":5,\"t\":\"n=0\"}"), "{asked}");
    });
}
