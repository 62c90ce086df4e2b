//! What TCP scenarios mean, and what invalid ones are told.

use serde_json::json;
use test_case::test_case;

use super::*;

/// Fields of a scenario with this one exchange.
fn one_step(exchange: &Value) -> Value {
    json!({ "steps": [{ "tcp": exchange }] })
}

fn exchange_of(exchange: &Value) -> TcpExchange {
    let plan = plan_of(&one_step(exchange));
    // What is printed is the same plan.
    let printed = parse(&to_json(std::slice::from_ref(&plan))).unwrap();
    assert_eq!(printed.scenarios(), std::slice::from_ref(&plan));
    match &plan.protocol {
        ProtocolPlan::Tcp(tcp) => tcp.steps[0].spoken().unwrap().clone(),
        other => panic!("not TCP: {other:?}"),
    }
}

#[test_case(&json!({ "text": "a\r\n" }) => TcpPayload::Text("a\r\n".to_owned()); "text")]
#[test_case(&json!({ "hex": "0aFF" }) => TcpPayload::Bytes(vec![10, 255]); "hex")]
#[test_case(&json!({ "base64": "Cv8=" }) => TcpPayload::Bytes(vec![10, 255]); "base64")]
#[test_case(&json!({ "size": "1KiB" }) => TcpPayload::Sized(1024); "size")]
#[test_case(&json!({ "hex": "{{ hex(row.id) }}" }) => TcpPayload::HexTemplate("{{ hex(row.id) }}".to_owned()); "a template of hex")]
fn sends(send: &Value) -> TcpPayload {
    exchange_of(&json!({ "send": send })).send.unwrap()
}

#[test_case(&json!("end") => TcpReceive::End; "the end")]
#[test_case(&json!({ "bytes": 64 }) => TcpReceive::Bytes(64); "bytes")]
#[test_case(&json!({ "until": "\n" }) => TcpReceive::Until(b"\n".to_vec()); "a text")]
#[test_case(&json!({ "until": { "hex": "00ff" } }) => TcpReceive::Until(vec![0, 255]); "a delimiter in hex")]
#[test_case(&json!({ "regex": "OK|ERR" }) => TcpReceive::Regex("OK|ERR".to_owned()); "a pattern")]
#[test_case(&json!({ "length_prefix": { "bytes": 4 } }) => TcpReceive::LengthPrefix(LengthPrefix { bytes: 4, endian: Endian::Big, includes_itself: false }); "a length")]
#[test_case(&json!({ "length_prefix": { "bytes": 8, "endian": "little", "includes_itself": true } }) => TcpReceive::LengthPrefix(LengthPrefix { bytes: 8, endian: Endian::Little, includes_itself: true }); "a length of the other kind")]
fn receives(receive: &Value) -> TcpReceive {
    exchange_of(&json!({ "receive": receive })).receive.unwrap()
}

#[test_case(&json!({ "send": { "hex": "0" } }), ".send.hex: found \"0\", expected hexadecimal, two digits for each byte, such as \"0a1f\""; "bad hex")]
#[test_case(&json!({ "send": { "base64": "A" } }), ".send.base64: found \"A\", expected base64, such as \"AAEC\""; "bad base64")]
#[test_case(&json!({ "send": { "text": "a", "hex": "00" } }), ".send: found `text`, `hex` together, expected one of `text`, `hex`, `base64` and `size`"; "two to send")]
#[test_case(&json!({ "send": { "text": "" } }), ".send: found nothing to send, expected a byte at least; leave `send` out where nothing is sent"; "nothing to send")]
#[test_case(&json!({ "receive": { "bytes": 0 } }), ".receive.bytes: found 0, expected a whole number from 1 to 67108864"; "no bytes")]
#[test_case(&json!({ "receive": { "until": "" } }), ".receive.until: found \"\", expected a delimiter of 1 to 1000 bytes: a text such as \"\\n\", or {\"hex\": \"0d0a\"}"; "an empty delimiter")]
#[test_case(&json!({ "receive": { "regex": "a*" } }), ".receive.regex: found \"a*\", expected a regular expression such as \"\\\\r\\\\n$\"; it matches the empty text, so that every reply would be over at once"; "a pattern that is over at once")]
#[test_case(&json!({ "receive": { "regex": "(" } }), ".receive.regex: found \"(\", expected a regular expression such as \"\\\\r\\\\n$\"; unclosed group"; "a pattern that is none")]
#[test_case(&json!({ "receive": { "length_prefix": { "bytes": 3 } } }), ".receive.length_prefix.bytes: found 3, expected 1, 2, 4 or 8"; "a length that cannot be")]
#[test_case(&json!({ "send": { "text": "a" }, "receive": "end", "in_flight": 2 }), ".in_flight: found 2 with \"receive\": \"end\", expected 1; a connection ends once; send several times in a step of its own before, or repeat the step: each time has a connection of its own"; "in flight to the end")]
#[test_case(&json!({ "receive": "end", "every": "1s" }), ".every: found `every` where nothing is sent, expected it beside `send`"; "a pace of nothing")]
#[test_case(&json!({ "send": { "text": "a" }, "in_flight": 2 }), ".in_flight: found `in_flight` where nothing is received, expected it beside `receive`"; "in flight without replies")]
#[test_case(&json!({ "send": { "text": "a" }, "timeout": "40s" }), ".timeout: found 40s, expected less than the `timeout` of 30s; an iteration that takes longer is cut off, pauses left out"; "a step that is too long")]
fn says(exchange: &Value, message: &str) {
    let told = problems_of(&one_step(exchange)).join("\n");
    assert_eq!(told, format!("scenarios[0].steps[0].tcp{message}"));
}

#[test]
fn targets_have_schemes_of_their_own() {
    let with = |target: &str| {
        let mut fields = one_step(&json!({ "receive": "end" }));
        fields["targets"] = json!([target]);
        problems_of(&fields).join("\n")
    };
    for target in ["a:1", "tcp://a:1", "tls://a:1", "unix:/run/a.sock"] {
        assert_eq!(with(target), "");
    }
    assert!(with("ws://a:1").contains("expected tcp://, tls://, or no scheme"));
    let grpc = problems_of(&json!({ "targets": ["tcp://a:1"] })).join("\n");
    assert!(
        grpc.contains("tcp:// and tls:// are for `tcp` steps"),
        "{grpc}"
    );
}
