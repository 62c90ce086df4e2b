//! TCP scenarios: which fields go together. Those of a step are in `exchange`.

use std::time::Duration;

use super::plan::{TcpExchange, TcpPlan};
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::{Life, Room, Words};
use crate::scenario::protocol::websocket::plan::ConnectionPer;
use crate::scenario::protocol::websocket::raw::RawConnectionPer;
use crate::scenario::step::Step;
use crate::units::format_duration;

impl TcpPlan {
    pub(in crate::scenario::protocol) const WORDS: &'static Words = &Words {
        word: "tcp",
        name: "TCP",
        fields: &["connection_per", "connect_rate"],
        instead: &[
            (
                "connections",
                "each user has a connection of its own: `load.closed.users`, `load.open.users.max`",
            ),
            (
                "streams_per_connection",
                "a TCP connection is one stream, and each user has its own",
            ),
            ("metadata", "all that TCP sends is `tcp.send`"),
            ("headers", "all that TCP sends is `tcp.send`"),
            ("protos", "what TCP sends needs no description"),
        ],
        identify: &["field", "pattern", "greeting"],
        is_spoken: |step| !step.tcp.is_absent(),
    };
}

impl Room for TcpPlan {
    type Action = TcpExchange;

    const SPOKEN: Option<&'static Words> = Some(Self::WORDS);

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        let connection_per = layers
            .pick("connection_per", |raw| &raw.connection_per)
            .entry
            .or(ConnectionPer::User, RawConnectionPer::plan);
        let connect_rate = layers.pick("connect_rate", |raw| &raw.connect_rate);
        Some(Self {
            connection_per: connection_per?,
            connect_rate: connect_rate.entry.or(None, |rate| Some(*rate))?,
            ..Self::default()
        })
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<TcpExchange> {
        layers.tcp_exchange(step.tcp.given()?, &format!("{path}.tcp"))
    }

    fn short_name(_: &TcpExchange) -> (String, &'static str) {
        (TcpExchange::SHORT_NAME.to_owned(), "its protocol")
    }

    fn agree(_: &Layers<'_>, _: &[(String, &RawStep)]) -> bool {
        true
    }

    fn share(_: &mut Life<TcpExchange>) {}

    /// Whether no step may take longer than an iteration.
    fn fit(layers: &Layers<'_>, steps: &[(String, &Step<TcpExchange>)], timeout: Duration) -> bool {
        let mut fit = true;
        for (path, step) in steps {
            if let Some(own) = step.spoken().and_then(|it| it.timeout)
                && own >= timeout
            {
                fit = false;
                let path = format!("{path}.tcp.timeout");
                layers.refuse_too_long(path, format_duration(own), timeout);
            }
        }
        fit
    }

    /// `https` is how a plan's target that is encrypted is printed, whatever is spoken.
    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)> {
        matches!(scheme, "http" | "ws" | "wss").then_some((
            "tcp://, tls://, or no scheme",
            "http:// is for `grpc` and `http` steps, ws:// and wss:// are for `websocket` steps",
        ))
    }

    fn with_steps(mut self, life: Life<TcpExchange>) -> Self {
        Life {
            setup: self.setup,
            begin: self.begin,
            steps: self.steps,
            end: self.end,
        } = life;
        self
    }
}
