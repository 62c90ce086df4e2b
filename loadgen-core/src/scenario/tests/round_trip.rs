//! Whatever is parsed or built prints as something that parses to the same; nothing panics.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};

use super::*;
use crate::condition::Threshold;
use crate::outcome::GrpcCode;
use crate::schedule::{
    ClosedModel, Limit, Load, OpenModel, RateStage, Spacing, ThinkTime, UserStage, WhenBusy,
};
use crate::units::Rate;

/// `defaults` lie one level higher than the scenarios that are printed: what a parser just took was printed
/// as nothing, and then no secret of the plan was known.
#[test]
fn what_is_nested_as_deeply_as_can_be_is_printed() {
    for depth in 115..=121 {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = format!(
            r#"{{"defaults": {{"steps": [{{"websocket": {{"path": "/", "send": {{"json": {deep}}}}}}}]}},
                "scenarios": [{{"name": "a", "headers": {{"authorization": "Bearer s3cr3t-1"}},
                               "load": {{"closed": {{"users": 1, "iterations": 1}}}}}}]}}"#
        );
        let suite = Suite::parse("test", &text, None, None).unwrap();
        let mut printed = to_json(suite.scenarios());
        assert_eq!(printed["scenarios"][0]["name"], "a", "{depth}");
        crate::secrets::Secrets::mask_in(&mut printed);
        assert!(!printed.to_string().contains("s3cr3t-1"), "{depth}");
    }
}

fn span() -> impl Strategy<Value = Duration> {
    (1..86_400_000_000_000_u64, 0..46_u32)
        .prop_map(|(nanos, shift)| Duration::from_nanos((nanos >> shift).max(1)))
}

fn rate() -> impl Strategy<Value = Rate> {
    (0.0..6.0_f64).prop_map(|exponent| Rate::new(10_f64.powf(exponent)).unwrap())
}

fn closed() -> impl Strategy<Value = Load> {
    let stages = prop::collection::vec((span(), 1..1000_u32), 1..4).prop_map(|stages| {
        let stages: Vec<_> = stages
            .into_iter()
            .map(|(duration, users)| UserStage { duration, users })
            .collect();
        let users = stages.iter().map(|stage| stage.users).max().unwrap();
        (users, Limit::Stages(stages))
    });
    let limit = prop_oneof![
        (1..1000_u32, 1000..1_000_000_u64).prop_map(|(users, n)| (users, Limit::Iterations(n))),
        (1..1000_u32, 1..1_000_000_u64).prop_map(|(users, n)| (users, Limit::IterationsPerUser(n))),
        (1..1000_u32, span()).prop_map(|(users, duration)| (users, Limit::Duration(duration))),
        stages,
    ];
    let think_time = prop_oneof![Just(None), rest().prop_map(Some),];
    let max_duration = prop::option::of(span());
    (limit, max_duration, think_time, prop::option::of(rate())).prop_map(
        |((users, limit), max_duration, think_time, rate_limit)| {
            let counts = matches!(limit, Limit::Iterations(_) | Limit::IterationsPerUser(_));
            Load::Closed(ClosedModel {
                users,
                limit,
                max_duration: max_duration.filter(|_| counts),
                think_time,
                rate_limit,
            })
        },
    )
}

fn open() -> impl Strategy<Value = Load> {
    let stage = (span(), rate(), rate()).prop_map(|(length, from, to)| RateStage {
        duration: length + Duration::from_secs(1),
        from: from.per_second(),
        to: to.per_second(),
    });
    let constant = (span(), rate()).prop_map(|(length, rate)| {
        vec![RateStage {
            duration: length + Duration::from_secs(1),
            from: rate.per_second(),
            to: rate.per_second(),
        }]
    });
    (
        prop_oneof![constant, prop::collection::vec(stage, 1..4)],
        select(vec![Spacing::Uniform, Spacing::Poisson]),
        1..10_000_u32,
        select(vec![WhenBusy::Queue, WhenBusy::Drop]),
    )
        .prop_map(|(stages, spacing, max_users, when_busy)| {
            Load::Open(OpenModel {
                stages,
                spacing,
                max_users,
                when_busy,
            })
        })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[^{]{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn source() -> impl Strategy<Value = Source> {
    let prefix = || select(vec!["", "Bearer ", "a"]).prop_map(str::to_owned);
    prop_oneof![
        "[!-z]{0,10}".prop_map(Source::from),
        (
            "[A-Z_]{1,5}",
            prop::option::of("[!-z]{0,10}".prop_map(String::from)),
            prefix()
        )
            .prop_map(|(variable, default, prefix)| Source::Env {
                variable,
                default,
                prefix,
            }),
        ("[a-z/.]{1,10}", prefix()).prop_map(|(path, prefix)| Source::File {
            path: path.into(),
            prefix,
        }),
    ]
}

fn metadata() -> impl Strategy<Value = Vec<(String, Source)>> {
    prop::collection::btree_map("x-[a-z0-9_.-]{0,10}", source(), 0..3).prop_map(|map| {
        map.into_iter()
            .filter(|(name, _)| !name.ends_with("-bin"))
            .collect()
    })
}

fn call() -> impl Strategy<Value = GrpcCall> {
    (
        "[a-z]{1,5}(\\.[a-z0-9]{0,3}[A-Z]){0,2}/[A-Z][a-zA-Z0-9]{0,6}",
        prop::collection::btree_map("[a-z]{1,5}", json_value(), 0..4),
        (1..1000_u32, prop::option::of(span()), 1..1000_u32),
        metadata(),
        (any::<bool>(), any::<bool>(), prop::option::of(1..1000_u32)),
    )
        .prop_map(
            |(method, message, (repeat, every, in_flight), metadata, (is_packed, several, end))| {
                let message = Value::Object(message.into_iter().collect::<Map<_, _>>());
                let message = match several {
                    true => json!([message, {}]),
                    false => message,
                };
                GrpcCall {
                    repeat,
                    every,
                    in_flight,
                    metadata,
                    compression: is_packed.then_some(match several {
                        true => Compression::Gzip,
                        false => Compression::Zstd,
                    }),
                    match_id: several.then(|| "meta.id".to_owned()),
                    stream: end.map(|end| match several {
                        true => GrpcStreamEnd::Messages(end),
                        false => GrpcStreamEnd::After(Duration::from_nanos(end.into())),
                    }),
                    at_least: end
                        .filter(|end| !several && end % 2 == 0)
                        .map(|end| end - 2),
                    checks_each: is_packed && end.is_some(),
                    ..GrpcCall::new(method.replace("..", "."), message)
                }
            },
        )
        .prop_filter("a method as it must be", |call| {
            call.method
                .split(['.', '/'])
                .all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()))
        })
}

fn message_stream() -> impl Strategy<Value = MessageStream> {
    let until = prop_oneof![
        (1..1_000_000_000_u32).prop_map(StreamEnd::Messages),
        span().prop_map(StreamEnd::After),
    ];
    let sequence = prop::option::of("[a-zA-Z_ ü]{1,8}");
    (until, sequence, prop::option::of(mark())).prop_map(|(until, sequence, mark)| MessageStream {
        until,
        sequence,
        mark,
    })
}

fn mark() -> impl Strategy<Value = ReplyMark> {
    ("[a-z]{1,5}(\\.[a-z ]{1,5}){0,2}", json_value())
        .prop_filter("a value without parts", |(_, value)| {
            !value.is_array() && !value.is_object()
        })
        .prop_map(|(field, equals)| match equals {
            Value::Null => ReplyMark::matching("reply.type == 'echo'"),
            equals => ReplyMark::Field { field, equals },
        })
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        "[^{]{0,20}".prop_map(Payload::Text),
        json_value().prop_map(Payload::Json),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Payload::Binary),
        (1..=64_u32 << 20, any::<bool>()).prop_map(|(bytes, text)| Payload::Sized { bytes, text }),
    ]
}

fn exchange() -> impl Strategy<Value = WebsocketExchange> {
    let sent = |answer| {
        payload().prop_map(move |payload| WebsocketMessages::Send {
            payload,
            answer: Answer::clone(&answer),
        })
    };
    let by_id = prop::collection::btree_map("[a-z]{1,5}", json_value(), 0..3).prop_map(|message| {
        WebsocketMessages::Send {
            payload: Payload::Json(Value::Object(message.into_iter().collect())),
            answer: Answer::ById("ID".to_owned()),
        }
    });
    let marked = (mark(), payload(), any::<bool>()).prop_map(|(mark, payload, is_numbered)| {
        let payload = match is_numbered {
            true => Payload::Json(json!({ "meta": { "a": 1 } })),
            false => payload,
        };
        let match_id = is_numbered.then(|| "meta.ID".to_owned());
        let answer = Answer::Marked { mark, match_id };
        WebsocketMessages::Send { payload, answer }
    });
    let streamed = (payload(), message_stream()).prop_map(|(payload, stream)| {
        let answer = Answer::Stream(stream);
        WebsocketMessages::Send { payload, answer }
    });
    let messages = prop_oneof![
        sent(Answer::None),
        sent(Answer::InOrder),
        by_id,
        marked,
        streamed,
        Just(WebsocketMessages::Ping),
        message_stream().prop_map(WebsocketMessages::Listen),
    ];
    let counts = (1..1000_u32, prop::option::of(span()), 1..1000_u32);
    let connection = (0..5_u32, any::<bool>(), prop::option::of(span()));
    ("/[a-z0-9/?=&%.-]{0,20}", messages, counts, connection).prop_map(
        |(path, messages, (repeat, every, in_flight), (greeting, pushes, timeout))| {
            let sends = !matches!(messages, WebsocketMessages::Listen(_));
            let overlaps = match &messages {
                WebsocketMessages::Send { answer, .. } => {
                    matches!(
                        answer,
                        Answer::InOrder | Answer::ById(_) | Answer::Marked { .. }
                    )
                }
                _ => sends,
            };
            WebsocketExchange {
                repeat: if sends { repeat.min(20) } else { 1 },
                every: every.filter(|_| sends),
                in_flight: if overlaps { in_flight } else { 1 },
                greeting,
                // A stream takes its time.
                timeout: timeout.filter(|_| overlaps),
                pushes: pushes && tells_pushes(&messages),
                ..WebsocketExchange::new(path, messages)
            }
        },
    )
}

/// Whether a step takes no push for what it waits for.
fn tells_pushes(messages: &WebsocketMessages) -> bool {
    match messages {
        WebsocketMessages::Send { answer, .. } => !matches!(
            answer,
            Answer::InOrder | Answer::Stream(MessageStream { mark: None, .. })
        ),
        WebsocketMessages::Ping => true,
        WebsocketMessages::Listen(stream) => stream.mark.is_some(),
    }
}

/// What is offered when a connection is opened, and how far it is followed.
fn opening() -> impl Strategy<Value = (Option<PerMessageDeflate>, bool, u32)> {
    let bits = || prop::option::of(9..=15_u8);
    let deflate = (any::<bool>(), any::<bool>(), bits(), bits()).prop_map(
        |(of_server, of_client, server_bits, client_bits)| PerMessageDeflate {
            server_no_context_takeover: of_server,
            client_no_context_takeover: of_client,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits,
        },
    );
    let most = WebsocketPlan::MAX_REDIRECTS;
    (prop::option::of(deflate), any::<bool>(), 0..=most)
}

/// The same scenario over WebSocket, sometimes.
pub(super) fn scenario() -> impl Strategy<Value = ScenarioPlan> {
    let websocket = (
        prop::collection::vec(exchange(), 1..4),
        prop::collection::btree_map("[xX]-[a-z0-9!~]{1,10}", source(), 0..3),
        prop::collection::btree_set("[a-z0-9.!~]{1,10}", 0..3),
        select(vec![ConnectionPer::User, ConnectionPer::Iteration]),
        (prop::option::of(rate()), opening()),
    );
    let spoken = prop_oneof![Just(None), websocket.prop_map(Some)];
    (grpc_scenario(), spoken).prop_map(|(grpc, websocket)| {
        let Some((exchanges, headers, subprotocols, connection_per, opening)) = websocket else {
            return grpc;
        };
        let (connect_rate, (compression, cookies, redirects)) = opening;
        let steps = exchanges.into_iter().enumerate();
        let mut names = std::collections::HashSet::new();
        let websocket = WebsocketPlan {
            connection_per,
            connect_rate,
            headers: headers
                .into_iter()
                .filter(|(name, _)| names.insert(name.to_ascii_lowercase()))
                .collect(),
            subprotocols: subprotocols.into_iter().collect(),
            compression,
            cookies,
            redirects,
            // A path of its own for each, since those of one path share what is said of it.
            steps: steps
                .map(|(index, mut exchange)| {
                    exchange.path.push_str(&format!("/{index}"));
                    Step::new(format!("step-{index}"), exchange)
                })
                .collect(),
            ..WebsocketPlan::default()
        };
        ScenarioPlan {
            // No stream lasts as long as this, a day 20 times at the most.
            timeout: crate::units::MAX_DURATION,
            protocol: websocket.into(),
            ..grpc
        }
    })
}

fn rest() -> impl Strategy<Value = ThinkTime> {
    prop_oneof![
        span().prop_map(ThinkTime::Fixed),
        (span(), span()).prop_map(|(a, b)| ThinkTime::Between(a.min(b), a.max(b))),
        (span(), span()).prop_map(|(mean, deviation)| ThinkTime::Normal { mean, deviation }),
        span().prop_map(ThinkTime::Exponential),
    ]
}

/// What is around a step.
#[derive(Debug, Clone)]
struct Shape {
    when: bool,
    save: bool,
    check: bool,
    pause: Option<ThinkTime>,
    repeat: Option<u32>,
    weights: Option<(u32, u32)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let weights = (1..100_u32, 1..100_u32);
    (
        any::<[bool; 3]>(),
        prop::option::of(rest()),
        prop::option::of(1..1000_u32),
        prop::option::of(weights),
    )
        .prop_map(|([when, save, check], pause, repeat, weights)| Shape {
            when,
            save,
            check,
            pause,
            repeat,
            weights,
        })
}

impl Shape {
    fn around<A>(self, mut step: Step<A>) -> Step<A> {
        if self.when {
            step = step.when("user > 3");
        }
        if self.save {
            step = step.save("id", "reply.id").save("_x", "status");
        }
        if self.check {
            step = step.check("reply.total == 3");
        }
        if let Some(times) = self.repeat {
            step = Step::repeat(times, [step]).when("iteration == 0");
        }
        if let Some((a, b)) = self.weights {
            let rest = self.pause.unwrap_or(Duration::from_secs(1).into());
            step = Step::mix([
                Alternative::new(a, [step, Step::pause(rest)]),
                Alternative::new(b, [Step::pause(rest)]),
            ]);
        }
        step
    }
}

fn data() -> impl Strategy<Value = Vec<DataSource>> {
    let order = select(vec![
        DataOrder::Sequential,
        DataOrder::Random,
        DataOrder::Shuffle,
        DataOrder::Once,
    ]);
    let per = select(vec![RowPer::Iteration, RowPer::User]);
    let source = (order, per, any::<bool>());
    prop::collection::vec(source, 0..3).prop_map(|sources| {
        let sources = sources.into_iter().enumerate();
        sources
            .map(|(index, (order, per, fails))| DataSource {
                order,
                per,
                when_out: match order == DataOrder::Once && fails {
                    true => WhenOut::Fail,
                    false => WhenOut::End,
                },
                ..DataSource::new(format!("people{index}"), format!("{index}.csv"))
            })
            .collect()
    })
}

fn grpc_scenario() -> impl Strategy<Value = ScenarioPlan> {
    let spans = (span(), span(), span(), span(), span(), span());
    let tls = prop_oneof![
        Just(None),
        prop::option::of("[a-z]{1,8}").prop_map(|name| Some(Tls {
            insecure_skip_verify: true,
            server_name: name,
            ..Tls::default()
        })),
        ("[a-z]{1,8}\\.pem", "[a-z]{1,8}", any::<bool>()).prop_map(|(file, name, alpn)| Some(
            Tls {
                ca_file: Some(PathBuf::from(&file)),
                cert_file: Some(PathBuf::from(format!("own-{file}"))),
                key_file: Some(PathBuf::from(format!("key-{file}"))),
                server_name: Some(name),
                insecure_skip_verify: false,
                alpn,
            }
        )),
    ];
    let targets = prop::collection::vec(
        select(vec![
            "localhost:50051",
            "https://a.example:443",
            "[::1]:1",
            "10.0.0.1:65535",
            "unix:/run/service.sock",
        ]),
        0..3,
    );
    let steps = prop::collection::vec((call(), shape()), 1..4);
    let fits = |threshold: &Threshold, load: &Load| {
        let lasts = load.duration().unwrap_or(Duration::MAX);
        threshold.window().is_none_or(|it| it <= lasts)
            && threshold.abort_after().is_none_or(|it| it < lasts)
    };
    let thresholds = prop::collection::vec(
        select(vec![
            "error_rate < 1%",
            "response_time.p95 < 5ms",
            "dropped == 0",
            "balance.imbalance < 1.2",
            "failover.lost <= 200",
            "backends.'10.0.0.1:80'.response_time.p99 < 20ms over any 1s",
        ])
        .prop_flat_map(|text| (Just(text), prop::option::of(0..3_000_u64))),
        0..3,
    );
    (
        (
            "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,20}",
            prop::option::of(".{0,20}"),
        ),
        prop_oneof![closed(), open()],
        spans,
        (
            targets,
            prop::option::of(1..65_535_u32),
            prop::option::of(1..1000_u32),
            tls,
            (
                1..=1_u32 << 30,
                prop::option::of(span()),
                prop::option::of(select(vec!["api.internal", "a.example:8443", "[::1]:1"])),
            ),
        ),
        (
            metadata(),
            prop::collection::btree_map("[a-z.]{1,5}", "[ -~]{0,10}", 0..3),
        ),
        (
            steps,
            thresholds,
            any::<bool>(),
            (
                data(),
                prop::option::of(rate()),
                prop::collection::btree_map("[a-z]{3}_v", "[a-z0-9.]{1,5}", 0..3),
            ),
        ),
    )
        .prop_map(
            move |(
                (name, description),
                load,
                spans,
                connect,
                (metadata, tags),
                (calls, thresholds, parts, (data, connect_rate, for_each)),
            )| {
                let values = for_each.values().map(|value| format!("-{value}"));
                let name = [name].into_iter().chain(values).collect::<String>();
                let calls = calls.into_iter().enumerate();
                let steps: Vec<_> = calls
                    .map(|(index, (call, shape))| {
                        shape.around(Step::new(format!("step-{index}"), call))
                    })
                    .collect();
                let [setup, begin, end] = ["setup", "begin", "end"].map(|part| match parts {
                    true => vec![Step::new(part, GrpcCall::new("a.B/C", json!({})))],
                    false => Vec::new(),
                });
                // Users share connections, or have some of their own.
                let connection_per = connect.4.1.map(|_| ConnectionPer::User);
                let grpc = GrpcPlan {
                    connections: connect.1.filter(|_| connection_per.is_none()),
                    connection_per,
                    connect_rate: connection_per.and(connect_rate),
                    streams_per_connection: connect.2,
                    codec: connect
                        .2
                        .map(|streams| [Codec::Own, Codec::H2][streams as usize % 2]),
                    keepalive: connect.4.1,
                    wait_for_ready: connect.4.1.is_some(),
                    metadata,
                    protos: vec![PathBuf::from("a.proto")],
                    setup,
                    begin,
                    steps,
                    end,
                    pick: (connection_per.is_none() && connect.2.is_some())
                        .then_some(Pick::LeastInFlight),
                    health_check: connect.2.filter(|_| connection_per.is_none()).map(|_| {
                        Box::new(HealthCheck {
                            service: "a.B".to_owned(),
                            ..HealthCheck::default()
                        })
                    }),
                    circuit_breaker: connect
                        .2
                        .filter(|_| connection_per.is_none())
                        .map(|it| CircuitBreaker::new(it, Duration::from_secs(u64::from(it)))),
                    retry: connect.4.1.map(|span| {
                        Box::new(Retry {
                            max_backoff: span.max(Duration::from_millis(100)),
                            throttling: connect.2.map(|it| RetryThrottling::new(it.min(1000), 0.1)),
                            ..Retry::new(3, [GrpcCode::new(14), GrpcCode::new(8)])
                        })
                    }),
                };
                ScenarioPlan {
                    description,
                    data,
                    targets: connect
                        .0
                        .into_iter()
                        .map(|text| text.parse().unwrap())
                        .collect(),
                    tls: connect.3,
                    max_message: connect.4.0,
                    authority: connect.4.2.map(str::to_owned),
                    start_after: spans.0,
                    warm_up: spans.1,
                    graceful_stop: spans.2,
                    timeout: spans.3.max(Duration::from_micros(1)),
                    connect_timeout: spans.4,
                    late_after: spans.5,
                    tags: tags
                        .into_iter()
                        .chain(for_each.clone())
                        .collect::<BTreeMap<_, _>>(),
                    thresholds: thresholds
                        .into_iter()
                        .map(|(text, after)| {
                            let threshold = text.parse::<Threshold>().unwrap();
                            match after {
                                Some(ms) => threshold.aborting(Duration::from_millis(ms)),
                                None => threshold,
                            }
                        })
                        .filter(|it| fits(it, &load))
                        .collect(),
                    for_each: for_each.into_iter().collect(),
                    ..ScenarioPlan::new(name, grpc, load)
                }
            },
        )
}

/// Words of the language in places where they do and do not belong.
fn suite_like() -> impl Strategy<Value = Value> {
    let words = vec![
        "$schema",
        "scenarios",
        "defaults",
        "profiles",
        "grpc_scenarios",
        "websocket_scenarios",
        "name",
        "targets",
        "connections",
        "load",
        "closed",
        "open",
        "users",
        "iterations",
        "iterations_per_user",
        "duration",
        "stages",
        "for",
        "rate",
        "think_time",
        "between",
        "rate_limit",
        "arrivals",
        "max",
        "when_busy",
        "warm_up",
        "max_message",
        "keepalive",
        "authority",
        "identify",
        "header",
        "trailer",
        "pattern",
        "tls",
        "alpn",
        "cert_file",
        "key_file",
        "ca_file",
        "metadata",
        "tags",
        "protos",
        "steps",
        "begin",
        "setup",
        "end",
        "save",
        "check",
        "when",
        "repeat",
        "times",
        "mix",
        "weight",
        "data",
        "file",
        "order",
        "per",
        "when_out",
        "normal",
        "exponential",
        "mean",
        "deviation",
        "grpc",
        "method",
        "message",
        "websocket",
        "path",
        "send",
        "text",
        "json",
        "binary",
        "size",
        "as",
        "ping",
        "stream",
        "messages",
        "sequence",
        "reply",
        "match_id",
        "match",
        "field",
        "equals",
        "greeting",
        "pushes",
        "in_flight",
        "headers",
        "subprotocols",
        "connection_per",
        "connect_rate",
        "repeat",
        "every",
        "pause",
        "thresholds",
        "total_requests",
        "concurrency",
        "test_type",
        "ü \"",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..20_i64).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        select(vec![
            "1s",
            "0s",
            "5/s",
            "a",
            "hello",
            "loadgen.v1.Greeter/Hello",
            "{{",
            "error_rate < 1%",
            "h:1",
            "ws://h",
            "/echo",
            "1KiB",
            "one",
            "none",
            "AAEC",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((select(words.clone()), inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn plans_print_as_what_they_are(plans in prop::collection::vec(scenario(), 1..3)) {
        let mut plans = plans;
        for (index, plan) in plans.iter_mut().enumerate() {
            plan.name = format!("{index}{}", plan.name);
        }
        let text = to_json(&plans).to_string();
        let suite = Suite::parse("printed", &text, None, None)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(suite.scenarios(), &plans[..]);
        for plan in plans {
            prop_assert!(plan.checked().is_ok());
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in suite_like()) {
        if let Err(error) = Suite::parse("x", &value.to_string(), None, Some("a")) {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_scenario_is_read_or_refused(value in suite_like()) {
        for text in [
            json!({ "scenarios": [value] }),
            json!({ "scenarios": [{ "name": "a", "load": value, "steps": [] }] }),
            json!({ "scenarios": [{ "name": "a", "load": { "open": value, "closed": value }, "steps": [value] }] }),
        ] {
            let _ = Suite::parse("x", &text.to_string(), None, None);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".*") {
        let _ = Suite::parse("x", &text, None, None);
    }
}
