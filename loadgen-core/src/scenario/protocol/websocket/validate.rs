//! WebSocket scenarios: which fields go together. Those of a step are in `exchange`.

use std::collections::HashMap;
use std::time::Duration;

use super::connections::share_connections;
use super::plan::{
    Answer, ConnectionPer, PerMessageDeflate, WebsocketExchange, WebsocketMessages, WebsocketPlan,
};
use super::raw::{RawConnectionPer, RawDeflate, RawMessageCompression};
use super::value::{Subprotocol, WindowBits, check_header_name};
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::{Life, Room, Words};
use crate::scenario::reader::{Entries, Entry, List};
use crate::scenario::step::{Step, StreamEnd};
use crate::scenario::value::{RawSource, Source};
use crate::units::format_duration;

impl WebsocketPlan {
    pub(in crate::scenario::protocol) const WORDS: &'static Words = &Words {
        word: "websocket",
        name: "WebSocket",
        fields: &[
            "connection_per",
            "connect_rate",
            "headers",
            "subprotocols",
            "compression",
            "cookies",
            "redirects",
        ],
        instead: &[
            (
                "connections",
                "each user has a connection of its own: `load.closed.users`, `load.open.users.max`",
            ),
            (
                "streams_per_connection",
                "a WebSocket connection is one stream, and each user has its own",
            ),
            (
                "keepalive",
                "a WebSocket step can send a `ping`, with `every`",
            ),
            (
                "metadata",
                "what WebSocket sends beside messages is `headers`",
            ),
            ("protos", "WebSocket messages need no description"),
        ],
        identify: &["header", "field", "pattern"],
        is_spoken: |step| !step.websocket.is_absent(),
    };
}

impl Room for WebsocketPlan {
    type Action = WebsocketExchange;

    const SPOKEN: Option<&'static Words> = Some(Self::WORDS);

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        let connection_per = layers
            .pick("connection_per", |raw| &raw.connection_per)
            .entry
            .or(ConnectionPer::User, RawConnectionPer::plan);
        let connect_rate = layers.pick("connect_rate", |raw| &raw.connect_rate);
        let headers = layers.pick("headers", |raw| &raw.headers);
        let headers = headers.entry.or(Some(Vec::new()), |entries| {
            layers.headers(entries, &headers.path, check_header_name)
        });
        let subprotocols = layers.pick("subprotocols", |raw| &raw.subprotocols);
        let subprotocols = subprotocols.entry.or(Some(Vec::new()), |list| {
            layers.subprotocols(list, &subprotocols.path)
        });
        let compression = layers.pick("compression", |raw| &raw.compression);
        let compression = compression.entry.or(Some(None), |raw| {
            let offered = match raw {
                RawMessageCompression::Deflate => PerMessageDeflate::default(),
                RawMessageCompression::With(raw) => deflate(raw)?,
            };
            Some(Some(offered))
        });
        let cookies = layers.pick("cookies", |raw| &raw.cookies);
        let redirects = layers.pick("redirects", |raw| &raw.redirects);
        Some(Self {
            compression: compression??,
            cookies: cookies.entry.or(false, |are_kept| *are_kept)?,
            redirects: redirects.entry.or(0, |most| most.small())?,
            connection_per: connection_per?,
            connect_rate: connect_rate.entry.or(None, |rate| Some(*rate))?,
            headers: headers??,
            subprotocols: subprotocols??,
            ..Self::default()
        })
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<WebsocketExchange> {
        layers.exchange(step.websocket.given()?, &format!("{path}.websocket"))
    }

    fn short_name(exchange: &WebsocketExchange) -> (String, &'static str) {
        (exchange.short_name(), "the last part of its path")
    }

    fn agree(layers: &Layers<'_>, steps: &[(String, &RawStep)]) -> bool {
        layers.connections_agree(steps)
    }

    fn share(life: &mut Life<WebsocketExchange>) {
        share_connections(life);
    }

    /// Whether no step may take longer than an iteration, and none listens for longer than it may take:
    /// it could only time out.
    fn fit(
        layers: &Layers<'_>,
        steps: &[(String, &Step<WebsocketExchange>)],
        timeout: Duration,
    ) -> bool {
        let mut fit = true;
        for (path, step) in steps {
            let Some(exchange) = step.spoken() else {
                continue;
            };
            if let Some(own) = exchange.timeout
                && own >= timeout
            {
                fit = false;
                let path = format!("{path}.websocket.timeout");
                layers.refuse_too_long(path, format_duration(own), timeout);
                continue;
            }
            // A step that is cut off sooner has less time for its streams.
            let timeout = exchange.timeout.unwrap_or(timeout);
            let (WebsocketMessages::Listen(stream)
            | WebsocketMessages::Send {
                answer: Answer::Stream(stream),
                ..
            }) = &exchange.messages
            else {
                continue;
            };
            let StreamEnd::After(each) = stream.until else {
                continue;
            };
            // The next begins when it is due, and not before the one before it is over.
            let apart = exchange.every.unwrap_or_default().max(each);
            if apart
                .saturating_mul(exchange.repeat - 1)
                .saturating_add(each)
                >= timeout
            {
                fit = false;
                let times = match exchange.repeat {
                    1 => String::new(),
                    times => format!(", {times} times"),
                };
                let path = format!("{path}.websocket.stream.for");
                layers.refuse_too_long(path, format_duration(each) + &times, timeout);
            }
        }
        fit
    }

    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)> {
        matches!(scheme, "tcp" | "tls").then_some((
            "ws://, wss://, or no scheme",
            "tcp:// and tls:// are for `tcp` steps",
        ))
    }

    fn names_host(_: &Layers<'_>) -> bool {
        true
    }

    fn with_steps(mut self, life: Life<WebsocketExchange>) -> Self {
        Life {
            setup: self.setup,
            begin: self.begin,
            steps: self.steps,
            end: self.end,
        } = life;
        self
    }
}

fn deflate(raw: &RawDeflate) -> Option<PerMessageDeflate> {
    let bits = |entry: &Entry<WindowBits>| entry.or(None, |bits| Some(bits.small() as u8));
    Some(PerMessageDeflate {
        server_no_context_takeover: raw
            .server_no_context_takeover
            .or(false, |is_asked| *is_asked)?,
        client_no_context_takeover: raw
            .client_no_context_takeover
            .or(false, |is_said| *is_said)?,
        server_max_window_bits: bits(&raw.server_max_window_bits)?,
        client_max_window_bits: bits(&raw.client_max_window_bits)?,
    })
}

impl Layers<'_> {
    /// Header fields, of whose names `check` says what is wrong with them.
    pub(in crate::scenario::protocol) fn headers(
        &self,
        entries: &Entries<RawSource>,
        path: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<Vec<(String, Source)>> {
        let mut seen = HashMap::new();
        let checked: Vec<Option<_>> = entries
            .0
            .iter()
            .map(|(name, value)| {
                let shown: String = name.chars().take(60).collect();
                let first = seen.insert(name.to_ascii_lowercase(), name);
                let named = match (check(name), first) {
                    (Err(help), _) => Err(help),
                    (Ok(()), Some(first)) => {
                        Err(format!("`{first}` is the same name: case does not count"))
                    }
                    (Ok(()), None) => Ok(()),
                };
                if let Err(help) = named {
                    self.problems.add(
                        path,
                        format!("the name {shown:?}"),
                        "the name of a header field",
                        Some(help),
                    );
                    return None;
                }
                Some((name.clone(), self.source(value)?))
            })
            .collect();
        checked.into_iter().collect()
    }

    fn subprotocols(&self, list: &List<Subprotocol>, path: &str) -> Option<Vec<String>> {
        if list.0.is_empty() {
            let help = "leave `subprotocols` out to offer none".to_owned();
            self.problems
                .add(path, "an empty array", "at least one name", Some(help));
            return None;
        }
        let mut seen = HashMap::new();
        let mut twice = false;
        for (index, Subprotocol(name)) in list.given() {
            if let Some(first) = seen.insert(name.as_str(), index) {
                twice = true;
                self.problems.add(
                    format!("{path}[{index}]"),
                    format!("`{name}`, which stands at {first} too"),
                    "each subprotocol once",
                    None,
                );
            }
        }
        list.all(|name| name.0.clone()).filter(|_| !twice)
    }
}
