//! A plan that was made in code is checked as a file that says the same would be.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::json;

use super::round_trip::scenario;
use super::*;
use crate::schedule::{Limit, Load, RateStage, UserStage};

type Change = fn(&mut ScenarioPlan);

const LONG: Duration = Duration::from_hours(31 * 24);

/// What is wrong in each of these is told by a file of the same words.
const WRONG: &[Change] = &[
    |plan| plan.name = "bad name".to_owned(),
    |plan| plan.timeout = Duration::ZERO,
    |plan| plan.timeout = Duration::from_nanos(1),
    |plan| plan.graceful_stop = LONG,
    |plan| plan.late_after = LONG,
    |plan| plan.max_message = 0,
    |plan| plan.max_message = u32::MAX,
    |plan| plan.authority = Some("a b".to_owned()),
    |plan| plan.targets = vec![target("a b", 1), target("a", 0)],
    |plan| drop(plan.tags.insert("bad key".to_owned(), "x".to_owned())),
    |plan| drop(plan.tags.insert("key".to_owned(), "\n".to_owned())),
    |plan| plan.thresholds = vec!["steps.nowhere.error_rate < 1%".parse().unwrap()],
    |plan| plan.thresholds = vec!["start_lag.p99 < 1ms".parse().unwrap()],
    |plan| {
        plan.tls = Some(Tls {
            cert_file: Some(PathBuf::from("")),
            server_name: Some("a b".to_owned()),
            ..Tls::default()
        });
    },
    |plan| plan.load = Load::closed(0).iterations(10).into(),
    |plan| plan.load = Load::closed(10).iterations(0).into(),
    |plan| plan.load = Load::closed(10).iterations(5).into(),
    |plan| plan.load = limited(Limit::Duration(LONG)),
    |plan| plan.load = limited(Limit::Stages(Vec::new())),
    |plan| {
        let duration = Duration::ZERO;
        plan.load = limited(Limit::Stages(vec![UserStage { duration, users: 0 }]));
    },
    |plan| rates(plan, 1e9, 1e9),
    |plan| rates(plan, 0.0, f64::NAN),
    |plan| rates(plan, -1.0, 1.0),
    |plan| rates(plan, 1e-9, 0.0),
    |plan| in_grpc(plan, |grpc| grpc.connections = Some(0)),
    |plan| in_grpc(plan, |grpc| grpc.streams_per_connection = Some(2_000_000)),
    |plan| in_grpc(plan, |grpc| grpc.keepalive = Some(Duration::ZERO)),
    |plan| {
        in_grpc(plan, |grpc| {
            grpc.metadata = pairs(&[("x-a", "b"), ("x-a", "c")]);
        });
    },
    |plan| {
        in_grpc(plan, |grpc| {
            grpc.metadata = pairs(&[("X-A", " b"), ("a-bin", "?")]);
        });
    },
    |plan| in_grpc(plan, |grpc| grpc.protos = vec![PathBuf::from("")]),
    |plan| in_grpc(plan, |grpc| grpc.protos = Vec::new()),
    |plan| in_grpc(plan, |grpc| grpc.steps = vec![Step::pause(LONG)]),
    |plan| in_grpc(plan, |grpc| grpc.steps.extend(grpc.steps.clone())),
    |plan| in_call(plan, |call| call.method = "/a.B/C".to_owned()),
    |plan| in_call(plan, |call| call.message = json!([])),
    |plan| {
        in_call(plan, |call| {
            call.message = json!({ "a": ["{{ b }}"], "password": "${X}" });
        });
    },
    |plan| {
        in_call(plan, |call| {
            (call.repeat, call.in_flight) = (0, 2_000_000_000);
        });
    },
    |plan| in_call(plan, |call| call.every = Some(LONG)),
    |plan| in_call(plan, |call| call.stream = Some(GrpcStreamEnd::Messages(0))),
    |plan| in_call(plan, |call| call.stream = Some(GrpcStreamEnd::After(LONG))),
    |plan| {
        in_call(plan, |call| {
            call.metadata = pairs(&[("grpc-a", "b"), ("grpc-a", "b")]);
        });
    },
    |plan| {
        in_websocket(plan, |it| {
            it.headers = pairs(&[("Host", "a"), ("x-a", "ü")]);
        });
    },
    |plan| in_websocket(plan, |it| it.headers = pairs(&[("x-a", "a"), ("x-a", "b")])),
    |plan| in_websocket(plan, |it| it.headers = pairs(&[("x-a", "a"), ("X-A", "b")])),
    |plan| {
        in_websocket(plan, |it| {
            it.subprotocols = ["a", "a", "b c"].map(str::to_owned).into();
        });
    },
    |plan| in_websocket(plan, |it| it.steps.clear()),
    |plan| in_exchange(plan, |it| it.path = "a?token=b c".to_owned()),
    |plan| in_exchange(plan, |it| (it.repeat, it.in_flight) = (0, 7)),
    |plan| in_exchange(plan, |it| it.every = Some(Duration::ZERO)),
    |plan| in_exchange(plan, |it| it.greeting = 2_000_000_000),
    |plan| in_exchange(plan, |it| it.pushes = true),
    |plan| in_exchange(plan, |it| it.messages = sent(text(0), Answer::InOrder)),
    |plan| in_exchange(plan, |it| it.messages = sent(text(u32::MAX), Answer::None)),
    |plan| {
        let payload = Payload::Text("{{ a }}".to_owned());
        in_exchange(plan, |it| it.messages = sent(payload, Answer::None));
    },
    |plan| {
        let payload = Payload::Json(json!({ "id": 1, "a": ["{% b %}"] }));
        let answer = Answer::ById("id".to_owned());
        in_exchange(plan, |it| it.messages = sent(payload, answer));
    },
    |plan| {
        let answer = Answer::Marked {
            mark: ReplyMark::new("a..b", json!([1])),
            match_id: Some(String::new()),
        };
        in_exchange(plan, |it| it.messages = sent(text(1), answer));
    },
    |plan| {
        let mut stream = MessageStream::until(StreamEnd::After(LONG));
        stream.sequence = Some(String::new());
        in_exchange(plan, |it| it.messages = WebsocketMessages::Listen(stream));
    },
];

fn target(host: &str, port: u16) -> Target {
    Target {
        host: host.to_owned(),
        port,
        tls: false,
    }
}

fn limited(limit: Limit) -> Load {
    match Load::closed(10).iterations(10).into() {
        Load::Closed(model) => Load::Closed(crate::schedule::ClosedModel { limit, ..model }),
        other => other,
    }
}

fn rates(plan: &mut ScenarioPlan, from: f64, to: f64) {
    if let Load::Open(model) = &mut plan.load {
        let duration = Duration::from_secs(1);
        model.stages = vec![RateStage { duration, from, to }];
        model.max_users = 0;
    }
}

fn in_grpc(plan: &mut ScenarioPlan, change: impl FnOnce(&mut GrpcPlan)) {
    if let ProtocolPlan::Grpc(grpc) = &mut plan.protocol {
        change(grpc);
    }
}

fn in_call(plan: &mut ScenarioPlan, change: impl FnOnce(&mut GrpcCall)) {
    in_grpc(plan, |grpc| {
        if let Some(Step {
            action: Action::Speak(call),
            ..
        }) = grpc.steps.first_mut()
        {
            change(call);
        }
    });
}

fn in_websocket(plan: &mut ScenarioPlan, change: impl FnOnce(&mut WebsocketPlan)) {
    if let ProtocolPlan::Websocket(websocket) = &mut plan.protocol {
        change(websocket);
    }
}

fn in_exchange(plan: &mut ScenarioPlan, change: impl FnOnce(&mut WebsocketExchange)) {
    in_websocket(plan, |websocket| {
        if let Some(Step {
            action: Action::Speak(exchange),
            ..
        }) = websocket.steps.first_mut()
        {
            change(exchange);
        }
    });
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, Source)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
    pairs.iter().map(owned).collect()
}

fn text(bytes: u32) -> Payload {
    Payload::Sized { bytes, text: true }
}

fn sent(payload: Payload, answer: Answer) -> WebsocketMessages {
    WebsocketMessages::Send { payload, answer }
}

fn told(result: Result<impl Sized, SuiteError>) -> Vec<String> {
    let problems = result.err().map(|error| error.problems().to_vec());
    let problems = problems.unwrap_or_default();
    let mut told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    told.sort();
    told
}

proptest! {
    #[test]
    fn a_plan_is_told_of_what_its_file_would_be(
        plan in scenario(),
        changes in subsequence(WRONG.to_vec(), 1..4),
    ) {
        let mut plan = plan;
        changes.iter().for_each(|change| change(&mut plan));
        let written = to_json(std::slice::from_ref(&plan)).to_string();
        let read = Suite::parse("x", &written, None, None);
        prop_assert_eq!(told(plan.checked()), told(read));
    }
}
