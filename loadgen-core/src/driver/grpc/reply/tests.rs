use prost::Message as _;
use serde_json::{Value as Json, json};
use test_case::test_case;

use http::HeaderMap;

use super::*;
use crate::driver::grpc::{message, protos};
use crate::driver::header_values::header_values;
use crate::expression::{Expression, Scope, Variables};

fn descriptor() -> MessageDescriptor {
    let source = include_str!("../template/tests/every.proto");
    let pool = protos::compile_source("t.proto", source).expect("valid");
    pool.get_message_by_name("t.M").expect("in it")
}

fn scope(reply: &Json) -> Scope {
    let encoded = message::encode(&descriptor(), reply, "m").expect("right");
    let reply = decode(&descriptor(), encoded.into()).expect("whole");
    let mut headers = HeaderMap::new();
    headers.append("x-id", "1".parse().unwrap());
    headers.append("x-id", "2".parse().unwrap());
    headers.append("trace-bin", "AQI".parse().unwrap());
    Scope::new(
        Variables {
            reply,
            metadata: header_values(headers),
            ..Variables::default()
        },
        1,
    )
}

#[test_case("reply.str == 'x' and reply.i32 == 5")]
#[test_case("reply.u64 == 18446744073709551615 and reply.i64 == -9223372036854775808")]
#[test_case("reply.f == 0.1 and reply.d == 0.1")]
#[test_case("reply.mood == 'CROSS' and reply.moods == ['CALM', 7]")]
#[test_case("reply.data == 'AQI='")]
#[test_case("reply.inner.next.n == 2 and reply.inner.next.next is none")]
#[test_case("reply.i32s == [1, 2] and reply.i32s|length == 2 and reply.inners[1].n == 4"; "lists")]
#[test_case("reply.by.a == 1 and reply.by['a'] == 1 and reply.by|length == 1 and 'a' in reply.by"; "maps")]
#[test_case("reply.by_number[5].n == 6 and reply.by_number['5'].n == 6 and reply.by_flag[true] == 'AQI='"; "maps of other keys")]
#[test_case("reply.byNumber == reply.by_number"; "JSON names")]
#[test_case("reply.name == '' and reply.u32 == 0 and not reply.yes and reply.strs == []"; "defaults")]
#[test_case("reply.opt is none and reply.choice_a is none and reply.choice_b == ''"; "presence")]
#[test_case(
    "reply.at == '2024-01-31T12:00:00Z' and reply.wrapped == 5 and reply.wrapped_text is none"
)]
#[test_case("reply.any_json == [1, 'a'] and reply.free.a.b == 1 and reply.any.n == 7"; "free forms")]
#[test_case("'\"str\":\"x\"' in reply.text"; "as a text")]
#[test_case("'wrappedText' in json(reply) or 'wrapped_text' in json(reply)"; "as JSON")]
#[test_case(
    "metadata['x-id'] == '1, 2' and metadata.x_id == '1, 2' and metadata['trace-bin'] == 'AQI'"
)]
#[test_case("metadata['x-no'] is undefined")]
fn holds(source: &str) {
    let scope = scope(&json!({
        "str": "x", "i32": 5, "u64": u64::MAX, "i64": i64::MIN, "f": 0.1, "d": 0.1, "mood": "CROSS",
        "moods": ["CALM", 7], "data": "AQI=", "inner": {"n": 1, "next": {"n": 2}}, "i32s": [1, 2],
        "inners": [{"n": 3}, {"n": 4}], "by": {"a": 1}, "by_number": {"5": {"n": 6}},
        "by_flag": {"true": "AQI="}, "choice_b": "", "at": "2024-01-31T12:00:00Z", "wrapped": 5,
        "any_json": [1, "a"], "free": {"a": {"b": 1}}, "any": {"@type": "x/t.Inner", "n": 7},
    }));
    let expression = Expression::parse(source).unwrap();
    let sides: Vec<_> = source.split(" and ").collect();
    assert_eq!(expression.holds(&scope), Ok(true), "{sides:?}");
}

#[test]
fn bytes_that_are_no_message_are_told_of() {
    let error = decode(&descriptor(), Bytes::from_static(&[0xff])).unwrap_err();
    assert!(error.starts_with("the answer is no `t.M`: "), "{error}");
}

#[test]
fn what_no_json_can_say_is_seen_with_its_fields() {
    // A time of no calendar.
    let mut message = DynamicMessage::new(descriptor());
    let at = descriptor().get_field_by_name("at").unwrap();
    let Kind::Message(time) = at.kind() else {
        panic!("a time is a message");
    };
    let mut value = DynamicMessage::new(time);
    value.set_field_by_name("seconds", Field::I64(i64::MAX));
    message.set_field(&at, Field::Message(value));
    let reply = decode(&descriptor(), message.encode_to_vec().into()).unwrap();
    let seconds = reply.get_attr("at").unwrap().get_attr("seconds").unwrap();
    assert_eq!(seconds.as_i64(), Some(i64::MAX));
}

#[test_case("reply.inner.next.next.n + reply.byNumber.x + reply.by.y" => Vec::<String>::new())]
#[test_case("reply.inners|length + reply.inners[0].n" => Vec::<String>::new())]
#[test_case("reply.text ~ reply.free.a.b ~ reply.any.c" => Vec::<String>::new())]
#[test_case("reply.nmae" => vec!["reply.nmae: is unknown; did you mean `name`?"])]
#[test_case("reply.inner.next.labl" => vec!["reply.inner.next.labl: is unknown; did you mean `label`?"])]
#[test_case("reply.inner.text" => vec!["reply.inner.text: is unknown; did you mean `next`?"])]
#[test_case("reply.name.first" => vec!["reply.name.first: is unknown; `reply.name` has no fields"])]
#[test_case("reply.at.seconds" => vec!["reply.at.seconds: is unknown; `reply.at` has no fields"])]
#[test_case("reply.inners.n"
    => vec!["reply.inners.n: is unknown; `reply.inners` is a list: its first item is `reply.inners[0]`"])]
fn does_not_know(source: &str) -> Vec<String> {
    let known = [("reply".to_owned(), known(&descriptor()))].into();
    let unknown = Expression::parse(source).unwrap().names().unknown(&known);
    unknown
        .iter()
        .map(|it| format!("{}: {}", it.name, it.problem))
        .collect()
}
