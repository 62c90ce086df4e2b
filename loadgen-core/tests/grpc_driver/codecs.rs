//! Whoever speaks HTTP/2, loadgen's own codec or the library: the same comes of the same answer, to the word.

use std::net::SocketAddr;
use std::time::Duration;

use loadgen_core::outcome::{Failure, GrpcCode, Outcome};
use loadgen_core::scenario::{
    Codec, Compression, Elsewhere, GrpcPlan, HttpPlan, HttpRequest, Overrides, ProtocolPlan,
    ScenarioPlan, Source, Step,
};
use loadgen_core::schedule::Load;
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{CODEC, Driver, call, grpc, plan, run, step};

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
    let flags = END_HEADERS | (u8::from(is_last) * END_STREAM);
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
    grpc(&mut plan).codec = Some(codec);
    plan
}

/// What both make of an answer.
async fn both(answer: &[u8], closes: bool) -> (Outcome, String) {
    let [own, library] = each(answer, closes).await;
    assert_eq!(own, library);
    own
}

/// What each makes of it, our own first.
async fn each(answer: &[u8], closes: bool) -> [(Outcome, String); 2] {
    let mut all = [const { (Outcome::Ok, String::new()) }; 2];
    for (codec, made) in [Codec::Own, Codec::H2].into_iter().zip(&mut all) {
        let address = saying(answer.to_vec(), closes).await;
        let driver = Driver::open(&plan_for(address, codec)).await;
        let outcome = tokio::time::timeout(Duration::from_millis(300), driver.once()).await;
        let outcome = outcome.unwrap_or(Failure::Timeout.into());
        let why = match outcome {
            Outcome::Ok => String::new(),
            _ => driver.recorder.explanation(),
        };
        // Which server it was is no difference.
        *made = (outcome, why.replace(&address.to_string(), "ADDRESS"));
    }
    all
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
#[test_case(&[0xff; 64] => Outcome::Failed(Failure::Protocol); "garbage")]
#[test_case(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]) => Outcome::Failed(Failure::Reset("REFUSED_STREAM")); "refused")]
#[test_case(&answer(&[headers(false, &HEAD), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])]) => Outcome::Failed(Failure::Reset("CANCEL")); "reset behind its head")]
#[test_case(&answer(&[headers(false, &HEAD), data(0, EMPTY), frame(RST_STREAM, 0, 1, &[0, 0, 1, 0])]) => Outcome::Failed(Failure::Reset("UNKNOWN")); "reset behind its message")]
#[test_case(&frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11, b'"', b'\'', 0, 7, 0xff]) => Outcome::Failed(Failure::Connection); "a good-bye with an error")]
#[test_case(&headers(false, &HEAD) => Outcome::Failed(Failure::Timeout); "no end")]
fn what_comes_of_an_answer(answer: &[u8]) -> Outcome {
    run(both(answer, false)).0
}

/// The same comes of it, and our own says of what the specification says it is.
#[test_case(&data(0, EMPTY), "on a stream, or a head of more than 64 KiB, which is not taken: PROTOCOL_ERROR"; "data before its head")]
#[test_case(&frame(HEADERS, END_HEADERS, 1, &[0x80]), "on a connection, or a head of more than 64 KiB, which is not taken: COMPRESSION_ERROR"; "a block that is none")]
#[test_case(&frame(SETTINGS, 0, 0, &[0; 5]), "on a connection: FRAME_SIZE_ERROR"; "settings that are none")]
#[test_case(&headers(false, &[(":status", "200"), ("Big", "x")]), "on a stream, or a head of more than 64 KiB, which is not taken: PROTOCOL_ERROR"; "a name in capitals")]
fn what_no_server_may_say(answer: &[u8], what: &str) {
    let [own, library] = run(each(answer, false));
    assert_eq!(own.0, Failure::Protocol.into());
    assert_eq!(own.0, library.0);
    let expected = format!("the server sent what HTTP/2 does not allow {what}");
    assert_eq!(own.1, expected);
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

/// All of these tests, where the library speaks unless something else is said.
#[test]
fn whatever_is_tested_with_the_library() {
    if std::env::var(CODEC).is_ok() {
        return;
    }
    let tests = std::env::current_exe().expect("it is running");
    let tested = std::process::Command::new(tests)
        .env(CODEC, "h2")
        .arg("--quiet")
        .output()
        .expect("it is there");
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{said}");
    assert!(said.contains("test result: ok. "), "{said}");
}

/// Our own makes what it can make.
#[test]
fn who_speaks() {
    let speaks = |change: &dyn Fn(&mut GrpcPlan)| {
        let mut plan = plan(&[SocketAddr::from(([127, 0, 0, 1], 9))], "Hello");
        grpc(&mut plan).codec = Some(Codec::Own);
        change(grpc(&mut plan));
        let factory = crate::support::factory(&plan).expect("it is described");
        (factory.codec(), factory.codec_notice())
    };
    let not_own = |call: &str, why: &str| {
        let notice = format!(
            "`codec` is `h2` for all calls: `own` does not make the call of `{call}`: {why}"
        );
        (Codec::H2, Some(notice))
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
    assert_eq!(speaks(&|_| ()), (Codec::Own, None));
    assert_eq!(
        speaks(&|plan| plan.metadata = vec![("x".to_owned(), Source::from("y"))]),
        (Codec::Own, None)
    );
    assert_eq!(
        speaks(&|plan| plan.codec = Some(Codec::H2)),
        (Codec::H2, None)
    );
    let last = |plan: &mut GrpcPlan| plan.end = vec![step("last", call("Stream"))];
    assert_eq!(speaks(&last), not_own("end[0].grpc", "it streams"));
    assert_eq!(
        speaks(&templated),
        not_own("steps[0].grpc", "its metadata are templated")
    );
    assert_eq!(speaks(&packed), not_own("steps[0].grpc", "it compresses"));
    // Nobody asked for it.
    let unasked = |plan: &mut GrpcPlan| {
        templated(plan);
        plan.codec = None;
    };
    assert_eq!(speaks(&unasked), (Codec::H2, None));
}

/// `--codec` is for all that speaks gRPC, wherever it goes.
#[test]
fn a_flag_reaches_steps_that_go_elsewhere() {
    let overrides = Overrides {
        codec: Some(Codec::Own),
        ..Overrides::default()
    };
    let load = Load::closed(1).iterations(1);
    let request = Step::new("get", HttpRequest::new("GET", "/"));
    let mut plan = ScenarioPlan::new("shop", HttpPlan::new([request]), load);
    let (_, notices) = plan.with_overrides(&overrides).expect("it is one");
    assert_eq!(notices, ["shop: --codec own is for gRPC"]);
    if let ProtocolPlan::Http(http) = &mut plan.protocol {
        http.setup = vec![Step::elsewhere("prepare", call("Hello"))];
    }
    plan.elsewhere = vec![Elsewhere::new(GrpcPlan::new([]))];
    let (changed, notices) = plan.with_overrides(&overrides).expect("it is one");
    assert_eq!(notices, Vec::<String>::new());
    let ProtocolPlan::Grpc(elsewhere) = &changed.elsewhere[0].protocol else {
        panic!("it speaks gRPC");
    };
    assert_eq!(elsewhere.codec, Some(Codec::Own));
}
