//! The TCP driver against small servers of these tests' own, over real sockets.
#![cfg(feature = "tcp")]

#[path = "../common/mod.rs"]
mod common;
mod encrypted;
mod intercept;

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use loadgen_core::driver::tcp::{TcpFactory, TcpWorkload};
use loadgen_core::outcome::{Failure, Outcome};
use loadgen_core::scenario::{
    ConnectionPer, Endian, LengthPrefix, ProtocolPlan, ScenarioPlan, Step, Target, TcpExchange,
    TcpPayload, TcpPlan, TcpReceive,
};
use loadgen_core::schedule::Limit;
use loadgen_core::workload::{MessageFault, SampleKind, WorkerContext};
use test_case::test_case;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::common::whole::closed;
use crate::common::{Planned, run};

type Driver = common::Driver<TcpWorkload>;

impl Planned for TcpWorkload {
    fn of(plan: &ScenarioPlan, context: &WorkerContext) -> Self {
        let factory = match &plan.protocol {
            ProtocolPlan::Tcp(tcp) => TcpFactory::new(plan, tcp),
            other => panic!("not TCP: {other:?}"),
        };
        factory.expect("a valid plan").workload(context)
    }
}

fn plan(address: SocketAddr, steps: impl IntoIterator<Item = Step<TcpExchange>>) -> ScenarioPlan {
    let load = closed(1, Limit::Iterations(1));
    let mut plan = ScenarioPlan::new("test", TcpPlan::new(steps), load);
    plan.targets = vec![Target {
        host: address.ip().to_string(),
        port: address.port(),
        tls: false,
    }];
    plan.timeout = Duration::from_secs(5);
    plan
}

fn tcp(plan: &mut ScenarioPlan) -> &mut TcpPlan {
    match &mut plan.protocol {
        ProtocolPlan::Tcp(tcp) => tcp,
        other => panic!("not TCP: {other:?}"),
    }
}

fn text(text: &str) -> TcpExchange {
    TcpExchange::send(TcpPayload::Text(text.to_owned()))
}

fn asks(payload: TcpPayload, receive: TcpReceive) -> TcpExchange {
    let mut exchange = TcpExchange::send(payload);
    exchange.receive = Some(receive);
    exchange
}

fn line() -> TcpReceive {
    TcpReceive::Until(b"\n".to_vec())
}

/// Serves each connection with this.
async fn serve<F: Future<Output = ()> + 'static>(
    with: impl Fn(TcpStream) -> F + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(with(stream));
        }
    });
    address
}

/// Says back what comes, and ends when the other side has.
async fn echo(mut stream: TcpStream) {
    let (mut from, mut to) = stream.split();
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// Says this to whatever comes first, and ends.
async fn answers(stream: TcpStream, answer: &'static [u8]) {
    let mut stream = stream;
    let _ = stream.read(&mut [0; 1000]).await;
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

#[test]
fn a_message_and_its_reply() {
    run(async {
        let address = serve(echo).await;
        let driver = Driver::open(&plan(
            address,
            [asks(TcpPayload::Text("hello\n".to_owned()), line()).into()],
        ))
        .await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!(seen.messages, (3, 3));
        assert_eq!(seen.samples[&SampleKind::RoundTrip].len(), 3);
        // The connection that was opened to see whether it can be is the user's.
        assert_eq!((seen.opened, seen.failed, seen.dropped), (1, 0, 0));
        assert_eq!(seen.bytes, (18, 18));
    });
}

#[test_case(TcpPayload::Text("grüße".to_owned()), 7; "a text")]
#[test_case(TcpPayload::Bytes(vec![0, 255, 7]), 3; "bytes")]
#[test_case(TcpPayload::Sized(3 << 20), 3 << 20; "more than fits into all buffers")]
fn whatever_is_sent_comes_back(payload: TcpPayload, bytes: u32) {
    run(async {
        let address = serve(echo).await;
        let step = asks(payload, TcpReceive::Bytes(bytes));
        let driver = Driver::open(&plan(address, [step.into()])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().bytes.1, u64::from(bytes));
    });
}

#[test_case(asks(TcpPayload::Text("a\r\nb".to_owned()), TcpReceive::Until(b"\r\n".to_vec())), "reply.text == 'a'"; "a delimiter is no part of it")]
#[test_case(asks(TcpPayload::Bytes(vec![0, 2, 7, 255]), TcpReceive::LengthPrefix(LengthPrefix { bytes: 2, endian: Endian::Big, includes_itself: false })), "reply.hex == '07ff' and reply.bytes == 2"; "nor is a length")]
#[test_case(asks(TcpPayload::Text("+OK 12;".to_owned()), TcpReceive::Regex("[0-9]+;".to_owned())), "reply.text == '+OK 12;'"; "a match is")]
#[test_case(asks(TcpPayload::Text("{\"a\": [1]}\n".to_owned()), line()), "reply.a[0] == 1"; "fields of JSON")]
fn a_check_sees_the_reply(exchange: TcpExchange, check: &str) {
    run(async {
        let address = serve(echo).await;
        let mut right = Step::new("ask", exchange.clone());
        right.check = vec![check.to_owned()];
        let driver = Driver::open(&plan(address, [right])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        let mut wrong = Step::new("ask", exchange);
        wrong.check = vec![format!("not ({check})")];
        let driver = Driver::open(&plan(address, [wrong])).await;
        assert_eq!(driver.once().await, Failure::Check.into());
    });
}

#[test]
fn several_are_in_flight_in_order() {
    run(async {
        // Answers only when four are there.
        let address = serve(async |mut stream: TcpStream| {
            let mut four = [0; 8];
            while stream.read_exact(&mut four).await.is_ok() {
                let _ = stream.write_all(&four).await;
            }
        })
        .await;
        let mut step = asks(TcpPayload::Text("a\n".to_owned()), line());
        (step.repeat, step.in_flight) = (12, 4);
        let driver = Driver::open(&plan(address, [step.into()])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.0.borrow().messages, (12, 12));
        assert_eq!(driver.recorder.samples(SampleKind::RoundTrip).len(), 12);
    });
}

#[test]
fn paced_messages_have_due_times() {
    run(async {
        let address = serve(echo).await;
        let mut step = asks(TcpPayload::Text("a\n".to_owned()), line());
        (step.repeat, step.every) = (3, Some(Duration::from_millis(5)));
        let driver = Driver::open(&plan(address, [step.into()])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.samples(SampleKind::MessageLag).len(), 3);
    });
}

#[test]
fn a_half_close_is_answered_to_the_end() {
    run(async {
        // Says nothing before the other side has ended.
        let address = serve(async |mut stream: TcpStream| {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            let _ = stream.write_all(&all).await;
        })
        .await;
        let mut step = asks(TcpPayload::Text("all of it".to_owned()), TcpReceive::End);
        step.shutdown = true;
        let mut step = Step::new("ask", step);
        step.check = vec!["reply.text == 'all of it'".to_owned()];
        let driver = Driver::open(&plan(address, [step])).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        // That a connection is over as it should be is no drop.
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 0));
    });
}

#[test]
fn an_iteration_may_have_its_own_connection() {
    run(async {
        let address = serve(echo).await;
        let mut plan = plan(
            address,
            [asks(TcpPayload::Text("a\n".to_owned()), line()).into()],
        );
        tcp(&mut plan).connection_per = ConnectionPer::Iteration;
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..3 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        }
        assert_eq!(driver.recorder.0.borrow().opened, 3);
    });
}

#[test_case(b"", Failure::Incomplete, "in place of a reply"; "nothing")]
#[test_case(b"hal", Failure::Incomplete, "in the middle of a reply, of which 3 bytes had come"; "half a reply")]
fn a_server_that_closes_early(answer: &'static [u8], failure: Failure, told: &str) {
    run(async {
        let address = serve(move |stream| answers(stream, answer)).await;
        let step = asks(TcpPayload::Text("a".to_owned()), TcpReceive::Bytes(5));
        let driver = Driver::open(&plan(address, [step.into()])).await;
        assert_eq!(driver.once().await, failure.into());
        let explanation = driver.recorder.explanation();
        assert!(explanation.contains(told), "{explanation}");
        assert_eq!(driver.recorder.0.borrow().dropped, 1);
    });
}

#[test]
fn a_reset_is_told() {
    run(async {
        let address = serve(async |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 1]).await;
            // What is not read makes the system reset the connection.
        })
        .await;
        let step = asks(TcpPayload::Text("more than one byte".to_owned()), line());
        let driver = Driver::open(&plan(address, [step.into()])).await;
        assert_eq!(driver.once().await, Failure::Connection.into());
        let explanation = driver.recorder.explanation();
        assert!(
            explanation.contains("the server reset the connection"),
            "{explanation}"
        );
    });
}

#[test]
fn nobody_listens() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let told = Driver::prepare_error(&plan(address, [text("a").into()])).await;
        assert!(told.contains("the connection was refused"), "{told}");
    });
}

#[test]
fn a_reply_that_is_too_long_breaks_the_protocol() {
    run(async {
        let address = serve(echo).await;
        let mut plan = plan(
            address,
            [asks(TcpPayload::Text("a".repeat(5000)), line()).into()],
        );
        plan.max_message = 1024;
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Failure::Protocol.into());
        let explanation = driver.recorder.explanation();
        assert!(explanation.contains("`max_message`"), "{explanation}");
    });
}

/// What was not waited for any longer must not answer the next message.
#[test]
fn a_step_that_is_cut_off_leaves_no_reply_behind() {
    run(async {
        let address = serve(async |mut stream: TcpStream| {
            let mut room = [0; 100];
            while let Ok(read @ 1..) = stream.read(&mut room).await {
                if room.starts_with(b"slow") {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                let _ = stream.write_all(&room[..read]).await;
            }
        })
        .await;
        let mut slow = asks(TcpPayload::Text("slow\n".to_owned()), line());
        slow.timeout = Some(Duration::from_millis(20));
        let plan = plan(address, [slow.into()]);
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Timeout.into());
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 0));
        let told = &seen.explanations[0].1;
        assert!(told.contains("0 came to 1 of 1 messages"), "{told}");
    });
}

#[test]
fn what_nobody_asked_for_answers_nothing() {
    run(async {
        // Greets, and then says back.
        let address = serve(async |mut stream: TcpStream| {
            let _ = stream.write_all(b"welcome\n").await;
            echo(stream).await;
        })
        .await;
        let ask = asks(TcpPayload::Text("hello\n".to_owned()), line());
        let mut step = Step::new("ask", ask.clone());
        step.check = vec!["reply.text == 'hello'".to_owned()];
        let driver = Driver::open(&plan(address, [step.clone()])).await;
        let mut user = driver.user().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 1);

        // A step that receives takes it.
        let mut greeted = Step::new("greeted", TcpExchange::receive(line()));
        greeted.check = vec!["reply.text == 'welcome'".to_owned()];
        let mut plan = plan(address, [step]);
        tcp(&mut plan).begin = vec![greeted];
        let driver = Driver::open(&plan).await;
        let mut user = driver.user().await;
        assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 0);
    });
}

/// Nor the next message of the same step.
#[test]
fn what_comes_beyond_a_reply_answers_nothing() {
    run(async {
        let address = serve(async |mut stream: TcpStream| {
            while let Ok(1..) = stream.read(&mut [0; 100]).await {
                let _ = stream.write_all(b"yes\nand more\n").await;
            }
        })
        .await;
        let mut ask = asks(TcpPayload::Text("a\n".to_owned()), line());
        ask.repeat = 3;
        let mut step = Step::new("ask", ask);
        step.check = vec!["reply.text == 'yes'".to_owned()];
        let driver = Driver::open(&plan(address, [step])).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(driver.recorder.faults(MessageFault::Unexpected), 2);
    });
}

#[test_case(None; "that nobody looks at")]
#[test_case(Some("reply.text == 'first'"); "that somebody looks at")]
fn half_a_reply_is_not_left_to_the_next_step(check: Option<&str>) {
    run(async {
        let address = serve(async |mut stream: TcpStream| {
            let _ = stream.write_all(b"fir").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = stream.write_all(b"st\n").await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        })
        .await;
        let mut receive = TcpExchange::receive(line());
        receive.timeout = Some(Duration::from_millis(30));
        let mut step = Step::new("greeted", receive);
        step.check = check.into_iter().map(str::to_owned).collect();
        let driver = Driver::open(&plan(address, [step])).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Failure::Timeout.into());
        }
        assert_eq!(driver.recorder.0.borrow().opened, 2);
    });
}

/// A task may do so much in one turn and no more; that must not keep its timer from being looked at.
#[test]
fn a_flood_does_not_keep_a_step_from_its_time_limit() {
    run(async {
        // On a thread of its own, so that there is always more to read.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the driver connects");
            let flood = vec![b'x'; 1 << 20];
            while stream.write_all(&flood).is_ok() {}
        });
        let mut ask = asks(TcpPayload::Text("a\n".to_owned()), line());
        ask.timeout = Some(Duration::from_millis(100));
        let mut plan = plan(address, [ask.into()]);
        plan.max_message = u32::MAX;
        let driver = Driver::open(&plan).await;
        let cut_off = tokio::time::timeout(Duration::from_secs(20), driver.once()).await;
        assert_eq!(cut_off, Ok(Failure::Timeout.into()));
    });
}

/// A connection that has ended while nobody used it is replaced.
#[test]
fn a_connection_that_ended_meanwhile_is_replaced() {
    run(async {
        let address = serve(async |mut stream: TcpStream| {
            let _ = stream.read(&mut [0; 100]).await;
            let _ = stream.write_all(b"bye\n").await;
        })
        .await;
        let step = asks(TcpPayload::Text("a\n".to_owned()), line());
        let driver = Driver::open(&plan(address, [step.into()])).await;
        let mut user = driver.user().await;
        for _ in 0..2 {
            assert_eq!(driver.iterate(&mut user).await, Outcome::Ok);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seen = driver.recorder.0.borrow();
        assert_eq!((seen.opened, seen.dropped), (2, 1));
    });
}

#[cfg(unix)]
#[test]
fn over_a_unix_socket() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("echo.sock");
        let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            }
        });
        let step = asks(TcpPayload::Text("a\n".to_owned()), line());
        let mut plan = plan(([127, 0, 0, 1], 1).into(), [step.into()]);
        let target = format!("unix:{}", path.display());
        plan.targets = vec![target.parse().expect("a target")];
        assert_eq!(Driver::open(&plan).await.once().await, Outcome::Ok);
    });
}
