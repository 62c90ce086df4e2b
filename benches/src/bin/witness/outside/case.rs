//! What is tried: calls, load, service, and what befalls the generator.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::clock::{MILLISECOND, Nanos};
use super::server::Speech;
use super::service::Service;

/// What an iteration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A gRPC call.
    Unary,
    /// A gRPC call that is answered with three messages, two milliseconds apart.
    ServerStream,
    /// A gRPC stream of three messages, each sent when the one before is answered.
    Bidirectional,
    /// A gRPC stream of 4,000 messages, one due each millisecond, one unanswered.
    PacedStream,
    /// A WebSocket message.
    Websocket,
    /// 4,000 WebSocket messages, one due each millisecond, one unanswered.
    PacedWebsocket,
}

/// The time between two messages that are paced.
pub(super) const PACE: Nanos = MILLISECOND;
const PACED_MESSAGES: u32 = 4_000;

impl Shape {
    pub(super) fn speech(self) -> Speech {
        match self {
            Self::Unary => Speech::Unary,
            Self::ServerStream => Speech::ServerStream {
                messages: 3,
                interval: 2 * MILLISECOND,
            },
            Self::Bidirectional | Self::PacedStream => Speech::Bidirectional,
            Self::Websocket | Self::PacedWebsocket => Speech::Websocket,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server stream",
            Self::Bidirectional => "bidirectional",
            Self::PacedStream => "bidirectional, paced",
            Self::Websocket => "websocket",
            Self::PacedWebsocket => "websocket, paced",
        }
    }

    /// The step of a scenario.
    fn step(self) -> Value {
        let grpc = |method: &str, message: Value| json!({ "method": format!("loadgen.v1.Greeter/{method}"), "message": message });
        let chat = |repeat: u32| {
            let mut step = grpc("Chat", json!({ "text": "hello" }));
            step["repeat"] = json!(repeat);
            step
        };
        let echo = || json!({ "send": { "text": "hello" } });
        let pace = |mut step: Value| {
            step["repeat"] = json!(PACED_MESSAGES);
            step["every"] = json!(format!("{PACE}ns"));
            step
        };
        match self {
            Self::Unary => json!({ "grpc": grpc("Hello", json!({ "name": "world" })) }),
            Self::ServerStream => json!({ "grpc": grpc("Stream", json!({ "count": 3 })) }),
            Self::Bidirectional => json!({ "grpc": chat(3) }),
            Self::PacedStream => json!({ "grpc": pace(chat(1)) }),
            Self::Websocket => json!({ "websocket": echo() }),
            Self::PacedWebsocket => json!({ "websocket": pace(echo()) }),
        }
    }
}

/// When iterations start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// So many a second, evenly spaced, for so many seconds.
    Open { rate: u32, seconds: u32 },
    /// So many users without rest, for so many seconds.
    Closed { users: u32, seconds: u32 },
    /// One iteration.
    Once,
}

impl Load {
    fn json(self) -> Value {
        match self {
            Self::Open { rate, seconds } => json!({ "open": {
                "rate": format!("{rate}/s"),
                "duration": format!("{seconds}s"),
                // More than can be waiting in any case here: nobody waits for a user.
                "users": { "max": 5_000 },
            } }),
            Self::Closed { users, seconds } => json!({ "closed": {
                "users": users, "duration": format!("{seconds}s"),
            } }),
            Self::Once => json!({ "closed": { "users": 1, "iterations": 1 } }),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Open { rate, .. } => format!("{rate}/s"),
            Self::Closed { users: 1, .. } | Self::Once => "1 user".to_owned(),
            Self::Closed { users, .. } => format!("{users} users"),
        }
    }
}

/// What befalls the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// A control group gives it a fifth of a processor.
    Quota,
    /// Each processor has another process that never rests.
    Neighbours,
    /// It is stopped for so long: once, or again and again.
    Stopped {
        length: Duration,
        again: bool,
    },
}

impl Fault {
    fn name(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Quota => Some("quota of 20 %".to_owned()),
            Self::Neighbours => Some("busy neighbours".to_owned()),
            Self::Stopped { length, again } => {
                let often = if again { "often" } else { "once" };
                Some(format!("stopped {often} for {} ms", length.as_millis()))
            }
        }
    }
}

/// One run of the generator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Case {
    pub(super) group: &'static str,
    /// Whether it is in the short selection too.
    pub(super) is_quick: bool,
    pub(super) shape: Shape,
    pub(super) load: Load,
    pub(super) service: Service,
    pub(super) fault: Fault,
}

/// The scenario's name.
pub(super) const NAME: &str = "witnessed";

impl Case {
    pub(super) fn name(&self) -> String {
        let mut name = format!("{}, {}", self.shape.name(), self.load.name());
        if self.service != Service::ZERO {
            name = format!("{name}, {}", self.service.name());
        }
        if let Some(fault) = self.fault.name() {
            name = format!("{name}, {fault}");
        }
        name
    }

    /// The suite for loadgen.
    pub(super) fn suite(&self, address: SocketAddr) -> Value {
        json!({ "scenarios": [{
            "name": NAME,
            "targets": [address.to_string()],
            "load": self.load.json(),
            "steps": [self.shape.step()],
            "thresholds": [],
        }] })
    }
}

/// The groups, in the order in which they are run.
pub(super) const GROUPS: [&str; 4] = ["unary", "streams", "websocket", "faults"];
/// What takes less than a minute.
pub(super) const QUICK: &str = "quick";

const fn open(rate: u32, seconds: u32) -> Load {
    Load::Open { rate, seconds }
}

const fn closed(users: u32) -> Load {
    Load::Closed { users, seconds: 4 }
}

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |group, shape, load, service, fault, is_quick| {
        cases.push(Case {
            group,
            is_quick,
            shape,
            load,
            service,
            fault,
        });
    };
    let ms = |count: Nanos| count * MILLISECOND;
    let at_once = Service::ZERO;
    let calm = Fault::Nothing;
    let loads = [
        (open(100, 10), false),
        (open(1_000, 4), true),
        (open(10_000, 4), false),
        (closed(1), false),
        (closed(64), true),
        (closed(1_000), false),
    ];
    for (group, shape) in [
        ("unary", Shape::Unary),
        ("streams", Shape::ServerStream),
        ("streams", Shape::Bidirectional),
        ("websocket", Shape::Websocket),
    ] {
        for (load, is_usual) in loads {
            let is_quick = is_usual && shape == Shape::Unary
                || load == open(1_000, 4) && shape != Shape::Bidirectional;
            add(group, shape, load, at_once, calm, is_quick);
        }
    }
    for service in [
        Service::Constant(ms(1)),
        Service::Constant(ms(10)),
        Service::Exponential(ms(5)),
        Service::Bimodal(ms(1), ms(20)),
        Service::Frozen,
    ] {
        for (group, shape) in [("unary", Shape::Unary), ("websocket", Shape::Websocket)] {
            for load in [open(1_000, 5), closed(64)] {
                add(group, shape, load, service, calm, false);
            }
        }
    }
    add(
        "streams",
        Shape::PacedStream,
        Load::Once,
        Service::Frozen,
        calm,
        true,
    );
    add(
        "websocket",
        Shape::PacedWebsocket,
        Load::Once,
        Service::Frozen,
        calm,
        true,
    );

    let few = closed(200);
    let many = closed(1_000);
    let constant = Service::Constant(ms(10));
    add("faults", Shape::Unary, many, constant, Fault::Quota, true);
    add(
        "faults",
        Shape::Websocket,
        few,
        constant,
        Fault::Quota,
        false,
    );
    add(
        "faults",
        Shape::Unary,
        open(1_000, 4),
        constant,
        Fault::Quota,
        false,
    );
    for load in [open(1_000, 4), closed(64)] {
        for shape in [Shape::Unary, Shape::Websocket] {
            add(
                "faults",
                shape,
                load,
                Service::Constant(ms(1)),
                Fault::Neighbours,
                false,
            );
        }
    }
    for length in [20, 50, 94, 300] {
        let length = Duration::from_millis(length);
        for (load, again) in [(open(1_000, 10), false), (closed(64), true)] {
            let fault = Fault::Stopped { length, again };
            let is_quick = again && length.as_millis() == 94;
            add(
                "faults",
                Shape::Unary,
                load,
                Service::Constant(ms(1)),
                fault,
                is_quick,
            );
        }
    }
    cases
}

/// The cases of these groups, each once; all without any.
pub(super) fn selected(groups: &[String]) -> Result<Vec<Case>, String> {
    let is_known = |group: &String| group == QUICK || GROUPS.contains(&group.as_str());
    if let Some(unknown) = groups.iter().find(|&group| !is_known(group)) {
        return Err(format!(
            "`{unknown}` is no group; expected some of {}, {QUICK}, or `peers` alone",
            GROUPS.join(", ")
        ));
    }
    let is_asked = |name: &str| groups.iter().any(|group| group == name);
    let mut cases = all();
    cases.retain(|case| {
        groups.is_empty() || is_asked(case.group) || case.is_quick && is_asked(QUICK)
    });
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn count(groups: &[&str]) -> usize {
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        selected(&groups).unwrap().len()
    }

    #[test]
    fn groups_are_all_of_it_and_no_case_is_there_twice() {
        let each: usize = GROUPS.iter().map(|group| count(&[group])).sum();
        assert_eq!(each, count(&[]));
        assert_eq!(count(&["unary", "unary"]), count(&["unary"]));
        assert!((5..12).contains(&count(&[QUICK])), "{}", count(&[QUICK]));
        let names: HashSet<String> = all().iter().map(Case::name).collect();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn every_scenario_is_one_that_loadgen_takes() {
        for case in all() {
            let suite = case.suite(([127, 0, 0, 1], 1).into()).to_string();
            let plan = loadgen_core::scenario::Suite::parse("suite.json", &suite, None, None);
            assert!(plan.is_ok(), "{}: {plan:?}", case.name());
        }
    }
}
