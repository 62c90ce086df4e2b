//! Server-sent events.

use std::time::Duration;

use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{HttpRequest, Step, StreamEnd};
use loadgen_core::workload::SampleKind;

use crate::common::run;
use crate::server::{Say, serve};
use crate::support::{Driver, ends, plan, steps};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n";

fn three(end: &str) -> Say {
    let mut pieces = vec![format!("{HEAD}{end}\r\n").into_bytes()];
    pieces.extend((0..3).map(|n| format!("id: {n}\ndata: {{\"n\": {n}}}\n\n").into_bytes()));
    Say {
        pieces,
        closes: true,
    }
}

#[test]
fn events_are_counted_and_timed() {
    run(async {
        let server = serve(|_, _, _| three("")).await;
        let mut step = Step::from(HttpRequest::get("/stream"));
        step.check = vec!["reply.n == 2".to_owned()];
        let driver = Driver::open(&steps(server.address, [step])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.messages, (1, 3));
        assert_eq!(seen.samples[&SampleKind::FirstMessage].len(), 1);
        let gaps = &seen.samples[&SampleKind::MessageGap];
        assert_eq!(gaps.len(), 2);
        assert!(gaps.iter().all(|gap| *gap >= 3_000_000), "{gaps:?}");
    });
}

#[test]
fn we_may_end_them() {
    run(async {
        let endless = |_: usize, _: usize, _: &str| Say {
            closes: false,
            ..three("")
        };
        let server = serve(endless).await;
        let mut request = HttpRequest::get("/stream");
        request.stream = Some(StreamEnd::Messages(2));
        let driver = Driver::open(&plan(server.address, request.clone())).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (1, 2));
        request.stream = Some(StreamEnd::After(Duration::from_millis(300)));
        let driver = Driver::open(&plan(server.address, request)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (1, 3));
        assert_eq!(driver.recorder.0.borrow().dropped, 0);
    });
}

#[test]
fn some_may_be_missing() {
    run(async {
        let server = serve(|_, _, _| three("")).await;
        let mut request = HttpRequest::get("/stream");
        request.stream = Some(StreamEnd::Messages(5));
        let (outcome, said) = ends(&plan(server.address, request)).await;
        assert_eq!(outcome, Failure::Incomplete.into());
        assert_eq!(
            said,
            "GET /stream: the server ended the answer after 3 events of 5"
        );
    });
}

/// Once nobody heard of those that had come before the time was up.
#[test]
fn those_of_a_stream_that_is_cut_off_are_counted() {
    run(async {
        let server = serve(|_, _, _| Say {
            closes: false,
            ..three("")
        })
        .await;
        let mut request = HttpRequest::get("/stream");
        request.timeout = Some(Duration::from_millis(300));
        let driver = Driver::open(&plan(server.address, request)).await;
        assert_eq!(driver.once().await, Failure::Timeout.into());
        assert_eq!(driver.recorder.0.borrow().messages, (1, 3));
    });
}

/// There is always more to read than a task may read in one turn: the time is up all the same.
#[test]
fn a_flood_of_events_ends_in_time() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let flood = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut socket, _) = listener.accept().expect("a connection");
            let _ = socket.read(&mut [0; 4096]);
            let events = "data: x\n\n".repeat(10_000);
            let mut piece = format!("{HEAD}\r\n");
            while socket.write_all(piece.as_bytes()).is_ok() {
                piece.clone_from(&events);
            }
        });
        let mut request = HttpRequest::get("/stream");
        request.stream = Some(StreamEnd::After(Duration::from_millis(200)));
        let driver = Driver::open(&plan(address, request)).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert!(driver.recorder.0.borrow().messages.1 > 0);
        flood.join().expect("it ends with the connection");
    });
}

#[test]
fn what_is_no_stream_is_told() {
    run(async {
        let server = serve(|_, _, _| Say::head("200 OK", "content-type: text/html\r\n", "x")).await;
        let mut request = HttpRequest::get("/stream");
        request.stream = Some(StreamEnd::Messages(5));
        let (outcome, said) = ends(&plan(server.address, request)).await;
        assert_eq!(outcome, Failure::Protocol.into());
        assert!(
            said.contains("the answer's content type is text/html"),
            "{said}"
        );
    });
}
