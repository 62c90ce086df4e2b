//! Whole runs of users that log in elsewhere, in another protocol, before they do what is measured.
#![cfg(all(
    feature = "grpc",
    feature = "websocket",
    feature = "http",
    feature = "tcp"
))]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and its servers have threads and a clock of their own"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadgen_backends::{
    RunningServer, ServerConfig, TcpOptions, start_grpc, start_http, start_tcp, start_websocket,
};
use loadgen_core::driver::{Exchange, Interceptor, Request};
use loadgen_core::engine::{LifePart, Options, RunError};
use loadgen_core::outcome::Outcome;
use loadgen_core::record::{ScenarioRecord, StepRecord};
use loadgen_core::scenario::{HttpRequest, Plan, ProtocolPlan, Step, Suite, to_json};
use loadgen_core::{assemble, assemble_intercepted, check};
use serde_json::{Value, json};
use test_case::test_case;

/// What a gate saw.
#[derive(Default)]
struct Seen {
    connections: usize,
    ended: usize,
    /// `METHOD PATH AUTHORIZATION`.
    asked: Vec<String>,
}

/// An HTTP server that hands out tokens, and says what came of it.
struct Gate {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Gate {
    /// One that answers each path with a status, after a while.
    fn open(answer: fn(&str) -> (u16, Duration)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || {
                    told.lock().unwrap().connections += 1;
                    let _ = serve(connection, answer, &told);
                    told.lock().unwrap().ended += 1;
                });
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> (usize, Vec<String>) {
        let seen = self.seen.lock().unwrap();
        (seen.connections, seen.asked.clone())
    }

    /// How many connections are still there when all that end have had their time.
    fn left(&self) -> usize {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let seen = self.seen.lock().unwrap();
            let left = seen.connections - seen.ended;
            if left == 0 || Instant::now() > until {
                return left;
            }
            drop(seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn serve(
    connection: TcpStream,
    answer: fn(&str) -> (u16, Duration),
    told: &Mutex<Seen>,
) -> std::io::Result<()> {
    let mut out = connection.try_clone()?;
    let mut lines = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let what = format!("{} {}", words.next().unwrap(), words.next().unwrap());
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut field = String::new();
            lines.read_line(&mut field)?;
            match field.trim().split_once(": ") {
                None => break,
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("authorization", value)) => authorization = value.to_owned(),
                Some(_) => {}
            }
        }
        lines.read_exact(&mut vec![0; length])?;
        let number = {
            let mut told = told.lock().unwrap();
            told.asked
                .push(format!("{what} {authorization}").trim().to_owned());
            told.asked.len()
        };
        let (status, wait) = answer(&what);
        std::thread::sleep(wait);
        let body = format!(r#"{{"token":"ticket-{number}","motto":"be quick"}}"#);
        write!(
            out,
            "HTTP/1.1 {status} X\r\nx-loadgen-backend: gate\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

fn at_once(_: &str) -> (u16, Duration) {
    (200, Duration::ZERO)
}

fn config() -> ServerConfig {
    ServerConfig::new("127.0.0.1:0".parse().unwrap())
}

fn plan(scenario: &Value) -> Plan {
    let suite = json!({ "scenarios": [scenario] }).to_string();
    let suite = Suite::parse("suite.json", &suite, None, None).unwrap();
    let plan = suite.select::<&str>(&[], None).unwrap();
    // It is the same once it was printed.
    let printed = to_json(&plan.scenarios).to_string();
    let again = Suite::parse("printed.json", &printed, None, None).unwrap();
    assert_eq!(again.scenarios(), plan.scenarios);
    plan
}

fn options() -> Options {
    Options::default().workers(2).seed(1)
}

fn run(scenario: &Value) -> ScenarioRecord {
    let run = assemble(&plan(scenario), options()).unwrap();
    let record = run.execute().expect("the run begins");
    let [scenario] = <[_; 1]>::try_from(record.scenarios).unwrap();
    assert!(scenario.ledger.balances(), "{:?}", scenario.ledger);
    scenario
}

/// A scenario that speaks gRPC, with this done by users before and after.
fn greeting(server: &RunningServer, gate: SocketAddr, fields: Value) -> Value {
    let mut scenario = json!({
        "name": "greet",
        "targets": [server.local_addr().to_string()],
        "elsewhere": { "http": { "targets": [gate.to_string()] } },
        "load": { "closed": { "users": 6, "iterations_per_user": 5 } },
        "steps": [{ "grpc": {
            "method": "loadgen.v1.Greeter/Hello",
            "message": { "name": "{{ saved.token }}" },
            "metadata": { "authorization": "Bearer {{ saved.token }}" },
        }, "check": ["saved.token in reply.message"] }],
    });
    let Value::Object(fields) = fields else {
        panic!("fields of a scenario: {fields}");
    };
    scenario.as_object_mut().unwrap().extend(fields);
    scenario
}

fn login() -> Value {
    json!({ "name": "login", "http": { "method": "POST", "path": "/login" }, "save": { "token": "reply.token" } })
}

fn logout() -> Value {
    json!({ "name": "logout", "http": {
        "method": "DELETE", "path": "/login", "headers": { "authorization": "{{ saved.token }}" },
    } })
}

fn step<'a>(record: &'a ScenarioRecord, name: &str) -> &'a StepRecord {
    record.steps.iter().find(|it| it.name == name).unwrap()
}

fn ok(step: &StepRecord) -> u64 {
    let outcomes = step.outcomes.iter().filter(|(it, _)| it.is_ok());
    outcomes.map(|(_, count)| count).sum()
}

fn failed(record: &ScenarioRecord, step: &StepRecord) -> Vec<(String, u64, u64)> {
    let failures = step.outcomes.iter().filter(|(it, _)| !it.is_ok());
    failures
        .map(|(outcome, count)| {
            let of_iterations = record.outcomes.iter().find(|(it, _)| it == outcome);
            (
                outcome.to_string(),
                *count,
                of_iterations.map_or(0, |it| it.1),
            )
        })
        .collect()
}

const CLOSED: &str = r#"{ "closed": { "users": 6, "iterations_per_user": 5 } }"#;
const OPEN: &str = r#"{ "open": { "rate": "100/s", "duration": "300ms", "users": { "max": 6 } } }"#;

#[test_case(CLOSED; "closed")]
#[test_case(OPEN; "open")]
fn users_log_in_over_http_before_they_speak_grpc(load: &str) {
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(at_once));
    let load: Value = serde_json::from_str(load).unwrap();
    let record = run(&greeting(
        &server,
        gate.address,
        json!({ "load": load, "begin": [login()], "end": [logout()] }),
    ));
    assert_eq!(record.ledger.completed, 30, "{:?}", record.outcomes);
    let users = ok(step(&record, "login"));
    assert!((1..=6).contains(&users));
    assert_eq!(ok(step(&record, "logout")), users);
    assert_eq!(step(&record, "login").part, Some(LifePart::Begin));
    assert_eq!(step(&record, "logout").part, Some(LifePart::End));
    // One connection for each user, over which it came and left; each left with what it was given.
    let (connections, asked) = gate.seen();
    assert_eq!(connections as u64, users);
    let given = |it: &String| it.starts_with("DELETE /login ticket-");
    assert_eq!(asked.iter().filter(|it| given(it)).count() as u64, users);
    assert_eq!(gate.left(), 0);
    // What is elsewhere is in no figure of connections and backends.
    assert_eq!(record.connections.counts.opened, 2);
    assert!(record.backends.iter().all(|it| it.id != "gate"));
    assert_eq!(record.unknown.requests, 0);
}

#[test]
fn connections_elsewhere_end_with_the_part_where_they_are_told_to() {
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(at_once));
    let mut scenario = greeting(
        &server,
        gate.address,
        json!({ "begin": [login(), { "name": "look", "http": { "path": "/" } }], "end": [logout()] }),
    );
    scenario["elsewhere"]["http"]["connection_per"] = json!("iteration");
    let record = run(&scenario);
    assert_eq!(record.ledger.completed, 30);
    let (connections, asked) = gate.seen();
    assert_eq!((connections, asked.len()), (12, 18));
    assert_eq!(gate.left(), 0);
}

/// What was asked for, with the field that says who asks.
#[derive(Default)]
struct Asked(Mutex<Vec<(String, Option<String>, Outcome)>>);

impl Interceptor for Asked {
    fn request(&self, _: &mut Request) {}

    fn exchange(&self, exchange: &Exchange<'_>) {
        let request = exchange.request();
        let who = request.fields().find(|(name, _)| *name == "authorization");
        let asked = (
            request.what().to_owned(),
            who.map(|it| it.1),
            exchange.outcome(),
        );
        self.0.lock().unwrap().push(asked);
    }
}

#[test]
fn an_interceptor_sees_what_goes_elsewhere_and_the_token_where_it_is_used() {
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(at_once));
    let fields = json!({
        "begin": [login()],
        "load": { "closed": { "users": 1, "iterations": 1 } },
    });
    let asked = Arc::new(Asked::default());
    let plan = plan(&greeting(&server, gate.address, fields));
    let run = assemble_intercepted(&plan, options(), Arc::clone(&asked) as _).unwrap();
    run.execute().unwrap();
    let asked = asked.0.lock().unwrap();
    let call = "loadgen.v1.Greeter/Hello".to_owned();
    let who = Some("Bearer ticket-1".to_owned());
    assert_eq!(
        *asked,
        [
            ("POST /login".to_owned(), None, Outcome::Ok),
            (call, who, Outcome::Ok)
        ]
    );
}

/// The results of one `setup` elsewhere are there for all users.
#[test]
fn a_scenario_is_set_up_elsewhere_once() {
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(at_once));
    let mut scenario = greeting(
        &server,
        gate.address,
        json!({
            "setup": [{ "name": "prime", "http": { "path": "/motto" }, "save": { "motto": "reply.motto" } }],
            "begin": [login()],
        }),
    );
    scenario["steps"][0]["grpc"]["message"]["name"] = json!("{{ saved.token }} {{ setup.motto }}");
    scenario["steps"][0]["check"] = json!(["'be quick' in reply.message"]);
    let record = run(&scenario);
    assert_eq!(record.ledger.completed, 30, "{:?}", record.outcomes);
    let (_, asked) = gate.seen();
    let primed = asked.iter().filter(|it| *it == "GET /motto");
    assert_eq!(primed.count(), 1);
    assert_eq!(gate.left(), 0);
}

#[test]
fn a_failed_setup_elsewhere_ends_the_run_before_it_begins() {
    let server = start_grpc(config()).unwrap();
    let gate = Gate::open(|_| (503, Duration::ZERO));
    let scenario = greeting(
        &server,
        gate.address,
        json!({ "setup": [{ "name": "prime", "http": {} }], "begin": [login()] }),
    );
    let error = assemble(&plan(&scenario), options())
        .unwrap()
        .execute()
        .unwrap_err();
    assert!(matches!(error, RunError::Setup { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("in step `prime` with `http.503`"), "{told}");
}

fn refused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Where a user cannot begin elsewhere, the iteration that needed it ends as that did.
#[test]
fn who_cannot_log_in_elsewhere_fails_as_that_did() {
    fn never(_: &str) -> (u16, Duration) {
        (500, Duration::ZERO)
    }
    fn late(_: &str) -> (u16, Duration) {
        (200, Duration::from_secs(3))
    }
    let server = start_grpc(config()).unwrap();
    let (broken, slow, fine) = (Gate::open(never), Gate::open(late), Gate::open(at_once));
    let wrong = json!({ "begin": [{ "name": "login", "http": {}, "check": ["reply.token == 'x'"], "save": { "token": "reply.token" } }] });
    let cases = [
        (refused(), json!({ "begin": [login()] }), "connect"),
        (broken.address, json!({ "begin": [login()] }), "http.500"),
        (
            slow.address,
            json!({ "begin": [login()], "timeout": "300ms" }),
            "timeout",
        ),
        (fine.address, wrong, "check"),
    ];
    for (gate, mut fields, expected) in cases {
        fields["load"] = json!({ "closed": { "users": 2, "iterations_per_user": 2 } });
        let record = run(&greeting(&server, gate, fields));
        let login = step(&record, "login");
        let [(outcome, of_step, of_iterations)] = &failed(&record, login)[..] else {
            panic!("{expected}: {:?}", login.outcomes);
        };
        assert_eq!(outcome, expected);
        assert_eq!(record.ledger.failed, *of_iterations);
        assert!(
            of_step >= of_iterations,
            "{expected}: {of_step} {of_iterations}"
        );
        assert!(record.ledger.failed >= 1 && record.ledger.completed == 0);
        assert!(
            login
                .examples
                .iter()
                .any(|(it, _)| it.to_string() == expected),
            "{:?}",
            login.examples
        );
    }
    assert_eq!((broken.left(), fine.left()), (0, 0));
}

/// How users leave is in the figures of that, and nobody else's outcome.
#[test]
fn who_cannot_log_out_elsewhere_has_done_what_was_asked() {
    fn closed_at_night(what: &str) -> (u16, Duration) {
        let is_leaving = what.starts_with("DELETE");
        (if is_leaving { 500 } else { 200 }, Duration::ZERO)
    }
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(closed_at_night));
    let fields = json!({ "begin": [login()], "end": [logout()] });
    let record = run(&greeting(&server, gate.address, fields));
    assert_eq!((record.ledger.completed, record.ledger.failed), (30, 0));
    let logout = step(&record, "logout");
    assert_eq!(failed(&record, logout), [("http.500".to_owned(), 6, 0)]);
}

/// A step of the scenario's own that follows is not late for what was done elsewhere.
#[test]
fn what_follows_has_times_of_its_own() {
    fn slowly(_: &str) -> (u16, Duration) {
        (200, Duration::from_millis(300))
    }
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(slowly));
    let own = json!({ "name": "own", "grpc": { "method": "loadgen.v1.Greeter/Hello" } });
    let fields = json!({ "begin": [login(), own] });
    let record = run(&greeting(&server, gate.address, fields));
    let (login, own) = (step(&record, "login"), step(&record, "own"));
    assert!(login.response_time.min() >= 290_000_000);
    assert!(
        own.response_time.min() < 290_000_000,
        "{:?}",
        own.response_time.min()
    );
    assert_eq!((login.response_time.len(), own.response_time.len()), (6, 6));
}

#[test]
fn users_log_in_over_grpc_before_they_speak_websocket() {
    let (login, chat) = (
        start_grpc(config()).unwrap(),
        start_websocket(config()).unwrap(),
    );
    let record = run(&json!({
        "name": "chat",
        "targets": [chat.local_addr().to_string()],
        "elsewhere": { "grpc": { "targets": [login.local_addr().to_string()] } },
        "load": { "closed": { "users": 6, "iterations_per_user": 5 } },
        "headers": { "authorization": "Bearer {{ saved.token }}" },
        "begin": [{
            "name": "login",
            "grpc": { "method": "loadgen.v1.Greeter/Hello", "message": { "name": "user {{ user }}" } },
            "check": ["status == 'OK'"],
            "save": { "token": "reply.message" },
        }],
        "steps": [{
            "websocket": { "path": "/echo", "send": { "text": "{{ saved.token }}" } },
            "check": ["'user ' ~ user in reply.text"],
        }],
    }));
    assert_eq!(record.ledger.completed, 30, "{:?}", record.outcomes);
    assert_eq!(ok(step(&record, "login")), 6);
}

#[test]
fn users_say_hello_over_tcp_and_websocket_before_they_speak_http() {
    let (line, shop) = (
        start_tcp(config(), TcpOptions::default()).unwrap(),
        start_http(config()).unwrap(),
    );
    let chat = start_websocket(config()).unwrap();
    let record = run(&json!({
        "name": "shop",
        "targets": [shop.local_addr().to_string()],
        "elsewhere": {
            "tcp": { "targets": [line.local_addr().to_string()] },
            "websocket": { "targets": [chat.local_addr().to_string()] },
        },
        "load": { "closed": { "users": 6, "iterations_per_user": 5 } },
        "begin": [
            {
                "name": "hello",
                "tcp": { "send": { "text": "user {{ user }}\n" }, "receive": { "until": "\n" } },
                "save": { "name": "reply.text" },
            },
            {
                "name": "ask",
                "websocket": { "path": "/echo", "send": { "text": "{{ saved.name }}!" } },
                "save": { "word": "reply.text" },
            },
        ],
        "steps": [{
            "http": { "method": "POST", "path": "/echo", "body": { "json": { "word": "{{ saved.word }}" } } },
            "check": ["reply.word == 'user ' ~ user ~ '!'"],
        }],
        "end": [{ "name": "bye", "websocket": { "path": "/echo", "send": { "text": "bye" } } }],
    }));
    assert_eq!(
        record.ledger.completed, 30,
        "{:?} {:?}",
        record.outcomes, record.steps[2].checks
    );
    for name in ["hello", "ask", "bye"] {
        assert_eq!(ok(step(&record, name)), 6, "{name}");
    }
    assert_eq!(record.connections.counts.opened, 6);
}

/// A scenario of HTTP that logs in at another server over HTTP.
#[test]
fn the_same_protocol_may_be_spoken_elsewhere() {
    let (shop, gate) = (start_http(config()).unwrap(), Gate::open(at_once));
    let record = run(&json!({
        "name": "shop",
        "targets": [shop.local_addr().to_string()],
        "elsewhere": { "http": { "targets": [gate.address.to_string()], "headers": { "x-app": "shop" } } },
        "load": { "closed": { "users": 2, "iterations_per_user": 3 } },
        "begin": [login()],
        "steps": [{ "http": { "path": "/hello?name={{ saved.token }}" }, "check": ["saved.token in reply.message"] }],
    }));
    assert_eq!(record.ledger.completed, 6, "{:?}", record.outcomes);
    let (connections, asked) = gate.seen();
    assert_eq!((connections, asked.len()), (2, 2));
}

/// Who is stopped while it begins elsewhere is not waited for.
#[test]
fn nobody_waits_for_who_is_stopped_elsewhere() {
    fn never(_: &str) -> (u16, Duration) {
        (200, Duration::from_secs(60))
    }
    let (server, gate) = (start_grpc(config()).unwrap(), Gate::open(never));
    let fields = json!({
        "begin": [login()],
        "load": { "open": { "rate": "20/s", "duration": "500ms", "users": { "max": 4 } } },
        "graceful_stop": "200ms",
    });
    let began = Instant::now();
    let record = run(&greeting(&server, gate.address, fields));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(record.ledger.completed, 0);
}

#[test]
fn what_is_wrong_is_told_before_the_run() {
    let server = start_grpc(config()).unwrap();
    let mut scenario = greeting(
        &server,
        refused(),
        json!({ "begin": [{
            "name": "login",
            "http": { "path": "/login?as={{ usr }}" },
            "check": ["replly.token"],
            "save": { "token": "reply.token ~ row.name" },
        }] }),
    );
    let told = |scenario: &Value| {
        let plan = plan(scenario);
        let checked = check(&plan.scenarios[0]).map(drop).unwrap_err().to_string();
        let assembled = assemble(&plan, options())
            .map(drop)
            .unwrap_err()
            .to_string();
        assert_eq!(checked, assembled);
        checked
    };
    let all = told(&scenario);
    for expected in [
        "begin[0].http.path: `usr` is unknown; did you mean `user`?",
        "begin[0].check[0]: `replly` is unknown; did you mean `reply`?",
        "begin[0].save.token: `row` has no value here: the scenario has no `data`",
    ] {
        assert!(all.contains(expected), "{all}");
    }
    scenario["begin"] = json!([login()]);
    scenario["elsewhere"]["http"]["headers"] = json!({ "x-key": { "file": "/nowhere/key" } });
    let all = told(&scenario);
    assert!(
        all.contains("elsewhere.http.headers.x-key: /nowhere/key: "),
        "{all}"
    );
    scenario["elsewhere"] = json!({});
    let nowhere = assemble(&plan(&scenario), options())
        .map(drop)
        .unwrap_err()
        .to_string();
    assert_eq!(
        nowhere,
        "scenario `greet`: elsewhere.http.targets: nothing says where `begin[0]` goes, which speaks `http`"
    );
    check(&plan(&scenario).scenarios[0]).unwrap();
}

/// A file cannot say it, and a plan made in code is not always checked.
#[test]
fn no_step_of_an_iteration_goes_elsewhere() {
    let server = start_grpc(config()).unwrap();
    let mut plan = plan(&greeting(&server, refused(), json!({ "begin": [login()] })));
    let ProtocolPlan::Grpc(grpc) = &mut plan.scenarios[0].protocol else {
        panic!("it speaks gRPC");
    };
    grpc.steps
        .push(Step::elsewhere("look", HttpRequest::new("GET", "/look")));
    let wrong = "scenario `greet`: steps[1]: it goes elsewhere, which steps of `setup`, `begin` and \
                 `end` may only";
    let checked = check(&plan.scenarios[0]).map(drop).unwrap_err();
    assert_eq!(checked.to_string(), wrong);
    let assembled = assemble(&plan, options()).map(drop).unwrap_err();
    assert_eq!(assembled.to_string(), wrong);
}
