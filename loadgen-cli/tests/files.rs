//! `list`, `validate`, `schema`, `completions`: what they print and how they end.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use common::{Guard, Said, loadgen, pipe_in, say};
use tempfile::TempDir;

const GOOD: &str = r#"{ "scenarios": [ {
    "name": "greet",
    "targets": ["127.0.0.1:50051"],
    "load": { "closed": { "users": 3, "iterations": 30 } },
    "steps": [ { "name": "hello", "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "name": "world" } } } ]
} ] }"#;

const COMPACT: &str = r#"{ "grpc_scenarios": [
    { "name": "hello_high", "total_requests": 5000, "concurrency": 100, "test_type": "hello" }
], "websocket_scenarios": [
    { "name": "echo_stress", "total_connections": 500, "messages_per_conn": 50, "test_type": "echo" }
] }"#;

fn file(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.json");
    fs::write(&path, content).expect("the file is written");
    (folder, path)
}

#[test]
fn list_names_the_shipped_scenarios() {
    let said = say(&["list"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let kinds = [
        "hello",
        "compute",
        "echo",
        "stream",
        "http_hello",
        "tcp_echo",
    ];
    for kind in kinds {
        for size in ["light", "medium", "high"] {
            assert!(said.stdout.contains(&format!("{kind}_{size}")), "{said:?}");
        }
    }
    assert!(said.stdout.contains("stress_all"), "{said:?}");
    assert!(
        said.stdout.contains("5,000 iterations by 100 users"),
        "{said:?}"
    );
    assert!(
        said.stdout.contains("50 iterations by each of 500 users"),
        "{said:?}"
    );
}

#[test]
fn list_of_a_protocol() {
    let said = say(&["list", "--protocol", "websocket"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for name in ["ping_high", "connection_endurance", "stress_all"] {
        assert!(said.stdout.contains(name), "{said:?}");
    }
    assert!(!said.stdout.contains("hello_high"), "{said:?}");
    assert!(!said.stdout.contains("grpc"), "{said:?}");
}

#[test]
fn list_prints_json_that_validates() {
    let said = say(&["list", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let (_folder, path) = file(&said.json().to_string());
    let again = say(&["validate", &path.display().to_string()]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn list_of_a_file() {
    let (_folder, path) = file(GOOD);
    let said = say(&["list", "--config", &path.display().to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("greet  grpc"), "{said:?}");
    assert!(!said.stdout.contains("hello_high"), "{said:?}");
}

#[test]
fn validate_says_that_all_is_well() {
    for (content, valid) in [
        (GOOD, "1 scenario, valid\n"),
        (COMPACT, "2 scenarios, valid\n"),
    ] {
        let (_folder, path) = file(content);
        let said = say(&["validate", &path.display().to_string()]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.ends_with(valid), "{said:?}");
    }
}

#[test]
fn validate_finds_what_preparing_the_run_would() {
    for (from, to, expected) in [
        (
            "Greeter/Hello",
            "Greeter/Hullo",
            "did you mean `loadgen.v1.Greeter/Hello`",
        ),
        (
            r#""name": "world""#,
            r#""nom": "world""#,
            "steps[0].grpc.message.nom",
        ),
        (
            r#""steps":"#,
            r#""protos": ["no.proto"], "steps":"#,
            "no.proto",
        ),
    ] {
        let (_folder, path) = file(&GOOD.replace(from, to));
        let said = say(&["validate", &path.display().to_string()]);
        assert_eq!(said.code, Some(104), "{said:?}");
        assert_eq!(said.stdout, "");
        for part in ["suite.json: 1 problem\n", expected] {
            assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
        }
    }
}

/// Each stands on a line of its own, and is counted.
#[test]
fn validate_counts_what_it_lists() {
    let bad = GOOD.replace(
        r#""name": "world""#,
        r#""name": "{{ usr }} {{ iteratoin }} {{ env.LOADGEN_NO_SUCH_NAME }}""#,
    );
    let (_folder, path) = file(&bad);
    let said = say(&["validate", &path.display().to_string()]);
    assert_eq!(said.code, Some(104), "{said:?}");
    let problems = said
        .stderr
        .lines()
        .filter(|it| it.starts_with("  scenario `"));
    assert_eq!(problems.count(), 3, "{said:?}");
    assert!(said.stderr.contains("suite.json: 3 problems\n"), "{said:?}");
}

/// What a misspelt field was meant to be is not missing besides.
#[test]
fn a_slip_is_one_problem() {
    for (field, slip) in [
        ("\"load\":", "\"laod\":"),
        ("\"closed\":", "\"colsed\":"),
        ("\"users\":", "\"uesrs\":"),
        ("\"iterations\":", "\"iteratoins\":"),
        ("\"steps\":", "\"stpes\":"),
        ("\"scenarios\":", "\"scenarois\":"),
        ("\"method\":", "\"metod\":"),
    ] {
        assert!(GOOD.contains(field), "{GOOD}");
        let (_folder, path) = file(&GOOD.replacen(field, slip, 1));
        let said = say(&["validate", &path.display().to_string()]);
        assert_eq!(said.code, Some(104), "{said:?}");
        for part in ["suite.json: 1 problem\n", "did you mean `"] {
            assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
        }
    }
}

#[test]
fn validate_names_what_only_the_server_can_tell() {
    let (_folder, path) = file(&GOOD.replace("loadgen.v1.Greeter/Hello", "my.pkg.Svc/Do"));
    let said = say(&["validate", &path.display().to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout
            .ends_with("valid; my.pkg.Svc/Do is looked up at the server when the run begins\n"),
        "{said:?}"
    );
}

#[test]
fn validate_prints_the_full_form_of_the_compact_suite() {
    let (_folder, path) = file(COMPACT);
    let said = say(&["validate", "--print", &path.display().to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let full = said.json();
    let closed = &full["scenarios"][0]["load"]["closed"];
    assert_eq!(closed["users"], 100, "{full}");
    assert_eq!(closed["iterations"], 5000, "{full}");
    let closed = &full["scenarios"][1]["load"]["closed"];
    assert_eq!(closed["users"], 500, "{full}");
    assert_eq!(closed["iterations_per_user"], 50, "{full}");
    // The full form is itself a suite.
    let (_folder, path) = file(&full.to_string());
    let again = say(&["validate", &path.display().to_string()]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

/// What is printed is passed around.
#[test]
fn validate_prints_where_secrets_stand_and_no_secret() {
    let (_folder, path) = file(
        r#"{ "scenarios": [{
            "name": "a", "load": { "closed": { "users": 1, "iterations": 1 } },
            "metadata": {
                "authorization": { "env": "LOADGEN_TEST_TOKEN", "prefix": "Bearer " },
                "x-api-key": "PLANTED-1", "x-tenant": "blue"
            },
            "steps": [{ "grpc": { "method": "loadgen.v1.Greeter/Hello" } }]
        }] }"#,
    );
    let path = path.display().to_string();
    let validate = |flags: &[&str], token: Option<&str>| {
        let mut command = loadgen(&["validate", &path]);
        command.args(flags);
        if let Some(token) = token {
            command.env("LOADGEN_TEST_TOKEN", token);
        }
        Said::from(command.output().unwrap())
    };
    let token = Some("PLANTED-2");
    let said = validate(&["--print"], token);
    assert_eq!(said.code, Some(0), "{said:?}");
    let metadata = &said.json()["scenarios"][0]["metadata"];
    let place = serde_json::json!({ "env": "LOADGEN_TEST_TOKEN", "prefix": "Bearer " });
    assert_eq!(metadata["authorization"], place, "{said:?}");
    assert_eq!(metadata["x-api-key"], "***", "{said:?}");
    assert_eq!(metadata["x-tenant"], "blue", "{said:?}");
    assert!(said.stderr.contains("--show-secrets"), "{said:?}");
    let said = validate(&["--print", "--show-secrets"], token);
    let metadata = &said.json()["scenarios"][0]["metadata"];
    assert_eq!(metadata["authorization"], place, "{said:?}");
    assert_eq!(metadata["x-api-key"], "PLANTED-1", "{said:?}");
    assert_eq!(said.stderr, "");

    let unset = "metadata: `authorization`: the environment variable `LOADGEN_TEST_TOKEN` is not set; \
                 set it, or give a `default` beside `env`";
    let said = validate(&[], None);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(said.stderr.contains(unset), "{said:?}");
    let said = validate(&[], Some("PLANTED-3\nPLANTED-4"));
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(
        said.stderr.contains("holds what no header can carry"),
        "{said:?}"
    );
    assert!(!said.stderr.contains("PLANTED"), "{said:?}");
}

#[test]
fn validate_says_everything_at_once() {
    let (_folder, path) = file(
        r#"{ "scenarios": [
            { "name": "a", "load": { "closed": { "users": 0, "iterations": 1 } }, "stepz": [], "steps": [] },
            { "name": 7 }
        ] }"#,
    );
    let said = say(&["validate", &path.display().to_string()]);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert_eq!(said.stdout, "");
    for part in ["stepz", "users", "scenarios[1]", "name"] {
        assert!(said.stderr.contains(part), "`{part}` is not in {said:?}");
    }
}

#[test]
fn syntax_errors_say_line_and_column() {
    let (_folder, path) = file("{\n  \"scenarios\": [,]\n}");
    for command in [
        &["validate"][..],
        &["run", "--config"],
        &["list", "--config"],
    ] {
        let path = path.display().to_string();
        let args: Vec<&str> = command.iter().copied().chain([path.as_str()]).collect();
        let said = say(&args);
        assert_eq!(said.code, Some(104), "{said:?}");
        assert!(said.stderr.contains("line 2, column"), "{said:?}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let said = say(&["validate", "/no/such/file.json"]);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(said.stderr.contains("/no/such/file.json"), "{said:?}");
    assert!(said.stderr.contains("No such file"), "{said:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("binary");
    fs::write(&path, [0xff, 0xfe, 0x00]).expect("the file is written");
    let said = say(&["validate", &path.display().to_string()]);
    assert_eq!(said.code, Some(104), "{said:?}");
    assert!(said.stderr.contains("UTF-8"), "{said:?}");
}

#[test]
fn schemas_are_json_schemas() {
    for of in ["scenario", "result", "comparison"] {
        let said = say(&["schema", of]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let schema = said.json();
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{of}: {error}"));
        assert!(schema["$schema"].is_string(), "{of} names its draft");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = say(&["completions", shell]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("scenario"), "{shell}");
        assert!(said.stdout.contains("loadgen"), "{shell}");
    }
    assert_eq!(say(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let mut child = loadgen(&["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("loadgen starts");
    drop(child.stdout.take());
    let said: common::Said = child.wait_with_output().expect("loadgen ends").into();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let said: common::Said = loadgen(&["completions", "bash"])
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("loadgen starts")
        .into();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stderr.contains("failed to write to standard output"),
        "{said:?}"
    );
}

/// It waited without a word.
#[test]
fn a_pipe_that_nobody_writes_to_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = pipe_in(folder.path());
    let mut command = loadgen(&["validate", &pipe.display().to_string()]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut validate = Guard(command.spawn().expect("loadgen starts"));
    let stderr = validate.0.stderr.take().expect("it is piped");
    let mut said = String::new();
    let read = BufReader::new(stderr).read_line(&mut said);
    read.expect("stderr is read");
    let expected = format!(
        "waiting for somebody to write scenarios to the pipe {}, and to close it\n",
        pipe.display()
    );
    assert_eq!(said, expected);
    fs::write(&pipe, GOOD).expect("somebody reads");
    let status = validate.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
}

/// It had one width, whatever the terminal's.
#[test]
fn list_fits_as_many_columns_as_it_is_told() {
    for columns in ["60", "200"] {
        let listed = loadgen(&["list"]).env("COLUMNS", columns).output();
        let text = String::from_utf8(listed.expect("loadgen starts").stdout).expect("UTF-8");
        let widths = text.lines().map(|line| line.chars().count());
        let widest = widths.max().expect("lines");
        assert!(widest <= columns.parse().expect("a number"), "{text}");
    }
}

/// What `validate` says of a scenario of WebSocket with a file of people.
fn validate_people(people: &str, fields: &str) -> Said {
    let content = format!(
        r#"{{ "scenarios": [ {{
            "name": "people", "targets": ["ws://127.0.0.1:50051"],
            "load": {{ "closed": {{ "users": 1, "iterations": 1 }} }},
            "data": {{ "people": {{ "file": "people.csv" }} }},
            {fields}
        }} ] }}"#
    );
    let (folder, path) = file(&content);
    fs::write(folder.path().join("people.csv"), people).expect("the file is written");
    let child = loadgen(&["validate", &path.display().to_string()])
        .env("LOADGEN_TEST_LIMIT", "40")
        .output();
    child.expect("loadgen starts").into()
}

#[test]
fn validate_tells_what_expressions_get_wrong() {
    let said = validate_people(
        "name,age,home town\nann b,30,Rome\n",
        r#"
            "headers": { "x-name": "{{ row['nmae'] }}" },
            "steps": [
                { "when": "row.age > 40 and env['LOADGEN_TEST_LIMIT'] == 40",
                  "websocket": { "path": "/{{ row.name }}", "send": { "text": "{{ row['home town'] }}" } },
                  "save": { "id": "reply.id" } },
                { "websocket": { "path": "/b", "send": { "json": { "id": "{{ saved['id'] }}", "age": "{{ row.age|int / 'x' }}" } } } },
                { "websocket": { "path": "/c", "send": { "binary": "{{ row.age }}!" } } }
            ]"#,
    );
    assert_eq!(said.code, Some(104), "{said:?}");
    for problem in [
        "headers.x-name: `row.nmae` is unknown; did you mean `name`?",
        "steps[0].when: `row.age > 40` compares a text with a number; what a CSV file holds is text; write \
         `row.age|int > 40`",
        "steps[0].when: `env['LOADGEN_TEST_LIMIT'] == 40` compares a text with a number; what the environment \
         holds is text; write `env['LOADGEN_TEST_LIMIT']|int == 40`",
        "steps[0].websocket.path: \"/ann b\" is none; it begins with `/` and has no blanks (with the first row \
         of `data`)",
        "steps[1].websocket.send.json.age: invalid operation: tried to use / operator on unsupported types number \
         and string (with the first row of `data`)",
        "steps[2].websocket.send.binary: 30! is not base64 (with the first row of `data`)",
    ] {
        let words: Vec<_> = said.stderr.split_whitespace().collect();
        assert!(
            words.join(" ").contains(problem),
            "{problem}\n{}",
            said.stderr
        );
    }
    assert!(!said.stderr.contains("saved"), "{}", said.stderr);
}

#[test]
fn validate_tells_of_filters_that_there_are_not() {
    let steps = r#""steps": [ { "websocket": { "path": "/", "send": { "text": "{{ row.name|uper|trmi }}" } } } ]"#;
    let said = validate_people("name\nann\n", steps);
    assert_eq!(said.code, Some(104), "{said:?}");
    let problem =
        "`uper` is no filter; did you mean `upper`?; `trmi` is no filter; did you mean `trim`?";
    let words: Vec<_> = said.stderr.split_whitespace().collect();
    let shown = words.join(" ").replace(" │ ", " ");
    assert!(shown.contains(problem), "{}", said.stderr);
}

#[test]
fn validate_tells_of_rows_that_are_wrong() {
    let steps =
        r#""steps": [ { "websocket": { "path": "/", "send": { "text": "{{ row.name }}" } } } ]"#;
    for (people, problem) in [
        (
            "name,age\nann,30\n\"bob,31\ncid,32\n",
            "people.csv: line 3: a quote is opened that nothing closes",
        ),
        (
            "name,age\nann\nbob,1\ncid,2,3\n",
            "people.csv: line 2: it has 1 field, and the first line names 2; line 4: it has 3 fields",
        ),
    ] {
        let said = validate_people(people, steps);
        assert_eq!(said.code, Some(104), "{said:?}");
        let words: Vec<_> = said.stderr.split_whitespace().collect();
        assert!(
            words.join(" ").contains(problem),
            "{problem}\n{}",
            said.stderr
        );
    }
}

/// Nobody reads what is printed, as behind `| head -1`.
fn unread(args: &[&str]) -> Said {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = loadgen(args);
    command.stdout(writer).stderr(Stdio::piped());
    command.output().expect("loadgen starts").into()
}

/// Only what is of no use in part has another exit code.
#[test]
fn a_reader_that_went_away_is_told_nothing() {
    let (folder, suite) = file(&GOOD.replace("127.0.0.1:50051", "greeter.example.com:443"));
    let suite = suite.display().to_string();
    let result = folder.path().join("result.json").display().to_string();
    let out = format!("json={result}");
    let run = say(&["run", "-s", "hello_light", "-q", "--out", &out]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let results = folder.path().display().to_string();
    let image = ["--shards", "2", "--image", "loadgen:1"];
    let kubernetes = [&["kubernetes", &suite][..], &image].concat();
    for (args, code) in [
        (&["list"][..], 0),
        (&["list", "--json"], 0),
        (&["validate", &suite], 0),
        (&["validate", "--print", &suite], 0),
        (&["schema", "scenario"], 0),
        (&["completions", "bash"], 0),
        (&["history", &results], 0),
        (&["history", &results, "--csv"], 0),
        (&["report", &result], 0),
        (&["compare", &result, &result, "--force"], 0),
        (&["report", &result, "--json"], 1),
        (&["compare", &result, &result, "--force", "--json"], 1),
        (&kubernetes, 1),
    ] {
        let said = unread(args);
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (Some(code), ""),
            "{args:?}"
        );
    }
}
