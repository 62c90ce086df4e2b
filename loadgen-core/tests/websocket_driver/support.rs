//! What these tests share: plans.

use std::net::SocketAddr;
use std::time::Duration;

use loadgen_core::driver::websocket::{WebsocketFactory, WebsocketWorkload};
use loadgen_core::scenario::{
    Answer, MessageStream, Payload, ProtocolPlan, ScenarioPlan, StreamEnd, Target,
    WebsocketExchange, WebsocketMessages, WebsocketPlan,
};
use loadgen_core::schedule::Limit;
use loadgen_core::workload::WorkerContext;

use crate::common::Planned;
use crate::common::whole::closed;

pub(crate) type Driver = crate::common::Driver<WebsocketWorkload>;

impl Planned for WebsocketWorkload {
    fn of(plan: &ScenarioPlan, context: &WorkerContext) -> Self {
        let factory = match &plan.protocol {
            ProtocolPlan::Websocket(websocket) => WebsocketFactory::new(plan, websocket),
            other => panic!("not WebSocket: {other:?}"),
        };
        factory.expect("a valid plan").workload(context)
    }
}

/// A scenario of one exchange.
pub(crate) fn plan(targets: &[SocketAddr], exchange: WebsocketExchange) -> ScenarioPlan {
    let load = closed(1, Limit::Iterations(1));
    let mut plan = ScenarioPlan::websocket("test", exchange, load);
    plan.targets = targets
        .iter()
        .map(|address| Target {
            host: address.ip().to_string(),
            port: address.port(),
            tls: false,
        })
        .collect();
    plan.timeout = Duration::from_secs(5);
    plan.graceful_stop = Duration::from_secs(1);
    plan
}

/// What a plan says of WebSocket.
pub(crate) fn websocket(plan: &mut ScenarioPlan) -> &mut WebsocketPlan {
    match &mut plan.protocol {
        ProtocolPlan::Websocket(websocket) => websocket,
        other => panic!("not WebSocket: {other:?}"),
    }
}

/// One text, answered by one reply.
pub(crate) fn hello() -> WebsocketExchange {
    WebsocketExchange::send("/echo", Payload::Text("hello".to_owned()))
}

/// So many texts, this many of them unanswered at a time.
pub(crate) fn hellos(repeat: u32, in_flight: u32) -> WebsocketExchange {
    let mut hello = hello();
    (hello.repeat, hello.in_flight) = (repeat, in_flight);
    hello
}

/// A JSON message whose reply carries the same number in `id`.
pub(crate) fn numbered(repeat: u32, in_flight: u32) -> WebsocketExchange {
    let messages = WebsocketMessages::Send {
        payload: Payload::Json(serde_json::json!({ "op": "add" })),
        answer: Answer::ById("id".to_owned()),
    };
    let mut exchange = WebsocketExchange::new("/", messages);
    (exchange.repeat, exchange.in_flight) = (repeat, in_flight);
    exchange
}

pub(crate) fn stream_of(messages: u32, sequence: bool) -> MessageStream {
    let mut stream = MessageStream::until(StreamEnd::Messages(messages));
    stream.sequence = sequence.then(|| "n".to_owned());
    stream
}

/// A message that a stream answers.
pub(crate) fn streamed(stream: MessageStream) -> WebsocketExchange {
    let messages = WebsocketMessages::Send {
        payload: Payload::Text("go".to_owned()),
        answer: Answer::Stream(stream),
    };
    WebsocketExchange::new("/stream", messages)
}
