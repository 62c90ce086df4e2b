//! What comes back, and what is made of it.

use std::io::Write;

use flate2::write::GzEncoder;
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{HttpBody, HttpRequest, Step};
use loadgen_core::workload::SampleKind;
use serde_json::json;
use test_case::test_case;

use crate::common::run;
use crate::server::{Say, serve};
use crate::support::{Driver, ends, http, plan, status, steps};

fn get() -> HttpRequest {
    HttpRequest::get("/x?token=secret")
}

#[test_case("200 OK" => ("ok".to_owned(), String::new()))]
#[test_case("304 Not Modified" => ("ok".to_owned(), String::new()); "what redirects nowhere")]
#[test_case("404 Not Found" => ("http.404".to_owned(), "GET /x: the server answered 404 Not Found (it says \"no such thing\")".to_owned()))]
#[test_case("503 Service Unavailable" => ("http.503".to_owned(), "GET /x: the server answered 503 Service Unavailable (it says \"no such thing\")".to_owned()))]
fn statuses(line: &'static str) -> (String, String) {
    run(async move {
        let server = serve(move |_, _, _| match line.starts_with("304") {
            true => Say::bytes(format!("HTTP/1.1 {line}\r\n\r\n")),
            false => Say::head(line, "", "no such thing"),
        })
        .await;
        let (outcome, said) = ends(&plan(server.address, get())).await;
        (outcome.to_string(), said)
    })
}

#[test]
fn a_check_judges_a_status() {
    run(async {
        let server = serve(|_, _, _| Say::head("404 Not Found", "", "{\"why\": \"gone\"}")).await;
        let judged = |check: &str| {
            let mut step = Step::from(get());
            step.check = vec![check.to_owned()];
            steps(server.address, [step])
        };
        let fine = ends(&judged("status == 404 and reply.why == 'gone'")).await;
        assert_eq!(fine.0, Outcome::Ok);
        let not = ends(&judged("status == 200")).await;
        assert_eq!(not.0, Failure::Check.into());
        let other = ends(&judged("reply.why == 'gone'")).await;
        assert_eq!(other.0, status(404));
    });
}

#[test]
fn what_is_saved_is_sent_by_the_next_step() {
    run(async {
        let server =
            serve(|_, _, _| Say::head("201 Created", "x-id: 7\r\n", "{\"token\": \"abc\"}")).await;
        let mut login = Step::new("login", HttpRequest::new("POST", "/login"));
        login.save = vec![
            ("token".to_owned(), "reply.token".to_owned()),
            ("id".to_owned(), "headers['x-id']".to_owned()),
        ];
        let mut order = HttpRequest::new("POST", "/orders/{{ saved.id }}");
        order.headers = vec![(
            "authorization".to_owned(),
            "Bearer {{ saved.token }}".into(),
        )];
        order.body = Some(HttpBody::Json(json!({})));
        let (outcome, said) =
            ends(&steps(server.address, [login, Step::new("order", order)])).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
        let asked = server.last();
        assert!(asked.starts_with("POST /orders/7 "), "{asked}");
        assert!(asked.contains("authorization: Bearer abc\r\n"), "{asked}");
        assert_eq!(server.by_connection(), [2]);
    });
}

#[test]
fn compressed_answers_are_unpacked_where_they_are_looked_at() {
    run(async {
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"{\"n\": 3}").expect("room");
        let packed = gzip.finish().expect("room");
        let server = serve(move |_, _, _| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                packed.len()
            );
            Say::bytes([head.as_bytes(), &packed].concat())
        })
        .await;
        let mut step = Step::from(get());
        step.check = vec!["reply.n == 3".to_owned()];
        let (outcome, said) = ends(&steps(server.address, [step])).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
    });
}

#[test_case("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false => "ok"; "chunks")]
#[test_case("HTTP/1.1 200 OK\r\n\r\nall of it", true => "ok"; "up to the end of the connection")]
#[test_case("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false => "ok"; "a status on the way")]
#[test_case("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", true => "connection GET /x: the server closed the connection before its answer was complete"; "half a body")]
#[test_case("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", true => "protocol"; "no chunk")]
#[test_case("SSH-2.0-OpenSSH_9.6\r\n", true => "protocol"; "no HTTP")]
#[test_case("", true => "connection GET /x: the server closed the connection before its answer was complete"; "nothing")]
fn forms(said: &'static str, closes: bool) -> String {
    run(async move {
        let server = serve(move |_, _, _| Say {
            closes,
            ..Say::bytes(said)
        })
        .await;
        let (outcome, said) = ends(&plan(server.address, get())).await;
        match outcome {
            Outcome::Failed(Failure::Connection) => format!("{outcome} {said}"),
            Outcome::Failed(Failure::Protocol) => {
                assert!(said.starts_with("GET /x: "), "{said}");
                outcome.to_string()
            }
            _ => outcome.to_string(),
        }
    })
}

/// Once such a body was taken for what it packs.
#[test_case("transfer-encoding: gzip, chunked" => Some("gzip, chunked".to_owned()))]
#[test_case("Transfer-Encoding: gzip\r\ntransfer-encoding: chunked" => Some("gzip, chunked".to_owned()); "in two fields")]
#[test_case("transfer-encoding: gzip" => Some("gzip".to_owned()); "up to the end of the connection")]
#[test_case("transfer-encoding: identity" => Some("identity".to_owned()); "the one that is none")]
#[test_case("transfer-encoding: chunked, chunked" => Some("chunked, chunked".to_owned()); "twice")]
#[test_case("transfer-encoding: chunked," => Some("chunked,".to_owned()); "and nothing")]
#[test_case("transfer-encoding: Chunked" => None; "the one that is read")]
fn transfer_codings(field: &'static str) -> Option<String> {
    run(async move {
        let server = serve(move |_, _, _| {
            let said = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
            Say::bytes(said).and_close()
        })
        .await;
        let driver = Driver::open(&plan(server.address, get())).await;
        let outcome = driver.once().await;
        let seen = driver.recorder.0.borrow();
        let said = seen.explanations.last().map(|(_, said)| said.as_str());
        let refused = said.map(|said| {
            let said = said.strip_prefix("GET /x: the answer's transfer coding is `");
            let coding = said.and_then(|said| said.split_once('`'));
            coding.expect("what it is").0.to_owned()
        });
        let expected = match refused {
            Some(_) => Failure::Protocol.into(),
            None => Outcome::Ok,
        };
        assert_eq!(outcome, expected);
        if refused.is_some() {
            // That we end it is no fault of the server's.
            assert_eq!(seen.dropped, 0);
        }
        refused
    })
}

/// What a body would come in is no matter where there is none.
#[test]
fn an_answer_without_a_body_has_no_transfer_coding() {
    run(async {
        let server = serve(|_, _, _| {
            Say::bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n")
        })
        .await;
        let (outcome, said) = ends(&plan(server.address, HttpRequest::new("HEAD", "/x"))).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
    });
}

#[test_case(100 => "ok "; "as many as may be")]
#[test_case(101 => "protocol GET /x: the head of the answer has more than 65536 bytes or 100 fields"; "one more")]
fn fields_of_a_head(count: usize) -> String {
    run(async move {
        // With its length.
        let fields = "x: y\r\n".repeat(count - 1);
        let server = serve(move |_, _, _| Say::head("200 OK", &fields, "x")).await;
        let (outcome, said) = ends(&plan(server.address, get())).await;
        format!("{outcome} {said}")
    })
}

#[test]
fn a_head_alone_is_the_answer_to_head() {
    run(async {
        let server =
            serve(|_, _, _| Say::bytes("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")).await;
        let plan = plan(server.address, HttpRequest::new("HEAD", "/x"));
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        assert_eq!(server.by_connection(), [3]);
    });
}

#[test]
fn an_answer_has_an_end() {
    run(async {
        let server = serve(|_, _, _| Say::ok(&"x".repeat(2000))).await;
        let mut plan = plan(server.address, get());
        plan.max_message = 1024;
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, Failure::Protocol.into());
        assert_eq!(
            said,
            "GET /x: the answer has more than 1024 bytes (`max_message`)"
        );
    });
}

#[test]
fn redirections_are_followed_when_told_and_counted() {
    run(async {
        let server = serve(|_, _, asked| match asked.split(' ').nth(1) {
            Some("/x") => Say::head("303 See Other", "location: /there?y=1\r\n", ""),
            _ => Say::ok("here"),
        })
        .await;
        let mut request = HttpRequest::new("POST", "/x");
        request.body = Some(HttpBody::Text("a".to_owned()));
        let mut plan = plan(server.address, request);
        assert_eq!(ends(&plan).await.0, Outcome::Ok);
        assert!(server.last().starts_with("POST /x "), "not followed");
        http(&mut plan).redirects = 2;
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(
            server.last().starts_with("GET /there?y=1 "),
            "{}",
            server.last()
        );
        assert_eq!(driver.recorder.0.borrow().redirects, 1);
    });
}

#[test]
fn what_goes_round_in_circles_ends() {
    run(async {
        let server = serve(|_, _, _| Say::head("302 Found", "location: /x\r\n", "")).await;
        let mut plan = plan(server.address, get());
        http(&mut plan).redirects = 3;
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, status(302));
        assert!(said.contains("3 redirections have been followed"), "{said}");
        assert_eq!(server.asked.borrow().len(), 4);
    });
}

#[test]
fn another_server_is_not_told_who_asks() {
    run(async {
        let other = serve(|_, _, _| Say::ok("there")).await;
        let to = other.address;
        let server = serve(move |_, _, _| {
            Say::head(
                "307 Temporary Redirect",
                &format!("location: http://{to}/there\r\n"),
                "",
            )
        })
        .await;
        let mut plan = plan(server.address, get());
        http(&mut plan).redirects = 1;
        http(&mut plan).headers = vec![("authorization".to_owned(), "Bearer x".into())];
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
        assert!(server.last().contains("authorization"));
        let asked = other.last();
        assert!(
            asked.starts_with("GET /there ") && !asked.contains("authorization"),
            "{asked}"
        );
    });
}

/// The head, and 50 ms later the body.
#[test]
fn the_first_byte_is_not_the_last() {
    run(async {
        let server = serve(|_, _, _| {
            let mut pieces = vec![
                b"HTTP/1.1 200 OK\r\n".to_vec(),
                b"content-length: 11\r\n\r\n".to_vec(),
            ];
            pieces.extend((0..11).map(|_| b"x".to_vec()));
            Say {
                pieces,
                closes: false,
            }
        })
        .await;
        let both = ["a", "b"].map(|name| Step::new(name, get()));
        let driver = Driver::open(&steps(server.address, both)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        let first = &seen.samples[&SampleKind::FirstByte];
        assert_eq!(first.len(), 2);
        // Eleven times 5 ms, of which a timer may leave some out.
        for (first, whole) in first.iter().zip(&seen.steps) {
            let service = whole.split.service_time;
            assert!(first + 40_000_000 < service, "{first} of {service}");
        }
    });
}

/// What is on the way before an answer is none of it, in however many pieces it comes.
#[test_case("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"; "whole")]
#[test_case("HTTP/1.1 103 Early Hints\r\n", "\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"; "in part")]
fn the_first_byte_is_the_answers(before: &'static str, then: &'static str) {
    run(async move {
        let server = serve(move |_, _, _| {
            let mut pieces = vec![Vec::new(); 11];
            pieces[0] = before.into();
            pieces.push(then.into());
            Say {
                pieces,
                closes: false,
            }
        })
        .await;
        let driver = Driver::open(&plan(server.address, get())).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        let first = &seen.samples[&SampleKind::FirstByte];
        // Eleven times 5 ms.
        assert!(first.len() == 1 && first[0] > 50_000_000, "{first:?}");
    });
}

/// What answers a conditional request, wherever that was led.
#[test_case("304 Not Modified" => "ok")]
#[test_case("300 Multiple Choices" => "ok")]
#[test_case("404 Not Found" => "http.404")]
#[test_case("302 Found" => "http.302"; "on and on")]
fn a_status_after_a_redirection(line: &'static str) -> String {
    run(async move {
        let server = serve(move |_, _, asked| match asked.split(' ').nth(1) {
            Some("/there") if line.starts_with("304") => {
                Say::bytes(format!("HTTP/1.1 {line}\r\n\r\n"))
            }
            Some("/there") => Say::head(line, "location: /there\r\n", ""),
            _ => Say::head("302 Found", "location: /there\r\n", ""),
        })
        .await;
        let mut plan = plan(server.address, get());
        http(&mut plan).redirects = 1;
        ends(&plan).await.0.to_string()
    })
}

#[test]
fn users_keep_cookies_when_told() {
    run(async {
        let server =
            serve(|_, _, _| Say::head("200 OK", "set-cookie: sid=7; Path=/\r\n", "")).await;
        let mut plan = plan(server.address, get());
        http(&mut plan).cookies = true;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let asked = server.asked.borrow();
        assert!(!asked[0].1.contains("cookie"), "{}", asked[0].1);
        assert!(
            asked[1].1.contains("\r\ncookie: sid=7\r\n"),
            "{}",
            asked[1].1
        );
    });
}
