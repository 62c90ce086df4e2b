use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Value as Json, json};
use test_case::test_case;

use super::*;
use crate::driver::grpc::protos;
use crate::expression::{Variables, value_of};

mod property;

fn descriptor() -> MessageDescriptor {
    let source = include_str!("tests/every.proto");
    let pool = protos::compile_source("t.proto", source).expect("valid");
    pool.get_message_by_name("t.M").expect("in it")
}

fn scope(row: &Json) -> Scope {
    let row = value_of(row);
    Scope::new(
        Variables {
            row,
            ..Variables::default()
        },
        1,
    )
}

fn row() -> Json {
    json!({
        "name": "ann", "age": 30, "half": 0.5, "yes": true, "nothing": null, "tags": ["a", "b"],
        "ages": ["1", 2], "inner": {"n": 3}, "by": {"x": 1}, "digits": "18446744073709551615",
        "key": "k", "at": "2024-01-31T12:00:00Z", "data": "AQI=", "mood": "CROSS", "empty": "", "zero": 0,
    })
}

/// What a receiver reads, as JSON.
fn received(encoded: &[u8]) -> Json {
    let message = DynamicMessage::decode(descriptor(), encoded).expect("whole");
    serde_json::to_value(&message).expect("JSON")
}

fn sent(value: &Json) -> Result<Json, String> {
    let template = prepare(&descriptor(), value, "m").map_err(|mistakes| {
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        told.join(" | ")
    })?;
    let encoded = template.encode(&scope(&row()));
    encoded
        .map(|encoded| received(&encoded))
        .map_err(|error| error.to_string())
}

#[test_case("str", "{{ row.name }}" => json!("ann"))]
#[test_case("str", "hello {{ row.name }}" => json!("hello ann"))]
#[test_case("str", "{{ row.age }}" => json!("30"); "a number's text")]
#[test_case("i32", "{{ row.age }}" => json!(30))]
#[test_case("i32", "{{ row.age }}0" => json!(300); "a text's number")]
#[test_case("i32", "{{ 0 - row.age }}" => json!(-30))]
#[test_case("s32", "{{ 0 - row.age }}" => json!(-30))]
#[test_case("i32", "{{ 2.0 }}" => json!(2); "a whole fraction")]
#[test_case("u64", "{{ row.digits }}" => json!("18446744073709551615"))]
#[test_case("d", "{{ row.half }}" => json!(0.5))]
#[test_case("d", "{{ row.age }}" => json!(30.0))]
#[test_case("f", "{{ row.half }}" => json!(0.5))]
#[test_case("yes", "{{ row.yes }}" => json!(true))]
#[test_case("yes", "{{ row.age > 18 }}" => json!(true))]
#[test_case("yes", "{% if row.yes %}true{% else %}false{% endif %}" => json!(true))]
#[test_case("data", "{{ row.data }}" => json!("AQI="))]
#[test_case("data", "{{ base64(row.name) }}" => json!("YW5u"))]
#[test_case("mood", "{{ row.mood }}" => json!("CROSS"))]
#[test_case("mood", "{{ 1 }}" => json!("CROSS"))]
#[test_case("at", "{{ row.at }}" => json!("2024-01-31T12:00:00Z"))]
#[test_case("wrapped", "{{ row.age }}" => json!("30"))]
#[test_case("wrapped", "{{ row.zero }}" => json!("0"))]
#[test_case("wrapped_text", "{{ row.age }}" => json!("30"))]
#[test_case("any_json", "{{ row.tags }}" => json!(["a", "b"]))]
#[test_case("any_json", "{{ row.nothing }}" => json!(null); "null is a value")]
#[test_case("strs", "{{ row.tags }}" => json!(["a", "b"]))]
#[test_case("i32s", "{{ row.ages }}" => json!([1, 2]))]
#[test_case("by", "{{ row.by }}" => json!({"x": "1"}))]
#[test_case("inner", "{{ row.inner }}" => json!({"n": 3}))]
fn one_field(field: &str, template: &str) -> Json {
    let sent = sent(&json!({ field: template })).unwrap();
    let fields = sent.as_object().unwrap();
    assert_eq!(fields.len(), 1, "{sent}");
    fields.values().next().unwrap().clone()
}

#[test_case(&json!({"str": "{{ row.empty }}"}))]
#[test_case(&json!({"i32": "{{ row.zero }}"}))]
#[test_case(&json!({"i32": "{{ row.nothing }}"}))]
#[test_case(&json!({"wrapped": "{{ row.nothing }}"}))]
#[test_case(&json!({"inner": "{{ row.nothing }}"}))]
#[test_case(&json!({"strs": "{{ row.nothing }}"}))]
#[test_case(&json!({"opt": "{{ row.nothing }}"}))]
fn is_left_out(message: &Json) {
    let template = prepare(&descriptor(), message, "m").unwrap();
    assert_eq!(template.encode(&scope(&row())).unwrap().len(), 0);
}

#[test]
fn what_is_there_is_kept_where_that_can_be_told() {
    assert_eq!(
        sent(&json!({"opt": "{{ row.zero }}"})),
        Ok(json!({"opt": 0}))
    );
}

#[test]
fn a_message_of_all_sorts() {
    let message = json!({
        "str": "x", "i32": "{{ row.age }}",
        "i32s": [1, "{{ row.age }}", 2, 3, "{{ 0 }}"], "strs": ["a", "{{ row.name }}", ""],
        "inner": {"n": "{{ row.age }}", "next": {"n": 1, "next": {"n": "{{ 2 }}"}}},
        "inners": [{"n": 1}, {"n": "{{ 2 }}"}, {}, "{{ row.inner }}"],
        "by": {"a": 1, "{{ row.key }}": 2, "b": "{{ row.age }}"},
        "by_number": {"{{ row.age }}": {"n": 1}, "5": {"n": "{{ 5 }}"}, "6": {}},
        "at": "{{ row.at }}", "ats": ["{{ row.at }}"],
        "any": {"@type": "type.googleapis.com/t.Inner", "n": "{{ 7 }}"},
        "free": {"{{ row.key }}": ["{{ row.age }}", null], "b": "x"},
        "wrappeds": ["{{ row.zero }}", "5"],
        "choice_b": "{{ row.name }}",
    });
    let expected = json!({
        "str": "x", "i32": 30,
        "i32s": [1, 30, 2, 3, 0], "strs": ["a", "ann", ""],
        "inner": {"n": 30, "next": {"n": 1, "next": {"n": 2}}},
        "inners": [{"n": 1}, {"n": 2}, {}, {"n": 3}],
        "by": {"a": "1", "k": "2", "b": "30"},
        "byNumber": {"30": {"n": 1}, "5": {"n": 5}, "6": {}},
        "at": "2024-01-31T12:00:00Z", "ats": ["2024-01-31T12:00:00Z"],
        "any": {"@type": "type.googleapis.com/t.Inner", "n": 7},
        "free": {"k": [30.0, null], "b": "x"},
        "wrappeds": ["0", "5"],
        "choiceB": "ann",
    });
    assert_eq!(sent(&message), Ok(expected));
}

#[test]
fn long_messages_have_long_lengths() {
    let row = json!({"name": "x".repeat(20_000)});
    let message =
        json!({"inner": {"label": "{{ row.name }}", "next": {"label": "{{ row.name }}"}}});
    let template = prepare(&descriptor(), &message, "m").unwrap();
    let got = received(&template.encode(&scope(&row)).unwrap());
    assert_eq!(
        got["inner"]["next"]["label"].as_str().map(str::len),
        Some(20_000)
    );
    assert_eq!(got["inner"]["label"].as_str().map(str::len), Some(20_000));
}

#[test_case(&json!({"i32": "{{ row.name }}"})
    => "m.i32: it came to `ann`, which is not a number; expected int32")]
#[test_case(&json!({"i32": "{{ row.half }}"})
    => "m.i32: it came to `0.5`, which is not an integer; expected int32")]
#[test_case(&json!({"i32s": [1, "{{ row.digits }}"]})
    => "m.i32s[1]: it came to `18446744073709551615`, which is out of range; expected int32")]
#[test_case(&json!({"i32s": ["{{ row.nothing }}"]})
    => "m.i32s[0]: it came to `none`, which is nothing; expected int32")]
#[test_case(&json!({"str": "{{ row.tags }}"})
    => "m.str: it came to `[\"a\", \"b\"]`, which is a list; expected string")]
#[test_case(&json!({"mood": "{{ row.name }}"})
    => "m.mood: it came to `ann`, which is none of its values; expected one of `CALM`, `CROSS`")]
#[test_case(&json!({"yes": "{{ row.name }}"})
    => "m.yes: it came to `ann`, which is neither `true` nor `false`; expected bool")]
#[test_case(&json!({"data": "{{ '%' }}"})
    => "m.data: it came to `%`, which is not base64: invalid length at 0; expected a base64 string (bytes)")]
#[test_case(&json!({"by_number": {"{{ row.name }}": {}}})
    => "m.by_number[\"{{ row.name }}\"]: it came to `ann`, which is not a number; expected int32")]
#[test_case(&json!({"f": "{{ 1e39 }}"})
    => "m.f: it came to `1000000000000000000000000000000000000000.0`, which is out of range; expected float")]
#[test_case(&json!({"strs": "{{ row.name }}"})
    => "m.strs: found a string; expected an array, each element string (it came to `\"ann\"`)")]
#[test_case(&json!({"inner": "{{ row.by }}"})
    => "m.inner.x: `t.Inner` has no field `x`; did you mean `n`? (it came to `{\"x\":1}`)")]
#[test_case(&json!({"str": "{{ row.nmae }}"}) => "m.str: `row.nmae` is not there")]
fn cannot_be_sent(message: &Json) -> String {
    let template = prepare(&descriptor(), message, "m").expect("right as far as can be seen");
    template.encode(&scope(&row())).unwrap_err().to_string()
}

#[test_case(&json!({"nmae": "{{ x }}"}) => "m.nmae: `t.M` has no field `nmae`; did you mean `name`?")]
#[test_case(&json!({"i32": "{{ x }}", "s32": true}) => "m.s32: found a boolean; expected sint32")]
#[test_case(&json!({"i32": ["{{ x }}"]}) => "m.i32: found an array; expected int32")]
#[test_case(&json!({"i32s": ["{{ x }}", "y"]}) => "m.i32s[1]: y is not a number; expected int32")]
#[test_case(&json!({"i32s": {"a": "{{ x }}"}})
    => "m.i32s: found an object; expected an array, each element int32")]
#[test_case(&json!({"inner": ["{{ x }}"]}) => "m.inner: a `t.Inner` is a JSON object, not an array")]
#[test_case(&json!({"inners": [{"n": "{{ x }}", "zz": 1}]})
    => "m.inners[0].zz: `t.Inner` has no field `zz`; it has `n`, `label`, `next`")]
#[test_case(&json!({"choice_a": 1, "choice_b": "{{ x }}"})
    => "m.choice_b: `choice_a` is given too, and of the oneof `choice` only one field can be")]
#[test_case(&json!({"by_number": {"1": {}, "1.0": {"n": "{{ x }}"}}})
    => "m.by_number[\"1.0\"]: the key is given as `1` too")]
#[test_case(&json!({"any": {"@type": "x/t.Nothing", "n": "{{ x }}"}})
    => "m.any[\"@type\"]: nothing describes the message `t.Nothing`")]
#[test_case(&json!({"any": {"@type": "x/t.Inner", "zz": "{{ x }}"}})
    => "m.any.zz: `t.Inner` has no field `zz`; it has `n`, `label`, `next`")]
#[test_case(&json!({"any": {"n": "{{ x }}"}})
    => "m.any: found an object; expected an object with the field `@type`, such as \
        \"type.googleapis.com/package.Message\"")]
#[test_case(&json!({"str": "{{ x +", "i32": "{{ y y }}"})
    => "m.str: unexpected end of input, expected expression | m.i32: unexpected identifier, expected end of variable block")]
#[test_case(&json!({"free": {"a": ["{{ x +"]}}) => "m.free.a[0]: unexpected end of input, expected expression")]
#[test_case(&json!(["{{ x }}"]) => "m: a `t.M` is a JSON object, not an array")]
fn is_wrong_before_the_run(message: &Json) -> String {
    sent(message).unwrap_err()
}

#[test]
fn a_required_field_can_be_a_template_and_must_not_be_none() {
    let source = "syntax = \"proto2\"; package t; message I { required int32 at = 1; } \
                  message M { required int32 id = 1; optional I inner = 2; optional group G = 3 { optional int32 n = 1; } \
                  repeated int32 loose = 4; }";
    let pool = protos::compile_source("t.proto", source).expect("valid");
    let descriptor = pool.get_message_by_name("t.M").unwrap();
    let json = json!({"id": "{{ row.age }}", "inner": {"at": 1}, "g": {"n": "{{ 5 }}"}, "loose": [1, "{{ 2 }}"]});
    let template = prepare(&descriptor, &json, "m").unwrap();
    let encoded = template.encode(&scope(&row())).unwrap();
    let message = DynamicMessage::decode(descriptor.clone(), encoded).unwrap();
    let expected = json!({"id": 30, "inner": {"at": 1}, "g": {"n": 5}, "loose": [1, 2]});
    assert_eq!(serde_json::to_value(&message).unwrap(), expected);

    let none = prepare(&descriptor, &json!({"id": "{{ row.nothing }}"}), "m").unwrap();
    let error = none.encode(&scope(&row())).unwrap_err().to_string();
    assert_eq!(
        error,
        "m.id: it came to `none`, which is nothing; expected int32"
    );
    let missing = prepare(
        &descriptor,
        &json!({"inner": {}, "g": {"n": "{{ 5 }}"}}),
        "m",
    )
    .unwrap_err();
    assert_eq!(missing.len(), 2);
}

#[test]
fn a_whole_message_may_be_a_template() {
    assert_eq!(
        sent(&json!("{{ {'str': row.name} }}")),
        Ok(json!({"str": "ann"}))
    );
    assert_eq!(
        sent(&json!("{{ row.tags }}")),
        Err("m: a `t.M` is a JSON object, not an array (it came to `[\"a\",\"b\"]`)".to_owned())
    );
}

#[test]
fn a_constant_is_one() {
    let json = json!({"str": "x", "inner": {"n": 1}});
    let template = prepare(&descriptor(), &json, "m").unwrap();
    assert_eq!(
        template.constant().map(|it| it.to_vec()),
        message::encode(&descriptor(), &json, "m").ok()
    );
}

#[test]
fn names_come_with_their_places() {
    let json = json!({"str": "{{ row.name }}", "by": {"{{ saved.k }}": "{{ user }}"}, "at": "{{ row.at }}"});
    let template = prepare(&descriptor(), &json, "m").unwrap();
    let mut places: Vec<_> = template
        .holes()
        .iter()
        .map(|hole| {
            let roots = ["row", "saved", "user"].map(|root| hole.names().uses(root));
            (hole.path().to_owned(), roots)
        })
        .collect();
    places.sort();
    let expected = [
        ("m.at", [true, false, false]),
        ("m.by[\"{{ saved.k }}\"]", [false, false, true]),
        ("m.by[\"{{ saved.k }}\"]", [false, true, false]),
        ("m.str", [true, false, false]),
    ];
    assert_eq!(
        places,
        expected.map(|(path, roots)| (path.to_owned(), roots))
    );
}
