//! HTTP scenarios: which fields go together. Those of a step are in `request`.

use std::time::Duration;

use super::plan::{HttpPlan, HttpRequest};
use super::value::check_header_name;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::raw::RawStep;
use crate::scenario::protocol::room::{Life, Room, Words};
use crate::scenario::protocol::websocket::plan::ConnectionPer;
use crate::scenario::protocol::websocket::raw::RawConnectionPer;
use crate::scenario::step::{Step, StreamEnd};
use crate::units::format_duration;

impl HttpPlan {
    pub(in crate::scenario::protocol) const WORDS: &'static Words = &Words {
        word: "http",
        name: "HTTP",
        fields: &[
            "connection_per",
            "connect_rate",
            "headers",
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
                "an HTTP user has one request at a time on a connection of its own",
            ),
            (
                "keepalive",
                "a connection is kept for as long as `connection_per` and the server say",
            ),
            ("metadata", "what HTTP sends beside a body is `headers`"),
            ("subprotocols", "HTTP has no subprotocols"),
            (
                "compression",
                "compressed answers are asked for by a header field, such as \"accept-encoding\": \"gzip\"",
            ),
            ("protos", "HTTP bodies need no description"),
        ],
        is_spoken: |step| !step.http.is_absent(),
    };
}

impl Room for HttpPlan {
    type Action = HttpRequest;

    const SPOKEN: Option<&'static Words> = Some(Self::WORDS);

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        let connection_per = layers.pick("connection_per", |raw| &raw.connection_per);
        let connection_per = connection_per
            .entry
            .or(ConnectionPer::User, |per| match per {
                RawConnectionPer::User => ConnectionPer::User,
                RawConnectionPer::Iteration => ConnectionPer::Iteration,
            });
        let connect_rate = layers.pick("connect_rate", |raw| &raw.connect_rate);
        let headers = layers.pick("headers", |raw| &raw.headers);
        let headers = headers.entry.or(Some(Vec::new()), |entries| {
            layers.headers(entries, &headers.path, check_header_name)
        });
        let cookies = layers.pick("cookies", |raw| &raw.cookies);
        let redirects = layers.pick("redirects", |raw| &raw.redirects);
        Some(Self {
            connection_per: connection_per?,
            connect_rate: connect_rate.entry.or(None, |rate| Some(*rate))?,
            headers: headers??,
            cookies: cookies.entry.or(false, |are_kept| *are_kept)?,
            redirects: redirects.entry.or(0, |most| most.small())?,
            ..Self::default()
        })
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<HttpRequest> {
        layers.request(step.http.given()?, &format!("{path}.http"))
    }

    fn short_name(request: &HttpRequest) -> (String, &'static str) {
        (request.short_name(), "the last part of its path")
    }

    fn agree(_: &Layers<'_>, _: &[(String, &RawStep)]) -> bool {
        true
    }

    fn share(_: &mut Life<HttpRequest>) {}

    /// Whether no step may take longer than an iteration, and none listens for longer than it may take.
    fn fit(layers: &Layers<'_>, steps: &[(String, &Step<HttpRequest>)], timeout: Duration) -> bool {
        let mut fit = true;
        for (path, step) in steps {
            let Some(request) = step.spoken() else {
                continue;
            };
            if let Some(own) = request.timeout
                && own >= timeout
            {
                fit = false;
                let path = format!("{path}.http.timeout");
                layers.refuse_too_long(path, format_duration(own), timeout);
                continue;
            }
            let timeout = request.timeout.unwrap_or(timeout);
            if let Some(StreamEnd::After(each)) = request.stream
                && each >= timeout
            {
                fit = false;
                let path = format!("{path}.http.stream.for");
                layers.refuse_too_long(path, format_duration(each), timeout);
            }
        }
        fit
    }

    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)> {
        matches!(scheme, "ws" | "wss").then_some((
            "http://, https://, or no scheme",
            "ws:// and wss:// are for `websocket` steps",
        ))
    }

    fn with_steps(mut self, life: Life<HttpRequest>) -> Self {
        Life {
            setup: self.setup,
            begin: self.begin,
            steps: self.steps,
            end: self.end,
        } = life;
        self
    }
}
