//! What invalid suites are told.

use serde_json::json;
use test_case::test_case;

use super::*;

#[test]
fn everything_that_is_wrong_at_once() {
    let text = json!({
        "$schema": "./scenario.schema.json",
        "defautls": {},
        "profiles": { "staging": { "name": "x", "timeout": 30 } },
        "scenarios": [
            {
                "name": "bad name",
                "targets": ["localhost", "http://a:1", 7],
                "connections": 0,
                "lod": {},
                "load": { "closed": { "users": 0, "iterations": 10, "duration": "5 s" } },
                "warm_up": "-1s",
                "timeout": "0s",
                "late_after": null,
                "tls": { "insecure_skip_verify": "yes" },
                "metadata": { "Authorization": "x", "grpc-timeout": "1S", "a": "ü" },
                "steps": [
                    { "grpc": { "method": "loadgen.v1.Greeter/Helo", "compression": "gzp" } },
                    { "websocket": { "path": "/" } },
                    { "name": "p", "pause": "1s" },
                    { "grpc": { "message": { "name": ["{{ uuid"] }, "repeat": 1.5 } },
                    { "grpc": { "method": "loadgen.v1.Greeter/Echo" }, "pause": "1s" },
                    "hello",
                ],
                "thresholds": ["error_rat < 1%", 5, "error_rate < 5"],
            },
            { "load": { "open": { "rate": "0/s", "arrivals": "possion", "iterations": 5 } } },
            { "name": "twice" , "load": { "closed": { "users": 1, "iterations": 1 } }, "steps": [] },
            { "name": "twice" , "load": {}, "steps": [{ "pause": "1s" }] },
            null,
        ],
    });
    let error = parse(&text).unwrap_err();
    insta::assert_snapshot!(error, @r#"
    suite.json: 41 problems
      defautls: found an unknown field, expected a field of a suite; did you mean `defaults`?
      scenarios[0].lod: found an unknown field, expected a field of a scenario; did you mean `load`?
      scenarios[0].name: found "bad name", expected a name of 1 to 100 letters, digits, `_`, `.` and `-` that starts with a letter or digit
      scenarios[0].targets[0]: found "localhost", expected a target such as "host:50051", "[::1]:50051", "https://host:443" or "unix:/path", or a list of them: "dns:///host:50051", "file:PATH", "consul://HOST:PORT/SERVICE", "etcd://HOST:PORT/PREFIX"; the port is missing
      scenarios[0].targets[2]: found 7, expected a target such as "host:50051", "[::1]:50051", "https://host:443" or "unix:/path", or a list of them: "dns:///host:50051", "file:PATH", "consul://HOST:PORT/SERVICE", "etcd://HOST:PORT/PREFIX"
      scenarios[0].connections: found 0, expected a whole number from 1 to 65535
      scenarios[0].load.closed.users: found 0, expected a whole number from 1 to 1000000
      scenarios[0].load.closed.duration: found "5 s", expected a number with a unit (ns, us, ms, s, m or h), such as "1.5s", "100ms" or "1m30s"
      scenarios[0].warm_up: found "-1s", expected a number with a unit (ns, us, ms, s, m or h), such as "1.5s", "100ms" or "1m30s"; it is negative
      scenarios[0].timeout: found "0s", expected a duration above zero
      scenarios[0].late_after: found null, expected a duration as a text, such as "1.5s"
      scenarios[0].tls.insecure_skip_verify: found "yes", expected true or false
      scenarios[0].metadata.a: found "ü", expected a text of printable ASCII without space at either end, or a template such as "Bearer {{ saved.token }}"
      scenarios[0].steps[0].grpc.compression: found "gzp", expected one of "gzip", "zstd"; did you mean `gzip`?
      scenarios[0].steps[3].grpc.message.name[0]: found "{{ uuid", expected a template; unexpected end of input, expected end of variable block
      scenarios[0].steps[3].grpc.repeat: found 1.5, expected a whole number from 1 to 1000000000
      scenarios[0].steps[5]: found "hello", expected a step
      scenarios[0].thresholds[0]: found "error_rat < 1%", expected a metric such as `response_time.p95`, `error_rate` or `throughput` at column 1; unknown metric `error_rat`; did you mean `error_rate`?
      scenarios[0].thresholds[1]: found 5, expected a condition such as "response_time.p95 < 5ms", or an object with it as its `expression`
      scenarios[0].thresholds[2]: found "error_rate < 5", expected a percentage such as `1%` at column 14
      scenarios[1].load.open.iterations: found an unknown field, expected a field of an open load; an open model lasts for a time: give `duration`, or `stages`
      scenarios[1].load.open.rate: found "0/s", expected at least 0.000001/s
      scenarios[1].load.open.arrivals: found "possion", expected one of "uniform", "poisson"; did you mean `poisson`?
      scenarios[4]: found null, expected a scenario
      profiles.staging.timeout: found 30, expected a duration as a text, such as "1.5s"
      profiles.staging.name: found a name for all scenarios, expected a name in each scenario
      scenarios[0].load.closed: found `iterations`, `duration` together, expected one of `iterations`, `iterations_per_user`, `duration` and `stages`; `iterations` and `max_duration` end a load with whichever comes first
      scenarios[0].steps[0].grpc.method: found `loadgen.v1.Greeter/Helo`, expected a method of loadgen.v1.Greeter; did you mean `loadgen.v1.Greeter/Hello`?
      scenarios[0].steps[1].websocket: found none of `send`, `ping` and `stream`, expected `send` or `ping`, or a `stream` to listen to
      scenarios[0].steps[2].name: found a name for a pause, expected none; a pause has no series of its own
      scenarios[0].steps[4]: found `grpc`, `pause` together, expected one action
      scenarios[0].steps: found `grpc` in `steps[0]` and `websocket` in `steps[1]`, expected one protocol in a scenario; scenarios of one file can run together, and steps of `setup`, `begin` and `end` may speak any
      scenarios[0].metadata: found the name "Authorization", expected the name of a piece of metadata; write it in lower case: `authorization`
      scenarios[0].metadata: found the name "grpc-timeout", expected the name of a piece of metadata; it belongs to the protocol, which sets it itself
      scenarios[1].name: found nothing, expected every scenario to have a name
      scenarios[1].load.open.duration: found nothing, expected the duration that goes with `rate`
      scenarios[1].steps: found nothing, expected steps, such as [{"grpc": {"method": "loadgen.v1.Greeter/Hello"}}]
      scenarios[2].steps: found an empty array, expected at least one `grpc`, `websocket`, `http` or `tcp` step
      scenarios[3].load: found no load model, expected one: `closed` or `open`
      scenarios[3].steps: found no action but pauses, expected at least one `grpc`, `websocket`, `http` or `tcp` step
      scenarios[3].name: found the name `twice`, which scenarios[2] has too, expected a name of its own for each scenario of a protocol
    "#);
}

#[test_case("scenarios:\n  - name: x\n" => "it is YAML; such a file's name ends in `.yaml`"; "YAML")]
#[test_case("---\nscenarios: []\n" => "it is YAML; such a file's name ends in `.yaml`"; "a YAML document")]
#[test_case("# users\nscenarios:\n" => "it is YAML; such a file's name ends in `.yaml`"; "YAML with a comment")]
#[test_case("import http from 'k6/http';" => "it is JavaScript; a suite is JSON or YAML"; "JavaScript")]
#[test_case("name = \"x\"\n" => "it is TOML; a suite is JSON or YAML"; "TOML")]
#[test_case("<html>" => "it is HTML or XML; a suite is JSON or YAML"; "HTML")]
#[test_case(" \n" => "it is empty; a suite is JSON or YAML"; "empty")]
#[test_case("// c\n{}" => "JSON has no comments"; "a comment before all")]
#[test_case("{\n  \"scenarios\": [] // none\n}" => "JSON has no comments"; "a comment within")]
#[test_case("{ /* none */ }" => "JSON has no comments"; "a comment in an object")]
#[test_case("{\n  # none\n}" => "JSON has no comments"; "a hash")]
#[test_case("{ \"scenarios\": [}" => "expected value"; "merely wrong")]
#[test_case("nonsense" => "expected ident"; "a word")]
fn what_is_not_json(text: &str) -> String {
    match Suite::parse("s.json", text, None, None) {
        Err(SuiteError::Syntax { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

#[test_case("", 1, 1; "nothing")]
#[test_case("{", 1, 1; "end of text")]
#[test_case("{\n  \"scenarios\": [,]\n}", 2, 17; "a comma too many")]
#[test_case("{\"a\": 1,}", 1, 9; "a comma at the end")]
#[test_case("{\"a\": 1} x", 1, 10; "something after the end")]
#[test_case("{\"a\": 1e}", 1, 9; "a number without its end")]
#[test_case("// a comment\n{}", 1, 1; "comment")]
fn syntax_errors_say_where(text: &str, wanted_line: usize, wanted_column: usize) {
    match Suite::parse("suite.json", text, None, None) {
        Err(error @ SuiteError::Syntax { .. }) => {
            let start = format!("suite.json: line {wanted_line}, column {wanted_column}: ");
            let shown = error.to_string();
            assert!(shown.starts_with(&start), "{shown}");
            assert!(!shown.contains(" at line "), "{shown}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn deep_nesting_is_refused_and_no_stack_overflows() {
    let text = "[".repeat(100_000);
    let error = Suite::parse("x", &text, None, None).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn a_field_that_stands_twice() {
    let text = r#"{ "scenarios": [], "scenarios": [], "profiles": { "a.b": {}, "a.b": {} } }"#;
    let error = Suite::parse("x", text, None, None).unwrap_err();
    insta::assert_snapshot!(error, @r#"
    x: 3 problems
      scenarios: found the field a second time, expected each field once
      profiles["a.b"]: found the field a second time, expected each field once
      scenarios: found an empty array, expected at least one scenario
    "#);
}

#[test_case(&json!(null); "null")]
#[test_case(&json!(7); "number")]
#[test_case(&json!([]); "array")]
#[test_case(&json!({}); "empty object")]
#[test_case(&json!({ "scenarios": [] }); "no scenarios")]
#[test_case(&json!({ "scenarios": {} }); "scenarios as an object")]
#[test_case(&json!({ "grpc_scenarios": [{}] }); "empty compact scenario")]
fn one_problem_or_more_and_never_none(value: &Value) {
    assert!(!parse(value).unwrap_err().problems().is_empty());
}

#[test_case(&json!({ "load": { "closed": { "users": 5 } } }), "scenarios[0].load.closed: found none of them, expected one of `iterations`, `iterations_per_user`, `duration` and `stages`"; "no limit")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "iterations": 10, "duration": "1s" } } }), "scenarios[0].load.closed: found `iterations`, `duration` together, expected one of `iterations`, `iterations_per_user`, `duration` and `stages`; `iterations` and `max_duration` end a load with whichever comes first"; "two limits")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "duration": "1s", "max_duration": "2s" } } }), "scenarios[0].load.closed.max_duration: found a second end in time beside `duration`, expected it beside `iterations` or `iterations_per_user` only"; "two durations")]
#[test_case(&json!({ "load": { "closed": { "stages": [{ "for": "1s", "users": 5 }], "max_duration": "2s" } } }), "scenarios[0].load.closed.max_duration: found a second end in time beside `stages`, expected it beside `iterations` or `iterations_per_user` only"; "stages with another end")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "iterations": 10, "max_duration": "0s" } } }), "scenarios[0].load.closed.max_duration: found \"0s\", expected a duration above zero"; "no time for iterations")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "max_duration": "2s" } } }), "scenarios[0].load.closed: found none of them, expected one of `iterations`, `iterations_per_user`, `duration` and `stages`"; "only an end in time at the latest")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "iterations": 4 } } }), "scenarios[0].load.closed.iterations: found 4 for 5 users, expected at least one iteration for each user"; "fewer iterations than users")]
#[test_case(&json!({ "load": { "closed": { "iterations": 4 } } }), "scenarios[0].load.closed.users: found nothing, expected the number of users"; "no users")]
#[test_case(&json!({ "load": { "closed": { "users": 1_000_001, "iterations": 4 } } }), "scenarios[0].load.closed.users: found 1000001, expected a whole number from 1 to 1000000"; "too many users")]
#[test_case(&json!({ "load": { "closed": { "users": -1, "iterations": 4 } } }), "scenarios[0].load.closed.users: found -1, expected a whole number from 1 to 1000000"; "negative users")]
#[test_case(&json!({ "load": { "closed": { "users": "5", "iterations": 5 } } }), "scenarios[0].load.closed.users: found \"5\", expected a whole number from 1 to 1000000"; "users as a text")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "iterations": 1e15 } } }), "scenarios[0].load.closed.iterations: found 1000000000000000.0, expected a whole number from 1 to 1000000000000000"; "a number with an exponent")]
#[test_case(&json!({ "load": { "closed": { "users": 1000, "iterations_per_user": 999_999_999_999_999_u64 } } }), "scenarios[0].load.closed.iterations_per_user: found 999999999999999 for each of 1000 users, expected at most 1000000000000000 in all"; "too many iterations in all")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "stages": [{ "for": "1s", "users": 1 }] } } }), "scenarios[0].load.closed.users: found users beside `stages`, expected only the stages' own users"; "users beside stages")]
#[test_case(&json!({ "load": { "closed": { "stages": [] } } }), "scenarios[0].load.closed.stages: found an empty array, expected at least one stage"; "no stages")]
#[test_case(&json!({ "load": { "closed": { "stages": [{ "for": "1s", "users": 0 }] } } }), "scenarios[0].load.closed.stages: found no users in any stage, expected some in at least one"; "stages without users")]
#[test_case(&json!({ "load": { "closed": { "stages": [{ "for": "0s", "users": 5 }] } } }), "scenarios[0].load.closed.stages: found a last stage of no length, expected a last stage that lasts for a time"; "stages without length")]
#[test_case(&json!({ "load": { "closed": { "stages": [{ "for": "720h", "users": 5 }, { "for": "1ns", "users": 5 }] } } }), "scenarios[0].load.closed.stages: found more than 30 days in all, expected at most 30 days"; "stages too long")]
#[test_case(&json!({ "load": { "closed": { "stages": [{ "users": 5 }] } } }), "scenarios[0].load.closed.stages[0].for: found nothing, expected a stage of users to have this field"; "a stage without length")]
#[test_case(&json!({ "load": { "closed": { "users": 1, "duration": "1s", "think_time": { "between": ["2s", "1s"] } } } }), "scenarios[0].load.closed.think_time.between: found the longer one first, expected the shortest and the longest"; "think time upside down")]
#[test_case(&json!({ "load": { "closed": { "users": 1, "duration": "1s", "think_time": { "between": ["2s"] } } } }), "scenarios[0].load.closed.think_time.between: found 1 durations, expected two: the shortest and the longest"; "half a think time")]
#[test_case(&json!({ "load": { "closed": { "users": 1, "duration": "1s", "think_time": 5 } } }), "scenarios[0].load.closed.think_time: found 5, expected a time such as \"1s\" or {\"between\": [\"0.5s\", \"2s\"]}"; "think time as a number")]
#[test_case(&json!({ "load": { "closed": { "users": 1, "duration": "1s", "rate": "5/s" } } }), "scenarios[0].load.closed.rate: found an unknown field, expected a field of a closed load; a closed model has users; cap it with `rate_limit`, or use `load.open`"; "a rate in a closed load")]
#[test_case(&json!({ "load": { "closed": { "users": 1, "duration": "1s" }, "open": {} } }), "scenarios[0].load: found both `closed` and `open`, expected one load model"; "two models")]
#[test_case(&json!({ "load": { "open": {} } }), "scenarios[0].load.open: found no rate, expected `rate` and `duration`, or `stages`"; "no rate")]
#[test_case(&json!({ "load": { "open": { "rate": "5/s" } } }), "scenarios[0].load.open.duration: found nothing, expected the duration that goes with `rate`"; "a rate without duration")]
#[test_case(&json!({ "load": { "open": { "duration": "5s" } } }), "scenarios[0].load.open.rate: found nothing, expected the rate that goes with `duration`"; "a duration without rate")]
#[test_case(&json!({ "load": { "open": { "stages": [{ "for": "0s", "rate": "5/s" }, { "for": "0s", "rate": "0/s" }, { "for": "5s", "rate": "0/s" }] } } }), "scenarios[0].load.open.stages: found no arrivals in any stage, expected a rate in at least one"; "no arrivals")]
#[test_case(&json!({ "load": { "open": { "rate": "1/s", "duration": "5s", "stages": [] } } }), "scenarios[0].load.open: found `stages` beside `rate` or `duration`, expected `rate` and `duration`, or `stages`"; "rate beside stages")]
#[test_case(&json!({ "load": { "open": { "rate": 500, "duration": "5s" } } }), "scenarios[0].load.open.rate: found 500, expected a rate as a text, such as \"500/s\""; "a rate as a number")]
#[test_case(&json!({ "load": { "open": { "rate": "500", "duration": "5s" } } }), "scenarios[0].load.open.rate: found \"500\", expected a number per second, minute or hour, such as \"500/s\", \"0.5/s\" or \"30/m\"; the unit is missing"; "a rate without a unit")]
#[test_case(&json!({ "load": { "open": { "rate": "200000000/s", "duration": "5s" } } }), "scenarios[0].load.open.rate: found \"200000000/s\", expected at most 100000000/s"; "a huge rate")]
#[test_case(&json!({ "load": { "open": { "rate": "100000000/s", "duration": "720h" } } }), ""; "many arrivals are within bounds")]
#[test_case(&json!({ "load": { "open": { "rate": "1/s", "duration": "5s", "when_busy": "que" } } }), "scenarios[0].load.open.when_busy: found \"que\", expected one of \"queue\", \"drop\"; did you mean `queue`?"; "an unknown word")]
#[test_case(&json!({ "timeout": 30 }), "scenarios[0].timeout: found 30, expected a duration as a text, such as \"1.5s\""; "a duration as a number")]
#[test_case(&json!({ "timeout": "31d" }), "scenarios[0].timeout: found \"31d\", expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\"; there is no unit `d`"; "an unknown unit")]
#[test_case(&json!({ "targets": [] }), "scenarios[0].targets: found an empty array, expected at least one target; leave `targets` out to have them decided by flags and environment"; "no targets")]
#[test_case(&json!({ "targets": ["http://a:1"], "tls": {} }), "scenarios[0].targets[0]: found an http:// target beside a `tls` block, expected https://, or no scheme"; "plaintext beside tls")]
#[test_case(&json!({ "tls": { "ca_file": "ca.pem", "insecure_skip_verify": true } }), "scenarios[0].tls.ca_file: found something to verify beside `insecure_skip_verify`, expected one or the other"; "nothing to verify")]
#[test_case(&json!({ "tags": { "a b": "x" } }), "scenarios[0].tags: found the name \"a b\", expected names of 1 to 100 letters, digits, `_`, `-` and `.`"; "a tag with a space")]
#[test_case(&json!({ "metadata": { ":path": "/" } }), "scenarios[0].metadata: found the name \":path\", expected the name of a piece of metadata; it belongs to the protocol, which sets it itself"; "pseudo header")]
#[test_case(&json!({ "metadata": { "x-bin": "not base64!" } }), "scenarios[0].metadata.x-bin: found \"not base64!\", expected base64, since the name ends in `-bin`"; "binary metadata")]
#[test_case(&json!({ "metadata": { "x": "{{ uuid" } }), "scenarios[0].metadata.x: found \"{{ uuid\", expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\"; unexpected end of input, expected end of variable block"; "template in metadata")]
#[test_case(&json!({ "metadata": { "authorization": { "env": "TOKEN", "default": "dev", "prefix": "Bearer " }, "x-key": { "file": "key.txt" } } }), ""; "values from elsewhere")]
#[test_case(&json!({ "metadata": { "x": { "env": "A", "file": "a" } } }), "scenarios[0].metadata.x: found both, expected one place: `env` or `file`"; "two places of a value")]
#[test_case(&json!({ "metadata": { "x": {} } }), "scenarios[0].metadata.x: found neither, expected where the value is: `env` or `file`"; "no place of a value")]
#[test_case(&json!({ "metadata": { "x": { "evn": "A" } } }), "scenarios[0].metadata.x.evn: found an unknown field, expected a field of a value from elsewhere; did you mean `env`?"; "a slip in the place of a value")]
#[test_case(&json!({ "metadata": { "x": { "file": "a", "default": "b" } } }), "scenarios[0].metadata.x.default: found a `default` beside `file`, expected a `default` beside `env` only: a file has to be there"; "a default for a file")]
#[test_case(&json!({ "metadata": { "x": { "env": "$TOKEN" } } }), "scenarios[0].metadata.x.env: found \"$TOKEN\", expected the name of a variable: 1 to 200 characters of printable ASCII, none of them `=`, `$` or a blank"; "a variable with its dollar")]
#[test_case(&json!({ "metadata": { "x": { "env": "A", "prefix": " B" } } }), "scenarios[0].metadata.x.prefix: found \" B\", expected a text of printable ASCII without space in front, such as \"Bearer \", and no `{{` or `${…}`"; "a blank before all")]
#[test_case(&json!({ "metadata": { "x-token": { "env": "A", "default": "ü-s3cr3t" } } }), "scenarios[0].metadata.x-token.default: found ***, expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\""; "a secret default")]
#[test_case(&json!({ "steps": [{}] }), "scenarios[0].steps[0]: found no action, expected one action: `grpc`, `websocket`, `http`, `tcp`, `pause`, `repeat` or `mix`"; "no action")]
#[test_case(&json!({ "steps": [] }), "scenarios[0].steps: found an empty array, expected at least one `grpc`, `websocket`, `http` or `tcp` step"; "no steps")]
#[test_case(&json!({ "steps": [{ "pause": "1s" }] }), "scenarios[0].steps: found no action but pauses, expected at least one `grpc`, `websocket`, `http` or `tcp` step"; "only pauses")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }, { "grpc": { "method": "loadgen.v1.Greeter/Hello" } }] }), "scenarios[0].steps[1].name: found the name `hello`, which `scenarios[0].steps[0]` has too, expected a name of its own for each step; without a `name` a step is called after its method"; "two steps of one name")]
#[test_case(&json!({ "steps": [{ "name": "a.b", "grpc": { "method": "loadgen.v1.Greeter/Hello" } }] }), "scenarios[0].steps[0].name: found \"a.b\", expected a name of 1 to 100 letters, digits, `_` and `-` that starts with a letter or digit"; "a step with a point in its name")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "/loadgen.v1.Greeter/Hello" } }] }), "scenarios[0].steps[0].grpc.method: found \"/loadgen.v1.Greeter/Hello\", expected a method such as \"package.Service/Method\"; leave out the slash in front"; "a slash in front")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "shop.Cart/Add" } }] }), ""; "a service that the server is asked about")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "Hello" } }] }), "scenarios[0].steps[0].grpc.method: found \"Hello\", expected a method such as \"package.Service/Method\""; "no service")]
#[test_case(&json!({ "steps": [{ "grpc": { "health": "", "method": "loadgen.v1.Greeter/Hello" } }] }), "scenarios[0].steps[0].grpc.method: found `method` beside `health`, expected `health` with `metadata` and `compression` at most; it asks `grpc.health.v1.Health/Check` once and has a message of its own"; "a method beside health")]
#[test_case(&json!({ "steps": [{ "grpc": { "health": "a b" } }] }), "scenarios[0].steps[0].grpc.health: found \"a b\", expected the name of a service such as \"package.Service\", of at most 200 printable ASCII characters without blanks, or \"\" for the server as a whole"; "no service's name")]
#[test_case(&json!({ "steps": [{ "grpc": { "repeat": 5 } }] }), "scenarios[0].steps[0].grpc: found nothing to call, expected a `method` to call, or `health`"; "nothing to call")]
#[test_case(&json!({ "steps": [{ "grpc": { "service": "a.B" } }] }), "scenarios[0].steps[0].grpc.service: found an unknown field, expected a field of a gRPC call; a call names its `method`, `package.Service/Method`; whether a service is in health is asked by `health`"; "a service")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greter/Hello" } }] }), "scenarios[0].steps[0].grpc.method: found `loadgen.v1.Greter/Hello`, expected a method of loadgen.v1.Greeter; did you mean `loadgen.v1.Greeter/Hello`?"; "a slip in the service")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": "hi" } }] }), "scenarios[0].steps[0].grpc.message: found \"hi\", expected the message as an object"; "a message that is a text")]
#[test_case(&json!({ "metadata": { "x": "${TOKEN}" } }), "scenarios[0].metadata.x: found \"${TOKEN}\", expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\"; a value from the environment is {\"env\": \"TOKEN\"}, with what stands before it as `prefix`"; "a variable in metadata")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "a": ["${USER}"] } } }] }), "scenarios[0].steps[0].grpc.message.a[0]: found \"${USER}\", expected a constant or a template; a variable of the environment is `{{ env.USER }}`"; "a variable in a message")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" }, "expect": {} }] }), "scenarios[0].steps[0].expect: found an unknown field, expected a field of a step; a call that does not end with OK and an exchange without its reply fail by themselves; what else a reply must hold to is `check`, and what the whole run must hold to are the scenario's `thresholds`"; "what is expected of a step")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "a": { "b": "{{ x +" } } } }] }), "scenarios[0].steps[0].grpc.message.a.b: found \"{{ x +\", expected a template; unexpected end of input, expected expression"; "a template")]
#[test_case(&json!({ "thresholds": ["steps.helo.error_rate < 1%"] }), "scenarios[0].thresholds[0]: found the unknown step `helo`, expected the name of a step; did you mean `hello`?"; "a threshold on an unknown step")]
#[test_case(&json!({ "thresholds": [{ "abort": true }] }), "scenarios[0].thresholds[0].expression: found nothing, expected a threshold to have this field"; "an object without a condition")]
#[test_case(&json!({ "thresholds": [{ "expression": "error_rate < 5", "abort": 1 }] }), "scenarios[0].thresholds[0].expression: found \"error_rate < 5\", expected a percentage such as `1%` at column 14\nscenarios[0].thresholds[0].abort: found 1, expected true or false"; "an object with mistakes")]
#[test_case(&json!({ "thresholds": [{ "expression": "error_rate < 5%", "after": "5s" }] }), "scenarios[0].thresholds[0].after: found a time without `\"abort\": true`, expected `after` beside it, or neither; it says when the condition may end the run at the earliest"; "after without abort")]
#[test_case(&json!({ "thresholds": [{ "expression": "error_rate < 5%", "abort": true, "afer": "5s" }] }), "scenarios[0].thresholds[0].afer: found an unknown field, expected a field of a threshold; did you mean `after`?"; "a slip in a threshold's field")]
#[test_case(&json!({ "load": { "closed": { "users": 1, "duration": "5s" } }, "thresholds": ["error_rate < 1% over any 10s", { "expression": "failed < 5", "abort": true, "after": "5s" }] }), "scenarios[0].thresholds[0]: found windows of 10s, expected windows no longer than the load; the load lasts 5s\nscenarios[0].thresholds[1].after: found `failed < 5` to end the run after 5s at the earliest, expected a time before the load is over; the load lasts 5s"; "a short load")]
#[test_case(&json!({ "thresholds": ["start_lag.p99 < 1ms"] }), "scenarios[0].thresholds[0]: found `start_lag.p99 < 1ms` with a closed load, expected something that a closed load has; start lag and queue wait are of open models only"; "start lag of a closed load")]
#[test_case(&json!({ "name": "x".repeat(101) }), "scenarios[0].name: found \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\", expected a name of 1 to 100 letters, digits, `_`, `.` and `-` that starts with a letter or digit"; "a long name")]
#[test_case(&json!({ "tls": { "server_name": "a.internal", "insecure_skip_verify": true } }), ""; "a name to ask for beside no verifying")]
#[test_case(&json!({ "tls": { "cert_file": "c.pem" } }), "scenarios[0].tls.key_file: found nothing, expected the key of the certificate in `cert_file`"; "a certificate without a key")]
#[test_case(&json!({ "tls": { "key_file": "k.pem" } }), "scenarios[0].tls.cert_file: found nothing, expected the certificate that `key_file` is the key of"; "a key without a certificate")]
#[test_case(&json!({ "max_message": "0B" }), "scenarios[0].max_message: found \"0B\", expected a size from 1B to 1GiB"; "no message")]
#[test_case(&json!({ "max_message": "2GiB" }), "scenarios[0].max_message: found \"2GiB\", expected a size from 1B to 1GiB"; "a huge message")]
#[test_case(&json!({ "keepalive": "0s" }), "scenarios[0].keepalive: found \"0s\", expected a duration above zero"; "no rest between pings")]
#[test_case(&json!({ "identify": { "header": "x-served-by" } }), ""; "a header that says who answered")]
#[test_case(&json!({ "identify": { "header": "x served by" } }), "scenarios[0].identify.header: found \"x served by\", expected the name of a header field, such as \"x-served-by\""; "no name of a header")]
#[test_case(&json!({ "identify": {} }), "scenarios[0].identify: found nothing, expected one of `header`, `trailer`, `field`"; "nothing that says who answered")]
#[test_case(&json!({ "identify": { "header": "a", "field": "b" } }), "scenarios[0].identify: found `header` and `field`, expected one of `header`, `trailer`, `field`"; "two that say who answered")]
#[test_case(&json!({ "identify": { "greeting": "(.+)" } }), "scenarios[0].identify.greeting: found `greeting` in a gRPC scenario, expected one of `header`, `trailer`, `field`"; "what gRPC has not")]
#[test_case(&json!({ "identify": { "pattern": "b1" } }), "scenarios[0].identify.pattern: found \"b1\", expected a regular expression with one group, such as \"server=([a-z0-9]+)\"; it has no group, and so no name comes of it: put what is the name in ( )\nscenarios[0].identify.pattern: found `pattern` in a gRPC scenario, expected one of `header`, `trailer`, `field`"; "a pattern without a group")]
#[test_case(&json!({ "identify": { "heder": "a" } }), "scenarios[0].identify.heder: found an unknown field, expected a field of a place for a server's name, such as {\"header\": \"x-served-by\"}; did you mean `header`?\nscenarios[0].identify: found nothing, expected one of `header`, `trailer`, `field`"; "a slip in who answered")]
#[test_case(&json!({ "identify": "x-served-by" }), "scenarios[0].identify: found \"x-served-by\", expected a place for a server's name, such as {\"header\": \"x-served-by\"}"; "a name alone")]
#[test_case(&json!({ "authority": "a/b" }), "scenarios[0].authority: found \"a/b\", expected a host name or an IP address, with or without a port"; "an authority with a path")]
#[test_case(&json!({ "metadata": { ":authority": "x" } }), "scenarios[0].metadata: found the name \":authority\", expected the name of a piece of metadata; it is set by the scenario's `authority`"; "an authority as metadata")]
#[test_case(&json!({ "targets": ["http://me:secret@a:1"] }), "scenarios[0].targets[0]: found \"http://***@a:1\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; a target has no user name"; "a password in a target")]
#[test_case(&json!({ "targets": ["https://a:1/?token=SECRET"] }), "scenarios[0].targets[0]: found \"https://a:1/?token=***\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; a target has no path"; "a token in a target")]
#[test_case(&json!({ "metadata": { "authorization": "Bearer ${TOKEN} xyz" } }), "scenarios[0].metadata.authorization: found ***, expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\"; a value from the environment is {\"env\": \"TOKEN\"}, with what stands before it as `prefix`"; "a variable in a secret")]
#[test_case(&json!({ "metadata": { "password": 12_345_678 } }), "scenarios[0].metadata.password: found a number, expected a text of printable ASCII without space at either end, or a template such as \"Bearer {{ saved.token }}\""; "a secret that is a number")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "login": { "password": "${PASSWORD}1" } } } }] }), "scenarios[0].steps[0].grpc.message.login.password: found ***, expected a constant or a template; a variable of the environment is `{{ env.PASSWORD }}`"; "a variable in a message's secret")]
#[test_case(&json!({ "steps": [{ "websocket": { "path": "echo?token=SECRET", "send": { "text": "a" } } }] }), "scenarios[0].steps[0].websocket.path: found \"echo?token=***\", expected a path such as \"/echo\": it begins with `/`, has at most 2000 characters of printable ASCII, and no blank, `#`, `\"`, `<`, `>` or `` ` `` but in templates"; "a token in a path")]
#[test_case(&json!({ "targets": ["unix:/run/a.sock"] }), ""; "a UNIX socket")]
#[test_case(&json!({ "targets": ["unix:"] }), "scenarios[0].targets[0]: found \"unix:\", expected a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", or a list of them: \"dns:///host:50051\", \"file:PATH\", \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"; the path of the socket is missing"; "a socket without a path")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": [{}, {}] } }] }), ""; "several messages")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": [] } }] }), "scenarios[0].steps[0].grpc.message: found an array, expected the message as an object, or several in an array"; "no message in an array")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": [{}, 1] } }] }), "scenarios[0].steps[0].grpc.message: found an array, expected the message as an object, or several in an array"; "a number among messages")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "stream": {} } }] }), "scenarios[0].steps[0].grpc.stream: found neither, expected when we end the stream: `messages` or `for`"; "a stream with no end")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "stream": { "messages": 1, "for": "1s" } } }] }), "scenarios[0].steps[0].grpc.stream: found both, expected when we end the stream: `messages` or `for`"; "a stream with two ends")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "stream": { "messages": 1, "at_least": 1 } } }] }), "scenarios[0].steps[0].grpc.stream.at_least: found `at_least` beside `messages`, expected `at_least` beside `for` only; a stream that ends after so many `messages` has had them"; "at least and exactly")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello", "stream": { "for": "30s" } } }] }), "scenarios[0].steps[0].grpc.stream.for: found 30s, expected less than the `timeout` of 30s; an iteration that takes longer is cut off, pauses left out"; "a stream as long as the timeout")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "duration": "1m" } }, "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "every": "1s", "stream": { "for": "load" } } }] }), ""; "a stream as long as the load")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "iterations": 5 } }, "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "load" } } }] }), "scenarios[0].steps[0].grpc.stream.for: found `load`, expected a load that ends in time: `duration`, `stages` or `max_duration`; a load of so many iterations waits for them, and they would wait for it"; "a stream as long as a load that waits for it")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "duration": "1m" } }, "warm_up": "5s", "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "load" } } }] }), "scenarios[0].steps[0].grpc.stream.for: found `load`, expected a scenario without `warm_up`; streams that last as long as the load would begin in it, and nothing of them be measured"; "a stream that begins in the warm-up")]
#[test_case(&json!({ "load": { "closed": { "users": 5, "duration": "1m" } }, "begin": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "load" } } }] }), "scenarios[0].begin[0].grpc.stream.for: found `load`, expected a duration; `load` is for a step of `steps`; what stands here is over before, or begins after it"; "a stream as long as the load before it")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "laod" } } }] }), "scenarios[0].steps[0].grpc.stream.for: found \"laod\", expected a number with a unit (ns, us, ms, s, m or h), such as \"1.5s\", \"100ms\" or \"1m30s\", or \"load\""; "a slip in how long a stream lasts")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": 5 } } }] }), "scenarios[0].steps[0].grpc.stream.for: found 5, expected a duration as a text, such as \"1.5s\", or \"load\""; "a number of what for a stream")]
#[test_case(&json!({ "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Chat", "stream": { "for": "0s" } } }] }), "scenarios[0].steps[0].grpc.stream.for: found \"0s\", expected a duration above zero"; "a stream of no time")]
fn says(fields: &Value, message: &str) {
    assert_eq!(problems_of(fields).join("\n"), message);
}

#[test]
fn a_wrong_default_is_told_once_and_where_it_stands() {
    let scenario =
        json!({ "name": "a", "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }] });
    let mut other = scenario.clone();
    other["name"] = json!("b");
    let error = parse(&json!({
        "defaults": { "load": { "closed": { "users": 2, "iterations": 1 } }, "name": "x" },
        "scenarios": [scenario, other],
    }))
    .unwrap_err();
    insta::assert_snapshot!(error, @r#"
    suite.json: 2 problems
      defaults.name: found a name for all scenarios, expected a name in each scenario
      defaults.load.closed.iterations: found 1 for 2 users, expected at least one iteration for each user
    "#);
}

#[test]
fn protos_at_the_top_are_told_where_they_belong() {
    let mut suite = suite_of(&json!({}));
    suite["protos"] = json!(["a.proto"]);
    let error = parse(&suite).unwrap_err();
    assert_eq!(
        error.problems()[0].to_string(),
        "protos: found an unknown field, expected a field of a suite; they belong to a scenario, or to `defaults` for all of them"
    );
}

#[test]
fn profiles_that_are_not_there() {
    let mut suite = suite_of(&json!({}));
    let text = |suite: &Value, profile| {
        let error = Suite::parse("x", &suite.to_string(), None, Some(profile)).unwrap_err();
        error.problems()[0].to_string()
    };
    assert_eq!(
        text(&suite, "staging"),
        "profiles: found no such profile, expected the chosen profile `staging`; it has no profiles"
    );
    suite["profiles"] = json!({ "staging": {} });
    assert_eq!(
        text(&suite, "stagin"),
        "profiles: found no such profile, expected the chosen profile `stagin`; did you mean `staging`?"
    );
}

#[test]
fn compact_scenarios_are_as_strict() {
    let error = parse(&json!({
        "defaults": {},
        "grpc_scenarios": [
            { "name": "a", "total_requests": 0, "concurrency": 1, "test_type": "helo" },
            { "name": "b", "total_request": 5, "concurrency": 1, "test_type": "hello" },
            { "name": "c", "total_requests": 5, "concurrency": 1, "test_type": "hello" },
            { "name": "c", "total_requests": 5, "concurrency": 1, "test_type": "hello" },
        ],
        "websocket_scenarios": [
            { "name": "a", "total_connections": 5, "messages_per_conn": "x", "test_type": "png" },
        ],
    }))
    .unwrap_err();
    insta::assert_snapshot!(error, @r#"
    suite.json: 7 problems
      grpc_scenarios[0].total_requests: found 0, expected a whole number from 1 to 1000000000000000
      grpc_scenarios[0].test_type: found "helo", expected one of "hello", "compute", "echo", "stream"; did you mean `hello`?
      grpc_scenarios[1].total_request: found an unknown field, expected a field of a compact gRPC scenario; did you mean `total_requests`?
      websocket_scenarios[0].messages_per_conn: found "x", expected a whole number from 1 to 1000000000000000
      websocket_scenarios[0].test_type: found "png", expected one of "echo", "compute", "stream", "ping"; did you mean `ping`?
      defaults: found a field of the full form beside the compact form, expected one form in a file; `loadgen validate --print` rewrites the compact form into the full one
      grpc_scenarios[3].name: found the name `c`, which grpc_scenarios[2] has too, expected a name of its own for each scenario of a protocol
    "#);
}

#[test]
fn as_a_diagnostic_it_points_at_the_place() {
    use miette::Diagnostic;
    let error = Suite::parse("x", "{\n  nope\n}", None, None).unwrap_err();
    let label = error.labels().unwrap().next().unwrap();
    assert_eq!(label.offset(), 4);
    assert!(error.source_code().is_some());
    assert_eq!(
        error.code().unwrap().to_string(),
        "loadgen::scenario::syntax"
    );
}
