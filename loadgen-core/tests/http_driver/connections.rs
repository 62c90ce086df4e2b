//! Connections: kept, ended by the server, replaced.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{ConnectionPer, HttpBody, HttpRequest, Target};
use loadgen_core::workload::Workload as _;
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use crate::common::run;
use crate::server::{Say, answer_all, serve};
use crate::support::{Driver, ends, http, plan, status};

#[test]
fn a_user_keeps_its_connection() {
    run(async {
        let server = serve(|_, _, _| Say::ok("x")).await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        let mut user = driver.user().await;
        for _ in 0..5 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        assert_eq!(server.by_connection(), [5]);
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (1, 0));
        assert!(seen.bytes.0 > 0 && seen.bytes.1 > 0);
    });
}

#[test]
fn or_has_one_for_each_iteration() {
    run(async {
        let server = serve(|_, _, _| Say::ok("x")).await;
        let mut plan = plan(server.address, HttpRequest::get("/"));
        http(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        assert_eq!(server.by_connection(), [1, 1, 1]);
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

/// Announced, it is no fault; without a word, the connection was dropped, whenever that is seen. Neither
/// fails a request.
#[test_case("connection: close\r\n" => 0; "announced")]
#[test_case("Connection: x, Close\r\n" => 0; "announced among others")]
#[test_case("" => 3; "without a word")]
#[test_case("connection: keep-alive\r\n" => 3; "against its word")]
fn a_server_may_end_a_connection_after_an_answer(fields: &'static str) -> usize {
    run(async move {
        let server = serve(move |_, _, _| Say::head("200 OK", fields, "x").and_close()).await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        driver.workload.close(user).await;
        assert_eq!(server.by_connection(), [1, 1, 1]);
        driver.recorder.0.borrow().dropped
    })
}

/// Of HTTP/1.0, and of a body without a length, the end of the connection is a part.
#[test_case("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx" => 0; "of 1.0")]
#[test_case("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx" => 2; "of 1.0 that is kept")]
#[test_case("HTTP/1.1 200 OK\r\n\r\nx" => 0; "without a length")]
#[test_case("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" => 2; "in chunks")]
fn an_answer_may_end_with_its_connection(whole: &'static str) -> usize {
    run(async move {
        let server = serve(move |_, _, _| Say::bytes(whole).and_close()).await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        driver.workload.close(user).await;
        driver.recorder.0.borrow().dropped
    })
}

/// The server is there: what did not come in time is no reason to rest before the next request.
#[test]
fn nobody_rests_after_a_timeout() {
    run(async {
        let server = serve(|_, _, _| Say::bytes("")).await;
        let mut request = HttpRequest::get("/");
        request.timeout = Some(Duration::from_millis(5));
        let driver = Driver::open(&plan(server.address, request)).await;
        let mut user = driver.user().await;
        for _ in 0..5 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Timeout.into());
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.rests, Vec::<u64>::new());
        assert_eq!(seen.opened, 5);
    });
}

/// A server that takes connections and ends each of them is not stormed.
#[test]
fn connections_that_came_to_nothing_are_not_hurried() {
    run(async {
        let server = serve(|_, _, _| Say::bytes("").and_close()).await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Connection.into());
        }
        let rests = driver.recorder.0.borrow().rests.len();
        assert_eq!(rests, 2);
    });
}

/// A kept connection that ends while a request is on its way: what may be repeated is, once.
#[test_case("GET" => "ok 3"; "idempotent")]
#[test_case("POST" => "connection 2"; "not idempotent")]
fn a_request_that_met_the_end(method: &'static str) -> String {
    run(async move {
        let server = serve(|number, _, _| match number {
            1 => Say::bytes("").and_close(),
            _ => Say::ok("x"),
        })
        .await;
        let driver = Driver::open(&plan(server.address, HttpRequest::new(method, "/"))).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        let outcome = driver.iterate(&mut user).await;
        assert_eq!(driver.recorder.0.borrow().dropped, 1);
        let asked = server.asked.borrow().len();
        format!("{outcome} {asked}")
    })
}

#[test]
fn a_step_has_its_own_time() {
    run(async {
        let server = serve(|number, _, _| match number {
            0 => Say::bytes("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"),
            _ => Say::ok("x"),
        })
        .await;
        let mut request = HttpRequest::get("/slow");
        request.timeout = Some(Duration::from_millis(200));
        let driver = Driver::open(&plan(server.address, request)).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Failure::Timeout.into());
        let said = driver.recorder.0.borrow().explanations[0].1.clone();
        assert_eq!(
            said,
            "GET /slow: cut off after 2 bytes of the answer's body"
        );
        // What was under way on it is nobody's answer any more.
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(server.by_connection(), [1, 1]);
    });
}

#[test]
fn nobody_listens() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let said = Driver::prepare_error(&plan(address, HttpRequest::get("/"))).await;
        assert!(said.contains("the connection was refused"), "{said}");
    });
}

#[test]
fn over_a_unix_socket() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("http.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let seen = std::rc::Rc::default();
        tokio::task::spawn_local(async move {
            let (socket, _) = listener.accept().await.expect("a connection");
            answer_all(socket, 0, &seen, &|_, _, _: &str| Say::ok("x")).await;
        });
        let mut plan = plan(([127, 0, 0, 1], 1).into(), HttpRequest::get("/"));
        let target = format!("unix:{}", path.display());
        plan.targets = vec![target.parse::<Target>().expect("a target")];
        let (outcome, said) = ends(&plan).await;
        assert_eq!(outcome, Outcome::Ok, "{said}");
    });
}

/// What nobody asked for answers nothing: it is not there for the next request, whether it came together with
/// an answer or after it.
#[test_case(false; "together")]
#[test_case(true; "later")]
fn what_comes_unasked_is_no_answer(later: bool) {
    run(async move {
        let server = serve(move |number, _, _| {
            let (answer, more) = (Say::ok("x"), b"HTTP/1.1 500 No\r\n\r\n".to_vec());
            match (number, later) {
                (0, true) => Say {
                    pieces: vec![answer.pieces[0].clone(), more],
                    closes: false,
                },
                (0, false) => Say::bytes([answer.pieces[0].clone(), more].concat()),
                _ => answer,
            }
        })
        .await;
        let driver = Driver::open(&plan(server.address, HttpRequest::get("/"))).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(server.by_connection(), [1, 2]);
        assert_eq!(driver.recorder.0.borrow().dropped, 1);
    });
}

/// A server that does not want a body says so before it has come, and takes no more of it: it waits for the
/// end, or makes it.
#[test_case(false; "and waits")]
#[test_case(true; "and closes")]
fn an_answer_may_come_before_its_request_was_sent(closes: bool) {
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::task::spawn_local(async move {
            let mut open = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut head = [0; 16];
                socket.read_exact(&mut head).await.expect("a request");
                let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
                socket.write_all(answer).await.expect("open");
                if !closes {
                    open.push(socket);
                }
            }
        });
        let mut request = HttpRequest::new("POST", "/");
        request.body = Some(HttpBody::Sized(16 << 20));
        let driver = Driver::open(&plan(address, request)).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, status(413));
        }
        // What is left of the first request is in the way of the second.
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 0));
    });
}

/// Once an answer that was here and not read yet was lost where the rest of its request could not be sent, and
/// the request was sent a second time.
#[test_case("POST")]
#[test_case("PUT")]
fn an_answer_is_read_before_the_end_that_keeps_its_request(method: &'static str) {
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let open = Rc::new(RefCell::new(Vec::new()));
        let accepted = Rc::clone(&open);
        tokio::task::spawn_local(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut head = [0; 16];
                socket.read_exact(&mut head).await.expect("a request");
                socket
                    .write_all(&Say::ok("x").pieces[0])
                    .await
                    .expect("open");
                accepted.borrow_mut().push(socket);
            }
        });
        let driver = Driver::open(&plan(address, HttpRequest::new(method, "/"))).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        // What was not read of the first request makes the end of the connection a reset.
        let socket = open.borrow_mut().pop().expect("a connection");
        let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
        assert_eq!(socket.try_write(answer).ok(), Some(answer.len()));
        drop(socket);
        // Nothing was waited for since, so that the user does not know.
        assert_eq!(driver.iterate(&mut user).await, status(413));
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (1, 0));
    });
}
