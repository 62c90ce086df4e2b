//! Descriptor sets: what is taken for one, and what is said of one that lacks something.

use prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
};
use test_case::test_case;

use crate::describe::{TOP, said_of};

fn field(name: &str, number: i32, kind: Type, of: Option<&str>) -> FieldDescriptorProto {
    let mut field = FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        type_name: of.map(str::to_owned),
        ..FieldDescriptorProto::default()
    };
    field.set_type(kind);
    field.set_label(Label::Optional);
    field
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field,
        ..DescriptorProto::default()
    }
}

/// `top.proto` with the service and `dep.proto` with a message that it needs.
fn both() -> [FileDescriptorProto; 2] {
    let file = |name: &str| FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("t".to_owned()),
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    let method = MethodDescriptorProto {
        name: Some("Do".to_owned()),
        input_type: Some(".t.M".to_owned()),
        output_type: Some(".t.M".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let top = FileDescriptorProto {
        dependency: vec!["dep.proto".to_owned()],
        message_type: vec![message(
            "M",
            vec![
                field("d", 1, Type::Message, Some(".t.D")),
                field("name", 2, Type::String, None),
            ],
        )],
        service: vec![ServiceDescriptorProto {
            name: Some("S".to_owned()),
            method: vec![method],
            ..ServiceDescriptorProto::default()
        }],
        ..file("top.proto")
    };
    let dep = FileDescriptorProto {
        message_type: vec![message("D", Vec::new())],
        ..file("dep.proto")
    };
    [top, dep]
}

fn set(files: &[&FileDescriptorProto]) -> Vec<u8> {
    let file = files.iter().copied().cloned().collect();
    FileDescriptorSet { file }.encode_to_vec()
}

const DEP: &[u8] = b"syntax = \"proto3\"; package t; message D {}";

/// Whatever they are called, in whatever order their files are, together or with texts.
#[test]
fn what_is_taken() {
    let [top, dep] = both();
    let (whole, turned) = (set(&[&dep, &top]), set(&[&top, &dep]));
    let (lower, upper) = (set(&[&dep]), set(&[&top]));
    let single = top.encode_to_vec();
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let rows: [(&str, Files<'_>, &[&str]); 8] = [
        ("whole", &[("a.protoset", &whole)], &["a.protoset"]),
        ("in another order", &[("a.binpb", &turned)], &["a.binpb"]),
        ("of any name", &[("a", &whole)], &["a"]),
        (
            "in two",
            &[("a.pb", &upper), ("b.pb", &lower)],
            &["a.pb", "b.pb"],
        ),
        (
            "twice",
            &[("a.pb", &whole), ("b.pb", &whole)],
            &["a.pb", "b.pb"],
        ),
        (
            "an import as text",
            &[("a.desc", &upper), ("inc/dep.proto", DEP)],
            &["a.desc", "inc"],
        ),
        (
            "an import from a set",
            &[("top.proto", TOP), ("b.pb", &lower)],
            &["top.proto", "b.pb"],
        ),
        (
            "one file and no set",
            &[("a.pb", &single), ("b.pb", &lower)],
            &["a.pb", "b.pb"],
        ),
    ];
    for (name, files, named) in rows {
        assert_eq!(said_of("taken", files, named), "valid", "{name}");
    }
}

#[test]
fn an_import_that_it_lacks() {
    let [top, _] = both();
    let upper = set(&[&top]);
    assert_eq!(
        said_of("lacks", &[("a.pb", &upper)], &["a.pb"]),
        "protos: a.pb: its file `top.proto`: the import `dep.proto` is not found in the descriptor \
         set; make the set with --include_imports, or add the folder that imports start from to \
         `protos`"
    );
    let googles = FileDescriptorProto {
        dependency: vec!["google/api/annotations.proto".to_owned()],
        ..top
    };
    let said = said_of(
        "lacks",
        &[("a.pb", &set(&[&googles])), ("inc/x", b"")],
        &["a.pb", "inc"],
    );
    assert!(
        said.contains("`google/api/annotations.proto` is not found in the descriptor set, inc;")
            && said.contains("`pip install googleapis-common-protos`"),
        "{said}"
    );
}

#[test]
fn imports_that_go_in_a_circle() {
    let [top, mut dep] = both();
    dep.dependency = vec!["top.proto".to_owned()];
    assert_eq!(
        said_of("circle", &[("a.pb", &set(&[&top, &dep]))], &["a.pb"]),
        "protos: a.pb: its file `dep.proto`: the imports go in a circle: top.proto -> dep.proto -> \
         top.proto"
    );
}

#[test_case("a.pb", b"" => "it is empty"; "empty")]
#[test_case("a.BINPB", b"syntax = \"proto3\";" => "it is no descriptor set"; "a text")]
#[test_case("a.protoset", b"\x0a\xff\xff\xff\x7f" => "it is no descriptor set"; "cut short")]
#[test_case("a.desc", b"\x1f\x8b\x08\x00" => "it is no descriptor set"; "packed")]
fn what_is_none(name: &str, bytes: &[u8]) -> String {
    let said = said_of("none", &[(name, bytes)], &[name]);
    let rest = "; one is made with `protoc --include_imports --descriptor_set_out=FILE …` or `buf \
                build -o FILE.binpb`";
    let said = said
        .strip_prefix(&format!("protos: {name}: "))
        .expect("of it");
    said.strip_suffix(rest).expect(said).to_owned()
}

/// It is believed no more than a server is.
#[test]
fn what_it_says_is_looked_over() {
    let [mut top, dep] = both();
    top.message_type[0].name = Some("M\u{1b}[2J".to_owned());
    assert_eq!(
        said_of("odd", &[("a.pb", &set(&[&dep, &top]))], &["a.pb"]),
        "protos: a.pb: it has a file with the name `M\u{fffd}[2J`, which is none"
    );
}
