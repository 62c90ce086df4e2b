//! Where descriptions come from, and what is said when a scenario does not fit them.

use std::net::SocketAddr;

use bytes::Bytes;
use loadgen_core::driver::grpc::{DriverError, GrpcFactory};
use loadgen_core::outcome::Outcome;
use prost::Message;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde_json::json;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{Driver, plan, run, the_call};

fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

fn error(change: impl FnOnce(&mut loadgen_core::scenario::ScenarioPlan)) -> String {
    let mut plan = plan(&[nowhere()], "Hello");
    change(&mut plan);
    GrpcFactory::new(&plan).expect_err("wrong").to_string()
}

#[test]
fn errors_name_the_place_and_the_nearest() {
    assert_eq!(
        error(|plan| the_call(plan).method = "loadgen.v1.Greeter/Helo".to_owned()),
        "steps[0].grpc.method: there is no method `loadgen.v1.Greeter/Helo`; did you mean \
         `loadgen.v1.Greeter/Hello`?"
    );
    assert_eq!(
        error(|plan| the_call(plan).method = "Hello".to_owned()),
        "steps[0].grpc.method: `Hello` is not a method's name; it takes the form \
         `package.Service/Method`"
    );
    assert_eq!(
        error(|plan| the_call(plan).message = json!({ "nmae": "x" })),
        "steps[0].grpc.message.nmae: `loadgen.v1.HelloRequest` has no field `nmae`; did you mean \
         `name`?"
    );
    assert_eq!(
        error(|plan| plan.metadata = vec![("grpc-status".to_owned(), "0".to_owned())]),
        "steps[0].grpc.metadata: `grpc-status` is set by the protocol and cannot be given"
    );
    assert_eq!(
        error(|plan| plan.targets.clear()),
        "the scenario has no target"
    );
}

const PROTO: &str = "syntax = \"proto3\"; package shop.v1; import \"shop/item.proto\"; \
    service Shop { rpc Buy(Item) returns (Item); }";
const ITEM: &str = "syntax = \"proto3\"; package shop.v1; message Item { string sku = 1; }";

/// A folder that is gone afterwards.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("loadgen-test-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("shop")).expect("a temporary folder");
        std::fs::write(folder.join("shop/shop.proto"), PROTO).expect("written");
        std::fs::write(folder.join("shop/item.proto"), ITEM).expect("written");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn proto_files_with_imports() {
    run(async {
        let folder = Folder::new("imports");
        let server = Server::start(async |mut exchange: Exchange| {
            assert_eq!(exchange.read_all().await, framed(b"\x0a\x01a"));
            exchange.ok(&[b""]).await;
        })
        .await;
        let mut plan = plan(&[server.address], "Hello");
        plan.protos = vec![folder.0.join("shop/shop.proto"), folder.0.clone()];
        the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
        the_call(&mut plan).message = json!({ "sku": "a" });
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(*server.control.paths.borrow(), ["/shop.v1.Shop/Buy"]);
    });
}

#[test]
fn nobody_to_ask_is_told_apart() {
    let mut plan = plan(&[nowhere()], "Hello");
    the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
    let error = GrpcFactory::new(&plan).expect_err("nobody there");
    assert!(matches!(error, DriverError::Unreachable(_)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

/// Files as a server with reflection has them.
fn files() -> Vec<FileDescriptorProto> {
    let folder = Folder::new("reflection");
    let set = protox::compile(["shop/shop.proto"], [&folder.0]).expect("compiles");
    let set = FileDescriptorSet::decode(set.encode_to_vec().as_slice()).expect("the same");
    set.file
}

/// Puts a length-delimited field around bytes; all lengths here are short of two-byte varints'
/// end.
fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// Answers one question of the reflection protocol, one file at a time as some servers do.
fn reflect(files: &[FileDescriptorProto], question: &[u8]) -> Vec<u8> {
    let (tag, text) = (question[0] >> 3, String::from_utf8_lossy(&question[2..]));
    let file = match tag {
        3 => files.iter().find(|file| file.name() == text),
        4 if text == "shop.v1.Shop" => files.iter().find(|it| it.name() == "shop/shop.proto"),
        7 => return field(6, &field(1, &field(1, b"shop.v1.Shop"))),
        _ => None,
    };
    match file {
        Some(file) => field(4, &field(1, &file.encode_to_vec())),
        None => field(7, &field(2, b"not here")),
    }
}

async fn answer(mut exchange: Exchange, only: Option<&'static str>) {
    let path = exchange.request.uri().path().to_owned();
    let body = exchange.read_all().await;
    if path.starts_with("/grpc.reflection.") {
        if only.is_none_or(|only| !path.starts_with(only)) {
            let mut head = Exchange::head();
            head.headers_mut().extend(status("12"));
            exchange.respond.send_response(head, true).expect("open");
            return;
        }
        let reply = Bytes::from(reflect(&files(), &body[5..]));
        exchange.ok(&[&reply]).await;
    } else {
        assert_eq!(body, framed(b"\x0a\x01a"));
        exchange.ok(&[b""]).await;
    }
}

/// A server on a thread of its own, because preparing blocks this one.
fn reflecting(only: Option<&'static str>) -> SocketAddr {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        run(async {
            let server = Server::start(move |exchange| answer(exchange, only)).await;
            send.send(server.address).expect("the test waits");
            tokio::time::sleep(std::time::Duration::from_secs(15)).await;
        });
    });
    receive.recv().expect("the server starts")
}

#[test]
fn reflection_v1_and_its_elder() {
    for version in ["/grpc.reflection.v1.", "/grpc.reflection.v1alpha."] {
        let address = reflecting(Some(version));
        let mut plan = plan(&[nowhere(), address], "Hello");
        the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
        the_call(&mut plan).message = json!({ "sku": "a" });
        run(async {
            let driver = Driver::open(&plan).await;
            // One of the two targets is dead.
            let outcomes = [driver.once().await, driver.once().await];
            assert!(outcomes.contains(&Outcome::Ok), "{outcomes:?}");
        });

        the_call(&mut plan).method = "shop.v1.Shopp/Buy".to_owned();
        assert_eq!(
            GrpcFactory::new(&plan).expect_err("misspelt").to_string(),
            "steps[0].grpc.method: there is no method `shop.v1.Shopp/Buy`; did you mean \
             `shop.v1.Shop/Buy`?"
        );
    }
}

#[test]
fn a_server_without_reflection() {
    let address = reflecting(None);
    let mut plan = plan(&[address], "Hello");
    the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
    assert_eq!(
        GrpcFactory::new(&plan)
            .expect_err("undescribed")
            .to_string(),
        format!(
            "steps[0].grpc.method: nothing describes `shop.v1.Shop/Buy`: {address} was asked by \
             reflection: it does not offer reflection; name its .proto files in `protos`, or turn \
             on reflection at the server"
        )
    );
}
