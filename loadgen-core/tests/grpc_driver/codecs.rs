//! Whoever speaks HTTP/2, loadgen's own codec or the library: the same comes of the same answer, to the word.

use std::net::SocketAddr;
use std::time::Duration;

use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::scenario::{Codec, Compression, GrpcPlan, ScenarioPlan, Source};
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Driver, call, grpc, plan, run, step};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields as they are, none of them indexed.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).expect("short"));
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

fn headers(is_last: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    let flags = END_HEADERS | u8::from(is_last) * END_STREAM;
    frame(HEADERS, flags, 1, &block(fields))
}

fn data(flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, 1, bytes)
}

const HEAD: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];
const OK: [(&str, &str); 1] = [("grpc-status", "0")];
const EMPTY: &[u8] = &[0; 5];

/// A server that says this to the first call, and then nothing more, or closes the connection.
async fn saying(answer: Vec<u8>, closes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tcp.read_exact(&mut [0; 24]).await.expect("a preface");
            let begin = frame(SETTINGS, 0, 0, &[]);
            tcp.write_all(&begin).await.expect("sent");
            let mut head = [0; 9];
            while tcp.read_exact(&mut head).await.is_ok() {
                let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; len as usize];
                tcp.read_exact(&mut payload).await.expect("a payload");
                match (head[3], head[4]) {
                    (SETTINGS, 0) => tcp.write_all(&frame(SETTINGS, 1, 0, &[])).await,
                    (PING, 0) => tcp.write_all(&frame(PING, 1, 0, &payload)).await,
                    (DATA, END_STREAM) => {
                        tcp.write_all(&answer).await.expect("sent");
                        if closes {
                            break;
                        }
                        Ok(())
                    }
                    _ => Ok(()),
                }
                .expect("sent");
            }
        }
    });
    address
}

fn plan_for(address: SocketAddr, codec: Codec) -> ScenarioPlan {
    let mut plan = plan(&[address], "Hello");
    plan.timeout = Duration::from_millis(500);
    grpc(&mut plan).codec = codec;
    plan
}

/// What both make of an answer.
async fn both(answer: &[u8], closes: bool) -> (Outcome, String) {
    let mut all = Vec::new();
    for codec in [Codec::Own, Codec::H2] {
        let address = saying(answer.to_vec(), closes).await;
        let driver = Driver::open(&plan_for(address, codec)).await;
        let outcome = tokio::time::timeout(Duration::from_millis(300), driver.once()).await;
        let outcome = outcome.unwrap_or(Failure::Timeout.into());
        let why = match outcome {
            Outcome::Ok => String::new(),
            _ => driver.recorder.explanation(),
        };
        // Which server it was is no difference.
        all.push((outcome, why.replace(&address.to_string(), "ADDRESS")));
    }
    assert_eq!(all[0], all[1]);
    all.swap_remove(0)
}

fn answer(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), headers(true, &OK)]) => Outcome::Ok; "well")]
#[test_case(&answer(&[headers(false, &[(":status", "103")]), headers(false, &HEAD), data(0, EMPTY), headers(true, &OK)]) => Outcome::Ok; "an interim head before it")]
#[test_case(&answer(&[headers(false, &HEAD), data(PADDED, &[3, 0, 0, 0, 0, 0, 0, 0, 0]), headers(true, &OK)]) => Outcome::Ok; "padded")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, &EMPTY[..2]), data(0, &EMPTY[2..]), frame(HEADERS, END_STREAM, 1, &[]), frame(CONTINUATION, END_HEADERS, 1, &block(&OK))]) => Outcome::Ok; "in pieces")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), headers(true, &OK), frame(RST_STREAM, 0, 1, &[0; 4])]) => Outcome::Ok; "a reset behind it")]
#[test_case(&headers(true, &[HEAD[0], HEAD[1], ("grpc-status", "5"), ("grpc-message", "no%20bob")]) => Outcome::Failed(Failure::Grpc(GrpcCode::new(5))); "trailers alone")]
#[test_case(&headers(true, &[HEAD[0], HEAD[1], ("grpc-status", "0")]) => Outcome::Failed(Failure::Protocol); "OK without a message")]
#[test_case(&headers(true, &HEAD) => Outcome::Failed(Failure::Protocol); "a head alone")]
#[test_case(&answer(&[headers(false, &HEAD), data(END_STREAM, EMPTY)]) => Outcome::Failed(Failure::Protocol); "no trailers")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), headers(true, &[("x", "y")])]) => Outcome::Failed(Failure::Protocol); "no status")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), headers(true, &[("grpc-status", "ok")])]) => Outcome::Failed(Failure::Protocol); "an odd status")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), headers(true, &[("grpc-status", "77"), ("grpc-message", "x")])]) => Outcome::Failed(Failure::Grpc(GrpcCode::new(2))); "a status without a name")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), data(0, EMPTY), headers(true, &OK)]) => Outcome::Failed(Failure::Protocol); "two messages")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, &[0, 0, 0, 0, 9, 1]), headers(true, &OK)]) => Outcome::Failed(Failure::Protocol); "half a message")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, &[0, 0xff, 0, 0, 0])]) => Outcome::Failed(Failure::Protocol); "too long a message")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, &[7, 0, 0, 0, 0])]) => Outcome::Failed(Failure::Protocol); "a flag that is none")]
#[test_case(&answer(&[headers(false, &[(":status", "503"), ("content-type", "text/plain")]), data(END_STREAM, b"go away")]) => Outcome::Failed(Failure::Http(503)); "not gRPC")]
#[test_case(&answer(&[headers(false, &[(":status", "502")]), data(0, b"go"), headers(true, &[("grpc-status", "14")])]) => Outcome::Failed(Failure::Grpc(GrpcCode::new(14))); "not gRPC with a status")]
#[test_case(&headers(false, &[("x", "y")]) => Outcome::Failed(Failure::Protocol); "a head without a status")]
#[test_case(&headers(false, &[(":status", "200"), ("connection", "close")]) => Outcome::Failed(Failure::Protocol); "a field that is not allowed")]
#[test_case(&answer(&[headers(false, &HEAD), headers(false, &OK)]) => Outcome::Failed(Failure::Protocol); "trailers without an end")]
#[test_case(&answer(&[headers(false, &[HEAD[0], HEAD[1], ("content-length", "4")]), data(0, EMPTY)]) => Outcome::Failed(Failure::Protocol); "more than was said")]
#[test_case(&data(0, EMPTY) => Outcome::Failed(Failure::Protocol); "data before its head")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, &[0x80]) => Outcome::Failed(Failure::Protocol); "a block that is none")]
#[test_case(&frame(SETTINGS, 0, 0, &[0; 5]) => Outcome::Failed(Failure::Protocol); "settings that are none")]
#[test_case(&[0xff; 64] => Outcome::Failed(Failure::Protocol); "garbage")]
#[test_case(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]) => Outcome::Failed(Failure::Reset("REFUSED_STREAM")); "refused")]
#[test_case(&answer(&[headers(false, &HEAD), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])]) => Outcome::Failed(Failure::Reset("CANCEL")); "reset behind its head")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), frame(RST_STREAM, 0, 1, &[0, 0, 1, 0])]) => Outcome::Failed(Failure::Reset("UNKNOWN")); "reset behind its message")]
#[test_case(&frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11, b'"', b'\'', 0, 7, 0xff]) => Outcome::Failed(Failure::Connection); "a good-bye with an error")]
#[test_case(&headers(false, &HEAD) => Outcome::Failed(Failure::Timeout); "no end")]
fn what_comes_of_an_answer(answer: &[u8]) -> Outcome {
    run(both(answer, false)).0
}

#[test_case(&[]; "at once")]
#[test_case(&headers(false, &HEAD); "behind its head")]
#[test_case(&headers(false, &HEAD)[..20]; "within its head")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY)]); "behind its message")]
#[test_case(&frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]); "behind a good-bye")]
fn what_comes_of_a_connection_that_closes(answer: &[u8]) {
    let (outcome, why) = run(both(answer, true));
    assert_eq!(outcome, Failure::Connection.into());
    assert!(!why.is_empty());
}

/// Our own makes what it can make.
#[test]
fn who_speaks() {
    let codec = |change: &dyn Fn(&mut GrpcPlan)| {
        let mut plan = plan(&[SocketAddr::from(([127, 0, 0, 1], 9))], "Hello");
        grpc(&mut plan).codec = Codec::Own;
        change(grpc(&mut plan));
        let factory = crate::support::factory(&plan).expect("it is described");
        factory.codec()
    };
    let templated = |plan: &mut GrpcPlan| {
        let value = Source::from("{{ user }}");
        plan.metadata = vec![("x-user".to_owned(), value)];
    };
    let packed = |plan: &mut GrpcPlan| {
        let mut call = call("Hello");
        call.compression = Some(Compression::Gzip);
        plan.steps = vec![step("call", call)];
    };
    assert_eq!(codec(&|_| ()), Codec::Own);
    assert_eq!(
        codec(&|plan| plan.metadata = vec![("x".to_owned(), Source::from("y"))]),
        Codec::Own
    );
    assert_eq!(codec(&|plan| plan.codec = Codec::H2), Codec::H2);
    assert_eq!(
        codec(&|plan| plan.end = vec![step("last", call("Stream"))]),
        Codec::H2
    );
    assert_eq!(codec(&templated), Codec::H2);
    assert_eq!(codec(&packed), Codec::H2);
}
