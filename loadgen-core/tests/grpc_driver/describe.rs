//! Where descriptions come from, and what is said when a scenario does not fit them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use loadgen_core::driver::grpc::DriverError;
use loadgen_core::engine::Options;
use loadgen_core::outcome::Outcome;
use loadgen_core::scenario::Plan;
use prost::Message;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde_json::json;

use crate::support::server::{Exchange, Server, framed, status};
use crate::support::{Driver, check, factory, grpc, plan, run, the_call};

fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

fn error(change: impl FnOnce(&mut loadgen_core::scenario::ScenarioPlan)) -> String {
    let mut plan = plan(&[nowhere()], "Hello");
    change(&mut plan);
    factory(&plan).expect_err("wrong").to_string()
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
        error(|plan| grpc(plan).metadata = vec![("grpc-status".to_owned(), "0".into())]),
        "metadata: `grpc-status` is set by the protocol and cannot be given"
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
        // Tests of one process run side by side, and some give the same name.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("loadgen-test-{}-{nth}-{name}", std::process::id());
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
        grpc(&mut plan).protos = vec![folder.0.join("shop/shop.proto"), folder.0.clone()];
        the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
        the_call(&mut plan).message = json!({ "sku": "a" });
        let driver = Driver::open(&plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
        assert_eq!(*server.control.paths.borrow(), ["/shop.v1.Shop/Buy"]);
    });
}

/// What is said of these files, each a name and a text, when some of them are named.
pub(crate) fn said_of(name: &str, files: &[(&str, &[u8])], named: &[&str]) -> String {
    let folder = Folder::new(name);
    for (name, text) in files {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().expect("one")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let mut plan = plan(&[nowhere()], "Hello");
    grpc(&mut plan).protos = named.iter().map(|name| folder.0.join(name)).collect();
    the_call(&mut plan).method = "t.S/Do".to_owned();
    the_call(&mut plan).message = json!({ "name": "a" });
    let said = match check(&plan) {
        Ok(left) if left.is_empty() => "valid".to_owned(),
        Ok(left) => format!("left: {left:?}"),
        Err(error) => error.to_string(),
    };
    let at = folder.0.canonicalize().expect("there");
    said.replace(&format!("{}/", folder.0.display()), "")
        .replace(&at.display().to_string(), "HERE")
        .replace(&folder.0.display().to_string(), "HERE")
}

pub(crate) const GOOD: &[u8] = b"syntax = \"proto3\"; package t; message M { string name = 1; } \
    service S { rpc Do(M) returns (M); }";

#[test]
fn files_that_are_not_what_they_should_be() {
    let of = |named: &[&str]| said_of("not", &[("good.proto", GOOD), ("inc/x", b"")], named);
    assert_eq!(of(&["good.proto"]), "valid");
    assert_eq!(
        of(&["god.proto"]),
        "protos: god.proto: there is no such file; did you mean `good.proto`?"
    );
    assert_eq!(of(&["qqqqqqq"]), "protos: qqqqqqq: there is no such file");
    assert_eq!(
        of(&["no/good.proto"]),
        "protos: no/good.proto: there is no such file, and no folder HERE/no".replace("HERE/", "")
    );
    assert_eq!(
        of(&["inc"]),
        "protos: inc: it is a folder, in which imports are looked for; name the .proto files that \
         describe the services beside it"
    );
    assert_eq!(
        of(&["/dev/zero"]),
        "protos: /dev/zero: it is neither a file nor a folder; `protos` takes .proto files, \
         descriptor sets, and folders in which imports are looked for"
    );
    assert_eq!(
        said_of("bytes", &[("a.proto", b"syntax\xff")], &["a.proto"]),
        "protos: a.proto: it is not a text: byte 6 is not UTF-8"
    );
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let folder = Folder::new("long");
    let path = folder.0.join("long.proto");
    let file = std::fs::File::create(&path).expect("made");
    // With nothing in it, so that it takes no room.
    file.set_len(65 << 20).expect("room");
    let said = error(|plan| grpc(plan).protos = vec![path]);
    assert!(
        said.ends_with("with it the files are longer than 64 MiB, which is the most that is read"),
        "{said}"
    );
}

/// A file with the service, that imports another for its message.
pub(crate) const TOP: &[u8] = b"syntax = \"proto3\";\npackage t;\nimport \"dep.proto\";\n\
    message M { D d = 1; string name = 2; }\nservice S { rpc Do(M) returns (M); }";

#[test]
fn an_error_is_told_of_the_file_that_has_it() {
    let of = |dep: &[u8]| {
        said_of(
            "whose",
            &[("top.proto", TOP), ("inc/dep.proto", dep)],
            &["top.proto", "inc"],
        )
    };
    assert_eq!(
        of(b"syntax = \"proto3\";\npackage t;\nmessage D {}"),
        "valid"
    );
    assert_eq!(
        of(b"syntax = \"proto3\";\npackage t;\nmessage D { Nothing n = 1; }"),
        "protos: inc/dep.proto: line 3, column 13: name 'Nothing' is not defined"
    );
    let syntax = of(b"syntax = \"proto3\";\npackage t;\nmessage D { 5 }");
    assert!(
        syntax.starts_with("protos: inc/dep.proto: line 3, column 13: expected"),
        "{syntax}"
    );
    assert_eq!(
        of(b"syntax = \"proto3\";\npackage t;\n\nimport \"no.proto\";\nmessage D {}"),
        "protos: inc/dep.proto: line 4, column 1: the import `no.proto` is not found in HERE/inc, \
         HERE; add the folder that imports start from to `protos`"
            .replace("HERE/", "")
    );
    assert_eq!(
        of(b"syntax = \"proto3\";\npackage t;\nimport \"top.proto\";\nmessage D {}"),
        "protos: inc/dep.proto: line 3, column 1: the imports go in a circle: top.proto -> \
         dep.proto -> top.proto"
    );
}

#[test]
fn the_import_root_that_is_missing_is_suggested() {
    let files: [(&str, &[u8]); 2] = [
        ("api/v1/top.proto", TOP),
        (
            "third/dep.proto",
            b"syntax = \"proto3\"; package t; message D {}",
        ),
    ];
    assert_eq!(
        said_of("root", &files, &["api/v1/top.proto"]),
        "protos: api/v1/top.proto: line 3, column 1: the import `dep.proto` is not found in \
         api/v1; it is found with `third` in `protos`"
    );
}

#[test]
fn files_that_protoc_takes() {
    let rows: [(&str, &[u8]); 7] = [
        (
            "mark",
            b"\xef\xbb\xbfsyntax = \"proto3\"; package t; message M { string name = 1; } \
              service S { rpc Do(M) returns (M); }",
        ),
        (
            "range",
            b"syntax = \"proto2\"; package t; message M { optional string name = 1; \
              extensions 5 [verification = UNVERIFIED]; } service S { rpc Do(M) returns (M); }",
        ),
        (
            "negative",
            b"syntax = \"proto2\"; package t; import \"google/protobuf/descriptor.proto\"; \
              extend google.protobuf.MessageOptions { optional float least = 50001; } \
              message M { option (least) = -inf; optional string name = 1; \
              optional double d = 2 [default = -inf]; } service S { rpc Do(M) returns (M); }",
        ),
        (
            "option",
            b"syntax = \"proto3\"; package t; import \"google/protobuf/descriptor.proto\"; \
              extend google.protobuf.MethodOptions { string route = 50002; } \
              message M { string name = 1; } \
              service S { rpc Do(M) returns (M) { option (route) = \"/do\"; } }",
        ),
        (
            "edition",
            b"edition = \"2023\"; package t; import \"google/protobuf/cpp_features.proto\"; \
              option features.field_presence = IMPLICIT; option features.(pb.cpp).string_type = VIEW; \
              message M { string name = 1 [features.field_presence = EXPLICIT]; \
              int32 n = 2 [default = 5]; reserved old, older; extensions 100 to max; } \
              enum E { option features.enum_type = CLOSED; A = 1; } \
              service S { rpc Do(M) returns (M); }",
        ),
        (
            "edition of 2024",
            b"edition = \"2024\"; package t; import option \"my/options.proto\"; \
              export message M { string name = 1; } service S { rpc Do(M) returns (M); }",
        ),
        ("plain", GOOD),
    ];
    for (name, text) in rows {
        let said = said_of("takes", &[("a.proto", text)], &["a.proto"]);
        assert_eq!(said, "valid", "{name}");
    }
}

/// protoc comes with a later one than is built in here.
#[test]
fn a_descriptor_proto_of_ones_own() {
    let descriptor = b"syntax = \"proto2\"; package google.protobuf; \
        message MethodOptions { optional bool deprecated = 33; extensions 1000 to max \
        [declaration = { number: 1000 full_name: \".a\" type: \".b\" }]; optional Later later = 34 \
        [edition_defaults = { edition: EDITION_LEGACY, value: \"X\" }]; } \
        enum Later { X = 0; }";
    let option = b"syntax = \"proto3\"; package t; import \"google/protobuf/descriptor.proto\"; \
        extend google.protobuf.MethodOptions { string route = 50002; } \
        message M { string name = 1; } service S { rpc Do(M) returns (M) { option (route) = \"/\"; } }";
    let files: [(&str, &[u8]); 2] = [
        ("inc/google/protobuf/descriptor.proto", descriptor),
        ("option.proto", option),
    ];
    assert_eq!(said_of("own", &files, &["inc", "option.proto"]), "valid");
}

#[test]
fn an_edition_that_is_not_known() {
    let text = b"// Of the future.\nedition = \"2077\"; package t;";
    assert_eq!(
        said_of("future", &[("a.proto", text)], &["a.proto"]),
        "protos: a.proto: line 2, column 11: edition `2077` is not known; loadgen knows proto2, \
         proto3 and the editions 2023 and 2024"
    );
}

#[test]
fn mistakes_of_all_steps_are_told_at_once() {
    let said = error(|plan| {
        the_call(plan).message = json!({ "nmae": "x", "name": 1 });
        let mut other = grpc(plan).steps[0].clone();
        other.name = "other".to_owned();
        grpc(plan).steps.push(other);
    });
    let lines: Vec<&str> = said.lines().map(|line| line.trim_start()).collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert_eq!(
        lines[3],
        "steps[1].grpc.message.name: found a number; expected string"
    );
}

#[test]
fn nobody_to_ask_is_told_apart() {
    let mut plan = plan(&[nowhere()], "Hello");
    the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
    let error = factory(&plan).expect_err("nobody there");
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

/// What a server with reflection has, and how it behaves.
#[derive(Clone)]
struct Reflection {
    /// The only version it answers on; `None` for neither.
    only: Option<&'static str>,
    /// What it answers on others: a gRPC status, or an HTTP status.
    otherwise: Otherwise,
    /// Its files, each by its name, encoded.
    files: Vec<(String, Vec<u8>)>,
    /// What `authorization` has to be.
    token: Option<&'static str>,
    /// The message that its method takes.
    call: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Otherwise {
    Grpc(&'static str),
    Http(u16),
}

impl Default for Reflection {
    fn default() -> Self {
        let files = files();
        let named = files
            .iter()
            .map(|file| (file.name().to_owned(), file.encode_to_vec()));
        Self {
            only: Some("/grpc.reflection.v1."),
            otherwise: Otherwise::Grpc("12"),
            files: named.collect(),
            token: None,
            call: b"\x0a\x01a".to_vec(),
        }
    }
}

impl Reflection {
    /// Of one file, which says of itself that it describes `shop.v1.Shop`.
    fn of(file: Vec<u8>) -> Self {
        Self {
            files: vec![("shop/shop.proto".to_owned(), file)],
            ..Self::default()
        }
    }

    /// Answers one question of the protocol, one file at a time as some servers do.
    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let (tag, text) = (question[0] >> 3, String::from_utf8_lossy(&question[2..]));
        let name = match tag {
            3 => text.as_ref(),
            4 if text == "shop.v1.Shop" => "shop/shop.proto",
            7 => return field(6, &field(1, &field(1, b"shop.v1.Shop"))),
            _ => "",
        };
        match self.files.iter().find(|(other, _)| other == name) {
            Some((_, file)) => field(4, &field(1, file)),
            None => field(7, &field(2, b"not here")),
        }
    }

    async fn serve(&self, mut exchange: Exchange) {
        let path = exchange.request.uri().path().to_owned();
        let token = exchange.request.headers().get("authorization").cloned();
        let body = exchange.read_all().await;
        let mut head = Exchange::head();
        if !path.starts_with("/grpc.reflection.") {
            assert_eq!(body, framed(&self.call));
            exchange.ok(&[b""]).await;
        } else if self.only.is_none_or(|only| !path.starts_with(only)) {
            match self.otherwise {
                Otherwise::Grpc(code) => head.headers_mut().extend(status(code)),
                Otherwise::Http(code) => {
                    *head.status_mut() = code.try_into().expect("a status");
                    head.headers_mut().clear();
                }
            }
            exchange.respond.send_response(head, true).expect("open");
        } else if self
            .token
            .is_some_and(|it| token.as_ref().is_none_or(|sent| sent != it))
        {
            head.headers_mut().extend(status("16"));
            if let Some(sent) = token {
                let said = format!("no such token: {}", sent.to_str().expect("text"));
                let said = said.parse().expect("a header");
                head.headers_mut().insert("grpc-message", said);
            }
            exchange.respond.send_response(head, true).expect("open");
        } else {
            let reply = self.answer(&body[5..]);
            exchange.ok(&[&reply]).await;
        }
    }

    /// Starts it on a thread of its own, because preparing blocks this one.
    fn start(self) -> SocketAddr {
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            run(async {
                let this = std::rc::Rc::new(self);
                let server = Server::start(move |exchange| {
                    let this = std::rc::Rc::clone(&this);
                    async move { this.serve(exchange).await }
                })
                .await;
                send.send(server.address).expect("the test waits");
                tokio::time::sleep(std::time::Duration::from_secs(15)).await;
            });
        });
        receive.recv().expect("the server starts")
    }
}

/// A plan of one call to this server, of a method that nothing here describes.
fn buying(address: SocketAddr) -> loadgen_core::scenario::ScenarioPlan {
    let mut plan = plan(&[address], "Hello");
    the_call(&mut plan).method = "shop.v1.Shop/Buy".to_owned();
    the_call(&mut plan).message = json!({ "sku": "a" });
    plan
}

fn buys(plan: &loadgen_core::scenario::ScenarioPlan) {
    run(async {
        let driver = Driver::open(plan).await;
        assert_eq!(driver.once().await, Outcome::Ok);
    });
}

/// What the server is said to have done wrong.
fn blamed(reflection: Reflection) -> String {
    let address = reflection.start();
    let error = factory(&buying(address)).expect_err("undescribed");
    let text = error.to_string();
    let start = format!(
        "steps[0].grpc.method: nothing describes `shop.v1.Shop/Buy`: {address} was asked by \
         reflection: "
    );
    let end = "; name its .proto files in `protos`, or turn on reflection at the server";
    text.strip_prefix(&start)
        .and_then(|text| text.strip_suffix(end))
        .unwrap_or_else(|| panic!("{text}"))
        .to_owned()
}

#[test]
fn reflection_v1_and_its_elder() {
    for version in ["/grpc.reflection.v1.", "/grpc.reflection.v1alpha."] {
        let address = Reflection {
            only: Some(version),
            ..Reflection::default()
        }
        .start();
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
            factory(&plan).expect_err("misspelt").to_string(),
            "steps[0].grpc.method: there is no method `shop.v1.Shopp/Buy`; did you mean \
             `shop.v1.Shop/Buy`?"
        );
    }
}

#[test]
fn a_gateway_that_answers_404_is_asked_on_the_elder_version() {
    let gateway = Reflection {
        only: Some("/grpc.reflection.v1alpha."),
        otherwise: Otherwise::Http(404),
        ..Reflection::default()
    };
    buys(&buying(gateway.start()));
}

#[test]
fn a_server_without_reflection() {
    for otherwise in [Otherwise::Grpc("12"), Otherwise::Http(404)] {
        let silent = Reflection {
            only: None,
            otherwise,
            ..Reflection::default()
        };
        assert_eq!(blamed(silent), "it does not offer reflection");
    }
}

#[test]
fn a_service_that_the_server_lacks_is_told_with_those_it_has() {
    let mut plan = buying(Reflection::default().start());
    the_call(&mut plan).method = "grpc.health.v1.Health/Check".to_owned();
    assert_eq!(
        factory(&plan).expect_err("lacking").to_string(),
        "steps[0].grpc.method: there is no method `grpc.health.v1.Health/Check`; the server has \
         `shop.v1.Shop`"
    );
}

#[test]
fn metadata_of_the_scenario_goes_with_the_questions() {
    let guarded = Reflection {
        token: Some("Bearer 0123"),
        ..Reflection::default()
    };
    assert_eq!(
        blamed(guarded.clone()),
        "the server answered UNAUTHENTICATED without a message; the scenario's `metadata` goes \
         with the question, and is where a token belongs"
    );
    let mut plan = buying(guarded.start());
    grpc(&mut plan).metadata = vec![("authorization".to_owned(), "Bearer 0123".into())];
    buys(&plan);
}

/// What ends a run before it begins is on the screen and in logs.
#[test]
fn a_token_that_the_server_repeats_is_not_repeated_by_us() {
    let guarded = Reflection {
        token: Some("Bearer 0123"),
        ..Reflection::default()
    };
    let mut plan = buying(guarded.start());
    grpc(&mut plan).metadata = vec![("authorization".to_owned(), "Bearer s3cr3t-1".into())];
    let scenarios = vec![plan];
    let error = loadgen_core::assemble(&Plan::new(scenarios), Options::default());
    let error = error.expect_err("undescribed").to_string();
    let expected = "the server answered UNAUTHENTICATED: no such token: ***; the scenario's";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn protos_do_not_turn_reflection_off() {
    let folder = Folder::new("beside");
    let other = folder.0.join("other.proto");
    let source = "syntax = \"proto3\"; package other; message M {} \
                  service Other { rpc Do(M) returns (M); }";
    std::fs::write(&other, source).expect("written");
    let mut served = buying(Reflection::default().start());
    grpc(&mut served).protos = vec![other];
    assert_eq!(check(&served).expect("valid"), ["shop.v1.Shop/Buy"]);
    buys(&served);
    // And what they describe is not asked for.
    let mut described = served;
    described.targets = plan(&[nowhere()], "Hello").targets;
    the_call(&mut described).method = "other.Other/Do".to_owned();
    the_call(&mut described).message = json!({});
    assert!(factory(&described).is_ok());
}

/// A file that imports another and has a service of its messages.
fn importing(import: &str, message: &str) -> Vec<u8> {
    use prost_reflect::prost_types::{MethodDescriptorProto, ServiceDescriptorProto};

    let method = MethodDescriptorProto {
        name: Some("Buy".to_owned()),
        input_type: Some(message.to_owned()),
        output_type: Some(message.to_owned()),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop/shop.proto".to_owned()),
        package: Some("shop.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: vec![import.to_owned()],
        service: vec![ServiceDescriptorProto {
            name: Some("Shop".to_owned()),
            method: vec![method],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    file.encode_to_vec()
}

#[test]
fn what_is_built_in_need_not_be_described() {
    let sparse = importing("google/protobuf/empty.proto", ".google.protobuf.Empty");
    let mut plan = buying(Reflection::of(sparse).start());
    the_call(&mut plan).message = json!({});
    assert!(factory(&plan).is_ok());
}

#[test]
fn a_file_that_is_not_sent_is_named() {
    assert_eq!(
        blamed(Reflection::of(importing(
            "shop/item.proto",
            ".shop.v1.Item"
        ))),
        "its file `shop/shop.proto` imports `shop/item.proto`, which it does not have (not here)"
    );
}

#[test]
fn what_a_server_says_is_not_shown_raw() {
    let shown = blamed(Reflection::of(importing(
        "\u{1b}[2J\u{202e}",
        ".shop.v1.Item",
    )));
    assert!(
        shown.contains("imports `\u{fffd}[2J\u{fffd}`") && !shown.contains('\u{1b}'),
        "{shown}"
    );
}

#[test]
fn more_than_is_read_is_refused() {
    let long = blamed(Reflection::of(vec![0; 17 << 20]));
    assert!(long.contains("message length too large"), "{long}");
    let many = [4 << 3 | 2, 0].repeat(1 << 20);
    assert_eq!(
        blamed(Reflection::of(many)),
        "its files have more than 300000 parts"
    );
    let imports: Vec<String> = (0..20_000).map(|index| format!("{index}.proto")).collect();
    let file = FileDescriptorProto {
        name: Some("shop/shop.proto".to_owned()),
        dependency: imports,
        ..FileDescriptorProto::default()
    };
    assert_eq!(
        blamed(Reflection::of(file.encode_to_vec())),
        "it describes more than 10000 files"
    );
}

/// A file of an edition, as a compiler makes it: `edition = "2023"`, field `name` implicit, field
/// `tags` not packed.
#[test]
fn an_edition_by_reflection() {
    use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
    use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto};

    let field_of = |name: &str, number, label: Label, kind: Type| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        ..FieldDescriptorProto::default()
    };
    let mut file = FileDescriptorProto::decode(
        importing("google/protobuf/empty.proto", ".shop.v1.M").as_slice(),
    )
    .expect("whole");
    file.syntax = Some("editions".to_owned());
    let mut encoded = file.encode_to_vec();
    // The message by hand, for the features that the types here do not have.
    let features = |inside: &[u8]| field(8, &field(21, inside));
    let name = [
        field_of("name", 1, Label::Optional, Type::String).encode_to_vec(),
        features(&[1 << 3, 2]),
    ];
    let tags = [
        field_of("tags", 2, Label::Repeated, Type::Int32).encode_to_vec(),
        features(&[3 << 3, 2]),
    ];
    let count = field_of("count", 3, Label::Optional, Type::Int32).encode_to_vec();
    let message = DescriptorProto {
        name: Some("M".to_owned()),
        ..DescriptorProto::default()
    };
    let message = [
        message.encode_to_vec(),
        field(2, &name.concat()),
        field(2, &tags.concat()),
        field(2, &count),
    ];
    encoded.extend(field(4, &message.concat()));
    // Field 14 is the edition: 1000.
    encoded.extend([14 << 3, 0xe8, 0x07]);

    // `name` is implicit and empty: not sent. `count` is explicit and 0: sent. `tags` one by one.
    let server = Reflection {
        call: vec![0x10, 1, 0x10, 2, 0x18, 0],
        ..Reflection::of(encoded)
    };
    let mut plan = buying(server.start());
    the_call(&mut plan).message = json!({ "name": "", "tags": [1, 2], "count": 0 });
    buys(&plan);
}
